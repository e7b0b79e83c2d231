"""One level of noisy flows, as far as it is understood: its prior, what every pair is expected to be, which pairs are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from flockwise.estimate._types import Floats, Ints
from flockwise.estimate.flow_check import FEWEST, Checked, checked
from flockwise.estimate.flow_effects import ByClass, ByRow, Effects
from flockwise.estimate.flow_ends import OF_MARGINS, OF_PAIRS, ends_at, of_panel
from flockwise.estimate.flow_index import Gravity, gravity_index
from flockwise.estimate.flow_posterior import Outlook, Spread, outlook, spread
from flockwise.estimate.flow_prior import Prior, fit_prior
from flockwise.estimate.flow_refine import refined
from flockwise.estimate.flow_rescale import Ratios, Total, factors
from flockwise.estimate.flow_types import NoisyFlowLevel
from flockwise.estimate.margin_tree import MARGINS_OFF, Drawn, drawn, usual

__all__ = ["View", "first_view", "mean_ratio", "measured_margin", "scales_of", "settled", "view_of"]

_TAILS = (7.0, 15.0, 30.0), (0.06, 0.047, 0.04)
"""Probability on either side of an interval, by noisy flow in noise units: of small flows, which the prior knows well, and of large ones."""
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
        shared: how the errors of `expected` move with `effects`; None where there are no coarser pairs to learn them from.
        effects: what is known of them.
        apart: variance of `expected` by errors that pairs do not share; same shape.
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
    shared: ByClass | ByRow | None
    effects: Effects | None
    apart: Floats

    def spread(self, rows: Ints) -> Spread:
        """Return medians, intervals and variances in trips, for some positions."""
        origin, destination, _ = np.unravel_index(rows, self.shape)
        scales = scales_of(self.ratio, self.sigmas, origin, destination)
        if self.drawn is None:
            to_zero = self.seen.empty[rows] >= self.doubtful
            tail = np.interp(self.whitened[0][rows], *_TAILS)
            if self.check is not None:
                found = self.check.spread(self.whitened, rows, scales, to_zero, tail=tail)
            else:
                found = spread(self.prior, self.whitened, rows, scales, tail=tail, to_zero=to_zero)
        else:
            middle, variance = self.drawn.trips.ravel()[rows], self.drawn.deviation.ravel()[rows] ** 2
            deviation = np.sqrt(variance + self._unsure(rows, origin, destination))
            low, high = ends_at(OF_PAIRS, self.above, middle, self.sigmas[0] * self._whole_ratio())
            return Spread(middle, np.maximum(middle - low * deviation, 0.0), middle + high * deviation, variance)
        return found.widened(np.sqrt(self._unsure(rows, origin, destination)))

    def _parts(self, rows: Ints, origin: Ints, destination: Ints) -> list[Floats]:
        """Return trips of light and of heavy devices, for some positions."""
        means = [m[rows] for m in self.seen.means]
        if len(means) == 1:
            return [self.ratio[0].at(origin, destination) * self.sigmas[0] * means[0]]
        light = np.maximum(self.sigmas[0] * means[0] - self.sigmas[1] * means[1], 0.0)
        return [r.at(origin, destination) * flow for r, flow in zip(self.ratio, (light, self.sigmas[1] * means[1]), strict=True)]

    def _whole_ratio(self) -> float:
        """Return trips to a shrunk trip, of light and of heavy devices in one figure, for noise."""
        return float(np.linalg.norm([r.overall for r in self.ratio]))

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

    def tilted(self, variance: Floats) -> Floats:
        """Return by how much a posterior mean moves as the chance of a flow grows: its variance over the size of such flows in its stratum; in trips."""
        weights = self.prior.weights.sum(axis=2)
        size = np.maximum(weights @ self.prior.atoms**2 / np.maximum(weights @ self.prior.atoms, 1e-12), 1.0)
        unit = self.sigmas[0] * self.ratio[0].overall
        moved: Floats = variance.ravel() / (unit * size[self.prior.stratum])
        return moved

    def usual_variance(self) -> Floats:
        """Return the mean posterior variance of each pair's stratum. A pair's own depends on its noise, and may not weigh what its noisy value tells."""
        stratum, strata = self.prior.stratum, len(self.prior.weights)
        means = np.bincount(stratum, self.variance.ravel(), strata) / np.maximum(np.bincount(stratum, minlength=strata), 1)
        found: Floats = means[stratum]
        return found

    def surprise(self) -> tuple[Floats, Floats]:
        """Return by how much noisy flows exceed what is expected of them, and its variance if that is right; in trips, flat.

        A posterior mean has taken part of the noise with it: what it lacks of its noisy value varies by the noise less the posterior variance.
        """
        cells = np.arange(self.shape[0])
        scales = [s[:, :, None] for s in scales_of(self.ratio, self.sigmas, cells[:, None], cells)]
        measured = sum((s * z.reshape(self.shape) for s, z in zip(scales, self.whitened, strict=True)), np.zeros(self.shape))
        noise = sum((s**2 for s in scales), np.zeros(self.shape)).ravel()
        return (measured - self.expected).ravel(), np.maximum(noise - self.usual_variance(), 0.1 * noise)

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

    def _margin_shared(self, axis: int) -> Floats:
        """Return the variance of sums of pairs by the errors that they share; cells x slots."""
        cells, _, slots = self.shape
        if self.shared is None or self.effects is None:
            return np.zeros((cells, slots))
        at = np.indices(self.shape)
        place = at[1 - axis] * slots + at[2]
        return self.shared.summed(place.ravel(), cells * slots).variance(self.effects.covariance).reshape(cells, slots)

    def margins(self, bands: Sequence[NoisyFlowLevel]) -> tuple[Drawn, Drawn]:
        """Return departures and arrivals between what the pairs add up to and what was measured."""
        margins, flows = list[Drawn](), self.flows()
        shrunk = self.shrunk(flows)
        for axis, name in ((1, "departures"), (0, "arrivals")):
            own = [r.origin if axis == 1 else r.destination for r in self.ratio]
            each = [mean_ratio(t.sum(axis=axis), s.sum(axis=axis), end[:, None]) for t, s, end in zip(flows, shrunk, own, strict=True)]
            measured, noise = measured_margin(bands, each, name)
            found = drawn(self.expected.sum(axis=axis), self.apart.sum(axis=axis), measured, noise, usual(MARGINS_OFF, self.above), self._margin_shared(axis))
            deviation = np.hypot(found.deviation, np.sqrt(self._margin_unsure(flows, axis)))
            unit = bands[0].margins_sigma * self._whole_ratio()
            ends = found.ends if measured is None else ends_at(OF_MARGINS, self.above, found.trips, unit, of_panel(found.trips, unit))
            margins.append(Drawn(found.trips, deviation, found.keeps, ends))
        return margins[0], margins[1]


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


def scales_of(ratio: Sequence[Ratios], sigmas: Sequence[float], origin: Ints, destination: Ints) -> list[Floats]:
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
    found = view_of(bands, whitened, index - own, ratio, total, ghosts)
    if len(bands) == 1 or index.size < FEWEST:
        return found
    return replace(found, check=checked(whitened, (index - own).ravel(), sigmas[0] / sigmas[-1], found.prior))


def view_of(bands: Sequence[NoisyFlowLevel], whitened: list[Floats], index: Floats, ratio: tuple[Ratios, ...], total: Total, ghosts: float) -> View:
    """Return a level as its prior, learnt given an index, sees it."""
    sigmas = [b.pairs_sigma for b in bands]
    prior = fit_prior(whitened, index.ravel(), sigmas[0] / sigmas[-1])
    extra = factors([np.array(r.overall) for r in ratio])
    seen = outlook(prior, whitened, float(extra[-1] * sigmas[-1] / (extra[0] * sigmas[0])) if len(bands) > 1 else 0.0)
    cells, slots = bands[0].shape
    line = np.arange(cells)
    expected = np.zeros((cells, cells, slots))
    for scale, mean in zip(scales_of(ratio, sigmas, line[:, None], line), seen.means, strict=True):
        expected += scale[:, :, None] * mean.reshape(expected.shape)
    variance = seen.variance.reshape(expected.shape) * (scales_of(ratio, sigmas, line[:, None], line)[0] ** 2)[:, :, None]
    expected = settled(expected, variance, total)
    printed = _least_empty(seen.empty, ghosts)
    return View(
        (cells, cells, slots),
        whitened,
        sigmas,
        prior,
        ratio,
        seen,
        expected,
        variance,
        printed,
        _doubtful(seen.empty[printed]),
        0,
        None,
        None,
        None,
        None,
        variance,
    )


def settled(expected: Floats, variance: Floats, total: Total) -> Floats:
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
