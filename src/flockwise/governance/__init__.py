"""What may come in: the rules of the door. Later: suppliers, purposes, retention, sensitive places, deletion lists."""

from flockwise.governance.door import ALWAYS, BAD_TIME, NEVER, REASONS, DoorRules, Rows, Verdict, judge

__all__ = ["ALWAYS", "BAD_TIME", "NEVER", "REASONS", "DoorRules", "Rows", "Verdict", "judge"]
