"""The joint clip: no device moves the whole weighted vector by more than the bound. Proof: docs/claims/joint-clip.md.

Presence is charged first with its exact norm and never shrunk. Flows get the largest k of 65,536ths such that in exact integers
    sum over levels W |q|^2 <= what is left,   q = (trips * 256 * k) >> 16,   a parent's q = the sum of its children's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from flockwise.person.jit import I64, I64_IN, inner, kernel
from flockwise.person.rules import GRID, K_ONE, FlowsRules, Rules
from flockwise.person.trips import Trips

__all__ = ["Bounded", "bound_flows"]

Ints = npt.NDArray[np.int64]


class Bounded(NamedTuple):
    """What devices contribute to flows: one row for each device and key, q above 0."""

    device: Ints
    key: Ints
    value: Ints


@inner
def _fits(k: int, a: int, b: int, trips: Ints, row: Ints, group: Ints, n: int, weights: Ints, left: int) -> bool:
    # Rules proved (256 trips)^2 < 2^63, which bounds `squares`. W * squares <= left is decided as squares <= left // W: nothing can overflow.
    for level in range(len(weights)):
        squares = 0
        total = 0
        for i in range(level * n + a, level * n + b):
            if i > level * n + a and group[i] != group[i - 1]:
                squares += total * total
                total = 0
            total += (trips[row[i]] * GRID * k) >> 16
        squares += total * total
        if squares > left // weights[level]:
            return False
        left -= weights[level] * squares
    return True


@kernel(types.void, I64_IN, I64_IN, I64_IN, I64_IN, I64_IN, I64_IN, I64)
def _largest(first: Ints, trips: Ints, row: Ints, group: Ints, weights: Ints, left: Ints, factor: Ints) -> None:
    for device in range(len(first) - 1):
        low, high = 0, K_ONE + 1  # low fits (q = 0), high does not count
        while high - low > 1:
            k = (low + high) // 2
            if _fits(k, first[device], first[device + 1], trips, row, group, len(trips), weights, left[device]):
                low = k
            else:
                high = k
        factor[device] = low


def bound_flows(trips: Trips, present: Ints, rules: Rules, table: FlowsRules) -> Bounded:
    """Each device's trips, shrunk as far as its bound demands.

    Args:
        trips: keys of trips.
        present: how many slots of presence each device of the batch has.
        rules: public rules.
        table: those of flows.

    Returns:
        Grid units by device and key, sorted by both; what is quantised to zero is left out.

    Privacy: after it, and with 256 for each slot of presence, every device's weighted squared norm over all blocks and levels is at most rules.bound.

    Source: PRIVACY.md, joint L2 clip and integer certificate.
    """
    device, key, count = _counted(trips)
    if not len(device):
        return Bounded(device, key, count)
    begins = np.flatnonzero(np.r_[True, device[1:] != device[:-1]])
    owner = device[begins]
    charge = rules.presence.slot_charge if rules.presence is not None else 0
    left = rules.bound - present[owner] * charge
    # All of a device's trips in one pair would be the worst case: where even that fits, nothing needs to be looked at.
    whole = np.add.reduceat(count, begins) * GRID
    factor = np.full(len(owner), K_ONE, dtype=np.int64)
    heavy = np.flatnonzero(whole * whole > left // sum(table.weights))
    rows_of = np.diff(np.r_[begins, len(device)])
    if len(heavy):
        factor[heavy] = _factors(heavy, begins, rows_of, key, count, left[heavy], table)
    value = _quantised(count, np.repeat(factor, rows_of))
    some = value > 0
    return Bounded(device[some], key[some], value[some])


def _quantised(count: Ints, factor: Ints) -> Ints:
    # Towards zero, exactly as _fits does it.
    return (count * GRID * factor) >> 16


def _counted(trips: Trips) -> tuple[Ints, Ints, Ints]:
    ordered = np.lexsort((trips.key, trips.device))
    device, key = trips.device[ordered], trips.key[ordered]
    if not len(device):
        return device, key, np.empty(0, dtype=np.int64)
    begins = np.flatnonzero(np.r_[True, (device[1:] != device[:-1]) | (key[1:] != key[:-1])])
    return device[begins], key[begins], np.diff(np.r_[begins, len(device)])


def _factors(heavy: Ints, begins: Ints, rows_of: Ints, key: Ints, count: Ints, left: Ints, table: FlowsRules) -> Ints:
    sizes = rows_of[heavy]
    first = np.r_[0, np.cumsum(sizes)]
    rows = np.repeat(begins[heavy] - first[:-1], sizes) + np.arange(first[-1])
    local = np.repeat(np.arange(len(heavy)), sizes)
    row, group = [], []
    for keys in _keys_by_level(key[rows], table):
        ordered = np.lexsort((keys, local))
        row.append(ordered)
        group.append(keys[ordered])
    factor = np.empty(len(heavy), dtype=np.int64)
    _largest(first, count[rows], np.concatenate(row), np.concatenate(group), np.array(table.weights, dtype=np.int64), left, factor)
    return factor


def _keys_by_level(key: Ints, table: FlowsRules) -> list[Ints]:
    cells, _, slots = table.shape
    pair, slot = key // slots, key % slots
    origin, destination = pair // cells, pair % cells
    out = [key]
    for parents in table.parents:
        size = int(parents.max()) + 1
        out.append((parents[origin] * size + parents[destination]) * slots + slot)
    return out
