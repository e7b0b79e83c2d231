"""The public rules of the person stage, as plain integers, and the proof that no device can overflow them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from flockwise.base.h3bits import parent, resolution_of
from flockwise.errors import InternalError

if TYPE_CHECKING:  # annotations only: the kernels' import stays cheap
    from flockwise.base.region import Region
    from flockwise.config import Study

__all__ = [
    "ARRIVALS",
    "DEPARTURES",
    "FLOWS",
    "GRID",
    "K_ONE",
    "LARGEST_DENSE",
    "NORMS",
    "PRESENCE",
    "FlowsRules",
    "Grouping",
    "PresenceRules",
    "Rules",
    "TotalsRules",
    "WeightRules",
    "rules_for",
]

Ints = npt.NDArray[np.int64]

PRESENCE = 0
"""Number of the presence block (its finest level)."""
FLOWS = 1
"""Number of the flows block (its finest level)."""
DEPARTURES = 2
"""Number of the block of totals by origin (its finest level)."""
ARRIVALS = 3
"""Number of the block of totals by destination (its finest level)."""
NORMS = 4
"""Number of the histogram of flow norms."""
GRID = 256
"""Grid units that stand for one device in one slot, or for one trip."""
K_ONE = 1 << 16
"""The clip's factor k is a number of 65,536ths."""

LARGEST_DENSE = 50_000_000
"""Sums over a larger public domain are kept as the keys that occur and their values."""

_INT64 = 1 << 63
_FAR = 1 << 60
_DAY_MIN = 24 * 60


def _refuse(what: str, got: str, expected: str) -> InternalError:
    return InternalError("PERSON_BAD_RULES", what=what, got=got, expected=expected, state="No ping was read.", fix="Report this with the study file.")


def _frozen(values: npt.ArrayLike, name: str) -> Ints:
    array = np.array(values, dtype=np.int64, copy=True)
    if array.ndim != 1 or array.size == 0:
        raise _refuse(f"The rules' {name} is not a list of numbers.", f"shape {array.shape}", "one dimension, at least one entry")
    array.setflags(write=False)
    return array


def _check(holds: bool, what: str, got: object, expected: str) -> None:
    if not holds:
        raise _refuse(what, str(got), expected)


def _check_levels(name: str, cells: Ints, parents: Sequence[Ints], weights: Sequence[int]) -> None:
    _check(bool((np.diff(cells) > 0).all()), f"The cells of {name} are not sorted and distinct.", len(cells), "rising H3 numbers")
    _check(len(set(resolution_of(cells).tolist())) == 1, f"The cells of {name} are not at one resolution.", len(cells), "one resolution")
    _check(len(weights) == len(parents) + 1, f"{name} needs one weight for each level.", len(weights), f"{len(parents) + 1}")
    _check(all(int(w) == w and w >= 1 for w in weights), f"A weight of {name} is not a positive integer.", list(weights), "integers from 1")
    for array in parents:
        fits = len(array) == len(cells) and int(array.min()) >= 0 and int(array.max()) < len(cells)
        _check(fits, f"The parents of {name} do not fit its cells.", len(array), f"{len(cells)} indices from 0, none of them above the number of cells")


@dataclass(frozen=True, eq=False)
class PresenceRules:
    """How a device counts as present: cells, slots and the weights of the levels.

    Args:
        cells: sorted H3 cells of the public domain at the table's resolution.
        slot_us: length of a slot.
        slots: number of slots; together they fill the window.
        hold_us: a ping stands for its device at most this long.
        parents: for each coarser level, the index there of each cell.
        weights: W of each level, finest first.
    """

    cells: Ints
    slot_us: int
    slots: int
    hold_us: int
    parents: tuple[Ints, ...]
    weights: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", _frozen(self.cells, "presence.cells"))
        object.__setattr__(self, "parents", tuple(_frozen(p, "presence.parents") for p in self.parents))
        _check_levels("presence", self.cells, self.parents, self.weights)
        _check(0 < self.slot_us < _FAR and self.slots > 0, "A slot is empty.", (self.slot_us, self.slots), "positive numbers")
        _check(0 < self.hold_us < _FAR, "The greatest hold is out of range.", self.hold_us, "a positive number of microseconds")
        _check(len(self.cells) * self.slots < _INT64, "The domain of presence is too large.", (len(self.cells), self.slots), "keys within 63 bits")

    @cached_property
    def resolution(self) -> int:
        """H3 resolution of the cells."""
        return int(resolution_of(self.cells[:1])[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Cells, slots: a key is cell_index * slots + slot."""
        return len(self.cells), self.slots

    @property
    def slot_charge(self) -> int:
        """What one occupied slot adds at most to a device's weighted norm: one cell at each level, so W * 256^2 at each."""
        return sum(self.weights) * GRID * GRID


class Grouping(NamedTuple):
    """Trips added up over what they share: a level of pairs, of departures (origins) or of arrivals (destinations), with its weight W."""

    ends: Literal["pairs", "departures", "arrivals"]
    level: int
    weight: int


@dataclass(frozen=True)
class TotalsRules:
    """Totals by origin and by destination, which have a clip of their own: sum of W |q|^2 over departures and arrivals of all levels at most `bound`.

    Args:
        weights: W of each level, finest first, for departures and for arrivals; 0 where totals are not measured.
        bound: B of the totals alone.
    """

    weights: tuple[int, ...]
    bound: int


@dataclass(frozen=True, eq=False)
class FlowsRules:
    """What a trip is worth: cells, slots of the day and the weights of the levels.

    Args:
        cells: sorted H3 cells of the public domain at the table's resolution.
        slot_starts_min: starts of the slots in minutes after local midnight, the first 0.
        offset_starts_us: instants from which an offset holds, the first not after the window's start.
        offset_us: what to add to UTC from then on.
        trip_us: two stays further apart than this are not joined.
        parents: for each coarser level, the index there of each cell.
        weights: W of each level of pairs, finest first.
        margin_weights: W of each level of departures and of arrivals, which are sums of the same clipped pairs; empty if the release has no such blocks.
        totals: the rules of totals, if the release has them.
        norm_edges: rising squared norms (in trips) that bound the bins of the histogram of norms; with edges the histogram is all that is made.
        heavy_edge: a device whose squared norm over the finest pairs, in trips, is above it is heavy: it fills a second band of every block besides the
            first, and so has half of what is left for each. None: there is one band, of everybody.
    """

    cells: Ints
    slot_starts_min: Ints
    offset_starts_us: Ints
    offset_us: Ints
    trip_us: int
    parents: tuple[Ints, ...]
    weights: tuple[int, ...]
    margin_weights: tuple[int, ...] = ()
    totals: TotalsRules | None = None
    norm_edges: tuple[int, ...] = ()
    heavy_edge: int | None = None

    def __post_init__(self) -> None:
        for name in ("cells", "slot_starts_min", "offset_starts_us", "offset_us"):
            object.__setattr__(self, name, _frozen(getattr(self, name), f"flows.{name}"))
        object.__setattr__(self, "parents", tuple(_frozen(p, "flows.parents") for p in self.parents))
        _check_levels("flows", self.cells, self.parents, self.weights)
        levels = len(self.parents) + 1
        for more, least in ((self.margin_weights, 1), (self.totals.weights if self.totals else (), 0)):
            _check(len(more) in (0, levels), "Margins need one weight for each level of flows, or none.", len(more), f"{levels} or none")
            _check(all(int(w) == w and w >= least for w in more), "A weight of the margins is out of range.", list(more), f"integers from {least}")
        sound = self.totals is None or (sum(self.totals.weights) > 0 and 0 < self.totals.bound < _INT64)
        _check(sound, "The rules of totals are empty.", 0, "weights and a bound")
        edges = self.norm_edges
        _check(
            all(0 < a < b for a, b in itertools.pairwise(edges)) and all(0 < e < _FAR for e in edges), "The edges of norms are not rising.", edges, "squares"
        )
        starts = self.slot_starts_min
        in_order = bool((np.diff(starts) > 0).all()) and int(starts[0]) == 0 and int(starts[-1]) < _DAY_MIN
        _check(in_order, "The slots of the day are out of order.", starts.tolist(), "rising minutes from 0 to 1439")
        instants = self.offset_starts_us
        _check(len(instants) == len(self.offset_us) and bool((np.diff(instants) > 0).all()), "The offsets are out of order.", len(instants), "rising instants")
        _check(0 < self.trip_us < _FAR, "The longest trip is out of range.", self.trip_us, "a positive number of microseconds")
        _check(self.heavy_edge is None or 0 < self.heavy_edge < _FAR, "The edge of heavy devices is out of range.", self.heavy_edge, "a positive number")
        _check(math.prod(self.shape) < _INT64, "The domain of flows is too large.", (len(self.cells), len(starts)), "keys within 63 bits")

    @cached_property
    def resolution(self) -> int:
        """H3 resolution of the cells."""
        return int(resolution_of(self.cells[:1])[0])

    @property
    def bands(self) -> int:
        """1: everybody; 2: everybody, and heavy devices once more."""
        return 1 if self.heavy_edge is None else 2

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Bands, origins, destinations, slots: a key is ((band * cells + o) * cells + d) * slots + slot."""
        return self.bands, len(self.cells), len(self.cells), len(self.slot_starts_min)

    @property
    def sparse(self) -> bool:
        """Whether the domain of pairs is too large for dense sums: a public fact."""
        return math.prod(self.shape) > LARGEST_DENSE

    @property
    def margin_shape(self) -> tuple[int, int, int]:
        """Bands, cells, slots: a key of departures or arrivals is (band * cells + cell) * slots + slot."""
        return self.bands, len(self.cells), len(self.slot_starts_min)

    @cached_property
    def shapes(self) -> tuple[Grouping, ...]:
        """Everything that the joint clip weighs of flows: pairs of every level, then their margins."""
        return (*(Grouping("pairs", level, w) for level, w in enumerate(self.weights)), *_margins(self.margin_weights))

    @cached_property
    def total_groupings(self) -> tuple[Grouping, ...]:
        """Everything that the clip of totals weighs."""
        return _margins(self.totals.weights if self.totals else ())


def _margins(weights: Sequence[int]) -> tuple[Grouping, ...]:
    return tuple(Grouping(ends, level, w) for ends in ("departures", "arrivals") for level, w in enumerate(weights) if w)


@dataclass(frozen=True, eq=False)
class WeightRules:
    """Public weights by usual area.

    Args:
        cells: sorted H3 cells at one resolution: the areas.
        units: what a device of each area counts for, in grid units, 0 to 256; 256 is the greatest weight.
        otherwise: the same for a device that was in none of them.
        hold_us: a ping stands for its device at most this long.
        offset_starts_us: instants from which an offset to local time holds, the first not after the window's start.
        offset_us: what to add to UTC from then on.
    """

    cells: Ints
    units: Ints
    otherwise: int
    hold_us: int
    offset_starts_us: Ints
    offset_us: Ints

    def __post_init__(self) -> None:
        for name in ("cells", "units", "offset_starts_us", "offset_us"):
            object.__setattr__(self, name, _frozen(getattr(self, name), f"weights.{name}"))
        rising = bool((np.diff(self.cells) > 0).all()) and len(set(resolution_of(self.cells).tolist())) == 1
        _check(rising, "The areas of the weights are not sorted, distinct and at one resolution.", len(self.cells), "rising H3 numbers")
        _check(len(self.units) == len(self.cells), "There is not one weight for each area.", len(self.units), str(len(self.cells)))
        inside = int(self.units.min()) >= 0 and int(self.units.max()) <= GRID and 0 <= self.otherwise <= GRID
        _check(inside, "A weight is out of range.", "another number", f"0 to {GRID} grid units")
        _check(0 < self.hold_us < _FAR, "The greatest hold is out of range.", self.hold_us, "a positive number of microseconds")
        _check(len(self.offset_starts_us) == len(self.offset_us), "The offsets are out of order.", len(self.offset_us), "one for each instant")

    @cached_property
    def resolution(self) -> int:
        """H3 resolution of the areas."""
        return int(resolution_of(self.cells[:1])[0])


@dataclass(frozen=True, eq=False)
class Rules:
    """Everything that the person stage may know besides one device's pings. All of it is public.

    Args:
        start_us: first microsecond of the window.
        end_us: first microsecond after it.
        accuracy_dm: pings that report a worse accuracy are dropped.
        speed_mm_s: pings that would need more than this from the last kept one are dropped.
        radius_m: radius of a stay.
        least_us: shorter halts are not stays.
        gap_us: a longer silence ends a stay.
        presence: rules of block 0, if the release has it.
        flows: rules of block 1, if the release has it.
        bound: B: no device's weighted squared norm over all levels exceeds it.
        weights: what devices count for; None: all the same.

    Raises:
        InternalError: settings that could overflow 64 bits, or under which the presence of one device could exceed the bound.
    """

    start_us: int
    end_us: int
    accuracy_dm: int
    speed_mm_s: int
    radius_m: int
    least_us: int
    gap_us: int
    presence: PresenceRules | None
    flows: FlowsRules | None
    bound: int
    weights: WeightRules | None = None

    def __post_init__(self) -> None:
        _check(-_FAR < self.start_us < self.end_us < _FAR, "The window is empty or out of range.", (self.start_us, self.end_us), "start before end")
        for name in ("accuracy_dm", "speed_mm_s", "radius_m", "least_us", "gap_us"):
            value = getattr(self, name)
            _check(0 < value < _FAR, f"The rule {name} is out of range.", value, "a positive integer")
        _check(self.radius_m <= 1_000_000, "The radius of a stay is out of range.", self.radius_m, "at most 1,000 km")
        _check(0 <= self.bound < _INT64, "The bound is out of range.", self.bound, "below 2^63")
        if self.presence is not None:
            span, filled = self.end_us - self.start_us, self.presence.slots * self.presence.slot_us
            _check(span == filled, "The slots do not fill the window.", filled, str(span))
            # Presence is never shrunk, so its public worst case (every slot occupied) has to fit into the bound.
            worst = self.presence.slots * self.presence.slot_charge
            _check(worst <= self.bound, "A device present in every slot would exceed the bound.", worst, f"at most {self.bound}")
        if self.flows is not None:
            _check(int(self.flows.offset_starts_us[0]) <= self.start_us, "The offsets begin after the window.", "later", "at its start or before")
            # bounding.py adds (sum q)^2 <= (256 trips)^2 in int64 and forms trips * 256 * k; W is only divided by, or multiplied by what fits.
            edges = [*self.flows.norm_edges, *([self.flows.heavy_edge] if self.flows.heavy_edge else [])]
            _check(max(edges, default=0) * GRID * GRID < _INT64, "An edge of norms could overflow 64 bits.", edges, "squares below 2^47")
            worst = self.most_trips * GRID
            _check(worst * worst < _INT64 and worst * K_ONE < _INT64, "A device's trips could overflow 64 bits.", worst, "a square below 2^63")
            for groupings in (self.flows.shapes, self.flows.total_groupings):
                weights = sum(g.weight for g in groupings)
                _check(weights < _INT64, "The weights of flows could overflow 64 bits.", weights, "a sum below 2^63")

    def sees_like(self, other: Rules) -> bool:
        """Whether both rules find the same presence and the same trips in the same pings; what is made of trips may differ."""
        own, others = (
            [*_plain(r, ("presence", "flows", "bound", "weights")), *_plain(r.presence, ("parents", "weights")), *_plain(r.weights), *_plain(r.flows, _CLIPS)]
            for r in (self, other)
        )
        return len(own) == len(others) and all(np.array_equal(a, b) for a, b in zip(own, others, strict=True))

    @property
    def most_trips(self) -> int:
        """No device has more trips in the window: stays are disjoint in time and each lasts least_us or more."""
        return (self.end_us - self.start_us) // self.least_us


_CLIPS = ("parents", "weights", "margin_weights", "totals", "norm_edges", "heavy_edge")
"""Parts of the rules of flows that say how trips are bounded, not which trips there are."""


def _plain(rules: Rules | PresenceRules | FlowsRules | WeightRules | None, without: Sequence[str] = ()) -> list[npt.ArrayLike]:
    """The numbers and arrays of rules, but for some."""
    return [0] if rules is None else [1, *(getattr(rules, f.name) for f in fields(rules) if f.name not in without)]


def rules_for(
    study: Study,
    *,
    presence_weights: Sequence[int] = (),
    flows_weights: Sequence[int] = (),
    margin_weights: Sequence[int] = (),
    totals: TotalsRules | None = None,
    norm_edges: Sequence[int] = (),
    heavy_edge: int | None = None,
    bound: int = 0,
) -> Rules:
    """The rules of a study. Without weights for a table the rules leave it out (ingest orders and counts with such rules).

    Args:
        study: the study. Its region's file is read if a table has weights.
        presence_weights: W of each level of presence, finest first.
        flows_weights: W of each level of flows, finest first.
        margin_weights: W of each level of the flows' margins, finest first.
        totals: rules of the totals.
        norm_edges: squared norms between the bins of the histogram of norms; only that histogram is made then.
        heavy_edge: squared norm above which a device is heavy; None: no second band.
        bound: B.

    Raises:
        InternalError: weights that do not fit the tables, or could overflow.
        ConfigError: the region's file can't be used.
    """
    window = study.time_window
    presence: PresenceRules | None = None
    flows: FlowsRules | None = None
    if study.presence is not None and presence_weights:
        table, region = study.presence, study.area.at(study.presence.resolution)
        presence = PresenceRules(
            cells=region.cells,
            slot_us=table.slot_minutes * 60_000_000,
            slots=len(window.slots(table.slot_minutes)),
            hold_us=table.greatest_hold_min * 60_000_000,
            parents=_parents(region, table.coarser),
            weights=tuple(presence_weights),
        )
    if study.flows is not None and flows_weights:
        trips, region = study.flows, study.area.at(study.flows.resolution)
        starts, offsets = window.offsets
        flows = FlowsRules(
            cells=region.cells,
            slot_starts_min=np.array(trips.starts_min, dtype=np.int64),
            offset_starts_us=starts,
            offset_us=offsets,
            trip_us=trips.greatest_trip_h * 3_600_000_000,
            parents=_parents(region, trips.coarser),
            weights=tuple(flows_weights),
            margin_weights=tuple(margin_weights),
            totals=totals,
            norm_edges=tuple(norm_edges),
            heavy_edge=heavy_edge,
        )
    weights: WeightRules | None = None
    table_of_weights = study.area_weights
    if study.weights is not None and table_of_weights is not None and (presence_weights or flows_weights):
        starts, offsets = window.offsets
        hold = study.presence.greatest_hold_min if study.presence else 60
        weights = WeightRules(table_of_weights.cells, table_of_weights.units, study.weights.otherwise_units, hold * 60_000_000, starts, offsets)
    return Rules(
        start_us=window.start_us,
        end_us=window.end_us,
        accuracy_dm=study.cleaning.greatest_accuracy_m * 10,
        speed_mm_s=study.cleaning.greatest_speed_kmh * 1_000_000 // 3_600,
        radius_m=study.stays.radius_m,
        least_us=study.stays.least_duration_min * 60_000_000,
        gap_us=study.stays.greatest_gap_min * 60_000_000,
        presence=presence,
        flows=flows,
        bound=bound,
        weights=weights,
    )


def _parents(region: Region, coarser: Sequence[int]) -> tuple[Ints, ...]:
    return tuple(region.at(level).index_of(parent(region.cells, level)) for level in coarser)
