"""Simulated devices: what they ping, as a store would hold it and as a supplier would deliver it. Nobody in it is real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from h3ronpy import vector

from flockwise import artifact
from flockwise.base.schemas import STORED_PINGS

__all__ = ["Area", "Pings", "Townspeople", "anything", "sitters", "stored", "together", "townspeople", "walker"]

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

MINUTE = 60_000_000
HOUR = 60 * MINUTE
_LEVEL = 7
_RECKLESS = np.array([-(2**63), -(2**63) + 1, -1, 0, 1, 2**63 - 2, 2**63 - 1], dtype=np.int64)


@dataclass(frozen=True)
class Pings:
    """Pings of simulated devices, one row each.

    Attributes:
        number: which device; any int64.
        t_us: UTC microseconds.
        lat_e6: millionths of a degree.
        lon_e6: the same.
        accuracy_dm: decimetres.
        cell: H3 cell at resolution 7.
    """

    number: Ints
    t_us: Ints
    lat_e6: Ints
    lon_e6: Ints
    accuracy_dm: Ints
    cell: Ints

    def __len__(self) -> int:
        return len(self.number)

    def take(self, rows: Ints) -> Pings:
        """These rows, in this order."""
        return Pings(*(getattr(self, f.name)[rows] for f in fields(self)))

    def delivery(self) -> pa.Table:
        """The rows as a supplier writes them."""
        return pa.table(
            {
                "device": self.number,
                "t": self.t_us,
                "lat": self.lat_e6 / 1e6,
                "lon": self.lon_e6 / 1e6,
                "accuracy": self.accuracy_dm / 10,
            }
        )


@dataclass(frozen=True)
class Area:
    """Where and when: the cells of a study with their centres, and its window.

    Attributes:
        cells: sorted H3 cells at resolution 7.
        start_us: first microsecond.
        hours: length.
    """

    cells: Ints
    start_us: int
    hours: int

    def at(self, place: Ints) -> tuple[Ints, Ints]:
        """Centres of the cells with these indices, in millionths of a degree."""
        lat, lon = artifact.centres(self.cells)
        return np.round(lat[place] * 1e6).astype(np.int64), np.round(lon[place] * 1e6).astype(np.int64)


@dataclass(frozen=True)
class Townspeople:
    """Ordinary devices and where they truly are.

    Attributes:
        pings: their pings.
        cells: devices x hours, index of the cell.
    """

    pings: Pings
    cells: Ints


def together(*parts: Pings) -> Pings:
    """All rows of some pings, one part after the other."""
    return Pings(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Pings)))


def stored(pings: Pings) -> pa.Table:
    """The rows as a store holds them, with made-up pseudonyms: STORED_PINGS."""
    with np.errstate(over="ignore"):
        number = pings.number.astype(np.uint64)
        high = ((number // np.uint64(2)) * np.uint64(0x2545F4914F6CDD1D)).view(np.int64)
        low = (number * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x632BE59BD9B4E019)).view(np.int64)
    columns = (high, low, pings.t_us, pings.lat_e6, pings.lon_e6, pings.accuracy_dm, pings.cell)
    return pa.Table.from_arrays([pa.array(c.astype(f.type.to_pandas_dtype())) for c, f in zip(columns, STORED_PINGS, strict=True)], schema=STORED_PINGS)


def walker(number: int, area: Area, places: Sequence[int], every: int = 12) -> Pings:
    """One device that goes to another place every `every` minutes, silent for three minutes on the way, with a ping a minute: present in every slot.

    Args:
        number: of the device.
        area: where and when.
        places: indices of cells, visited in an irregular order.
        every: minutes.
    """
    minute = np.arange(area.hours * 60, dtype=np.int64)
    minute = minute[minute % every < every - 3]
    turn = minute // every
    return _pings(area, np.full(len(minute), number), np.array(places, dtype=np.int64)[turn * (1 + turn // 7) % len(places)], minute * MINUTE + number % MINUTE)


def sitters(first: int, area: Area, places: Sequence[int] | Ints) -> Pings:
    """Devices that stay in one place each, with a ping an hour: present in every slot, no trips."""
    where = np.asarray(places, dtype=np.int64)
    place, hour = np.repeat(where, area.hours), np.tile(np.arange(area.hours, dtype=np.int64), len(where))
    return _pings(area, np.repeat(np.arange(first, first + len(where)), area.hours), place, hour * HOUR + MINUTE)


def townspeople(first: int, count: int, area: Area, generator: np.random.Generator) -> Townspeople:
    """Devices with a home, a work place for most, and an errand on some evenings; four pings an hour, within some metres.

    Args:
        first: number of the first device.
        count: how many.
        area: where and when; the first hour is taken for midnight.
        generator: of the simulation.
    """
    cells = len(area.cells)
    home = generator.integers(0, cells, (count, 1))
    work, errand = (_near(home, area, generator) for _ in range(2))
    works = generator.random((count, 1)) < 0.7
    leaves, returns = 7 + generator.integers(0, 4, (count, 1)), 15 + generator.integers(0, 5, (count, 1))
    hour = np.arange(area.hours)[None, :]
    day, clock = hour // 24, hour % 24
    goes_out = generator.random((count, int(day.max()) + 1)) < 0.4
    cell = np.where(works & (clock >= leaves) & (clock < returns), work, home)
    cell = np.where((clock == 20) & np.take_along_axis(goes_out, day.repeat(count, axis=0), axis=1), errand, cell)
    quarter = np.repeat(cell, 4, axis=1).ravel()
    # Ten minutes of silence at the turn of every hour, in which whoever moves is on the way.
    moments = (np.arange(area.hours)[:, None] * 60 + np.array([5, 18, 36, 50])).ravel() * MINUTE
    pings = _pings(area, np.repeat(np.arange(first, first + count), area.hours * 4), quarter, np.tile(moments, count))
    lat, lon = (values + generator.integers(-300, 301, len(pings)) for values in (pings.lat_e6, pings.lon_e6))
    return Townspeople(replace(pings, lat_e6=lat, lon_e6=lon), cell.astype(np.int64))


def _near(home: Ints, area: Area, generator: np.random.Generator) -> Ints:
    """A cell for each home, more often a near one: weights fall by e in three kilometres."""
    lat, lon = np.radians(np.array(artifact.centres(area.cells)))
    km = 6_371 * np.hypot(lat[:, None] - lat, (lon[:, None] - lon) * np.cos(lat.mean()))
    chance = np.cumsum(np.exp(-km / 3), axis=1)[home[:, 0]]
    passed = chance < generator.random((len(home), 1)) * chance[:, -1:]
    found: Ints = passed.sum(axis=1, keepdims=True)
    return found


def anything(first: int, count: int, rows: int, area: Area, generator: np.random.Generator) -> Pings:
    """Devices whose rows hold whatever fits into the columns: times, places, accuracies and cells that can't be."""

    def wild(bits: int) -> Ints:
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        edge = np.clip(generator.choice(_RECKLESS, count * rows), low, high)
        return np.where(generator.random(count * rows) < 0.5, edge, generator.integers(low, high, count * rows, dtype=np.int64, endpoint=True))

    inside = area.start_us + generator.integers(0, area.hours * HOUR, count * rows)
    some = generator.random((2, count * rows)) < 0.7
    return Pings(
        np.repeat(np.arange(first, first + count), rows),
        np.where(some[0], inside, wild(64)),
        wild(32),
        wild(32),
        wild(32),
        np.where(some[1], generator.choice(area.cells, count * rows), wild(64)),
    )


def _pings(area: Area, number: Ints, place: Ints, since_start: Ints) -> Pings:
    lat, lon = area.at(place)
    cell = np.asarray(pa.array(vector.coordinates_to_cells(lat / 1e6, lon / 1e6, _LEVEL))).astype(np.int64)
    return Pings(number.astype(np.int64), area.start_us + since_start, lat, lon, np.full(len(lat), 50, dtype=np.int64), cell)
