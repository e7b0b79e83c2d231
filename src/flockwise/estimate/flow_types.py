"""The shapes that estimates of flows take and give back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flockwise.errors import DataError
from flockwise.estimate._types import Bools, Floats, Ints

__all__ = ["GRID", "FlowEstimate", "FlowTable", "MarginTable", "NoisyFlowLevel", "SparsePairs", "check_flow_levels", "refused"]

GRID = 256
"""Published steps in one trip."""
_GREATEST = 1e12


@dataclass(frozen=True)
class SparsePairs:
    """The noisy pairs that reached a threshold, where all pairs are too many to be held; vectors over rows, each pair and slot once.

    Args:
        origin: row of the origin cell.
        destination: row of the destination cell.
        slot: slot of the day.
        values: noisy trips, each at least `threshold`.
        threshold: least value that is listed, in trips.
        cells: number of cells.
        slots: number of slots.
    """

    origin: Ints
    destination: Ints
    slot: Ints
    values: Floats
    threshold: float
    cells: int
    slots: int


@dataclass(frozen=True)
class NoisyFlowLevel:
    """The noisy flows of one level, of all devices or of the heavy ones, in trips; values may be negative; no nulls.

    Args:
        pairs: origins x destinations x slots of the day, shrunk to the bound; or those over a threshold, at the finest level only.
        pairs_sigma: standard deviation of the noise of every value.
        departures: origins x slots, margins of the shrunk flows with noise of their own; None where they were not measured.
        arrivals: destinations x slots; None if `departures` is.
        margins_sigma: noise of both.
        total_departures: origins x slots, trips before shrinking, each device's in one place: among the heavy devices' values where those are counted apart
            and it is heavy, else among everyone's; None where they were not measured.
        total_arrivals: destinations x slots; None if `total_departures` is.
        totals_sigma: noise of both.
        parent: for each cell its row in the next coarser level; None at the coarsest.
    """

    pairs: Floats | SparsePairs
    pairs_sigma: float
    departures: Floats | None = None
    arrivals: Floats | None = None
    margins_sigma: float = 0.0
    total_departures: Floats | None = None
    total_arrivals: Floats | None = None
    totals_sigma: float = 0.0
    parent: Ints | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and slots."""
        if isinstance(self.pairs, SparsePairs):
            return self.pairs.cells, self.pairs.slots
        return self.pairs.shape[0], self.pairs.shape[-1]

    @property
    def dense(self) -> Floats:
        """The pairs, where all of them are held."""
        if isinstance(self.pairs, SparsePairs):
            raise refused("a sparse level", "all pairs of every level but the finest, and of heavy devices")
        return self.pairs


@dataclass(frozen=True)
class FlowTable:
    """The printed pairs of one level, sorted by slot, origin, destination; vectors over rows.

    Attributes:
        origin: row of the origin cell in its level.
        destination: row of the destination cell.
        slot: slot of the day.
        trips: estimate, above 0, a multiple of 1/256.
        lower: lower end of the 90 % interval, at least 0.
        upper: upper end of the 90 % interval.
        unlisted: trips less the printed rows of the next finer level within this pair, at least 0; all of `trips` at the finest level.
    """

    origin: Ints
    destination: Ints
    slot: Ints
    trips: Floats
    lower: Floats
    upper: Floats
    unlisted: Floats


@dataclass(frozen=True)
class MarginTable:
    """Departures or arrivals of every cell of a level; cells x slots.

    Attributes:
        trips: estimate, at least 0, a multiple of 1/256; adds up to the next coarser level.
        lower: lower end of the 90 % interval.
        upper: upper end of the 90 % interval.
        published: True where the interval lies above 0.
        unlisted: trips less the printed pairs of this level that start (end) here, at least 0.
    """

    trips: Floats
    lower: Floats
    upper: Floats
    published: Bools
    unlisted: Floats


@dataclass(frozen=True)
class FlowEstimate:
    """All tables, finest level first."""

    pairs: tuple[FlowTable, ...]
    departures: tuple[MarginTable, ...]
    arrivals: tuple[MarginTable, ...]


def check_flow_levels(everyone: Sequence[NoisyFlowLevel], heavy: Sequence[NoisyFlowLevel] | None) -> None:
    """Refuse levels that do not fit together; nothing comes back.

    Raises:
        DataError: no level, or a shape, a value, a sigma or a parent that can't be.
    """
    if not everyone or (heavy is not None and len(heavy) != len(everyone)):
        raise refused(f"{len(everyone)} levels, {len(heavy or ())} of heavy devices", "at least one level, and as many of heavy devices if there are any")
    if heavy is not None and isinstance(everyone[0].pairs, SparsePairs):
        raise refused("a sparse level and heavy devices", "heavy devices counted apart only where all pairs are held")
    slots = everyone[0].shape[1]
    for place, level in enumerate(everyone):
        cells, last = level.shape[0], place == len(everyone) - 1
        for one in (level, heavy[place]) if heavy is not None else (level,):
            _check_values(one, cells, slots, place)
        if heavy is not None and any((a is None) != (b is None) for a, b in zip(_margins(level), _margins(heavy[place]), strict=True)):
            raise refused(f"level {place}", "the same margins and totals of all devices as of the heavy ones")
        if last != (level.parent is None):
            raise refused(f"level {place} of {len(everyone)}", "parents at every level but the coarsest")
        if level.parent is not None:
            above = everyone[place + 1].shape[0]
            if level.parent.shape != (cells,) or level.parent.min() < 0 or level.parent.max() >= above or len(np.unique(level.parent)) != above:
                raise refused(f"level {place}", "one valid row of the next level for each cell, and a child for every parent")


def _check_values(level: NoisyFlowLevel, cells: int, slots: int, place: int) -> None:
    if isinstance(level.pairs, SparsePairs) and place == 0:
        _check_sparse(level.pairs)
        _check_sigma(level.pairs_sigma, place)
    else:
        _check_array(level.dense, (cells, cells, slots), level.pairs_sigma, place)
    for values, sigma in zip(_margins(level), (level.margins_sigma,) * 2 + (level.totals_sigma,) * 2, strict=True):
        if values is not None:
            _check_array(values, (cells, slots), sigma, place)
    if (level.departures is None) != (level.arrivals is None) or (level.total_departures is None) != (level.total_arrivals is None):
        raise refused(f"level {place}", "departures and arrivals, or neither")


def _margins(level: NoisyFlowLevel) -> tuple[Floats | None, ...]:
    return level.departures, level.arrivals, level.total_departures, level.total_arrivals


def _check_array(values: Floats, shape: tuple[int, ...], sigma: float, place: int) -> None:
    if values.shape != shape or values.size < 1:
        raise refused(f"shape {values.shape} at level {place}", f"shape {shape}")
    if not np.isfinite(values).all() or np.abs(values).max() > _GREATEST:
        raise refused(f"a value out of range at level {place}", f"finite values of at most {_GREATEST:g} trips")
    _check_sigma(sigma, place)


def _check_sparse(pairs: SparsePairs) -> None:
    rows = len(pairs.values)
    places = ((pairs.origin, pairs.cells), (pairs.destination, pairs.cells), (pairs.slot, pairs.slots))
    if pairs.values.ndim != 1 or any(at.shape != (rows,) or (rows and not 0 <= at.min() <= at.max() < end) for at, end in places):
        raise refused(f"{rows} sparse rows", "as many origins, destinations and slots, each in range")
    if rows and not (np.isfinite(pairs.values).all() and pairs.threshold <= pairs.values.min() and pairs.values.max() <= _GREATEST):
        raise refused("a sparse value under the threshold or out of range", f"values from {pairs.threshold:g} to {_GREATEST:g}")
    if len(np.unique((pairs.slot * pairs.cells + pairs.origin) * pairs.cells + pairs.destination)) < rows:
        raise refused("a pair and slot listed twice", "each once")


def _check_sigma(sigma: float, place: int) -> None:
    if not 1e-6 <= sigma <= _GREATEST:
        raise refused(f"sigma {sigma!r} at level {place}", f"1e-6 to {_GREATEST:g} trips")


def refused(got: str, expected: str) -> DataError:
    """Return the error for noisy flows that do not fit; the caller raises it."""
    return DataError(
        "ESTIMATE_FLOWS",
        what="noisy flows do not have a shape that can be estimated.",
        got=got,
        expected=expected,
        state="Nothing was estimated.",
        fix="Pass them as released.",
    )
