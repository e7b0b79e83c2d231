"""Sets of pseudonyms whose devices opted out: their rows are neither stored nor read, whichever delivery they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from flockwise.base.schemas import STORED_PINGS

__all__ = ["OptOuts"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_SCHEMA = pa.schema([STORED_PINGS.field("device_hi"), STORED_PINGS.field("device_lo")])


@dataclass(frozen=True)
class OptOuts:
    """Distinct pseudonyms, sorted by (high, low)."""

    high: Ints
    low: Ints

    @classmethod
    def of(cls, high: Ints, low: Ints) -> OptOuts:
        """The set of the pseudonyms given, in any order and any number of times."""
        order = np.lexsort((low, high))
        high, low = high[order], low[order]
        first = np.ones(len(high), np.bool_)
        first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        return cls(high[first], low[first])

    @classmethod
    def union(cls, sets: Sequence[OptOuts]) -> OptOuts:
        """The set of all pseudonyms in any of the sets."""
        none = np.empty(0, np.int64)
        return cls.of(np.concatenate([none, *(s.high for s in sets)]), np.concatenate([none, *(s.low for s in sets)]))

    @classmethod
    def from_table(cls, table: pa.Table) -> OptOuts:
        """The set as written by `table`."""
        return cls.of(table["device_hi"].to_numpy(), table["device_lo"].to_numpy())

    def table(self) -> pa.Table:
        """The set as an Arrow table."""
        return pa.table([self.high, self.low], schema=_SCHEMA)

    def holds(self, high: Ints, low: Ints) -> Bools:
        """Which pseudonyms are in the set."""
        out = np.zeros(len(high), np.bool_)
        if len(self):
            _holds(self.high, self.low, high, low, out)
        return out

    def without(self, other: OptOuts) -> OptOuts:
        """The pseudonyms that are not in the other set."""
        rest = ~other.holds(self.high, self.low)
        return OptOuts(self.high[rest], self.low[rest])

    def __len__(self) -> int:
        return len(self.high)


@njit(nogil=True, cache=True)
def _holds(set_high: Ints, set_low: Ints, high: Ints, low: Ints, out: Bools) -> None:
    for i in range(len(high)):
        a, b = 0, len(set_high)
        while a < b:
            middle = (a + b) // 2
            if set_high[middle] < high[i] or (set_high[middle] == high[i] and set_low[middle] < low[i]):
                a = middle + 1
            else:
                b = middle
        out[i] = a < len(set_high) and set_high[a] == high[i] and set_low[a] == low[i]
