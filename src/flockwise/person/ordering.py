"""Ordering: one total order of pings, so that nothing later can depend on how rows arrived."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import types

from flockwise.person.cleaning import count_faults
from flockwise.person.columns import Columns, columns_from, columns_of, table_of
from flockwise.person.jit import I32, I32_IN, I64, I64_IN, inner, kernel
from flockwise.person.rules import Rules

__all__ = ["is_ordered", "order", "ordered"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
_COLUMNS = (I64_IN, I64_IN, I64_IN, I32_IN, I32_IN, I32_IN, I64_IN)
_LONGEST_TIE = 32


def order(pings: pa.Table, rules: Rules) -> tuple[pa.Table, dict[str, int]]:
    """Pings in PING_ORDER without exact duplicates, and what the data steward should know about them.

    Args:
        pings: STORED_PINGS in any order; complete devices are not needed.
        rules: public rules.

    Returns:
        The ordered table, and counts: "duplicate" (dropped here), "same_time" and "impossible_speed" (dropped later, only counted here).

    Privacy: the counts are exact. They are for the console of whoever holds the pings, never for a release.
    """
    columns = columns_of(pings)
    unique = ordered(columns)
    same_time, fast = count_faults(unique, rules)
    counts = {"duplicate": len(columns.t_us) - len(unique.t_us), "same_time": same_time, "impossible_speed": fast}
    return table_of(unique), counts


def is_ordered(pings: Columns) -> bool:
    """Whether the rows are in PING_ORDER and no two are equal."""
    return int(_equal(*pings)) == 0


def ordered(pings: Columns) -> Columns:
    """The rows in PING_ORDER, exact duplicates dropped."""
    equal = int(_equal(*pings))
    if not equal:
        return pings
    by = np.arange(len(pings.t_us)) if equal > 0 else _permutation(pings)
    out = columns_from(np.empty_like(column) for column in pings)
    n = _gather(by, *pings, *out)
    return out if n == len(by) else columns_from(column[:n] for column in out)


def _permutation(pings: Columns) -> Ints:
    # The device's rank and the time fit into one number, so one radix sort does nearly all of the work.
    rank, devices = _ranks(pings.device_hi, pings.device_lo)
    earliest, latest = int(pings.t_us.min()), int(pings.t_us.max())
    bits = (latest - earliest).bit_length()
    if devices.bit_length() + bits > 62:
        return _slow_permutation(pings)
    packed, by = np.empty_like(rank), np.empty_like(rank)
    _pack(rank, pings.t_us, earliest, bits, packed)
    _sort(packed, by, np.empty_like(packed), np.empty_like(by), devices.bit_length() + bits)
    if _settle_ties(packed, by, pings.cell, pings.lat_e6, pings.lon_e6, pings.accuracy_dm):
        return by
    return _slow_permutation(pings)


def _slow_permutation(pings: Columns) -> Ints:
    return np.lexsort((pings.accuracy_dm, pings.lon_e6, pings.lat_e6, pings.cell, pings.t_us, pings.device_lo, pings.device_hi))


def _ranks(hi: Ints, lo: Ints) -> tuple[Ints, int]:
    size = 1 << max(4, (2 * len(hi) - 1).bit_length())
    found, example = np.empty(len(hi), dtype=np.int64), np.empty(len(hi), dtype=np.int64)
    devices = _number(hi, lo, np.full(size, -1, dtype=np.int64), found, example)
    if devices < 0:
        return np.lexsort((lo, hi)), 1 << 62
    example = example[:devices]
    rank = np.empty(devices, dtype=np.int64)
    rank[np.lexsort((lo[example], hi[example]))] = np.arange(devices)
    return rank[found], int(devices)


@kernel(types.int64, I64_IN, I64_IN, I64, I64, I64)
def _number(hi: Ints, lo: Ints, table: Ints, found: Ints, example: Ints) -> int:
    """Numbers devices by first appearance: open addressing over the pseudonyms, which are uniform already. -1 if some are so alike that it would be slow."""
    mask = len(table) - 1
    devices, tries = 0, 0
    for i in range(len(hi)):
        if i > 0 and hi[i] == hi[i - 1] and lo[i] == lo[i - 1]:
            found[i] = found[i - 1]
            continue
        at = (hi[i] ^ (lo[i] >> 7)) & mask
        while table[at] >= 0 and (hi[example[table[at]]] != hi[i] or lo[example[table[at]]] != lo[i]):
            at = (at + 1) & mask
            tries += 1
        if tries > 64 * len(table):
            return -1
        if table[at] < 0:
            table[at] = devices
            example[devices] = i
            devices += 1
        found[i] = table[at]
    return devices


@kernel(types.void, I64, I64, I64, I64, types.int64)
def _sort(key: Ints, by: Ints, to_key: Ints, to_by: Ints, bits: int) -> None:
    """Sorts keys below 2^bits and says where each came from: radix sort, nine bits at a time, linear for every input."""
    n = len(key)
    for i in range(n):
        by[i] = i
    passes = 0
    for shift in range(0, bits, 9):
        place = np.zeros(513, dtype=np.int64)
        for i in range(n):
            place[((key[i] >> shift) & 511) + 1] += 1
        for d in range(512):
            place[d + 1] += place[d]
        for i in range(n):
            digit = (key[i] >> shift) & 511
            to_key[place[digit]] = key[i]
            to_by[place[digit]] = by[i]
            place[digit] += 1
        key, to_key = to_key, key
        by, to_by = to_by, by
        passes += 1
    if passes % 2:
        to_key[:] = key
        to_by[:] = by


@inner
def _after(a: int, b: int, cell: Ints, lat: Ints32, lon: Ints32, accuracy: Ints32) -> bool:
    if cell[a] != cell[b]:
        return bool(cell[a] > cell[b])
    if lat[a] != lat[b]:
        return bool(lat[a] > lat[b])
    if lon[a] != lon[b]:
        return bool(lon[a] > lon[b])
    return bool(accuracy[a] > accuracy[b])


@kernel(types.boolean, I64_IN, I64, I64_IN, I32_IN, I32_IN, I32_IN)
def _settle_ties(packed: Ints, by: Ints, cell: Ints, lat: Ints32, lon: Ints32, accuracy: Ints32) -> bool:
    """Sorts rows of one device and instant by what is left, in place. False (undone) if many tie, where insertion would take its square."""
    begin = 0
    for i in range(1, len(by)):
        if packed[i] != packed[i - 1]:
            begin = i
            continue
        if i - begin > _LONGEST_TIE:
            return False
        j = i
        while j > begin and _after(by[j - 1], by[j], cell, lat, lon, accuracy):
            by[j - 1], by[j] = by[j], by[j - 1]
            j -= 1
    return True


@kernel(types.int64, *_COLUMNS)
def _equal(hi: Ints, lo: Ints, t: Ints, lat: Ints32, lon: Ints32, accuracy: Ints32, cell: Ints) -> int:
    """How many rows are equal to the one before them; -1 if any comes before it in PING_ORDER."""
    equal = 0
    for i in range(1, len(t)):
        if hi[i] != hi[i - 1]:
            rises = hi[i] > hi[i - 1]
        elif lo[i] != lo[i - 1]:
            rises = lo[i] > lo[i - 1]
        elif t[i] != t[i - 1]:
            rises = t[i] > t[i - 1]
        elif cell[i] != cell[i - 1]:
            rises = cell[i] > cell[i - 1]
        elif lat[i] != lat[i - 1]:
            rises = lat[i] > lat[i - 1]
        elif lon[i] != lon[i - 1]:
            rises = lon[i] > lon[i - 1]
        elif accuracy[i] != accuracy[i - 1]:
            rises = accuracy[i] > accuracy[i - 1]
        else:
            rises = True
            equal += 1
        if not rises:
            return -1
    return equal


@kernel(types.void, I64, I64_IN, types.int64, types.int64, I64)
def _pack(rank: Ints, t: Ints, earliest: int, bits: int, packed: Ints) -> None:
    for i in range(len(rank)):
        packed[i] = (rank[i] << bits) | (t[i] - earliest)


@kernel(types.int64, I64, *_COLUMNS, I64, I64, I64, I32, I32, I32, I64)
def _gather(
    by: Ints, hi: Ints, lo: Ints, t: Ints, lat: Ints32, lon: Ints32, accuracy: Ints32, cell: Ints,
    to_hi: Ints, to_lo: Ints, to_t: Ints, to_lat: Ints32, to_lon: Ints32, to_accuracy: Ints32, to_cell: Ints,
) -> int:  # fmt: skip
    """Rows in the given order, the first of equal ones alone; all columns in one go, so that each is moved once."""
    kept = 0
    for k in range(len(by)):
        i = by[k]
        last = kept - 1
        same = last >= 0 and t[i] == to_t[last] and lo[i] == to_lo[last] and hi[i] == to_hi[last]
        if same and cell[i] == to_cell[last] and lat[i] == to_lat[last] and lon[i] == to_lon[last] and accuracy[i] == to_accuracy[last]:
            continue
        to_hi[kept] = hi[i]
        to_lo[kept] = lo[i]
        to_t[kept] = t[i]
        to_lat[kept] = lat[i]
        to_lon[kept] = lon[i]
        to_accuracy[kept] = accuracy[i]
        to_cell[kept] = cell[i]
        kept += 1
    return kept
