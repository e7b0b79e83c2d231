"""Sets of pseudonyms whose devices withdrew or opted out: their rows are neither stored nor read, whichever delivery they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from flockwise.base.schemas import STORED_PINGS

__all__ = ["OptOuts", "reasons_in"]

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

_SCHEMA = pa.schema([STORED_PINGS.field("device_hi"), STORED_PINGS.field("device_lo"), pa.field("reason", pa.uint8(), nullable=False)])


@dataclass(frozen=True)
class OptOuts:
    """Distinct pseudonyms, sorted by (high, low), each with why: the index of a reason of the door, the first that was given."""

    high: Ints
    low: Ints
    reason: Bytes

    @classmethod
    def of(cls, high: Ints, low: Ints, reason: Bytes) -> OptOuts:
        """The set of the pseudonyms given, in any order and any number of times. Of several reasons, the first in the door's order stays."""
        order = np.lexsort((reason, low, high))
        high, low, reason = high[order], low[order], reason[order]
        first = np.ones(len(high), np.bool_)
        first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        return cls(high[first], low[first], reason[first])

    @classmethod
    def union(cls, sets: Sequence[OptOuts]) -> OptOuts:
        """The set of all pseudonyms in any of the sets."""
        none = np.empty(0, np.int64)
        return cls.of(
            np.concatenate([none, *(s.high for s in sets)]),
            np.concatenate([none, *(s.low for s in sets)]),
            np.concatenate([np.empty(0, np.uint8), *(s.reason for s in sets)]),
        )

    @classmethod
    def from_table(cls, table: pa.Table) -> OptOuts:
        """The set as written by `table`."""
        return cls.of(*(table[name].to_numpy() for name in _SCHEMA.names))

    def table(self) -> pa.Table:
        """The set as an Arrow table."""
        return pa.table([self.high, self.low, self.reason], schema=_SCHEMA)

    def reasons(self, high: Ints, low: Ints) -> Bytes:
        """Why each pseudonym is in the set; 0 for one that is not."""
        out = np.zeros(len(high), np.uint8)
        if len(self):
            _reasons(self.high, self.low, self.reason, high, low, out)
        return out

    def without(self, other: OptOuts) -> OptOuts:
        """The pseudonyms that are not in the other set."""
        rest = other.reasons(self.high, self.low) == 0
        return OptOuts(self.high[rest], self.low[rest], self.reason[rest])

    def __len__(self) -> int:
        return len(self.high)


def reasons_in(sets: Sequence[OptOuts], high: Ints, low: Ints) -> Bytes:
    """Why each pseudonym is in any of the sets, as in their union; 0 for one that is in none."""
    out = np.zeros(len(high), np.uint8)
    for one in sets:
        found = one.reasons(high, low)
        out = np.where((found > 0) & ((out == 0) | (found < out)), found, out)
    return out


@njit(nogil=True, cache=True)
def _reasons(set_high: Ints, set_low: Ints, reason: Bytes, high: Ints, low: Ints, out: Bytes) -> None:
    for i in range(len(high)):
        a, b = 0, len(set_high)
        while a < b:
            middle = (a + b) // 2
            if set_high[middle] < high[i] or (set_high[middle] == high[i] and set_low[middle] < low[i]):
                a = middle + 1
            else:
                b = middle
        if a < len(set_high) and set_high[a] == high[i] and set_low[a] == low[i]:
            out[i] = reason[a]
