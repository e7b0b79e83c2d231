"""The public rules of the person stage, as plain integers, and the proof that no device can overflow them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import numpy.typing as npt

from flockwise.base.h3bits import resolution_of
from flockwise.person.checking import FAR, INT64, check, check_levels, frozen
from flockwise.person.flow_rules import FlowsRules

__all__ = [
    "ARRIVALS",
    "DEPARTURES",
    "FLOWS",
    "GRID",
    "K_ONE",
    "NORMS",
    "PRESENCE",
    "PresenceRules",
    "Rules",
    "WeightRules",
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
        object.__setattr__(self, "cells", frozen(self.cells, "presence.cells"))
        object.__setattr__(self, "parents", tuple(frozen(p, "presence.parents") for p in self.parents))
        check_levels("presence", self.cells, self.parents, self.weights)
        check(0 < self.slot_us < FAR and self.slots > 0, "A slot is empty.", (self.slot_us, self.slots), "positive numbers")
        check(0 < self.hold_us < FAR, "The greatest hold is out of range.", self.hold_us, "a positive number of microseconds")
        check(len(self.cells) * self.slots < INT64, "The domain of presence is too large.", (len(self.cells), self.slots), "keys within 63 bits")

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
            object.__setattr__(self, name, frozen(getattr(self, name), f"weights.{name}"))
        rising = bool((np.diff(self.cells) > 0).all()) and len(set(resolution_of(self.cells).tolist())) == 1
        check(rising, "The areas of the weights are not sorted, distinct and at one resolution.", len(self.cells), "rising H3 numbers")
        check(len(self.units) == len(self.cells), "There is not one weight for each area.", len(self.units), str(len(self.cells)))
        inside = int(self.units.min()) >= 0 and int(self.units.max()) <= GRID and 0 <= self.otherwise <= GRID
        check(inside, "A weight is out of range.", "another number", f"0 to {GRID} grid units")
        check(0 < self.hold_us < FAR, "The greatest hold is out of range.", self.hold_us, "a positive number of microseconds")
        check(len(self.offset_starts_us) == len(self.offset_us), "The offsets are out of order.", len(self.offset_us), "one for each instant")

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
        check(-FAR < self.start_us < self.end_us < FAR, "The window is empty or out of range.", (self.start_us, self.end_us), "start before end")
        for name in ("accuracy_dm", "speed_mm_s", "radius_m", "least_us", "gap_us"):
            value = getattr(self, name)
            check(0 < value < FAR, f"The rule {name} is out of range.", value, "a positive integer")
        check(self.radius_m <= 1_000_000, "The radius of a stay is out of range.", self.radius_m, "at most 1,000 km")
        check(0 <= self.bound < INT64, "The bound is out of range.", self.bound, "below 2^63")
        if self.presence is not None:
            span, filled = self.end_us - self.start_us, self.presence.slots * self.presence.slot_us
            check(span == filled, "The slots do not fill the window.", filled, str(span))
            # Presence is never shrunk, so its public worst case (every slot occupied) has to fit into the bound.
            worst = self.presence.slots * self.presence.slot_charge
            check(worst <= self.bound, "A device present in every slot would exceed the bound.", worst, f"at most {self.bound}")
        if self.flows is not None:
            check(int(self.flows.offset_starts_us[0]) <= self.start_us, "The offsets begin after the window.", "later", "at its start or before")
            # bounding.py adds (sum q)^2 <= (256 trips)^2 in int64 and forms trips * 256 * k; W is only divided by, or multiplied by what fits.
            edges = [*self.flows.norm_edges, *([self.flows.heavy_edge] if self.flows.heavy_edge else [])]
            check(max(edges, default=0) * GRID * GRID < INT64, "An edge of norms could overflow 64 bits.", edges, "squares below 2^47")
            worst = self.most_trips * GRID
            check(worst * worst < INT64 and worst * K_ONE < INT64, "A device's trips could overflow 64 bits.", worst, "a square below 2^63")
            for groupings in (self.flows.shapes, self.flows.total_groupings):
                weights = sum(g.weight for g in groupings)
                check(weights < INT64, "The weights of flows could overflow 64 bits.", weights, "a sum below 2^63")

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
