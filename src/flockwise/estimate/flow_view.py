"""One level of noisy flows, as far as it is understood: its prior, what every pair is expected to be, which pairs are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from flockwise.estimate._types import Floats, Ints
from flockwise.estimate.flow_check import FEWEST, Checked, checked
from flockwise.estimate.flow_index import Gravity, gravity_index
from flockwise.estimate.flow_posterior import Outlook, Spread, outlook, spread
from flockwise.estimate.flow_prior import Prior, fit_prior
from flockwise.estimate.flow_refine import refined
from flockwise.estimate.flow_rescale import Ratios, Total, factors
from flockwise.estimate.flow_types import NoisyFlowLevel
from flockwise.estimate.margin_tree import GROWTH, MARGINS_OFF, PAIRS_OFF, Drawn, drawn, usual

__all__ = ["View", "first_view", "measured_margin", "next_view"]

_TAILS = (7.0, 15.0), (0.06, 0.05)
"""Probability on either side of an interval, by noisy flow in noise units: of small flows, which the prior knows well, and of large ones."""
_TAIL_ABOVE = 0.05
_SECOND_LOOKS = 1
_EMPTY_COVERED = 0.9
_LEAST_SHRUNK = 1e-6
_DRAFT_ROUNDS = 20


@dataclass(frozen=True)
class View:
    """One level; everything is flat over origins x destinations x slots unless it says otherwise.

    Attributes:
        shape: origins, destinations, slots.
        whitened: noisy flows in noise units, of all devices and of heavy ones if they were counted apart.
        sigmas: their noise in shrunk trips.
        prior: what true flows are like.
        ratio: trips to a shrunk trip.
        seen: chance of being empty and posterior means.
        expected: trips expected, origins x destinations x slots.
        variance: of the trips, given the noisy flows; same shape.
        printed: positions of the pairs to print.
        doubtful: chance of being empty from which on a printed pair's interval begins at 0.
        above: how many levels it is above the finest.
        check: what flows that were not seen say of the prior; None where heavy devices were not counted apart, and at coarser levels.
        drawn: at coarser levels the estimate between the finer level's sums and this level's values; None at the finest.
    """

    shape: tuple[int, int, int]
    whitened: list[Floats]
    sigmas: list[float]
    prior: Prior
    ratio: tuple[Ratios, ...]
    seen: Outlook
    expected: Floats
    variance: Floats
    printed: Ints
    doubtful: float
    above: int
    check: Checked | None
    drawn: Drawn | None

    def spread(self, rows: Ints) -> Spread:
        """Return medians, intervals and variances in trips, for some positions."""
        origin, destination, _ = np.unravel_index(rows, self.shape)
        scales = _scales(self.ratio, self.sigmas, origin, destination)
        if self.drawn is None:
            to_zero = self.seen.empty[rows] >= self.doubtful
            tail = np.interp(self.whitened[0][rows], *_TAILS)
            if self.check is not None:
                found = self.check.spread(self.whitened, rows, scales, to_zero, tail=tail)
            else:
                found = spread(self.prior, self.whitened, rows, scales, tail=tail, to_zero=to_zero)
        else:
            middle, deviation = self.drawn.trips.ravel()[rows], self.drawn.deviation.ravel()[rows]
            reach = NormalDist().inv_cdf(1.0 - _TAIL_ABOVE) * deviation
            found = Spread(middle, np.maximum(middle - reach, 0.0), middle + reach, deviation**2)
        return found.widened(np.sqrt(self._unsure(rows, origin, destination)))

    def _parts(self, rows: Ints, origin: Ints, destination: Ints) -> list[Floats]:
        """Return trips of light and of heavy devices, for some positions."""
        means = [m[rows] for m in self.seen.means]
        if len(means) == 1:
            return [self.ratio[0].at(origin, destination) * self.sigmas[0] * means[0]]
        light = np.maximum(self.sigmas[0] * means[0] - self.sigmas[1] * means[1], 0.0)
        return [r.at(origin, destination) * flow for r, flow in zip(self.ratio, (light, self.sigmas[1] * means[1]), strict=True)]

    def flows(self) -> list[Floats]:
        """Return expected trips of light and of heavy devices, each origins x destinations x slots."""
        cells, _, slots = self.shape
        rows = np.arange(cells * cells * slots)
        origin, destination, _ = np.unravel_index(rows, self.shape)
        return [part.reshape(self.shape) for part in self._parts(rows, origin, destination)]

    def shrunk(self, flows: Sequence[Floats]) -> list[Floats]:
        """Return the shrunk trips that expected trips stand for."""
        line = np.arange(self.shape[0])
        return [flow / r.at(line[:, None], line)[:, :, None] for flow, r in zip(flows, self.ratio, strict=True)]

    def _unsure(self, rows: Ints, origin: Ints, destination: Ints) -> Floats:
        """Return the variance of trips that comes from unsure ratios, for some positions."""
        parts = self._parts(rows, origin, destination)
        return sum((p**2 * r.variance_at(origin, destination) for p, r in zip(parts, self.ratio, strict=True)), np.zeros(len(rows)))

    def _margin_unsure(self, parts: Sequence[Floats], axis: int) -> Floats:
        """Return the variance of margins that comes from unsure ratios: of their own zone's, and of all zones at the other ends; cells x slots."""
        cells, _, slots = self.shape
        found = np.zeros((cells, slots))
        for flows, ratio in zip(parts, self.ratio, strict=True):
            whole = flows.sum(axis=axis)
            near, far = (ratio.origin_unsure, ratio.destination_unsure) if axis == 1 else (ratio.destination_unsure, ratio.origin_unsure)
            found += whole**2 * (ratio.variance + sum((layer.variance for layer in near), np.zeros(cells))[:, None])
            for layer in far:
                found += layer.of_sums(flows, axis)
        return found

    def margins(self, bands: Sequence[NoisyFlowLevel]) -> tuple[Drawn, Drawn]:
        """Return departures and arrivals between what the pairs add up to and what was measured."""
        out, flows = [], self.flows()
        shrunk = self.shrunk(flows)
        for axis, name in ((1, "departures"), (0, "arrivals")):
            ends = [r.origin if axis == 1 else r.destination for r in self.ratio]
            each = [mean_ratio(t.sum(axis=axis), s.sum(axis=axis), end[:, None]) for t, s, end in zip(flows, shrunk, ends, strict=True)]
            measured, noise = measured_margin(bands, each, name)
            found = drawn(self.expected.sum(axis=axis), self.variance.sum(axis=axis), measured, noise, usual(MARGINS_OFF, self.above))
            out.append(Drawn(found.trips, np.hypot(found.deviation, np.sqrt(self._margin_unsure(flows, axis)))))
        return out[0], out[1]


def mean_ratio(trips: Floats, shrunk: Floats, otherwise: Floats) -> Floats:
    """Return the mean ratio of sums of pairs: trips to a shrunk trip as the pairs are expected to be, `otherwise` where hardly any are."""
    some = shrunk > _LEAST_SHRUNK
    found: Floats = np.where(some, trips / np.where(some, shrunk, 1.0), otherwise)
    return found


def measured_margin(bands: Sequence[NoisyFlowLevel], ratio: Sequence[Floats], name: str) -> tuple[Floats | None, Floats]:
    """Return a margin in trips as measured, None if it was not, and its noise; cells x slots, as what `ratio` spreads to."""
    values: list[Floats] = [v for v in (getattr(b, name) for b in bands) if v is not None]
    each = factors(ratio)
    flat = np.zeros(bands[0].shape)
    noise = np.sqrt(sum((f * b.margins_sigma) ** 2 for f, b in zip(each, bands, strict=True)) + flat)
    return (sum((f * v for f, v in zip(each, values, strict=True)), flat) if values else None), noise


def _scales(ratio: Sequence[Ratios], sigmas: Sequence[float], origin: Ints, destination: Ints) -> list[Floats]:
    """Return trips to a noise unit, of all devices and of heavy ones on top of that."""
    return [f * s for f, s in zip(factors([r.at(origin, destination) for r in ratio]), sigmas, strict=True)]


def first_view(bands: Sequence[NoisyFlowLevel], gravity: Gravity, ratio: tuple[Ratios, ...], total: Total, ghosts: float) -> View:
    """Return the finest level, seen through a gravity model."""
    sigmas = [b.pairs_sigma for b in bands]
    whitened = [(b.dense / b.pairs_sigma).ravel() for b in bands]
    index, own = gravity_index([b.dense for b in bands], sigmas, gravity)
    for _ in range(_SECOND_LOOKS):
        draft = fit_prior(whitened, (index - own).ravel(), sigmas[0] / sigmas[-1], rounds=_DRAFT_ROUNDS)
        index, own = refined(index, own, draft, whitened, gravity)
    found = _view(bands, whitened, index - own, ratio, total, ghosts)
    if len(bands) == 1 or index.size < FEWEST:
        return found
    return replace(found, check=checked(whitened, (index - own).ravel(), sigmas[0] / sigmas[-1], found.prior))


def next_view(bands: Sequence[NoisyFlowLevel], finer: View, parent: Ints, total: Total, ghosts: float) -> View:
    """Return the next coarser level, seen through the sums of what the finer one expects."""
    below = _raised(finer.expected, parent)
    ends = finer.expected.sum(axis=(1, 2)), finer.expected.sum(axis=(0, 2))
    ratio = tuple(r.raised(parent, ends) for r in finer.ratio)
    whitened = [(b.dense / b.pairs_sigma).ravel() for b in bands]
    seen = _view(bands, whitened, np.log(np.maximum(below, 1e-9)), ratio, total, ghosts)
    cells = np.arange(seen.shape[0])
    flows = finer.flows()
    sums = [(_raised(t, parent), _raised(s, parent)) for t, s in zip(flows, finer.shrunk(flows), strict=True)]
    each = [mean_ratio(*both, r.at(cells[:, None], cells)[:, :, None]) for both, r in zip(sums, ratio, strict=True)]
    scales = [f * sigma for f, sigma in zip(factors(each), seen.sigmas, strict=True)]
    measured = sum((s * z.reshape(seen.shape) for s, z in zip(scales, whitened, strict=True)), np.zeros(seen.shape))
    noise = np.sqrt(sum(s**2 for s in scales) + np.zeros(seen.shape))
    between = drawn(below, _raised(finer.variance, parent), measured, noise, usual(PAIRS_OFF, finer.above), 0.0 if finer.above else GROWTH)
    between = Drawn(_settled(between.trips, between.deviation**2, total), between.deviation)
    return replace(seen, expected=between.trips, variance=between.deviation**2, above=finer.above + 1, drawn=between)


def _view(bands: Sequence[NoisyFlowLevel], whitened: list[Floats], index: Floats, ratio: tuple[Ratios, ...], total: Total, ghosts: float) -> View:
    sigmas = [b.pairs_sigma for b in bands]
    prior = fit_prior(whitened, index.ravel(), sigmas[0] / sigmas[-1])
    extra = factors([np.array(r.overall) for r in ratio])
    seen = outlook(prior, whitened, float(extra[-1] * sigmas[-1] / (extra[0] * sigmas[0])) if len(bands) > 1 else 0.0)
    cells, slots = bands[0].shape
    line = np.arange(cells)
    expected = np.zeros((cells, cells, slots))
    for scale, mean in zip(_scales(ratio, sigmas, line[:, None], line), seen.means, strict=True):
        expected += scale[:, :, None] * mean.reshape(expected.shape)
    variance = seen.variance.reshape(expected.shape) * (_scales(ratio, sigmas, line[:, None], line)[0] ** 2)[:, :, None]
    expected = _settled(expected, variance, total)
    printed = _least_empty(seen.empty, ghosts)
    return View((cells, cells, slots), whitened, sigmas, prior, ratio, seen, expected, variance, printed, _doubtful(seen.empty[printed]), 0, None, None)


def _settled(expected: Floats, variance: Floats, total: Total) -> Floats:
    """Return the expectation given the total: what is missing is shared out by variance, so that large flows that are well known stay."""
    missing = (total.trips - expected.sum(axis=(0, 1))) / (variance.sum(axis=(0, 1)) + total.variance)
    settled: Floats = np.maximum(expected + variance * missing, 0.0)
    return settled


def _least_empty(empty: Floats, ghosts: float) -> Ints:
    """Return the positions least likely to be empty, as many as keep the mean chance under `ghosts`; equal chances go together.

    Source: Efron 2010 (local false discovery rates); Sun and Cai 2007 (the optimal rule).
    """
    likely = np.flatnonzero(empty < 0.5)
    ordered = np.sort(empty[likely])
    fit = np.flatnonzero(np.cumsum(ordered) <= ghosts * np.arange(1, len(ordered) + 1))
    return likely[empty[likely] <= ordered[fit[-1]]] if len(fit) else likely[:0]


def _doubtful(empty: Floats) -> float:
    """Return the chance of being empty that nine in ten of the empty pairs among these have or exceed, as far as chances tell."""
    ordered = np.sort(empty)[::-1]
    running = np.cumsum(ordered)
    return float(ordered[np.searchsorted(running, _EMPTY_COVERED * running[-1])]) if len(ordered) else 1.0


def _raised(values: Floats, parent: Ints) -> Floats:
    """Return sums over children at both ends."""
    order = np.argsort(parent, kind="stable")
    starts = np.searchsorted(parent[order], np.arange(int(parent.max()) + 1))
    summed: Floats = np.add.reduceat(np.add.reduceat(values[order][:, order], starts, axis=0), starts, axis=1)
    return summed
