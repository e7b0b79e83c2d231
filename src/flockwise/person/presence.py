"""Presence: in which one cell a device was in each slot."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from flockwise.person.cleaning import Kept
from flockwise.person.jit import I64, I64_IN, inner, kernel
from flockwise.person.rules import PresenceRules, Rules

__all__ = ["Presence", "find_presence"]

Ints = npt.NDArray[np.int64]


class Presence(NamedTuple):
    """Keys (cell_index * slots + slot) device by device, and how many each device has: at most one a slot."""

    occupied: Ints
    key: Ints


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
def _longest(held: Ints, touched: Ints, n: int) -> int:
    best = touched[0]
    for i in range(1, n):
        c = touched[i]
        if held[c] > held[best] or (held[c] == held[best] and c < best):
            best = c
    for i in range(n):
        held[touched[i]] = 0
    return int(best)


@kernel(types.int64, I64_IN, I64_IN, I64_IN, I64_IN, *(types.int64,) * 6, I64, I64, I64, I64)
def _find(
    first: Ints, t: Ints, cell: Ints, cells: Ints, level: int, start: int, end: int, slot_us: int, slots: int, hold: int,
    occupied: Ints, key: Ints, held: Ints, touched: Ints,
) -> int:  # fmt: skip
    found = 0
    last_cell, last_index = -1, -1
    for device in range(len(first) - 1):
        before = found
        slot, slot_end, n = -1, start, 0
        for i in range(first[device], first[device + 1]):
            if cell[i] != last_cell:
                last_cell, last_index = cell[i], _index(cell[i], cells, level)
            if last_index < 0:
                continue
            a = t[i]
            b = min(end, a + hold)
            if i + 1 < first[device + 1]:
                b = min(b, t[i + 1])
            while a < b:
                if a >= slot_end:
                    if n > 0:
                        key[found] = _longest(held, touched, n) * slots + slot
                        found += 1
                        n = 0
                    slot = (a - start) // slot_us
                    slot_end = start + (slot + 1) * slot_us
                until = min(b, slot_end)
                if held[last_index] == 0:
                    touched[n] = last_index
                    n += 1
                held[last_index] += until - a
                a = until
        if n > 0:
            key[found] = _longest(held, touched, n) * slots + slot
            found += 1
        occupied[device] = found - before
    return found


def find_presence(kept: Kept, rules: Rules, table: PresenceRules) -> Presence:
    """The one cell of each device in each slot where it has any.

    A kept ping holds its cell until the next kept ping, at most hold_us, and not beyond the window. In each slot the device is in the cell of the
    table's domain that it held longest; ties go to the smaller cell number. Cells outside the domain are passed over.

    Args:
        kept: cleaned pings.
        rules: public rules.
        table: those of presence.

    Privacy: depends on each device's own rows alone; one cell a slot.
    """
    devices, cells = len(kept.first) - 1, len(table.cells)
    most = np.minimum(np.diff(kept.first) * (table.hold_us // table.slot_us + 2), table.slots)
    key = np.empty(int(most.sum()), dtype=np.int64)
    occupied = np.empty(devices, dtype=np.int64)
    found = _find(
        kept.first, kept.t_us, kept.cell, table.cells, table.resolution, rules.start_us, rules.end_us, table.slot_us, table.slots, table.hold_us,
        occupied, key, np.zeros(cells, dtype=np.int64), np.empty(cells, dtype=np.int64),
    )  # fmt: skip
    return Presence(occupied, key[:found])
