"""The joint clip: no device moves the whole weighted vector by more than the bound. Proof: docs/claims/joint-clip.md.

Presence is charged first with its exact norm and never shrunk. Flows get the largest k of 65,536ths such that in exact integers
    sum over groupings W |q|^2 <= what is left,   q = (trips * unit * k) >> 16,   every coarser level's and every margin's q = the sum of its pairs'.
The unit is 256, or less for a device whose public weight is. A heavy device fills every block twice, so half of what is left counts. Totals have a bound of
their own, and so a k of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import types

from flockwise.person.flow_rules import FlowsRules, Grouping
from flockwise.person.jit import I64, I64_IN, inner, kernel
from flockwise.person.rules import GRID, K_ONE, Rules
from flockwise.person.trips import Trips

__all__ = ["Bounded", "Counted", "bound_flows", "bound_totals", "counted", "norm_bins"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Counted(NamedTuple):
    """Trips by device and key, sorted by both, where each device's rows begin (one more for the end), and what its trips count for in grid units."""

    device: Ints
    key: Ints
    times: Ints
    begins: Ints
    units: Ints


class Bounded(NamedTuple):
    """What devices contribute: one row for each device and key, q above 0."""

    device: Ints
    key: Ints
    value: Ints


def counted(trips: Trips, units: Ints) -> Counted:
    """How often each device made each trip.

    Args:
        trips: keys of trips.
        units: what each device of the batch counts for, 0 to 256 grid units.
    """
    ordered = np.lexsort((trips.key, trips.device))
    device, key = trips.device[ordered], trips.key[ordered]
    at = np.flatnonzero(np.r_[True, (device[1:] != device[:-1]) | (key[1:] != key[:-1])][: len(device)])
    count = np.diff(np.r_[at, len(device)])
    owner = device[at]
    begins = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]][: len(owner)])
    return Counted(owner, key[at], count.astype(np.int64), np.r_[begins, len(owner)].astype(np.int64), units[owner[begins]])


@inner
def _fits(k: int, unit: int, a: int, b: int, trips: Ints, row: Ints, group: Ints, n: int, weights: Ints, left: int) -> bool:
    # Rules proved (256 trips)^2 < 2^63, which bounds `squares`. W * squares <= left is decided as squares <= left // W: nothing can overflow.
    for grouping in range(len(weights)):
        squares = 0
        total = 0
        for i in range(grouping * n + a, grouping * n + b):
            if i > grouping * n + a and group[i] != group[i - 1]:
                squares += total * total
                total = 0
            total += (trips[row[i]] * unit * k) >> 16
        squares += total * total
        if squares > left // weights[grouping]:
            return False
        left -= weights[grouping] * squares
    return True


@kernel(types.void, I64_IN, I64_IN, I64_IN, I64_IN, I64_IN, I64_IN, I64_IN, I64)
def _largest(first: Ints, units: Ints, trips: Ints, row: Ints, group: Ints, weights: Ints, left: Ints, factor: Ints) -> None:
    for device in range(len(first) - 1):
        low, high = 0, K_ONE + 1  # low fits (q = 0), high does not count
        while high - low > 1:
            k = (low + high) // 2
            if _fits(k, units[device], first[device], first[device + 1], trips, row, group, len(trips), weights, left[device]):
                low = k
            else:
                high = k
        factor[device] = low


def bound_flows(trips: Counted, present: Ints, rules: Rules, table: FlowsRules) -> Bounded:
    """Each device's trips, shrunk as far as its share of the joint bound demands.

    Args:
        trips: counts of trips.
        present: how many slots of presence each device of the batch has.
        rules: public rules.
        table: those of flows.

    Returns:
        Grid units by device and key; what is quantised to zero is left out. Rows of heavy devices come twice, once in each band.

    Privacy: after it, and with 256 for each slot of presence, every device's weighted squared norm over all blocks of the joint bound (presence, pairs
    and their margins, every level and band) is at most rules.bound.

    Source: PRIVACY.md, joint L2 clip and integer certificate.
    """
    weight = sum(rules.presence.weights) if rules.presence is not None else 0
    left = rules.bound - present[trips.device[trips.begins[:-1]]] * (weight * trips.units * trips.units)
    heavy = _heavy(trips, table)
    # A heavy device fills both bands with the same numbers: twice its norm has to fit.
    found = _shrunk(trips, np.where(heavy, left // 2, left), table.shapes, table)
    again = _of(found, trips, heavy)
    _, cells, _, slots = table.shape
    second = found.key[again] + cells * cells * slots
    return Bounded(np.r_[found.device, found.device[again]], np.r_[found.key, second], np.r_[found.value, found.value[again]])


def bound_totals(trips: Counted, table: FlowsRules) -> tuple[Bounded, Bounded]:
    """Each device's departures and arrivals, shrunk as far as the bound of totals demands; keys are (band * cells + cell) * slots + slot.

    With two bands a heavy device is in the second alone, every other in the first alone: nobody pays twice.

    Privacy: every device's weighted squared norm over departures and arrivals of all levels and bands is at most table.totals.bound.
    """
    bound = table.totals.bound if table.totals else 0
    kept = _shrunk(trips, np.full(len(trips.begins) - 1, bound, dtype=np.int64), table.total_groupings, table)
    origin, destination, slot = _ends(kept.key, table)
    _, cells, slots = table.margin_shape
    band = _of(kept, trips, _heavy(trips, table)) * cells
    return kept._replace(key=(band + origin) * slots + slot), kept._replace(key=(band + destination) * slots + slot)


def squared_norms(trips: Counted) -> Ints:
    """The squared norm of each device with trips over the finest pairs, in grid units, before anything is shrunk."""
    if not len(trips.device):
        return np.empty(0, dtype=np.int64)
    each = trips.times * np.repeat(trips.units, np.diff(trips.begins))
    return np.add.reduceat(each * each, trips.begins[:-1])


def norm_bins(trips: Counted, table: FlowsRules) -> Ints:
    """The bin of each device that has any trip: how many edges lie below the squared norm of what it counts for over the finest pairs.

    Privacy: one bin a device.
    """
    edges = np.array(table.norm_edges, dtype=np.int64) * (GRID * GRID)
    return np.searchsorted(edges, squared_norms(trips), side="left").astype(np.int64)


def _shrunk(trips: Counted, left: Ints, groupings: Sequence[Grouping], table: FlowsRules) -> Bounded:
    """Trips shrunk to what is left for each device."""
    device, key, count, begins, units = trips
    if not len(device):
        return Bounded(device, key, count)
    # All of a device's trips in one entry of every grouping would be the worst case: where even that fits, nothing needs to be looked at.
    whole = np.add.reduceat(count, begins[:-1]) * units
    factor = np.full(len(begins) - 1, K_ONE, dtype=np.int64)
    close = np.flatnonzero(whole * whole > left // sum(g.weight for g in groupings))
    if len(close):
        factor[close] = _factors(close, trips, left[close], groupings, table)
    rows = np.diff(begins)
    value = _quantised(count, np.repeat(units, rows), np.repeat(factor, rows))
    some = value > 0
    return Bounded(device[some], key[some], value[some])


def _heavy(trips: Counted, table: FlowsRules) -> Bools:
    """Which of the devices with trips are heavy."""
    if table.heavy_edge is None:
        return np.zeros(len(trips.begins) - 1, dtype=np.bool_)
    return squared_norms(trips) > table.heavy_edge * (GRID * GRID)


def _of(found: Bounded, trips: Counted, devices: Bools) -> Bools:
    """For each row whether its device is one of those marked."""
    if not len(found.device):
        return np.zeros(0, dtype=np.bool_)
    return devices[np.searchsorted(trips.device[trips.begins[:-1]], found.device)]


def _quantised(count: Ints, units: Ints, factor: Ints) -> Ints:
    # Towards zero, exactly as _fits does it.
    return (count * units * factor) >> 16


def _factors(close: Ints, trips: Counted, left: Ints, groupings: Sequence[Grouping], table: FlowsRules) -> Ints:
    sizes = np.diff(trips.begins)[close]
    first = np.r_[0, np.cumsum(sizes)]
    rows = np.repeat(trips.begins[close] - first[:-1], sizes) + np.arange(first[-1])
    local = np.repeat(np.arange(len(close)), sizes)
    row, group = [], []
    for grouping in groupings:
        keys = _grouped(trips.key[rows], grouping, table)
        ordered = np.lexsort((keys, local))
        row.append(ordered)
        group.append(keys[ordered])
    factor = np.empty(len(close), dtype=np.int64)
    weights = np.array([g.weight for g in groupings], dtype=np.int64)
    _largest(first, trips.units[close], trips.times[rows], np.concatenate(row), np.concatenate(group), weights, left, factor)
    return factor


def _grouped(key: Ints, grouping: Grouping, table: FlowsRules) -> Ints:
    """The keys of a grouping into which finest pairs fall (a device is in one band, so the band does not matter to its norm)."""
    cells, slots = table.shape[2], table.shape[3]
    origin, destination, slot = _ends(key, table)
    if grouping.level:
        parents = table.parents[grouping.level - 1]
        origin, destination = parents[origin], parents[destination]
    if grouping.ends == "pairs":
        # No cell's index passes that of the last cell, at any level.
        return (origin * cells + destination) * slots + slot
    return (origin if grouping.ends == "departures" else destination) * slots + slot


def _ends(key: Ints, table: FlowsRules) -> tuple[Ints, Ints, Ints]:
    cells, slots = table.shape[2], table.shape[3]
    pair, slot = key // slots, key % slots
    return pair // cells, pair % cells, slot
