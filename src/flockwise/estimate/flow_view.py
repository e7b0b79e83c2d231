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
from flockwise.estimate.margin_tree import MARGINS_OFF, PAIRS_OFF, Drawn, drawn

__all__ = ["TAIL", "View", "first_view", "measured_margin", "next_view"]

TAIL = 0.06
_SECOND_LOOKS = 1
_EMPTY_COVERED = 0.9
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
    check: Checked | None
    drawn: Drawn | None

    def spread(self, rows: Ints) -> Spread:
        """Return medians, intervals and variances in trips, for some positions."""
        origin, destination, _ = np.unravel_index(rows, self.shape)
        scales = _scales(self.ratio, self.sigmas, origin, destination)
        if self.drawn is None:
            to_zero = self.seen.empty[rows] >= self.doubtful
            if self.check is not None:
                found = self.check.spread(self.whitened, rows, scales, to_zero, tail=TAIL)
            else:
                found = spread(self.prior, self.whitened, rows, scales, tail=TAIL, to_zero=to_zero)
        else:
            middle, deviation = self.drawn.trips.ravel()[rows], self.drawn.deviation.ravel()[rows]
            reach = NormalDist().inv_cdf(1.0 - TAIL) * deviation
            found = Spread(middle, np.maximum(middle - reach, 0.0), middle + reach, deviation**2)
        return found.widened(np.sqrt(self._unsure(rows, origin, destination)))

    def _parts(self, rows: Ints, origin: Ints, destination: Ints) -> list[Floats]:
        """Return trips of light and of heavy devices, for some positions."""
        means = [m[rows] for m in self.seen.means]
        if len(means) == 1:
            return [self.ratio[0].at(origin, destination) * self.sigmas[0] * means[0]]
        light = np.maximum(self.sigmas[0] * means[0] - self.sigmas[1] * means[1], 0.0)
        return [r.at(origin, destination) * flow for r, flow in zip(self.ratio, (light, self.sigmas[1] * means[1]), strict=True)]

    def _unsure(self, rows: Ints, origin: Ints, destination: Ints) -> Floats:
        """Return the variance of trips that comes from unsure ratios, for some positions."""
        parts = self._parts(rows, origin, destination)
        return sum((p**2 * r.variance_at(origin, destination) for p, r in zip(parts, self.ratio, strict=True)), np.zeros(len(rows)))

    def _margin_unsure(self, axis: int) -> Floats:
        """Return the variance of margins that comes from unsure ratios: of their own zone's, and of all zones at the other ends; cells x slots."""
        cells, _, slots = self.shape
        rows = np.arange(cells * cells * slots)
        origin, destination, _ = np.unravel_index(rows, self.shape)
        found = np.zeros((cells, slots))
        for part, ratio in zip(self._parts(rows, origin, destination), self.ratio, strict=True):
            flows = part.reshape(self.shape)
            whole = flows.sum(axis=axis)
            near, far = (ratio.origin_unsure, ratio.destination_unsure) if axis == 1 else (ratio.destination_unsure, ratio.origin_unsure)
            found += whole**2 * (ratio.variance + sum((layer.variance for layer in near), np.zeros(cells))[:, None])
            for layer in far:
                found += layer.of_sums(flows, axis)
        return found

    def margins(self, bands: Sequence[NoisyFlowLevel]) -> tuple[Drawn, Drawn]:
        """Return departures and arrivals between what the pairs add up to and what was measured."""
        out = []
        for axis, name in ((1, "departures"), (0, "arrivals")):
            measured, noise = measured_margin(bands, self.ratio, name)
            found = drawn(self.expected.sum(axis=axis), self.variance.sum(axis=axis), measured, noise, MARGINS_OFF[self.drawn is not None])
            out.append(Drawn(found.trips, np.hypot(found.deviation, np.sqrt(self._margin_unsure(axis)))))
        return out[0], out[1]


def measured_margin(bands: Sequence[NoisyFlowLevel], ratio: Sequence[Ratios], name: str) -> tuple[Floats | None, Floats]:
    """Return a margin in trips as measured, None if it was not, and its noise; cells x slots."""
    values: list[Floats] = [v for v in (getattr(b, name) for b in bands) if v is not None]
    each = factors([(r.origin if name == "departures" else r.destination)[:, None] for r in ratio])
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
    scales = [s[:, :, None] for s in _scales(ratio, seen.sigmas, cells[:, None], cells)]
    measured = sum((s * z.reshape(seen.shape) for s, z in zip(scales, whitened, strict=True)), np.zeros(seen.shape))
    noise = np.sqrt(sum(s**2 for s in scales) + np.zeros(seen.shape))
    between = drawn(below, _raised(finer.variance, parent), measured, noise, PAIRS_OFF[finer.drawn is not None])
    between = Drawn(_settled(between.trips, between.deviation**2, total), between.deviation)
    return View(
        seen.shape, whitened, seen.sigmas, seen.prior, ratio, seen.seen, between.trips, between.deviation**2, seen.printed, seen.doubtful, None, between
    )


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
    return View((cells, cells, slots), whitened, sigmas, prior, ratio, seen, expected, variance, printed, _doubtful(seen.empty[printed]), None, None)


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
