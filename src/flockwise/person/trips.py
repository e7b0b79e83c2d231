"""Trips: two stays in a row, close in time and apart in space."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from flockwise.person.flow_rules import FlowsRules
from flockwise.person.stays import Stays

__all__ = ["Trips", "find_trips"]

Ints = npt.NDArray[np.int64]

_MINUTE_US = 60_000_000
_DAY_MIN = 24 * 60
_RESOLUTION = 15 << 52


class Trips(NamedTuple):
    """Trips in the public domain of flows, in the order of their stays: the device's number in the batch, and the key."""

    device: Ints
    key: Ints


def find_trips(stays: Stays, rules: FlowsRules) -> Trips:
    """The trips whose origin and destination are in the domain, with their keys.

    Consecutive stays a, b of one device make a trip if b begins at most trip_us after a ends and their positions are more than one radius apart. Its
    origin and destination are the stays' cells at the table's resolution; they may be equal. Its slot is that of the local wall clock at the end of a.

    Only integers are compared here, so a device's place in the batch cannot matter to vectorised code.
    """
    device = np.repeat(np.arange(len(stays.first) - 1, dtype=np.int64), np.diff(stays.first))
    index = _index(stays.cell, rules)
    trip = (device[1:] == device[:-1]) & (stays.moved[1:] == 1) & (stays.start_us[1:] - stays.end_us[:-1] <= rules.trip_us)
    trip &= (index[:-1] >= 0) & (index[1:] >= 0)
    at = np.flatnonzero(trip)
    _, cells, _, slots = rules.shape
    key = (index[at] * cells + index[at + 1]) * slots + _slot(stays.end_us[at], rules)
    return Trips(device[at], key)


def _index(cell: Ints, rules: FlowsRules) -> Ints:
    level = rules.resolution
    lifted = (cell & ~_RESOLUTION) | (level << 52) | ((1 << (3 * (15 - level))) - 1)
    where = np.minimum(np.searchsorted(rules.cells, lifted), len(rules.cells) - 1)
    return np.where(rules.cells[where] == lifted, where, -1).astype(np.int64)


def _slot(departure_us: Ints, rules: FlowsRules) -> Ints:
    offset = rules.offset_us[np.searchsorted(rules.offset_starts_us, departure_us, side="right") - 1]
    minute = (departure_us + offset) // _MINUTE_US % _DAY_MIN
    return (np.searchsorted(rules.slot_starts_min, minute, side="right") - 1).astype(np.int64)
