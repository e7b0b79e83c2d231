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
        """Return orthonormal bases (slots x dimensions) of: the level, the hour of the day, the day, and all that is left; empty ones are left out."""
        slots = len(self.day)
        hours = (self.slot[:, None] == np.unique(self.slot)).astype(np.float64)
        days = (self.day[:, None] == np.unique(self.day)).astype(np.float64)
        known = np.zeros((slots, 0))
        out = []
        for design in (np.ones((slots, 1)), hours, days, np.eye(slots)):
            fresh = design - known @ (known.T @ design)
            vectors, size, _ = np.linalg.svd(fresh, full_matrices=False)
            basis = vectors[:, size > 1e-8]
            if basis.shape[1]:
                out.append(basis)
                known = np.column_stack([known, basis])
        return out


def _refused(got: str, expected: str) -> DataError:
    return DataError(
        "ESTIMATE_CALENDAR", what="the calendar does not fit the slots.", got=got, expected=expected, state="Nothing was estimated.", fix="Pass the window's own labels."
    )
