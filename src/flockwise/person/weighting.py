"""What a device counts for: a public weight of its usual area, which is found in memory from its own pings and kept nowhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from flockwise.person.cleaning import Kept
from flockwise.person.jit import I64, I64_IN, inner, kernel
from flockwise.person.rules import GRID, Rules, WeightRules

__all__ = ["device_units"]

Ints = npt.NDArray[np.int64]


@inner
def _index(cell: int, cells: Ints, level: int) -> int:
    wanted = (cell & ~(15 << 52)) | (level << 52) | ((1 << (3 * (15 - level))) - 1)
    low, high = 0, len(cells)
    while low < high:
        middle = (low + high) // 2
        if cells[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < len(cells) and cells[low] == wanted else -1


@inner
def _local_hour(t: int, starts: Ints, offsets: Ints) -> int:
    at = 0
    while at + 1 < len(starts) and starts[at + 1] <= t:
        at += 1
    return int(((t + offsets[at]) // 3_600_000_000) % 24)


@kernel(types.void, I64_IN, I64_IN, I64_IN, I64_IN, I64_IN, types.int64, types.int64, types.int64, I64_IN, I64_IN, types.int64, I64, I64, I64, I64)
def _weigh(
    first: Ints, t: Ints, cell: Ints, cells: Ints, units: Ints, otherwise: int, level: int, hold: int, starts: Ints, offsets: Ints, end: int,
    night: Ints, all_day: Ints, touched: Ints, out: Ints,
) -> None:  # fmt: skip
    for device in range(len(first) - 1):
        n = 0
        for i in range(first[device], first[device + 1]):
            area = _index(cell[i], cells, level)
            if area < 0:
                continue
            until = min(end, t[i] + hold)
            if i + 1 < first[device + 1]:
                until = min(until, t[i + 1])
            held = max(1, until - t[i])
            if all_day[area] == 0:
                touched[n] = area
                n += 1
            all_day[area] += held
            if _local_hour(t[i], starts, offsets) < 6:
                night[area] += held
        best = -1
        for i in range(n):
            area = touched[i]
            if best < 0 or (night[area], all_day[area], -area) > (night[best], all_day[best], -best):
                best = area
        out[device] = units[best] if best >= 0 else otherwise
        for i in range(n):
            night[touched[i]] = 0
            all_day[touched[i]] = 0


def device_units(kept: Kept, rules: Rules, table: WeightRules | None) -> Ints:
    """What each device of a batch counts for, in grid units: 256 without weights.

    The usual area of a device is the area of the table where its pings of the hours from 0 to 6, local time, held longest (a ping holds until the next
    one, at most hold_us); then where all of its pings did; then the smaller cell. Who was in none of the areas counts for the table's other weight.

    Args:
        kept: cleaned pings.
        rules: public rules.
        table: public weights, or None.

    Privacy: a function of each device's own rows and a public table. Areas live in this call's working memory only.
    """
    devices = len(kept.first) - 1
    if table is None:
        return np.full(devices, GRID, dtype=np.int64)
    areas = len(table.cells)
    out = np.empty(devices, dtype=np.int64)
    _weigh(
        kept.first, kept.t_us, kept.cell, table.cells, table.units, table.otherwise, table.resolution, table.hold_us, table.offset_starts_us, table.offset_us,
        rules.end_us, np.zeros(areas, dtype=np.int64), np.zeros(areas, dtype=np.int64), np.empty(areas, dtype=np.int64), out,
    )  # fmt: skip
    return out
