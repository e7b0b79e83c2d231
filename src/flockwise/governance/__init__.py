"""What may come in, and how much of it is kept: the rules of the door, consent, suppliers, sensitive places, precision."""

from flockwise.governance.consent import ConsentTexts
from flockwise.governance.door import ALWAYS, BAD_TIME, NEVER, REASONS, DoorRules, Rows, Verdict, judge

__all__ = ["ALWAYS", "BAD_TIME", "NEVER", "REASONS", "ConsentTexts", "DoorRules", "Rows", "Verdict", "judge"]
