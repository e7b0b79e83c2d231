"""What the noisy flows and their prior say of the true ones: means, chance of being empty, medians and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from flockwise.estimate._types import Bools, Floats, Ints
from flockwise.estimate.flow_prior import FAR, Prior, likelihood

__all__ = ["KNOTS", "STEP", "Correction", "Outlook", "Reader", "Spread", "outlook", "posterior", "spread"]

EMPTY = 0.15
"""Flows below this, in noise units, count as empty when ghosts are limited: the noise can't tell them from 0."""
STEP = 0.2
KNOTS = np.arange(-4.0, FAR + 2.0 + STEP / 2, STEP)
"""Noisy values, in noise units, at which tables over strata are held."""
_CHUNK = 512
_BISECTIONS = 12
_FAR_COVERAGE = 0.967


@dataclass(frozen=True)
class Outlook:
    """Flat arrays over all values of a table.

    Attributes:
        empty: chance that nothing (or next to nothing) is there.
        means: posterior mean in noise units, of all devices and, if they were counted apart, of heavy ones.
        variance: posterior variance of all devices' flow + `extra` x heavy devices', in noise units squared.
    """

    empty: Floats
    means: tuple[Floats, ...]
    variance: Floats


@dataclass(frozen=True)
class Spread:
    """Vectors over the rows asked for, in trips.

    Attributes:
        median: the estimate.
        lower: lower end of the 90 % interval.
        upper: upper end.
        variance: given the noisy flows, if the ratios were known.
    """

    median: Floats
    lower: Floats
    upper: Floats
    variance: Floats

    def widened(self, deviation: Floats) -> Spread:
        """Return the same with intervals that allow for ratios that are unsure by this standard deviation, in trips."""
        reach = NormalDist().inv_cdf(0.95) * deviation
        lower = np.maximum(self.median - np.hypot(self.median - self.lower, reach), 0.0)
        return Spread(self.median, lower, self.median + np.hypot(self.upper - self.median, reach), self.variance)


@dataclass(frozen=True)
class Correction:
    """How far to trust what the posterior says of heavy devices' flows; vectors over rows.

    Attributes:
        move: how far their mean moves to the noisy value, 0 to 1.
        widen: their variance after that, over the posterior's.
        usual: the posterior variance of flows of like size, in noise units squared.
        pooled: how much of it takes the place of the flow's own.
    """

    move: Floats
    widen: Floats
    usual: Floats
    pooled: Floats

    def of(self, rows: slice) -> Correction:
        """Return some rows."""
        return Correction(self.move[rows], self.widen[rows], self.usual[rows], self.pooled[rows])


def outlook(prior: Prior, whitened: Sequence[Floats], extra: float = 0.0) -> Outlook:
    """Return what is expected of every value, read off a table over strata and noisy values."""
    dense = likelihood(KNOTS, prior.atoms, prior.width)
    heavy = len(whitened) > 1
    other = dense if heavy else np.ones((1, 1))
    none = (prior.atoms <= EMPTY).astype(np.float64)
    whole = dense @ prior.weights @ other.T
    tables = [(dense * none) @ prior.weights @ ((other * none) if heavy else other).T, (dense * prior.atoms) @ prior.weights @ other.T]
    if heavy:
        tables.append(dense @ prior.weights @ (other * prior.atoms).T)
    total = prior.atoms[:, None] + (extra * prior.atoms if heavy else np.zeros(1))
    first = dense @ (prior.weights * total) @ other.T / np.maximum(whole, 1e-300)
    wider = prior.width[:, None] ** 2 + (extra**2 * prior.width**2 if heavy else 0.0)
    second = dense @ (prior.weights * (total**2 + wider)) @ other.T / np.maximum(whole, 1e-300)
    read = Reader(prior.stratum, KNOTS, STEP, whitened)
    empty, *means = [read(table / np.maximum(whole, 1e-300)) for table in tables]
    variance = read(np.maximum(second - first**2, 0.0))
    # Beyond the table's end each value has a posterior of its own.
    far = np.flatnonzero(np.max(whitened, axis=0) > FAR)
    for start in range(0, len(far), _CHUNK):
        some = far[start : start + _CHUNK]
        _, moments = posterior(prior, [z[some] for z in whitened], prior.stratum[some])
        for mean, (first, _) in zip(means, moments, strict=True):
            mean[some] = first
        variance[some] = moments[0][1] + sum(extra**2 * second for _, second in moments[1:])
    return Outlook(empty, tuple(means), variance)


class Reader:
    """Linear interpolation in a table strata x knots (x knots), for all values at once."""

    def __init__(self, stratum: Ints, knots: Floats, step: float, whitened: Sequence[Floats]) -> None:
        at = [np.clip((z - knots[0]) / step, 0.0, len(knots) - 1.001) for z in whitened]
        low = [a.astype(np.int64) for a in at]
        part = [a - i for a, i in zip(at, low, strict=True)]
        self.corners = [((stratum * len(knots) + low[0] + i), (part[0] if i else 1.0 - part[0])) for i in (0, 1)]
        if len(whitened) > 1:
            self.corners = [((base * len(knots) + low[1] + j), weight * (part[1] if j else 1.0 - part[1])) for base, weight in self.corners for j in (0, 1)]

    def __call__(self, table: Floats) -> Floats:
        """Return the table's value for every noisy value."""
        flat = np.ascontiguousarray(table).ravel()
        out = np.zeros(len(self.corners[0][0]))
        for place, weight in self.corners:
            out += flat[place] * weight
        return out


def spread(
    prior: Prior,
    whitened: Sequence[Floats],
    rows: Ints,
    scales: Sequence[Floats],
    *,
    tail: float | Floats,
    to_zero: Bools | None = None,
    correction: Correction | None = None,
) -> Spread:
    """Return median, interval and variance of scale_0 x true flow of all devices (+ scale_1 x that of heavy ones), for some rows.

    Args:
        prior: the fitted prior.
        whitened: all noisy flows in noise units.
        rows: flat positions.
        scales: trips to a noise unit, one vector over `rows` for each of `whitened`.
        tail: probability on either side of the interval, one or for each row.
        to_zero: where the interval begins at 0 and leaves all of its probability outside above; vector over `rows`, None for nowhere.
        correction: of what the posterior says of heavy devices' flows.
    """
    out = np.empty((4, len(rows)))
    tail = np.broadcast_to(np.asarray(tail, dtype=np.float64), len(rows))
    lowest = tail if to_zero is None else np.where(to_zero, 0.0, tail)
    for start in range(0, len(rows), _CHUNK):
        some = slice(start, start + _CHUNK)
        chances = np.stack([np.full(len(lowest[some]), 0.5), lowest[some], 1.0 - 2.0 * tail[some] + lowest[some]])
        trust = None if correction is None else correction.of(some)
        out[:, some] = _spread(prior, [z[rows[some]] for z in whitened], prior.stratum[rows[some]], [s[some] for s in scales], chances, trust)
    return Spread(*out)


def posterior(prior: Prior, z: Sequence[Floats], stratum: Ints) -> tuple[Floats, list[tuple[Floats, Floats]]]:
    """Return the weights of atoms for some values, and the mean and variance of each table's flow in noise units."""
    atoms, heavy = prior.atoms, len(z) > 1
    weights = prior.weights[stratum] * likelihood(z[0], atoms, prior.width)[:, :, None]
    if heavy:
        weights *= likelihood(z[1], atoms, prior.width)[:, None, :]
    weights /= np.maximum(weights.sum(axis=(1, 2), keepdims=True), 1e-300)
    moments = []
    for band, value in enumerate(z):
        own = weights.sum(axis=2 - band) if heavy else weights[:, :, 0]
        first = own @ atoms
        second = np.maximum(own @ (atoms**2 + prior.width**2) - first**2, 0.0)
        far = value > FAR - 1.0
        moments.append((np.where(far, value, first), np.where(far, 1.0, second)))
    return weights, moments


def _spread(prior: Prior, z: Sequence[Floats], stratum: Ints, scales: Sequence[Floats], chances: Floats, trust: Correction | None) -> Floats:
    weights, moments = posterior(prior, z, stratum)
    learnt = _summed(scales, moments)
    if trust is not None:
        first, second = moments[1]
        # What is taken as it is stays.
        wider = trust.widen * ((1.0 - trust.pooled) * second + trust.pooled * trust.usual)
        moments[1] = first + trust.move * (z[1] - first), np.where(z[1] > FAR - 1.0, second, wider)
    mean, variance = _summed(scales, moments)
    far = np.max(z, axis=0) > FAR - 1.0
    ends = mean + np.array([0.0, -1.0, 1.0])[:, None] * NormalDist().inv_cdf(_FAR_COVERAGE) * np.sqrt(variance)
    near = ~far
    if near.any():
        found = _quantiles(weights[near], prior.atoms, [s[near] for s in scales], learnt[0][near], np.sqrt(learnt[1][near]), chances[:, near])
        moved = found + (mean - learnt[0])[near]
        wider = np.sqrt(variance / np.maximum(learnt[1], 1e-300))[near]
        ends[:, near] = np.where(chances[:, near] > 0.0, np.maximum(moved[0] + wider * (moved - moved[0]), 0.0), 0.0)
    return np.concatenate([ends, variance[None]])


def _summed(scales: Sequence[Floats], moments: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    """Return mean and variance of the weighted sum."""
    nothing = np.zeros(len(scales[0]))
    return sum((s * first for s, (first, _) in zip(scales, moments, strict=True)), nothing), sum(
        (s**2 * second for s, (_, second) in zip(scales, moments, strict=True)), nothing
    )


def _quantiles(weights: Floats, atoms: Floats, scales: Sequence[Floats], mean: Floats, deviation: Floats, wanted: Floats) -> Floats:
    """Return quantiles of a weighted sum of atoms, each atom but 0 spread evenly over its surroundings, by bisection."""
    rows, count = len(weights), len(atoms)
    edges = np.concatenate([[0.0], 0.5 * (atoms[1:] + atoms[:-1]), [1.1 * atoms[-1]]])
    # Cumulative over atoms of the last axis (the only one where heavy devices were not counted apart).
    last = weights if weights.shape[2] > 1 else weights.transpose(0, 2, 1)
    first = last.shape[1]
    running = np.concatenate([np.zeros((rows, first, 1)), np.cumsum(last, axis=2)], axis=2).reshape(rows * first, count + 1)
    zero = last[:, :, 0].ravel()
    line = np.arange(rows * first)
    offset = scales[0][:, None] * atoms if first > 1 else np.zeros((rows, 1))
    unit = np.maximum(scales[-1], 1e-9)[:, None]
    out = np.zeros((len(wanted), rows))
    for k, probability in enumerate(wanted):
        low, high = np.maximum(mean - 5.0 * deviation, 0.0), mean + 5.0 * deviation
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            x = ((middle[:, None] - offset) / unit).ravel()
            cell = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, count - 1)
            part = np.clip((x - edges[cell]) / (edges[cell + 1] - edges[cell]), 0.0, 1.0)
            below = np.where(cell == 0, zero, running[line, cell] * (1.0 - part) + running[line, cell + 1] * part)
            under = np.where(x < 0.0, 0.0, below).reshape(rows, first).sum(axis=1) < probability
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        out[k] = np.where(probability > 0.0, 0.5 * (low + high), 0.0)
    return out
