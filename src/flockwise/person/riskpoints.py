"""How easily devices are singled out: the person side of `flockwise risk`. Proof: docs/claims/disclosure-risk.md.

A point is a cell and a slot in which a device has a ping. All that a device brings in (its points, the order in which they are drawn, its top places)
depends on its own rows alone. Devices meet only inside a group, and the figures of a group have a public range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import types

from flockwise.base.h3bits import parent, resolution_of
from flockwise.errors import InternalError
from flockwise.person.cleaning import Kept, clean
from flockwise.person.columns import columns_of
from flockwise.person.jit import I64, I64_IN, kernel
from flockwise.person.ordering import is_ordered, ordered
from flockwise.person.riskgroups import GROUP_UNITS, MOST_POINTS, draw_points, group_units
from flockwise.person.riskplaces import TOP_PLACES, place_sets
from flockwise.person.rules import Rules

__all__ = ["GROUP_UNITS", "MOST_POINTS", "TOP_PLACES", "RiskFigures", "RiskRules", "View", "risk_figures"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class View:
    """A resolution in space and time.

    Args:
        cells: sorted H3 cells of the public region at one resolution.
        starts_us: starts of the slots, rising; the first is the window's start.
    """

    cells: Ints
    starts_us: Ints

    @property
    def resolution(self) -> int:
        """H3 resolution."""
        return int(resolution_of(self.cells[:1])[0])


@dataclass(frozen=True, eq=False)
class RiskRules:
    """What the figures may know besides the pings. All of it is public.

    Args:
        person: window and cleaning.
        views: the resolutions at which points are compared; the points of a device are counted in the first.
        bits: for each size of group, how many leading bits of the pseudonym name a group: 1 to 32, rising, so that groups are nested.
        places: the resolutions at which top places are compared; being there in a slot is one visit.
        point_edges: greatest number of points of each bin but the last, rising.

    Raises:
        InternalError: bits out of range or not rising, or keys that could overflow 64 bits.
    """

    person: Rules
    views: tuple[View, ...]
    bits: tuple[int, ...]
    places: tuple[View, ...]
    point_edges: tuple[int, ...]

    def __post_init__(self) -> None:
        rising = bool(self.bits) and list(self.bits) == sorted(set(self.bits)) and self.bits[0] >= 1 and self.bits[-1] <= 32
        small = all((len(view.cells) + 1) ** TOP_PLACES < 1 << 63 for view in self.places)
        small = small and all(len(view.cells) * len(view.starts_us) < 1 << 62 for view in (*self.views, *self.places))
        if not (rising and small and self.views and list(self.point_edges) == sorted(set(self.point_edges))):
            raise InternalError("RISK_BAD_RULES", what="The rules of the risk figures are not sound.", state="No ping was read.")


class RiskFigures(NamedTuple):
    """Exact figures of some groups. They never leave the process.

    Attributes:
        singled_out: int64 (sizes of group, views, MOST_POINTS): at k - 1, the sum over groups of the units whose fewest points to be singled out are k.
        place_sets: for each resolution of places, int64 (TOP_PLACES, devices): the set of a device's top 1, 2, 3 places as one number.
        points: int64 (bins,): devices by their number of points.
    """

    singled_out: Ints
    place_sets: tuple[Ints, ...]
    points: Ints


def risk_figures(pings: pa.Table, rules: RiskRules) -> RiskFigures:
    """The figures of some complete groups.

    Args:
        pings: STORED_PINGS of all devices of one or more whole groups of the largest size, in any order.
        rules: public rules.

    Raises:
        InternalError: another schema. No row can cause an error.

    Privacy: exact, for `risk` alone. For each size of group and view one device changes the units of one group, which are at least 0 and add up to at
    most GROUP_UNITS before and after. It adds one number to each row of place_sets, and one to one bin of points.
    """
    columns = columns_of(pings)
    if not is_ordered(columns):
        columns = ordered(columns)
    kept = clean(columns, rules.person)
    fresh = (columns.device_hi[1:] != columns.device_hi[:-1]) | (columns.device_lo[1:] != columns.device_lo[:-1])
    begins = np.flatnonzero(np.r_[np.ones(min(1, len(columns.t_us)), dtype=np.bool_), fresh])
    high, low = columns.device_hi[begins], columns.device_lo[begins]
    singled_out = np.zeros((len(rules.bits), len(rules.views), MOST_POINTS), dtype=np.int64)
    bins = np.zeros(len(rules.point_edges) + 1, dtype=np.int64)
    for number, view in enumerate(rules.views):
        first, key = _points(kept, view)
        drawn, count = draw_points(high, low, first, key, number)
        singled_out[:, number] = group_units(high, first, key, drawn, count, rules.bits)
        if number == 0:
            many = np.diff(first)
            bins += np.bincount(np.searchsorted(np.array(rules.point_edges), many[many > 0]), minlength=len(bins))
    return RiskFigures(singled_out, tuple(place_sets(*_points(kept, view), len(view.cells), len(view.starts_us)) for view in rules.places), bins)


def _points(kept: Kept, view: View) -> tuple[Ints, Ints]:
    """The distinct points of every device: device d owns key[first[d] : first[d + 1]], a key being cell * slots + slot."""
    lifted = _lifted(kept.cell, view.resolution)
    where = np.minimum(np.searchsorted(view.cells, lifted), len(view.cells) - 1)
    cell = np.where(view.cells[where] == lifted, where, -1).astype(np.int64)
    slot = (np.searchsorted(view.starts_us, kept.t_us, side="right") - 1).astype(np.int64)
    first, key = np.empty(len(kept.first), dtype=np.int64), np.empty(len(cell), dtype=np.int64)
    found = _distinct(kept.first, cell, slot, len(view.starts_us), np.full(len(view.cells), -1, dtype=np.int64), first, key)
    return first, key[:found]


def _lifted(cell: Ints, level: int) -> Ints:
    """Ancestors, whatever the cells hold: a cell that is coarser than the level has none in the region."""
    fine = np.where(resolution_of(cell) >= level, cell, np.int64(15 << 52))
    return parent(fine, level)


@kernel(types.int64, I64_IN, I64_IN, I64_IN, types.int64, I64, I64, I64)
def _distinct(first: Ints, cell: Ints, slot: Ints, slots: int, seen: Ints, to_first: Ints, to_key: Ints) -> int:
    # Slots do not fall within a device, so the last slot in which a cell was seen says whether a point is new.
    found = 0
    for device in range(len(first) - 1):
        to_first[device] = found
        for i in range(first[device], first[device + 1]):
            c = cell[i]
            if c < 0 or seen[c] == device * slots + slot[i]:
                continue
            seen[c] = device * slots + slot[i]
            to_key[found] = c * slots + slot[i]
            found += 1
    to_first[len(first) - 1] = found
    return found
