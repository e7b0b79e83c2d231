"""The true aggregates: what a perfect observer of every counted device would publish."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow as pa
from h3ronpy.vector import coordinates_to_cells

from flockwise.simulate._days import ARRIVE, DEPART, PLACE
from flockwise.simulate._geometry import distance_km
from flockwise.simulate._jit import helper
from flockwise.simulate._types import F64, I64

RESOLUTION = 7
LEAST_TRIP_KM = 0.1
LEAST_STAY_S = 300
UTC_US = pa.timestamp("us", tz="UTC")
# A cell at r7 is told apart by 28 bits (base cell and seven digits), so that two of them and an hour are one integer
SHIFT, CELL_BITS, HOUR_BITS = 24, 28, 5
_KEEP = (1 << CELL_BITS) - 1
_REST = (1 << 59) | (RESOLUTION << 52) | ((1 << SHIFT) - 1)


def cells_of(lat: F64, lon: F64) -> I64:
    """H3 cells at resolution 7 of positions in degrees."""
    return np.asarray(pa.array(coordinates_to_cells(lat, lon, RESOLUTION))).astype(np.int64)


def shorten(cells: I64) -> I64:
    """The 28 bits of r7 cells that differ; their order is that of the cells."""
    return (cells >> SHIFT) & _KEEP


def lengthen(short: I64) -> I64:
    """The r7 cells of their 28 bits."""
    return (short << SHIFT) | _REST


@helper
def trip_keys(route: I64, lat: F64, lon: F64, cell: I64, local_hour: I64, span: int, keys: I64, filled: int) -> int:
    """Append (origin, destination, local hour of departure) of every complete trip of more than 100 m; tells how many keys there are now."""
    for k in range(route[-1, 0] - 1):
        a, b = route[k, PLACE], route[k + 1, PLACE]
        departure = route[k, DEPART]
        if route[k + 1, ARRIVE] + LEAST_STAY_S > span or departure - route[k, ARRIVE] < LEAST_STAY_S:
            continue
        if distance_km(lat[a], lon[a], lat[b], lon[b]) <= LEAST_TRIP_KM:
            continue
        keys[filled] = (((cell[a] << CELL_BITS) | cell[b]) << HOUR_BITS) | local_hour[departure // 3600]
        filled += 1
    return filled


class Truth:
    """Sums over chunks. Integers only, so that the order of chunks can't matter; safe to feed from several threads."""

    def __init__(self, hours: int, counties: int) -> None:
        self._lock = threading.Lock()
        self._hours = hours
        self._cells = np.empty(0, np.int64)
        self._presence = np.empty((0, hours), np.int64)
        self._keys = np.empty(0, np.int64)
        self._trips = np.empty(0, np.int64)
        self._waiting: list[tuple[I64, I64]] = []
        self.county_flows = np.zeros((counties, counties), np.int64)
        self.devices = 0

    def add(self, devices: int, cells: I64, presence: I64, keys: I64, county_pairs: I64) -> None:
        """Add a chunk: sorted cells, their hourly counts, one key a trip, one county pair a commuter."""
        unique, trips = np.unique(keys, return_counts=True)
        with self._lock:
            self.devices += devices
            if len(cells):
                every = np.union1d(self._cells, cells)
                if len(every) != len(self._cells):
                    grown = np.zeros((len(every), self._hours), np.int64)
                    grown[np.searchsorted(every, self._cells)] = self._presence
                    self._cells, self._presence = every, grown
                self._presence[np.searchsorted(every, cells)] += presence
            size = len(self.county_flows)
            self.county_flows += np.bincount(county_pairs, minlength=size * size).reshape(size, size)
            self._waiting.append((unique, trips))
            # merging only when as much waits as has been merged keeps the cost linear and the memory within a factor
            if sum(len(k) for k, _ in self._waiting) > max(len(self._keys), 1_000_000):
                self._merge()

    def _merge(self) -> None:
        keys = np.concatenate([self._keys, *(k for k, _ in self._waiting)])
        trips = np.concatenate([self._trips, *(t for _, t in self._waiting)])
        self._waiting = []
        order = np.argsort(keys, kind="stable")
        keys, trips = keys[order], trips[order]
        first = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.empty(0, np.int64)
        self._keys = keys[first]
        self._trips = np.add.reduceat(trips, first) if len(keys) else trips

    def presence_table(self, start_us: int) -> pa.Table:
        """True devices by cell and hour, zeros left out, sorted by (cell, slot_start)."""
        cell, hour = np.nonzero(self._presence)
        return pa.table(
            {
                "cell": self._cells[cell],
                "slot_start": pa.array(start_us + hour * 3_600_000_000).cast(UTC_US),
                "devices": self._presence[cell, hour],
            }
        )

    def flows_table(self) -> pa.Table:
        """True trips by origin, destination and local hour of departure, over the whole window, sorted by the three."""
        self._merge()
        keys = self._keys
        return pa.table(
            {
                "origin": lengthen(keys >> (CELL_BITS + HOUR_BITS)),
                "destination": lengthen((keys >> HOUR_BITS) & _KEEP),
                "slot_start_hour": (keys & ((1 << HOUR_BITS) - 1)).astype(np.int8),
                "trips": self._trips,
            }
        )

    def county_table(self, geoids: tuple[str, ...]) -> pa.Table:
        """Counted commuters by county of home and of work, every pair, sorted."""
        size = len(geoids)
        return pa.table(
            {
                "home": pa.array([geoids[i // size] for i in range(size * size)]),
                "work": pa.array([geoids[i % size] for i in range(size * size)]),
                "devices": self.county_flows.ravel(),
            }
        )
