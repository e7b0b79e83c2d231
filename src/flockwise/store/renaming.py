"""From the tags of packed rows to pseudonyms: each distinct device of a bucket once, found by a hash table over its rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["distinct", "rename"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]


def distinct(packed: Ints) -> tuple[Ints32, Ints, Ints]:
    """The devices of packed rows.

    Args:
        packed: rows whose first two words are a device's tag.

    Returns:
        For each row the number of its device; both halves of the tag of each device.
    """
    n = len(packed)
    which = np.empty(n, np.int32)
    first = np.empty(n, np.int32)
    table = np.full(1 << max(4, (2 * n - 1).bit_length()), -1, np.int32)
    found = _distinct(packed, table, which, first)
    rows = first[:found]
    return which, np.ascontiguousarray(packed[rows, 0]), np.ascontiguousarray(packed[rows, 1])


def rename(packed: Ints, which: Ints32, high: Ints, low: Ints) -> None:
    """Puts each device's name in the place of its tag."""
    _rename(packed, which, high, low)


@njit(nogil=True, cache=True)
def _distinct(packed: Ints, table: Ints32, which: Ints32, first: Ints32) -> int:
    mask = len(table) - 1
    found = 0
    for i in range(len(packed)):
        # Tags are outputs of AES: any of their bits are as good as a hash. The top bits are those of the bucket.
        slot = packed[i, 1] & mask
        while True:
            number = table[slot]
            if number < 0:
                table[slot] = found
                first[found] = i
                which[i] = found
                found += 1
                break
            if packed[first[number], 1] == packed[i, 1] and packed[first[number], 0] == packed[i, 0]:
                which[i] = number
                break
            slot = (slot + 1) & mask
    return found


@njit(nogil=True, cache=True)
def _rename(packed: Ints, which: Ints32, high: Ints, low: Ints) -> None:
    for i in range(len(packed)):
        packed[i, 0] = high[which[i]]
        packed[i, 1] = low[which[i]]
