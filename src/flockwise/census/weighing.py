"""Weights by area, and where the panel covers fewer people than elsewhere: a census divided by published figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise.base.h3bits import parent, resolution_of
from flockwise.census.night import Night
from flockwise.census.people import Census
from flockwise.config.weights import COARSEST_AREA
from flockwise.errors import ConfigError

__all__ = ["OFF_SHARE", "SKEWED", "Weighing", "weigh"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

OFF_SHARE = 1.25
"""An area is covered otherwise than the whole if its coverage surely lies above this many times the mean, or under the mean divided by it."""
SKEWED = 0.1
"""A panel is skewed if areas with this share of the people are covered otherwise."""


@dataclass(frozen=True, eq=False)
class Weighing:
    """Areas with their people, their devices and their weights; vectors over areas, sorted by cell.

    Attributes:
        level: H3 resolution of the areas.
        cells: H3 cells of the census at that level, int64.
        people: census.
        source: level of the figure that the weight comes from: `level` or a coarser one; -1 where there is none, and no weight.
        weight: people to a device seen in a slot of the night, at most the greatest; NaN where there is none.
        cut: where the weight was higher than the greatest.
        coverage: devices to a person over those of all areas with a figure of their own; NaN elsewhere.
        lower: lower end of that; the means of the intervals' ends are used, so it is wide rather than narrow.
        upper: upper end.
        mean_coverage: devices seen in a slot of the night to a person, in all areas with a figure of their own.
    """

    level: int
    cells: Ints
    people: Floats
    source: Ints
    weight: Floats
    cut: Bools
    coverage: Floats
    lower: Floats
    upper: Floats
    mean_coverage: float

    def share(self, areas: Bools) -> float:
        """Share of the census that lives in some areas."""
        return float(self.people[areas].sum() / self.people.sum())

    @property
    def few(self) -> Bools:
        """Areas that the panel surely covers less than the whole."""
        found: Bools = self.upper < 1.0 / OFF_SHARE
        return found

    @property
    def many(self) -> Bools:
        """Areas that it surely covers more."""
        found: Bools = self.lower > OFF_SHARE
        return found

    @property
    def skewed(self) -> bool:
        """Whether areas with a tenth of the people are covered otherwise than the whole."""
        return self.share(self.few | self.many) >= SKEWED


def weigh(night: Mapping[int, Night], census: Census, level: int, greatest: int) -> Weighing:
    """The weights of a census's areas: people over the mean number of devices that a release shows there at night.

    An area without a figure of its own takes that of the nearest coarser level which has one, shared out by the census: it gets the weight of all of that
    cell's people together. Where no level has a figure there is no weight.

    Args:
        night: mean nights by level, of one release.
        census: people by cell, at `level` or finer.
        level: H3 resolution of the areas, one of the release's, not finer than usual areas may be.
        greatest: no weight is larger.

    Raises:
        ConfigError: a level that is too fine or that release or census does not have; no area in common.

    Privacy:
        Published figures and a public census alone: post-processing of a release that was charged.
    """
    if level not in night or level > COARSEST_AREA:
        allowed = ", ".join(str(x) for x in sorted(night) if x <= COARSEST_AREA) or "none: release a coarser level of presence, too"
        raise _refused(f"level {level}", f"a level of the release, {COARSEST_AREA} or coarser: {allowed}", "--level")
    finest = int(resolution_of(census.cells[:1])[0])
    if finest < level:
        raise _refused(f"a census at resolution {finest}", f"cells of resolution {level} or finer", "--census or --level")
    if not 1 <= greatest <= 100_000:
        raise _refused(f"greatest {greatest}", "1 to 100000", "--greatest")
    cells, people = _living(census.cells, census.people, level)
    devices, low, high = (_on(night[level], name, cells) for name in ("devices", "lower", "upper"))
    inside = np.isin(cells, night[level].cells)
    source = np.where(np.isfinite(devices), level, -1)
    weight = np.where(source == level, people / np.maximum(devices, 1e-9), np.nan)
    for above in sorted((x for x in night if x < level), reverse=True):
        zones, living = _living(cells[inside], people[inside], above)
        there = _on(night[above], "devices", zones)
        place = np.minimum(np.searchsorted(zones, parent(cells, above)), len(zones) - 1)
        # An area outside the release's region gets no weight: no device of the panel was counted there.
        taken = (source < 0) & np.isfinite(there[place]) & inside
        weight[taken] = (living / np.maximum(there, 1e-9))[place][taken]
        source[taken] = above
    own = source == level
    if not own.any() or not people[own].sum() > 0.0:
        raise _refused("no area with people and a figure", "a census of the release's region", "--census or --level")
    mean = float(devices[own].sum() / people[own].sum())
    each = np.where(own & (people > 0.0), np.maximum(people, 1e-9) * mean, np.nan)
    cut = weight > greatest
    return Weighing(level, cells, people, source, np.minimum(weight, greatest), cut, devices / each, low / each, high / each, mean)


def _living(cells: Ints, people: Floats, level: int) -> tuple[Ints, Floats]:
    zones, place = np.unique(parent(cells, level), return_inverse=True)
    return zones, np.bincount(place, people, len(zones)).astype(np.float64)


def _on(night: Night, name: str, cells: Ints) -> Floats:
    """A night's values on other cells; NaN where it has none."""
    place = np.minimum(np.searchsorted(night.cells, cells), len(night.cells) - 1)
    values: Floats = getattr(night, name)
    found: Floats = np.where(night.cells[place] == cells, values[place], np.nan)
    return found


def _refused(got: str, expected: str, option: str) -> ConfigError:
    return ConfigError("CENSUS_NO_WEIGHTS", what="No weights can be made.", got=got, expected=expected, state="Nothing was written.", fix=f"Correct {option}.")
