"""Which day and which slot of the day each slot of a window is, as public labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flockwise.errors import DataError
from flockwise.estimate._types import Floats, Ints

__all__ = ["Calendar"]

_BANDS = 6


@dataclass(frozen=True)
class Calendar:
    """Day and slot of the day of every slot.

    Args:
        day: vector over slots, from 0.
        slot: vector over slots, the slot of the local day, 0 to slots_per_day - 1. A day with a change of the clock may lack or repeat one.
        slots_per_day: number of slots in an ordinary day; 1 for slots of a day or longer.
    """

    day: Ints
    slot: Ints
    slots_per_day: int

    @classmethod
    def regular(cls, slots: int, slots_per_day: int) -> Calendar:
        """Return the calendar of a window that starts at midnight and has no change of the clock."""
        if slots < 1 or slots_per_day < 1:
            raise _refused(f"{slots} slots, {slots_per_day} a day", "at least 1 of each")
        place = np.arange(slots, dtype=np.int64)
        return cls(place // slots_per_day, place % slots_per_day, slots_per_day)

    @classmethod
    def from_local(cls, local_start_us: Ints, slot_minutes: int) -> Calendar:
        """Return the calendar of slots that start at these local wall-clock times, so that a change of the clock keeps the hours in place.

        Args:
            local_start_us: vector over slots, local time in microseconds (UTC microseconds plus the offset).
            slot_minutes: length of a slot.

        Example:
            >>> hour = 3_600_000_000
            >>> Calendar.from_local(np.array([22, 23, 24, 26]) * hour, 60).slot.tolist()
            [22, 23, 0, 2]
        """
        if slot_minutes < 1 or len(local_start_us) < 1:
            raise _refused(f"{len(local_start_us)} slots of {slot_minutes} minutes", "at least 1 of each")
        minute = np.asarray(local_start_us, dtype=np.int64) // 60_000_000
        day, inside = minute // 1440, minute % 1440
        length = min(slot_minutes, 1440)
        return cls(day - day.min(), inside // length, -(-1440 // length))

    def check(self, slots: int) -> None:
        """Refuse labels that don't fit the number of slots; nothing comes back."""
        fits = self.day.shape == (slots,) and self.slot.shape == (slots,) and self.slots_per_day >= 1
        if not fits or self.slot.min() < 0 or self.slot.max() >= self.slots_per_day:
            raise _refused(f"{len(self.slot)} labels, {self.slots_per_day} slots a day", f"a day and a slot of the day for each of {slots} slots")

    @property
    def bands(self) -> Ints:
        """The part of the day of every slot: six of four hours each, or fewer where the day has fewer slots."""
        count = min(_BANDS, self.slots_per_day)
        return self.slot * count // self.slots_per_day

    @property
    def longest_event(self) -> int:
        """Half a day, in slots."""
        return max(1, self.slots_per_day // 2)

    def subspaces(self) -> list[Floats]:
        """Return orthonormal bases (slots x dimensions) of the level, the hours of the day and the days; those without dimensions are left out."""
        slots = len(self.day)
        hours = (self.slot[:, None] == np.unique(self.slot)).astype(np.float64)
        days = (self.day[:, None] == np.unique(self.day)).astype(np.float64)
        known = np.full((slots, 1), 1.0 / np.sqrt(slots))
        out = [known]
        for design in (hours, days):
            fresh = design - known @ (known.T @ design)
            vectors, size, _ = np.linalg.svd(fresh, full_matrices=False)
            basis = vectors[:, size > 1e-8]
            if basis.shape[1]:
                out.append(basis)
                known = np.column_stack([known, basis])
        return out


def _refused(got: str, expected: str) -> DataError:
    return DataError(
        "ESTIMATE_CALENDAR",
        what="the calendar does not fit the slots.",
        got=got,
        expected=expected,
        state="Nothing was estimated.",
        fix="Pass the window's own labels.",
    )
