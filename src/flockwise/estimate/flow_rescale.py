"""From shrunk trips to trips: ratios of noisy totals, by zone where the noise allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flockwise.estimate._types import Floats, Ints
from flockwise.estimate.flow_types import NoisyFlowLevel

__all__ = ["Ratios", "ratios"]

_FEWEST_SIGMAS = 10.0


@dataclass(frozen=True)
class Ratios:
    """Trips to a shrunk trip, by cell of the finest level, for origins and destinations; the ratio of a pair is origin x destination / overall.

    Attributes:
        origin: vector over cells.
        destination: vector over cells.
        overall: of all trips.
        deviation: standard deviation of the ratios, relative to them: of `overall`, and on top of that of the zones.
    """

    origin: Floats
    destination: Floats
    overall: float
    deviation: float

    def at(self, origin: Ints, destination: Ints) -> Floats:
        """Return the ratio of pairs of cells."""
        ratio: Floats = self.origin[origin] * self.destination[destination] / self.overall
        return ratio

    def raised(self, parent: Ints, weight: tuple[Floats, Floats]) -> Ratios:
        """Return the ratios of the next coarser level: means over children, weighted by their flows."""
        parts = []
        for ratio, mass in zip((self.origin, self.destination), weight, strict=True):
            some = mass + 1e-9 * (mass.sum() + 1.0)
            parts.append(np.bincount(parent, ratio * some) / np.bincount(parent, some))
        return Ratios(parts[0], parts[1], self.overall, self.deviation)


def ratios(everyone: Sequence[NoisyFlowLevel], heavy: Sequence[NoisyFlowLevel] | None) -> tuple[Ratios, ...]:
    """Return the ratios of light and of heavy devices, or of all if heavy ones were not counted apart.

    From the coarsest level to the finest: a zone takes its own ratio of noisy totals to noisy shrunk margins, drawn towards its parent's as far as its noise
    asks for; where the shrunk margin is under ten noise units it takes the parent's unchanged. Slots are added up first.

    Privacy: reads noisy values and public facts only; charges nothing.

    Source: James and Stein 1961 (shrinkage); why ten noise units: docs/claims/rescale.md.
    """
    groups = [[_sides(level) for level in everyone]]
    if heavy is not None:
        of_heavy = [_sides(level) for level in heavy]
        light = [[_less(a, b) for a, b in zip(all_of, part, strict=True)] for all_of, part in zip(groups[0], of_heavy, strict=True)]
        groups = [light, of_heavy]
    return tuple(_descend(group, everyone) for group in groups)


@dataclass(frozen=True)
class _Side:
    """Totals and shrunk margins of one level, summed over slots, with the noise of the sums; None where not measured."""

    totals: Floats
    totals_sigma: float
    shrunk: Floats
    shrunk_sigma: float


def _sides(level: NoisyFlowLevel) -> list[_Side | None]:
    sides: list[_Side | None] = []
    for totals, shrunk in ((level.total_departures, level.departures), (level.total_arrivals, level.arrivals)):
        if totals is None or shrunk is None:
            sides.append(None)
            continue
        root = float(np.sqrt(totals.shape[1]))
        sides.append(_Side(totals.sum(axis=1), level.totals_sigma * root, shrunk.sum(axis=1), level.margins_sigma * root))
    return sides


def _less(whole: _Side | None, part: _Side | None) -> _Side | None:
    """Return light devices' side: their totals are counted apart, their shrunk margins are what is left of everyone's."""
    if whole is None or part is None:
        return None
    return _Side(whole.totals, whole.totals_sigma, whole.shrunk - part.shrunk, float(np.hypot(whole.shrunk_sigma, part.shrunk_sigma)))


def _descend(group: Sequence[Sequence[_Side | None]], levels: Sequence[NoisyFlowLevel]) -> Ratios:
    known = [place for place, sides in enumerate(group) if sides[0] is not None]
    cells = levels[0].shape[0]
    if not known:
        return Ratios(np.ones(cells), np.ones(cells), 1.0, 0.0)
    overall, deviation = _overall(group[known[-1]])
    found, unsure = [], deviation**2
    for end in (0, 1):
        ratio = np.full(levels[-1].shape[0], overall)
        for place in range(len(levels) - 1, -1, -1):
            parent = levels[place].parent
            if parent is not None:
                ratio = ratio[parent]
            side = group[place][end]
            if side is not None:
                ratio, variance = _drawn(side, ratio)
                unsure += variance
        found.append(ratio)
    return Ratios(found[0], found[1], overall, float(np.sqrt(unsure)))


def _overall(sides: Sequence[_Side | None]) -> tuple[float, float]:
    """Return the ratio of all trips to all shrunk trips, and its relative standard deviation."""
    both = [s for s in sides if s is not None]
    totals, shrunk = sum(float(s.totals.sum()) for s in both), sum(float(s.shrunk.sum()) for s in both)
    totals_noise = sum(s.totals_sigma**2 * len(s.totals) for s in both) ** 0.5
    shrunk_noise = sum(s.shrunk_sigma**2 * len(s.shrunk) for s in both) ** 0.5
    # Shrinking only lowers, so a ratio under 1 is noise.
    if shrunk <= _FEWEST_SIGMAS * shrunk_noise or totals <= shrunk:
        return 1.0, 0.0
    return totals / shrunk, float(np.hypot(totals_noise / totals, shrunk_noise / shrunk))


def _drawn(side: _Side, parent: Floats) -> tuple[Floats, float]:
    """Return each zone's ratio, between its own and its parent's, and how unsure zones are beyond their parents: a mean relative variance."""
    fit = side.shrunk >= _FEWEST_SIGMAS * side.shrunk_sigma
    if fit.sum() < 2:
        return parent, 0.0
    shrunk = np.where(fit, side.shrunk, 1.0)
    apart = np.where(fit, side.totals / (shrunk * parent) - 1.0, 0.0)
    noise = (side.totals_sigma / (shrunk * parent)) ** 2 + (side.shrunk_sigma / shrunk) ** 2
    weight = np.where(fit, 1.0 / (noise + 0.01), 0.0)
    between = max(float((weight * (apart**2 - noise)).sum() / weight.sum()), 0.0)
    own = np.where(fit, between / (between + noise), 0.0)
    drawn: Floats = np.maximum(parent * (1.0 + own * np.clip(apart, -0.9, 9.0)), 1.0)
    return drawn, float(np.average(own * noise, weights=np.where(fit, side.shrunk, 0.0)))
