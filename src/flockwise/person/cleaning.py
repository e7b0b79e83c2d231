"""Cleaning: the window, one ping an instant, accuracy, speed."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from flockwise.person.columns import Columns
from flockwise.person.jit import I32, I32_IN, I64, I64_IN, PAIR, inner, kernel
from flockwise.person.rules import Rules

__all__ = ["EARTH_M", "Kept", "clean", "count_faults"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]

EARTH_M = 6_371_008.8
"""Mean radius of the Earth (IUGG)."""
_RAD = math.pi / 180e6  # radians in a millionth of a degree
_SPARE = 1.0 + 1e-9  # far above the rounding of the quick test, far below a centimetre


class Kept(NamedTuple):
    """The pings that count, device by device in time order: device d owns rows first[d] to first[d + 1]."""

    first: Ints
    t_us: Ints
    lat_e6: Ints32
    lon_e6: Ints32
    cell: Ints


@inner
def _distance_m(lat_a: int, lon_a: int, lat_b: int, lon_b: int) -> float:
    half_lat = (lat_b - lat_a) * _RAD * 0.5
    half_lon = (lon_b - lon_a) * _RAD * 0.5
    lat, lon = math.sin(half_lat), math.sin(half_lon)
    chord = lat * lat + math.cos(lat_a * _RAD) * math.cos(lat_b * _RAD) * (lon * lon)
    return 2.0 * EARTH_M * math.asin(math.sqrt(min(1.0, chord)))


@inner
def _too_fast(lat_a: int, lon_a: int, lat_b: int, lon_b: int, elapsed_us: int, speed_mm_s: int) -> bool:
    reach_m = float(speed_mm_s) * float(elapsed_us) * 1e-9
    # Along the meridian, then along the parallel is never shorter than the great circle: most pings need no trigonometry.
    if (abs(lat_b - lat_a) + abs(lon_b - lon_a)) * (_RAD * EARTH_M * _SPARE) <= reach_m:
        return False
    return _distance_m(lat_a, lon_a, lat_b, lon_b) > reach_m


@kernel(
    PAIR, I64_IN, I64_IN, I64_IN, I32_IN, I32_IN, I32_IN, I64_IN, types.int64, types.int64, types.int64, types.int64,
    I64, I64, I32, I32, I64,
)  # fmt: skip
def _clean(
    hi: Ints, lo: Ints, t: Ints, lat: Ints32, lon: Ints32, accuracy: Ints32, cell: Ints,
    start: int, end: int, worst: int, speed: int,
    first: Ints, to_t: Ints, to_lat: Ints32, to_lon: Ints32, to_cell: Ints,
) -> tuple[int, int]:  # fmt: skip
    devices = 0
    kept = 0
    for i in range(len(t)):
        if i == 0 or hi[i] != hi[i - 1] or lo[i] != lo[i - 1]:
            first[devices] = kept
            devices += 1
        elif t[i] == t[i - 1]:
            continue
        if t[i] < start or t[i] >= end or accuracy[i] > worst:
            continue
        last = kept - 1
        if last >= first[devices - 1] and _too_fast(to_lat[last], to_lon[last], lat[i], lon[i], t[i] - to_t[last], speed):
            continue
        to_t[kept] = t[i]
        to_lat[kept] = lat[i]
        to_lon[kept] = lon[i]
        to_cell[kept] = cell[i]
        kept += 1
    first[devices] = kept
    return devices, kept


def clean(pings: Columns, rules: Rules) -> Kept:
    """The pings that count, in the order given.

    Of pings of one device at one instant the first stays. Then a ping outside the window, one whose reported accuracy is worse than allowed (an unknown
    accuracy is allowed), and one that could not have been reached from the last kept ping at the greatest speed are dropped.

    Args:
        pings: in PING_ORDER.
        rules: public rules.

    Privacy: what is kept of a device depends on its own rows alone.
    """
    n = len(pings.t_us)
    first = np.empty(n + 1, dtype=np.int64)
    t, cell = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    lat, lon = np.empty(n, dtype=np.int32), np.empty(n, dtype=np.int32)
    devices, kept = _clean(*pings, rules.start_us, rules.end_us, rules.accuracy_dm, rules.speed_mm_s, first, t, lat, lon, cell)
    return Kept(first[: devices + 1], t[:kept], lat[:kept], lon[:kept], cell[:kept])


@kernel(PAIR, I64_IN, I64_IN, I64_IN, I32_IN, I32_IN, I32_IN, *(types.int64,) * 4)
def _count(hi: Ints, lo: Ints, t: Ints, lat: Ints32, lon: Ints32, accuracy: Ints32, start: int, end: int, worst: int, speed: int) -> tuple[int, int]:
    same = 0
    fast = 0
    last = -1  # the last ping of the device that counts
    for i in range(len(t)):
        if i == 0 or hi[i] != hi[i - 1] or lo[i] != lo[i - 1]:
            last = -1
        elif t[i] == t[i - 1]:
            same += 1
            continue
        if t[i] < start or t[i] >= end or accuracy[i] > worst:
            continue
        if last >= 0 and _too_fast(lat[last], lon[last], lat[i], lon[i], t[i] - t[last], speed):
            fast += 1
            continue
        last = i
    return same, fast


def count_faults(pings: Columns, rules: Rules) -> tuple[int, int]:
    """How many pings share device and instant with an earlier one, and how many the speed rule would drop. For the data steward alone."""
    return _count(*pings[:6], rules.start_us, rules.end_us, rules.accuracy_dm, rules.speed_mm_s)
