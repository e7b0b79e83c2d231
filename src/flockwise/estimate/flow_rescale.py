"""From shrunk trips to trips: ratios of noisy totals, by zone where the noise allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flockwise.estimate._types import Floats, Ints
from flockwise.estimate.flow_types import NoisyFlowLevel, SparsePairs

__all__ = ["Ratios", "Total", "Unsure", "factors", "ratios", "total_trips"]

_FEWEST_SIGMAS = 10.0
_FEWEST_OVERALL = 5.0
"""For the one ratio of all trips, which has no parent to take another from: its bias is 1/25 then, and leaving flows shrunk would be far worse."""


_SPREADS = np.linspace(0.0, 0.4, 161) + 1e-4
"""By how much zones may differ, relative to their parents: in ratios, and in the share of heavy devices' trips."""
_USUAL_SPREAD, _USUAL_SHARES = 0.05, 0.1
"""How far that is usual: ratios where heavy devices were not counted apart, and shares."""
_LEAST_SPREAD, _OF_SHARES = 0.012, 0.35
"""Spread of ratios where shares do not differ, and for a unit of shares' spread. Measured: docs/decisions/0051-intervals-of-coarse-sums.md."""


@dataclass(frozen=True)
class Unsure:
    """How unsure one level's zones are of their ratio, on top of their parents'; zones are unsure independently of each other, cells of a zone together.

    Attributes:
        zone: of every cell.
        variance: of every cell's ratio, relative to its square.
    """

    zone: Ints
    variance: Floats

    def raised(self, parent: Ints, mass: Floats) -> Unsure:
        """Return the same for the next coarser level, whose ratios are means of their cells' weighted by `mass`."""
        parents, zones = int(parent.max()) + 1, int(self.zone.max()) + 1
        part = np.bincount(parent * zones + self.zone, mass, parents * zones).reshape(parents, zones) / np.bincount(parent, mass)[:, None]
        each = np.zeros(zones)
        each[self.zone] = self.variance
        # A parent lies in one zone, or is made of whole zones.
        first = np.zeros(parents, dtype=np.int64)
        first[parent] = self.zone
        return Unsure(first, part**2 @ each)

    def of_sums(self, flows: Floats, axis: int) -> Floats:
        """Return the variance of sums of flows over the ends that these zones are at, origins (axis 0) or destinations (axis 1); the other end x slots."""
        order = np.argsort(self.zone, kind="stable")
        first = np.flatnonzero(np.diff(self.zone[order], prepend=-1))
        by_zone = np.add.reduceat(np.take(flows, order, axis=axis), first, axis=axis)
        found: Floats = np.tensordot(self.variance[order][first], by_zone**2, axes=(0, axis))
        return found


@dataclass(frozen=True)
class Ratios:
    """Trips to a shrunk trip, by cell of the finest level, for origins and destinations; the ratio of a pair is origin x destination / overall.

    Attributes:
        origin: vector over cells.
        destination: vector over cells.
        overall: of all trips.
        variance: of `overall`, relative to its square; shared by all pairs.
        origin_unsure: what zones of origin are unsure by on top of that.
        destination_unsure: the same for zones of destination.
    """

    origin: Floats
    destination: Floats
    overall: float
    variance: float
    origin_unsure: tuple[Unsure, ...]
    destination_unsure: tuple[Unsure, ...]

    def at(self, origin: Ints, destination: Ints) -> Floats:
        """Return the ratio of pairs of cells."""
        ratio: Floats = self.origin[origin] * self.destination[destination] / self.overall
        return ratio

    def variance_at(self, origin: Ints, destination: Ints) -> Floats:
        """Return the relative variance of the ratio of pairs of cells."""
        found = np.full(np.broadcast_shapes(np.shape(origin), np.shape(destination)), self.variance)
        for layers, cell in ((self.origin_unsure, origin), (self.destination_unsure, destination)):
            for layer in layers:
                found = found + layer.variance[cell]
        return found

    def raised(self, parent: Ints, weight: tuple[Floats, Floats]) -> Ratios:
        """Return the ratios of the next coarser level: means over children, weighted by their flows."""
        ends, unsure = [], []
        for ratio, layers, mass in zip((self.origin, self.destination), (self.origin_unsure, self.destination_unsure), weight, strict=True):
            some = mass + 1e-9 * (mass.sum() + 1.0)
            ends.append(np.bincount(parent, ratio * some) / np.bincount(parent, some))
            unsure.append(tuple(layer.raised(parent, some) for layer in layers))
        return Ratios(ends[0], ends[1], self.overall, self.variance, unsure[0], unsure[1])


def ratios(everyone: Sequence[NoisyFlowLevel], heavy: Sequence[NoisyFlowLevel] | None) -> tuple[Ratios, ...]:
    """Return the ratios of light and of heavy devices, or of all if heavy ones were not counted apart.

    From the coarsest level to the finest: a zone takes its own ratio of noisy totals to noisy shrunk margins, drawn towards its parent's as far as its noise
    asks for; where the shrunk margin is under ten noise units it takes the parent's unchanged. Slots are added up first.

    Privacy: reads noisy values and public facts only; charges nothing.

    Source: James and Stein 1961 (shrinkage); why ten noise units: docs/claims/rescale.md.
    """
    sides = [_sides(level) for level in everyone]
    if heavy is None:
        return (_descend(sides, everyone, (1.0, 0.0), _half_normal(_USUAL_SPREAD)),)
    of_heavy = [_sides(level) for level in heavy]
    light, both = (
        [[join(a, b) for a, b in zip(all_of, part, strict=True)] for all_of, part in zip(sides, of_heavy, strict=True)] for join in (_less, _together)
    )
    known = [place for place, found in enumerate(both) if found[0] is not None]
    pooled = _overall(both[known[-1]], (1.0, 0.0)) if known else (1.0, 0.0)
    usual = _as_shares_do(sides[known[0]], of_heavy[known[0]]) if known else _half_normal(_USUAL_SPREAD)
    return _descend(light, everyone, pooled, usual), _descend(of_heavy, everyone, pooled, usual)


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


def _together(whole: _Side | None, part: _Side | None) -> _Side | None:
    """Return everyone's side: totals are counted apart and added, shrunk margins are everyone's as they stand."""
    if whole is None or part is None:
        return None
    return _Side(whole.totals + part.totals, float(np.hypot(whole.totals_sigma, part.totals_sigma)), whole.shrunk, whole.shrunk_sigma)


def _descend(group: Sequence[Sequence[_Side | None]], levels: Sequence[NoisyFlowLevel], otherwise: tuple[float, float], usual: Floats) -> Ratios:
    """Return the ratios of a group of devices.

    Args:
        group: sides of every level.
        levels: of everyone.
        otherwise: overall ratio and deviation where the group's own can't be told from noise.
        usual: logarithm of the chance of each of _SPREADS.
    """
    known = [place for place, sides in enumerate(group) if sides[0] is not None]
    cells = levels[0].shape[0]
    if not known:
        return Ratios(np.ones(cells), np.ones(cells), 1.0, 0.0, (), ())
    overall, deviation = _overall(group[known[-1]], otherwise)
    ends, unsure = [], []
    for end in (0, 1):
        ratio, layers = np.full(levels[-1].shape[0], overall), list[Unsure]()
        for place in range(len(levels) - 1, -1, -1):
            parent = levels[place].parent
            if parent is not None:
                ratio, layers = ratio[parent], [Unsure(layer.zone[parent], layer.variance[parent]) for layer in layers]
            side = group[place][end]
            if side is not None:
                ratio, variance = _drawn(side, ratio, usual)
                layers.append(Unsure(np.arange(len(ratio)), variance))
        ends.append(ratio)
        unsure.append(tuple(layers))
    return Ratios(ends[0], ends[1], overall, deviation**2, unsure[0], unsure[1])


def _overall(sides: Sequence[_Side | None], otherwise: tuple[float, float]) -> tuple[float, float]:
    """Return the ratio of all trips to all shrunk trips and its relative standard deviation, or `otherwise` where shrunk trips drown in noise."""
    both = [s for s in sides if s is not None]
    totals, shrunk = sum(float(s.totals.sum()) for s in both), sum(float(s.shrunk.sum()) for s in both)
    totals_noise = sum(s.totals_sigma**2 * len(s.totals) for s in both) ** 0.5
    shrunk_noise = sum(s.shrunk_sigma**2 * len(s.shrunk) for s in both) ** 0.5
    if shrunk <= _FEWEST_OVERALL * shrunk_noise:
        return otherwise
    # Shrinking only lowers, so a ratio under 1 is noise.
    ratio = max(totals / shrunk, 1.0)
    return ratio, float(np.hypot(totals_noise / shrunk / ratio, shrunk_noise / shrunk))


def _half_normal(usual: float | Floats) -> Floats:
    """Return the logarithm of the density of each of _SPREADS (last axis) where `usual` is usual."""
    found: Floats = -0.5 * (_SPREADS / usual) ** 2 - np.log(usual)
    return found


def _as_shares_do(everyone: Sequence[_Side | None], heavy: Sequence[_Side | None]) -> Floats:
    """Return the logarithm of the chance of each of _SPREADS for ratios, given how far zones' shares of heavy devices differ.

    Ratios of totals at 50,000 people have noise ten times what they differ by, and so tell nothing of it. Both ratios and shares come of how many trips the
    devices of a zone make: where these differ, both do, and shares are known ten times better.
    """
    likely = _half_normal(_USUAL_SHARES)
    for whole, part in zip(everyone, heavy, strict=True):
        if whole is None or part is None:
            continue
        fit = whole.shrunk >= _FEWEST_SIGMAS * whole.shrunk_sigma
        if not fit.any():
            continue
        overall = max(float(part.shrunk[fit].sum() / whole.shrunk[fit].sum()), 1e-6)
        share = part.shrunk[fit] / whole.shrunk[fit] / overall - 1.0
        noise = (np.hypot(part.shrunk_sigma, overall * whole.shrunk_sigma) / (overall * whole.shrunk[fit])) ** 2
        varies = _SPREADS[:, None] ** 2 + noise
        likely = likely - 0.5 * (np.log(varies) + share**2 / varies).sum(axis=1)
    chance = np.exp(likely - likely.max())
    usual = np.hypot(_LEAST_SPREAD, _OF_SHARES * _SPREADS)
    found: Floats = np.log((chance / chance.sum()) @ np.exp(_half_normal(usual[:, None])) + 1e-300)
    return found


def _drawn(side: _Side, parent: Floats, usual: Floats) -> tuple[Floats, Floats]:
    """Return each zone's ratio, between its own and its parent's, and how unsure it is beyond its parent's: a relative variance.

    How much zones differ is not known, and a few zones do not tell: every spread counts by its posterior, from its usual chance on. A zone whose shrunk margin
    is too small keeps its parent's ratio, and is as unsure as zones differ.

    Source: Rubin 1981 (hierarchical normal model with known variances); Gelman 2006 (half-normal priors of a spread).
    """
    fit = side.shrunk >= _FEWEST_SIGMAS * side.shrunk_sigma
    shrunk = np.where(fit, side.shrunk, 1.0)
    apart = np.where(fit, np.clip(side.totals / (shrunk * parent) - 1.0, -0.9, 9.0), 0.0)
    noise = (side.totals_sigma / (shrunk * parent)) ** 2 + (side.shrunk_sigma / shrunk) ** 2
    spread = _SPREADS[:, None] ** 2
    likely = np.where(fit, -0.5 * (np.log(spread + noise) + apart**2 / (spread + noise)), 0.0).sum(axis=1) + usual
    chance = np.exp(likely - likely.max())[:, None]
    chance /= chance.sum()
    own = np.where(fit, spread / (spread + noise), 0.0)
    mean = (chance * own).sum(axis=0)
    left = np.where(fit, own * noise, spread)
    variance = (chance * (left + ((own - mean) * apart) ** 2)).sum(axis=0)
    return np.maximum(parent * (1.0 + mean * apart), 1.0), variance


@dataclass(frozen=True)
class Total:
    """All trips of each slot, as every noisy sum together tells, and their noise variance; vectors over slots."""

    trips: Floats
    variance: Floats


def factors(ratio: Sequence[Floats]) -> list[Floats]:
    """Return what a shrunk trip of everyone counts, and what a heavy device's counts on top of that."""
    return [ratio[0], *[np.maximum(r - ratio[0], 0.0) for r in ratio[1:]]]


def total_trips(bands: Sequence[Sequence[NoisyFlowLevel]], ratio: Sequence[Ratios]) -> Total:
    """Return all trips of each slot: the sums of every level's pairs and margins, each weighted by its precision.

    Args:
        bands: for each level everyone's values and, if they were counted apart, heavy devices'.
        ratio: trips to a shrunk trip.
    """
    slots = bands[0][0].shape[1]
    each = factors([np.array(r.overall) for r in ratio])
    weighted, precision = np.zeros(slots), np.zeros(slots)
    for level in bands:
        tables = [] if isinstance(level[0].pairs, SparsePairs) else [[(b.dense.reshape(-1, slots), b.pairs_sigma) for b in level]]
        measured = [name for name in ("departures", "arrivals") if getattr(level[0], name) is not None]
        tables += [[(getattr(b, name), b.margins_sigma) for b in level] for name in measured]
        for table in tables:
            known = 1.0 / sum(float(f * sigma) ** 2 * len(values) for f, (values, sigma) in zip(each, table, strict=True))
            weighted += known * sum((f * values.sum(axis=0) for f, (values, _) in zip(each, table, strict=True)), np.zeros(slots))
            precision += known
    some = np.maximum(precision, 1e-300)
    return Total(np.maximum(weighted / some, 0.0), 1.0 / some)
