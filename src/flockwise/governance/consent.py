"""When a consent is a consent: given to a text that was shown at the time, for the study's purpose.

Rules that a user can rely on:

- A consent whose time lies in no period in which a text was shown is no consent. Days of a text are whole days in UTC.
- A consent with a known text counts if that text was shown at its time, and is for what that text says.
- A consent without a known text is for the study's purpose only if every text that was shown at its time says so.
- A consent without a time (true, or the supplier's statement) can be to any text first shown before the ping: every one of them has to say so. A ping from
  before the first text is earlier than any consent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt

__all__ = ["ALWAYS", "ANY_TEXT", "BEFORE_CONSENT", "CONSENTED", "NEVER", "NOT_CONSENTED", "OTHER_PURPOSE", "UNKNOWN_TEXT", "ConsentTexts"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ALWAYS = np.iinfo(np.int64).min
NEVER = np.iinfo(np.int64).max
ANY_TEXT, UNKNOWN_TEXT = -2, -1
CONSENTED, NOT_CONSENTED, BEFORE_CONSENT, OTHER_PURPOSE = 0, 1, 2, 3


@dataclass(frozen=True)
class ConsentTexts:
    """The consent texts of a supplier's record, as the door needs them. One position a text in each.

    Args:
        names: their versions, as a consent_text column gives them.
        from_us: first instant at which each was shown (UTC microseconds).
        until_us: first instant at which it was not shown any more.
        fits: whether it covers the study's purpose.
    """

    names: tuple[str, ...]
    from_us: Ints
    until_us: Ints
    fits: Bools

    @classmethod
    def of(cls, texts: Sequence[tuple[str, date, date | None, bool]]) -> ConsentTexts:
        """The texts, each as (version, first day, last day or None if it is still shown, whether it covers the study's purpose).

        Example:
            >>> texts = ConsentTexts.of([("1", date(1970, 1, 1), date(1970, 1, 2), True)])
            >>> texts.until_us[0] // 86_400_000_000
            np.int64(2)
        """

        def instant(day: date) -> int:
            return (datetime(day.year, day.month, day.day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

        return cls(
            tuple(name for name, _, _, _ in texts),
            np.array([instant(start) for _, start, _, _ in texts], np.int64),
            np.array([NEVER if end is None else instant(end + timedelta(days=1)) for _, _, end, _ in texts], np.int64),
            np.array([fits for _, _, _, fits in texts], np.bool_),
        )
