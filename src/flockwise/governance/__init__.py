"""What may come in: the rules of the door, consent, suppliers and purposes. Later: retention, sensitive places, deletion lists."""

from flockwise.governance.consent import ConsentTexts
from flockwise.governance.door import ALWAYS, BAD_TIME, NEVER, REASONS, DoorRules, Rows, Verdict, judge

__all__ = ["ALWAYS", "BAD_TIME", "NEVER", "REASONS", "ConsentTexts", "DoorRules", "Rows", "Verdict", "judge"]
