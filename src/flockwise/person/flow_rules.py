"""The public rules of flows: what a trip is worth, over which pairs and margins."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from flockwise.base.h3bits import resolution_of
from flockwise.person.checking import FAR, INT64, check, check_levels, frozen

__all__ = ["LARGEST_DENSE", "FlowsRules", "Grouping", "TotalsRules"]

Ints = npt.NDArray[np.int64]

LARGEST_DENSE = 50_000_000
"""Sums over a larger public domain are kept as the keys that occur and their values."""

_DAY_MIN = 24 * 60


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
            object.__setattr__(self, name, frozen(getattr(self, name), f"flows.{name}"))
        object.__setattr__(self, "parents", tuple(frozen(p, "flows.parents") for p in self.parents))
        check_levels("flows", self.cells, self.parents, self.weights)
        levels = len(self.parents) + 1
        for more, least in ((self.margin_weights, 1), (self.totals.weights if self.totals else (), 0)):
            check(len(more) in (0, levels), "Margins need one weight for each level of flows, or none.", len(more), f"{levels} or none")
            check(all(int(w) == w and w >= least for w in more), "A weight of the margins is out of range.", list(more), f"integers from {least}")
        sound = self.totals is None or (sum(self.totals.weights) > 0 and 0 < self.totals.bound < INT64)
        check(sound, "The rules of totals are empty.", 0, "weights and a bound")
        edges = self.norm_edges
        check(all(0 < a < b for a, b in itertools.pairwise(edges)) and all(0 < e < FAR for e in edges), "The edges of norms are not rising.", edges, "squares")
        starts = self.slot_starts_min
        in_order = bool((np.diff(starts) > 0).all()) and int(starts[0]) == 0 and int(starts[-1]) < _DAY_MIN
        check(in_order, "The slots of the day are out of order.", starts.tolist(), "rising minutes from 0 to 1439")
        instants = self.offset_starts_us
        check(len(instants) == len(self.offset_us) and bool((np.diff(instants) > 0).all()), "The offsets are out of order.", len(instants), "rising instants")
        check(0 < self.trip_us < FAR, "The longest trip is out of range.", self.trip_us, "a positive number of microseconds")
        check(self.heavy_edge is None or 0 < self.heavy_edge < FAR, "The edge of heavy devices is out of range.", self.heavy_edge, "a positive number")
        check(math.prod(self.shape) < INT64, "The domain of flows is too large.", (len(self.cells), len(starts)), "keys within 63 bits")

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
