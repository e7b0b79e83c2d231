"""Whether a store has been cut by the list as it is now."""

from __future__ import annotations

from flockwise.base import clock
from flockwise.errors import RuleError
from flockwise.governance.places.current import APPLY_DAYS, Current

__all__ = ["require_applied", "require_not_overdue"]


def require_applied(found: Current | None, applied: str) -> None:
    """Refuses a release of a store in which rows may rest that the current list covers.

    Args:
        found: the current list, if the study names one.
        applied: digest of the list by which every row of the store was cut; empty if there is none.

    Raises:
        RuleError: PLACES_NOT_APPLIED.
    """
    if found is not None and found.digest != applied:
        raise _not_applied(found, "The store has not been cut by the list of sensitive places as it is now.")


def require_not_overdue(found: Current | None, applied: str) -> None:
    """Refuses an ingest into a store that should have been cut by the current list days ago.

    Raises:
        RuleError: PLACES_NOT_APPLIED.
    """
    if found is not None and found.digest != applied and (found.apply_by is None or clock.today() > found.apply_by):
        raise _not_applied(found, f"What the list of sensitive places covers should have been gone from the store {APPLY_DAYS} days after it changed.")


def _not_applied(found: Current, what: str) -> RuleError:
    return RuleError(
        "PLACES_NOT_APPLIED",
        what=what,
        got=f"due by {found.apply_by}",
        state="Nothing was read and nothing was published.",
        fix="Run flockwise places apply.",
    )
