"""Singling out within hash groups: which few of a device's points no other device of its group has.

A group is all devices whose pseudonyms begin with the same bits: a keyed hash, so groups are random, nested, and the same in every store.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import types

from flockwise.person.jit import I64, I64_IN, inner, kernel

__all__ = ["GROUP_UNITS", "MOST_POINTS", "draw_points", "group_units", "of_groups"]

Ints = npt.NDArray[np.int64]

GROUP_UNITS = 256
"""Grid units that the devices of one group share."""
MOST_POINTS = 8
"""How many points of a device are drawn."""


def of_groups(pings: pa.Table, leading: int, number: int) -> pa.Table:
    """The pings of all devices whose pseudonyms begin with the same bits.

    Args:
        pings: STORED_PINGS.
        leading: how many bits, 0 for all devices.
        number: the bits, as a number.

    Privacy: person-level; only the person stage may see it.
    """
    if not leading:
        return pings
    high = pings["device_hi"].to_numpy().view(np.uint64)
    return pings.filter(pa.array(high >> np.uint64(64 - leading) == number))


def draw_points(high: Ints, low: Ints, first: Ints, key: Ints, view: int) -> tuple[Ints, Ints]:
    """Up to MOST_POINTS random points of every device, in a random order: the first k of them are k random points.

    The order is that of a hash of pseudonym, view and point. The pseudonym is a keyed hash already, so nobody without the key can tell what is drawn.

    Args:
        high: first halves of the devices' pseudonyms.
        low: second halves.
        first: device d owns rows first[d] to first[d + 1] of `key`.
        key: distinct points of each device.
        view: number of the view: another view draws anew.

    Returns:
        Rows of `key`, MOST_POINTS to a device; and how many of them count.

    Privacy: depends on each device's own rows alone.
    """
    drawn, count = np.empty(MOST_POINTS * len(high), dtype=np.int64), np.empty(len(high), dtype=np.int64)
    _draw(high, low, first, key, view, drawn, count)
    return drawn, count


def group_units(high: Ints, first: Ints, key: Ints, drawn: Ints, count: Ints, bits: Sequence[int]) -> Ints:
    """The sums over groups of the units of each k, for every size of group.

    In a group of n devices that have a point, let c_k be those singled out by their first k drawn points or fewer. The group's units of k are Q_k - Q_(k-1)
    with Q_k = c_k * GROUP_UNITS / n rounded to the nearest whole number. They are at least 0 and add up to at most GROUP_UNITS.

    Args:
        high: first halves of the devices' pseudonyms, sorted as signed numbers.
        first: device d owns rows first[d] to first[d + 1] of `key`.
        key: distinct points of each device.
        drawn: as `draw_points` gives it.
        count: as `draw_points` gives it.
        bits: leading bits that name a group, for every size.

    Returns:
        int64 (sizes, MOST_POINTS).
    """
    by_key = np.argsort(key, kind="stable")
    # Who has a point: a list of devices for each key, rising because the sort is stable.
    holder = np.repeat(np.arange(len(high), dtype=np.int64), np.diff(first))[by_key]
    ends = np.r_[0, np.flatnonzero(np.diff(key[by_key])) + 1, len(key)] if len(key) else np.zeros(1, dtype=np.int64)
    list_of = np.empty(len(key), dtype=np.int64)
    list_of[by_key] = np.repeat(np.arange(len(ends) - 1, dtype=np.int64), np.diff(ends))
    out = np.zeros((len(bits), MOST_POINTS), dtype=np.int64)
    for size, leading in enumerate(bits):
        # Signed order keeps devices of one group together: the sign bit is the first of the leading bits.
        group = high >> (64 - leading)
        edges = np.r_[0, np.flatnonzero(np.diff(group)) + 1, len(group)] if len(group) else np.zeros(1, dtype=np.int64)
        _units(edges, count, drawn, list_of, ends, holder, np.empty(len(high), dtype=np.int64), out[size])
    return out


@inner
def _mix(value: np.uint64) -> np.uint64:
    # The finaliser of SplitMix64 (Steele, Lea and Flood 2014): a bijection of 64 bits.
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@kernel(types.void, I64_IN, I64_IN, I64_IN, I64_IN, types.int64, I64, I64)
def _draw(high: Ints, low: Ints, first: Ints, key: Ints, view: int, drawn: Ints, count: Ints) -> None:
    rank = np.empty(MOST_POINTS, dtype=np.uint64)
    for device in range(len(first) - 1):
        turn = np.uint64(view + 1) * np.uint64(0x9E3779B97F4A7C15)
        seed = _mix(np.uint64(high[device]) ^ _mix(np.uint64(low[device]) + turn))
        at = MOST_POINTS * device
        held = 0
        for i in range(first[device], first[device + 1]):
            r = _mix(seed ^ _mix(np.uint64(key[i])))  # no two points tie: every step is a bijection
            if held == MOST_POINTS and r > rank[held - 1]:
                continue
            held = min(MOST_POINTS, held + 1)
            j = held - 1
            while j > 0 and r < rank[j - 1]:
                rank[j] = rank[j - 1]
                drawn[at + j] = drawn[at + j - 1]
                j -= 1
            rank[j] = r
            drawn[at + j] = i
        count[device] = held


@inner
def _at_least(values: Ints, low: int, high: int, wanted: int) -> int:
    while low < high:
        middle = (low + high) // 2
        if values[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@inner
def _fewest(device: int, a: int, b: int, count: Ints, drawn: Ints, list_of: Ints, ends: Ints, holder: Ints, others: Ints) -> int:
    """The fewest drawn points that no other device from a to b has all of; more than MOST_POINTS if there are none."""
    left = 0
    for k in range(count[device]):
        number = list_of[drawn[MOST_POINTS * device + k]]
        begin = _at_least(holder, ends[number], ends[number + 1], a)
        end = _at_least(holder, begin, ends[number + 1], b)
        if k == 0:
            for i in range(begin, end):
                if holder[i] != device:
                    others[left] = holder[i]
                    left += 1
        else:  # both lists rise: one pass keeps those that are in both
            kept = 0
            i = begin
            for j in range(left):
                while i < end and holder[i] < others[j]:
                    i += 1
                if i < end and holder[i] == others[j]:
                    others[kept] = others[j]
                    kept += 1
            left = kept
        if left == 0:
            return k + 1
    return MOST_POINTS + 1


@kernel(types.void, I64_IN, I64_IN, I64_IN, I64_IN, I64_IN, I64_IN, I64, I64)
def _units(edges: Ints, count: Ints, drawn: Ints, list_of: Ints, ends: Ints, holder: Ints, others: Ints, out: Ints) -> None:
    fewest = np.empty(MOST_POINTS + 2, dtype=np.int64)
    for group in range(len(edges) - 1):
        a, b = edges[group], edges[group + 1]
        fewest[:] = 0
        present = 0
        for device in range(a, b):
            if count[device] > 0:
                present += 1
                fewest[_fewest(device, a, b, count, drawn, list_of, ends, holder, others)] += 1
        if present == 0:
            continue
        singled_out = 0
        before = 0
        for k in range(1, MOST_POINTS + 1):
            singled_out += fewest[k]
            units = (2 * GROUP_UNITS * singled_out + present) // (2 * present)
            out[k - 1] += units - before
            before = units
