"""Packed rows of a bucket as columns in the order of the store: one sort of one number a row, and each row moved once.

What comes out is right whatever this does: `person.order` looks at every row after it, and sorts again what is out of order. Here it is done where a row is
still in one piece, so that a row is fetched from memory once, not seven times.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from flockwise.base.schemas import STORED_PINGS

__all__ = ["arranged", "distinct"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]

_LONGEST_TIE = 64
_DIGIT = 10


def arranged(packed: Ints, which: Ints32, high: Ints, low: Ints, cells: Ints) -> pa.Table:
    """The rows as a table of STORED_PINGS under their devices' pseudonyms: in PING_ORDER, equal ones kept; where very many tie, in any order.

    Args:
        packed: rows of `spill.Spill`.
        which: the device of each row, by its number.
        high: first half of the pseudonym of each device.
        low: second half.
        cells: of the region, rising.
    """
    n = len(packed)
    wide: list[Ints] = [np.empty(n, np.int64) for _ in range(4)]
    narrow: list[Ints32] = [np.empty(n, np.int32) for _ in range(3)]
    to_high, to_low, t_us, cell = wide
    lat, lon, accuracy = narrow
    _place(*_order(packed, which, high, low), packed, which, high, low, cells, to_high, to_low, t_us, lat, lon, accuracy, cell)
    return pa.table([to_high, to_low, t_us, lat, lon, accuracy, cell], schema=STORED_PINGS)


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


def _order(packed: Ints, which: Ints32, high: Ints, low: Ints) -> tuple[Ints, int]:
    """Which row comes at each place: in the bits of each number that the mask tells."""
    n = len(packed)
    row_bits, device_bits = n.bit_length(), len(high).bit_length()
    as_it_came, mask = np.arange(n, dtype=np.int64), (1 << row_bits) - 1
    if not n:
        return as_it_came, mask
    rank = np.empty(len(high), np.int64)
    rank[np.lexsort((low, high))] = np.arange(len(high))
    earliest, latest = int(packed[:, 2].min()), int(packed[:, 2].max())
    time_bits = (latest - earliest).bit_length()
    # Device, time and row in one number. The last bits of the time, if they do not fit, are settled with the ties: below a second.
    cut = max(0, time_bits + row_bits + device_bits - 63)
    if cut > 20:
        return as_it_came, mask
    key = np.empty(n, np.int64)
    _pack(packed, which, rank, earliest, cut, time_bits - cut, row_bits, key)
    _sort(key, np.empty_like(key), row_bits, row_bits + device_bits + time_bits - cut)
    return (key if _settle_ties(key, packed, row_bits) else as_it_came), mask


@njit(nogil=True, cache=True)
def _pack(packed: Ints, which: Ints32, rank: Ints, earliest: int, cut: int, time_bits: int, row_bits: int, key: Ints) -> None:
    for i in range(len(key)):
        key[i] = (((rank[which[i]] << time_bits) | ((packed[i, 2] - earliest) >> cut)) << row_bits) | i


@njit(nogil=True, cache=True)
def _sort(key: Ints, to: Ints, begin: int, end: int) -> None:
    """Sorts by the bits from `begin` up to `end`: radix sort, linear for every input."""
    n, mask = len(key), (1 << _DIGIT) - 1
    source, target = key, to
    for shift in range(begin, end, _DIGIT):
        place = np.zeros(mask + 2, np.int64)
        for i in range(n):
            place[((source[i] >> shift) & mask) + 1] += 1
        for d in range(mask + 1):
            place[d + 1] += place[d]
        for i in range(n):
            digit = (source[i] >> shift) & mask
            target[place[digit]] = source[i]
            place[digit] += 1
        source, target = target, source
    if (end - begin + _DIGIT - 1) // _DIGIT % 2:
        key[:] = to


@njit(nogil=True)
def _after(packed: Ints, a: int, b: int) -> bool:
    """Whether row a comes after row b of the same device: by time, cell, latitude, longitude, accuracy."""
    if packed[a, 2] != packed[b, 2]:
        after = packed[a, 2] > packed[b, 2]
    elif np.int32(packed[a, 4]) != np.int32(packed[b, 4]):
        after = np.int32(packed[a, 4]) > np.int32(packed[b, 4])
    elif packed[a, 3] >> 32 != packed[b, 3] >> 32:
        after = packed[a, 3] >> 32 > packed[b, 3] >> 32
    elif np.int32(packed[a, 3]) != np.int32(packed[b, 3]):
        after = np.int32(packed[a, 3]) > np.int32(packed[b, 3])
    else:
        after = packed[a, 4] >> 32 > packed[b, 4] >> 32
    return bool(after)


@njit(nogil=True, cache=True)
def _settle_ties(key: Ints, packed: Ints, row_bits: int) -> bool:
    """Sorts rows whose numbers tie by what is left, in place. False (half done) if many tie, where insertion would take its square."""
    mask = (1 << row_bits) - 1
    begin = 0
    for i in range(1, len(key)):
        if key[i] >> row_bits != key[i - 1] >> row_bits:
            begin = i
            continue
        if i - begin > _LONGEST_TIE:
            return False
        j = i
        while j > begin and _after(packed, key[j - 1] & mask, key[j] & mask):
            key[j - 1], key[j] = key[j], key[j - 1]
            j -= 1
    return True


@njit(nogil=True, cache=True)
def _place(
    key: Ints, mask: int, packed: Ints, which: Ints32, high: Ints, low: Ints, cells: Ints,
    to_high: Ints, to_low: Ints, t_us: Ints, lat: Ints32, lon: Ints32, accuracy: Ints32, cell: Ints,
) -> None:  # fmt: skip
    for k in range(len(key)):
        i = key[k] & mask
        to_high[k], to_low[k] = high[which[i]], low[which[i]]
        t_us[k] = packed[i, 2]
        lat[k], lon[k] = np.int32(packed[i, 3] >> 32), np.int32(packed[i, 3])
        accuracy[k] = np.int32(packed[i, 4] >> 32)
        cell[k] = cells[np.int32(packed[i, 4])]


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
