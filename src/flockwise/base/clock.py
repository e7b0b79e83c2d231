"""The one place that asks what time it is, so that tests can set it.

Call it through the module (`clock.now()`): a test then replaces `flockwise.base.clock.now`, and `today` follows.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

__all__ = ["now", "today"]


def now() -> datetime:
    """This instant, aware, in UTC.

    Example:
        >>> now().utcoffset()
        datetime.timedelta(0)
    """
    return datetime.now(UTC)


def today() -> date:
    """The date of `now`, in UTC. Due dates, schedules and assessments are kept in these.

    Example:
        >>> today() <= now().date()
        True
    """
    return now().date()
