"""The declared window of a study: local days in one time zone, as UTC microseconds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

__all__ = ["Window"]

HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000


@dataclass(frozen=True)
class Window:
    """Whole local days, from midnight at the start of `start` to midnight `days` later.

    Args:
        start: first local day.
        days: number of local days.
        timezone: IANA name, such as "America/New_York".

    Example:
        >>> week = Window(date(2026, 3, 2), 7, "America/New_York")
        >>> len(week.slots(60))  # the clocks go forward on the Sunday
        167
    """

    start: date
    days: int
    timezone: str

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    def _midnight_us(self, day: date) -> int:
        local = datetime.combine(day, time(0), tzinfo=self.zone)
        delta = local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        return (delta.days * 86_400 + delta.seconds) * 1_000_000

    @cached_property
    def start_us(self) -> int:
        """First microsecond of the window (UTC)."""
        return self._midnight_us(self.start)

    @cached_property
    def end_us(self) -> int:
        """First microsecond after the window (UTC)."""
        return self._midnight_us(self.start + timedelta(days=self.days))

    def slots(self, slot_minutes: int) -> npt.NDArray[np.int64]:
        """Starts of the slots in UTC microseconds, in order.

        Raises:
            ValueError: the slot length does not divide the window.
        """
        length = slot_minutes * MINUTE_US
        span = self.end_us - self.start_us
        if length <= 0 or span % length:
            raise ValueError(f"slots of {slot_minutes} minutes do not fill the window exactly")
        return np.arange(self.start_us, self.end_us, length, dtype=np.int64)

    @cached_property
    def offsets(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Local time as a step function: instants (UTC us) from which an offset (us, to add to UTC) holds; the first instant is the window's start."""
        instants: list[int] = []
        offsets: list[int] = []
        step = 15 * MINUTE_US
        for instant in range(self.start_us, self.end_us, step):
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)
            shift = moment.astimezone(self.zone).utcoffset() or timedelta()
            offset = (shift.days * 86_400 + shift.seconds) * 1_000_000
            if not offsets or offset != offsets[-1]:
                instants.append(instant)
                offsets.append(offset)
        return np.array(instants, dtype=np.int64), np.array(offsets, dtype=np.int64)

    def slots_of_day(self, slot_minutes: int) -> tuple[npt.NDArray[np.int64], tuple[str, ...]] | None:
        """For each slot of the window its place in the local day, and the names of these places; None if the window has no typical day.

        It has none if it is a single day, or if its slots do not keep their place: they do not divide a day, or the clock changes by less than a slot.

        Example:
            >>> Window(date(2026, 3, 9), 7, "America/New_York").slots_of_day(360)[1]
            ('00:00-06:00', '06:00-12:00', '12:00-18:00', '18:00-24:00')
        """
        length = slot_minutes * MINUTE_US
        if self.days < 2 or 24 * 60 % slot_minutes:
            return None
        starts = self.slots(slot_minutes)
        instants, offsets = self.offsets
        inside = (starts + offsets[np.searchsorted(instants, starts, side="right") - 1]) % (24 * HOUR_US)
        if (inside % length).any():
            return None
        clock = [f"{m // 60:02}:{m % 60:02}" for m in range(0, 24 * 60 + 1, slot_minutes)]
        return inside // length, tuple(f"{a}-{b}" for a, b in itertools.pairwise(clock))

    def local(self, instant_us: int) -> datetime:
        """An instant as local wall-clock time."""
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant_us)).astimezone(self.zone)
