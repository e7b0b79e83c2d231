"""Top places: the cells in which a device is seen in most slots, as one number for each set."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from flockwise.person.jit import I64, I64_IN, kernel

__all__ = ["TOP_PLACES", "place_sets"]

Ints = npt.NDArray[np.int64]

TOP_PLACES = 3
"""Sets of 1 to this many places are made."""


def place_sets(first: Ints, key: Ints, cells: int, slots: int) -> Ints:
    """The set of the top 1, 2 and 3 places of every device that has a point.

    A place's rank is the number of slots with a ping in it; ties go to the smaller cell number. A device with fewer places has a set of what it has. Sets
    have no order: whoever knows them does not know which place is first.

    Args:
        first: device d owns rows first[d] to first[d + 1] of `key`.
        key: distinct points, cell * slots + slot, of each device.
        cells: number of cells; (cells + 1)^TOP_PLACES is below 2^63.
        slots: number of slots.

    Returns:
        int64 (TOP_PLACES, devices with a point): equal numbers are equal sets.

    Privacy: one number a row for each device, from its own rows alone.
    """
    out = np.empty((TOP_PLACES, int(np.count_nonzero(np.diff(first)))), dtype=np.int64)
    _top(first, key, slots, cells + 1, np.zeros(cells, dtype=np.int64), np.empty(cells, dtype=np.int64), out.reshape(-1))
    return out


@kernel(types.void, I64_IN, I64_IN, types.int64, types.int64, I64, I64, I64)
def _top(first: Ints, key: Ints, slots: int, base: int, visits: Ints, touched: Ints, out: Ints) -> None:
    best = np.empty(TOP_PLACES, dtype=np.int64)
    devices = len(out) // TOP_PLACES
    made = 0
    for device in range(len(first) - 1):
        if first[device] == first[device + 1]:
            continue
        n = 0
        for i in range(first[device], first[device + 1]):
            cell = key[i] // slots
            if visits[cell] == 0:
                touched[n] = cell
                n += 1
            visits[cell] += 1
        best[:] = -1
        for rank in range(min(n, TOP_PLACES)):
            at = -1
            for i in range(n):
                cell = touched[i]
                if visits[cell] > 0 and (at < 0 or visits[cell] > visits[at] or (visits[cell] == visits[at] and cell < at)):
                    at = cell
            best[rank] = at
            visits[at] = 0
        for i in range(n):
            visits[touched[i]] = 0
        for size in range(1, TOP_PLACES + 1):
            # Cells from the largest down, one digit each; an absent place is the digit 0.
            code = 0
            last = base
            for _ in range(size):
                largest = -1
                for rank in range(size):
                    if largest < best[rank] < last:
                        largest = best[rank]
                code = code * base + largest + 1
                last = largest
            out[(size - 1) * devices + made] = code
        made += 1
