"""How wrong the estimates are, from released values alone: variance by probes, bias by Stein's unbiased risk estimate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flockwise.estimate._types import Floats
from flockwise.estimate.calendar import Calendar
from flockwise.estimate.lowrank import strata
from flockwise.estimate.smoothing import Smoother

__all__ = ["mean_squared_errors", "signs"]

_PROBES = 6
_STEP = 0.1
_ALLOWANCE = 0.25  # standard errors of a whole level's Stein risk, added for what so little data can't show
_STRATUM, _FEWEST = 32, 5  # cells that share one error: at most, at least


def signs(probe: int, level: int, cells: int, slots: int) -> Floats:
    """Return a fixed array of +1 and -1, a function of the position alone (splitmix64).

    It is not noise: it protects nothing and hides nothing. It only spreads the directions in which the smoother is tried, so anyone may know it;
    a fixed function keeps the same bytes for the same input, whatever the version of numpy.

    Source: Steele, Lea and Flood 2014 (the mixing); Hutchinson 1990 (signs give the trace with the least variance).
    """
    with np.errstate(over="ignore"):
        state = np.arange(1, cells * slots + 1, dtype=np.uint64) + np.uint64((probe * 64 + level) << 40)
        state = state * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state = state ^ (state >> np.uint64(31))
    return np.where(state >> np.uint64(63), 1.0, -1.0).reshape(cells, slots)


class _Moments:
    """What the probes say about one level: means over probes of squares of the estimate's moves, and of their products with the unbiased value's."""

    def __init__(self, cells: int, slots: int, bases: Sequence[Floats]) -> None:
        self.bases = bases
        self.square = np.zeros((cells, slots))
        self.product = np.zeros((cells, slots))
        self.squares = np.zeros((len(bases), cells))
        self.products = np.zeros((len(bases), cells))

    def add(self, moved: Floats, reference: Floats) -> None:
        """Count one probe."""
        self.square += moved**2 / _PROBES
        self.product += moved * reference / _PROBES
        for place, basis in enumerate(self.bases):
            along = moved @ basis
            self.squares[place] += (along**2).sum(axis=1) / _PROBES
            self.products[place] += (along * (reference @ basis)).sum(axis=1) / _PROBES


def _probe(smoother: Smoother, noisy: Sequence[Floats], bases: Sequence[Floats]) -> list[_Moments]:
    """Return the moments of each level's response to the fixed directions."""
    out = [_Moments(values.shape[0], values.shape[1], bases) for values in noisy]
    for probe in range(_PROBES):
        push = [sigma * signs(probe, place, *values.shape) for place, (sigma, values) in enumerate(zip(smoother.sigmas, noisy, strict=True))]
        up = smoother.smooth([v + _STEP * p for v, p in zip(noisy, push, strict=True)])
        down = smoother.smooth([v - _STEP * p for v, p in zip(noisy, push, strict=True)])
        for moments, high, low, reference in zip(out, up, down, smoother.reference(push), strict=True):
            moments.add((high - low) / (2 * _STEP), reference)
    return out


def _nonnegative_fit(target: Floats, features: Floats, weight: Floats) -> Floats:
    """Return the non-negative coefficients of two features with the least weighted squares."""
    scale = np.maximum(np.abs(features).max(axis=0), 1e-300)
    scaled = features / scale
    gram = scaled.T @ (weight[:, None] * scaled)
    right = scaled.T @ (weight * target)
    alone = np.maximum(right, 0.0) / np.maximum(np.diag(gram), 1e-300)
    first = alone[0] * right[0] >= alone[1] * right[1]  # the single feature that takes away more
    answer = alone * np.array([first, not first])
    determinant = gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2
    if determinant > 1e-12 * gram[0, 0] * gram[1, 1]:
        both = np.array([gram[1, 1] * right[0] - gram[0, 1] * right[1], gram[0, 0] * right[1] - gram[0, 1] * right[0]]) / determinant
        answer = both if (both >= 0).all() else answer
    unscaled: Floats = answer / scale
    return unscaled


def _bias(mean: Floats, stein: Floats, base: Floats, error: Floats) -> Floats:
    """Return a smooth, non-negative squared bias a cell, a curve a m + b m^2 through what Stein's estimate exceeds `base` by."""
    features = np.column_stack([mean, mean**2])
    curve = np.zeros(len(mean))
    for _ in range(3):
        weight = 1.0 / (error**2 + (curve + base) ** 2)
        curve = features @ _nonnegative_fit(stein - base, features, weight)
    return curve


def _blend(stein: Floats, error: Floats, model: Floats) -> Floats:
    """Return group risks: Stein's where it is sharp, the model's where it is not, by the spread of their ratio beyond chance."""
    ratio, chance = stein / model - 1.0, error / model
    weight = 1.0 / (1.0 + chance**2) ** 2
    spread = max(0.0, float(((ratio**2 - chance**2) * weight).sum() / weight.sum()))
    return model * np.maximum(1.0 + ratio * spread / (spread + chance**2), 0.25)


def _squared_bias(off: Floats, mean: Floats, spread: Floats, seen: _Moments) -> Floats:
    """Return the squared bias a cell, summed over the level, the hours, the days and the rest: each has its own share of the formula's noise."""
    slots = off.shape[1]
    energy = np.array([((off @ basis) ** 2).sum(axis=1) for basis in seen.bases])
    dimensions = [basis.shape[1] for basis in seen.bases]
    # By Pythagoras the rest needs no basis of its own.
    energy = np.vstack([energy, (off**2).sum(axis=1) - energy.sum(axis=0)])
    squares = np.vstack([seen.squares, seen.square.sum(axis=1) - seen.squares.sum(axis=0)])
    products = np.vstack([seen.products, seen.product.sum(axis=1) - seen.products.sum(axis=0)])
    total = np.zeros(len(mean))
    for own, variance, slope, size in zip(energy, squares, products, [*dimensions, slots - sum(dimensions)], strict=True):
        if size:
            stein = own - spread * size + 2.0 * slope
            base = np.maximum(variance, slope)
            total += _bias(mean, stein / slots, base / slots, spread * np.sqrt(2.0 * size) / slots)
    return total


def _level_errors(estimate: Floats, reference: Floats, spread: Floats, seen: _Moments, calendar: Calendar) -> Floats:
    """Return the mean squared error of every value of one level."""
    cells = len(estimate)
    off = estimate - reference
    mean = np.maximum(estimate.mean(axis=1), 0.0)
    bias = _squared_bias(off, mean, spread, seen)
    stein = off**2 - spread[:, None] + 2.0 * seen.product
    bands = calendar.bands
    wanted = min(_STRATUM, max(_FEWEST, cells // 6))
    groups = [(cell, np.flatnonzero(bands == band)) for cell in strata(mean, wanted) for band in np.unique(bands)]
    floor = _ALLOWANCE * float(spread.mean()) * np.sqrt(2.0 / off.size)
    square = np.array([seen.square[np.ix_(c, t)].mean() for c, t in groups])
    product = np.array([seen.product[np.ix_(c, t)].mean() for c, t in groups])
    # An estimate is the mean of a posterior whose variance is the slope times the noise (Tweedie); its own variance alone would leave out what is not known.
    model = np.maximum(square, product) + np.array([bias[c].mean() for c, _ in groups]) + floor
    measured = np.array([stein[np.ix_(c, t)].mean() for c, t in groups])
    chance = np.array([spread[c].mean() * np.sqrt(2.0 / (len(c) * len(t))) for c, t in groups])
    risk = np.empty_like(estimate)
    for (c, t), value in zip(groups, _blend(measured, chance, model), strict=True):
        risk[np.ix_(c, t)] = value
    return risk


def mean_squared_errors(smoother: Smoother, noisy: Sequence[Floats], estimates: Sequence[Floats], calendar: Calendar) -> list[Floats]:
    """Return the estimated mean squared error of every estimate, cells x slots a level, pooled over cells of like size and parts of the day.

    Args:
        smoother: the map from noisy values to estimates.
        noisy: what it was given, finest level first.
        estimates: what it gave back.
        calendar: labels of the slots.

    Source: Stein 1981 (the risk); Ramani, Blu and Unser 2008 (by probes); differs: the variance comes from the same probes, and only the bias from
    Stein's formula, because at low counts the formula's own noise is larger than the risk.
    """
    reference = smoother.reference(noisy)
    moments = _probe(smoother, noisy, calendar.subspaces())
    return [
        _level_errors(estimate, unbiased, spread, seen, calendar)
        for estimate, unbiased, spread, seen in zip(estimates, reference, smoother.spread, moments, strict=True)
    ]
