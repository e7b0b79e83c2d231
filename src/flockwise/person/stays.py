"""Stays: where a device halted, by the sliding window of Li et al. 2008."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from flockwise.person.cleaning import EARTH_M, Kept
from flockwise.person.jit import I32_IN, I64, I64_IN, U8, inner, kernel
from flockwise.person.rules import Rules

__all__ = ["RESTART_LIMIT", "Stays", "find_stays"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

RESTART_LIMIT = 1024
"""A halt that is too short is tried again from its second ping, unless it holds more pings than this: then the search goes on after it.

It bounds the work by RESTART_LIMIT tests a ping, whatever a device sends, and only matters above 1,024 pings inside one radius in less than the least
duration of a stay (more than three a second at the usual five minutes).
"""
_RAD = math.pi / 180e6
_TURN = 360_000_000
_SPARE = 1e-9


class Stays(NamedTuple):
    """Stays device by device in time order: device d owns rows first[d] to first[d + 1].

    `moved` is 1 where the stay is more than one radius from the stay before it of the same device.
    """

    first: Ints
    start_us: Ints
    end_us: Ints
    lat_e6: Ints
    lon_e6: Ints
    cell: Ints
    moved: Bytes


@inner
def _inside(lat_a: int, lon_a: int, lat_b: int, lon_b: int, limit: float) -> bool:
    # limit = sin^2(radius / 2R). sin x <= x and cos <= 1 make the first test safe, sin^2 (dlat / 2) <= chord the second; the spare covers their rounding.
    d_lat, d_lon = (lat_b - lat_a) * _RAD, (lon_b - lon_a) * _RAD
    if d_lat * d_lat + d_lon * d_lon <= 4.0 * limit * (1.0 - _SPARE):
        return True
    lat = math.sin(d_lat * 0.5)
    if lat * lat > limit * (1.0 + _SPARE):
        return False
    lon = math.sin(d_lon * 0.5)
    return lat * lat + math.cos(lat_a * _RAD) * math.cos(lat_b * _RAD) * (lon * lon) <= limit


@inner
def _sink(heap: Ints, root: int, size: int) -> None:
    while True:
        child = 2 * root + 1
        if child >= size:
            return
        if child + 1 < size and heap[child + 1] > heap[child]:
            child += 1
        if heap[root] >= heap[child]:
            return
        heap[root], heap[child] = heap[child], heap[root]
        root = child


@inner
def _most_common(cell: Ints, a: int, b: int, scratch: Ints) -> int:
    same = True
    for i in range(a + 1, b):
        if cell[i] != cell[a]:
            same = False
            break
    if same:
        return int(cell[a])
    size = b - a
    for i in range(size):
        scratch[i] = cell[a + i]
    # Heapsort: n log n for every input.
    for root in range(size // 2 - 1, -1, -1):
        _sink(scratch, root, size)
    for last in range(size - 1, 0, -1):
        scratch[0], scratch[last] = scratch[last], scratch[0]
        _sink(scratch, 0, last)
    best, most, run = scratch[0], 1, 1
    for i in range(1, size):
        run = run + 1 if scratch[i] == scratch[i - 1] else 1
        if run > most:
            best, most = scratch[i], run
    return int(best)


@inner
def _mean_lon(lon: Ints32, a: int, b: int) -> int:
    # Relative to the first ping and across the date line the short way; elsewhere this is the plain mean.
    total = 0
    for i in range(a, b):
        total += (lon[i] - lon[a] + _TURN // 2) % _TURN - _TURN // 2
    return int((lon[a] + total // (b - a) + _TURN // 2) % _TURN - _TURN // 2)


@kernel(
    types.int64, I64_IN, I64_IN, I32_IN, I32_IN, I64_IN, types.float64, types.int64, types.int64, types.int64,
    I64, I64, I64, I64, I64, I64, U8, I64,
)  # fmt: skip
def _find(
    first: Ints, t: Ints, lat: Ints32, lon: Ints32, cell: Ints, limit: float, least: int, gap: int, restart_limit: int,
    to_first: Ints, to_start: Ints, to_end: Ints, to_lat: Ints, to_lon: Ints, to_cell: Ints, to_moved: Bytes, scratch: Ints,
) -> int:  # fmt: skip
    found = 0
    for device in range(len(first) - 1):
        to_first[device] = found
        i = first[device]
        stop = first[device + 1]
        silence = i  # the first ping after i that follows a silence
        while i < stop:
            if silence <= i:
                silence = i + 1
                while silence < stop and t[silence] - t[silence - 1] <= gap:
                    silence += 1
            if t[silence - 1] - t[i] < least and silence - i <= restart_limit:
                i = silence  # no halt that begins before the silence can last long enough
                continue
            j = i + 1
            while j < silence and _inside(lat[i], lon[i], lat[j], lon[j], limit):
                j += 1
            if t[j - 1] - t[i] < least:
                i = j if j - i > restart_limit else i + 1
                continue
            total = 0
            for m in range(i, j):
                total += lat[m]
            to_start[found] = t[i]
            to_end[found] = t[j - 1]
            to_lat[found] = total // (j - i)
            to_lon[found] = _mean_lon(lon, i, j)
            to_cell[found] = _most_common(cell, i, j, scratch)
            previous = found - 1
            known = previous >= to_first[device]
            to_moved[found] = 1 if known and not _inside(to_lat[previous], to_lon[previous], to_lat[found], to_lon[found], limit) else 0
            found += 1
            i = j
    to_first[len(first) - 1] = found
    return found


def find_stays(kept: Kept, rules: Rules) -> Stays:
    """The stays of every device.

    From anchor ping i the halt grows while the next ping j is within radius_m of i and follows its predecessor by at most gap_us. When it can grow no
    further and lasts least_us from i to its last ping inside, it is a stay and the search goes on at j; otherwise at i + 1 (see RESTART_LIMIT).
    The last halt of a device counts like any other.

    Args:
        kept: cleaned pings.
        rules: public rules.

    Privacy: depends on each device's own rows alone.

    Source: Li, Zheng, Xie, Chen, Liu, Ma: Mining user similarity based on location history, ACM SIGSPATIAL 2008, section 3. They end a stay at the first
    ping outside and know no gap; docs/explanation/stays.md lists the differences.
    """
    n, devices = len(kept.t_us), len(kept.first) - 1
    # Every stay but those of one ping (impossible: least_us > 0) holds two pings or more.
    most = n // 2
    first = np.empty(devices + 1, dtype=np.int64)
    start, end, lat, lon, cell = (np.empty(most, dtype=np.int64) for _ in range(5))
    moved = np.empty(most, dtype=np.uint8)
    limit = math.sin(rules.radius_m / (2.0 * EARTH_M)) ** 2
    found = _find(
        kept.first, kept.t_us, kept.lat_e6, kept.lon_e6, kept.cell, limit, rules.least_us, rules.gap_us, RESTART_LIMIT,
        first, start, end, lat, lon, cell, moved, np.empty(n, dtype=np.int64),
    )  # fmt: skip
    return Stays(first, start[:found], end[:found], lat[:found], lon[:found], cell[:found], moved[:found])
