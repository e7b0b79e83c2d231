"""How wrong the estimates are, from released values alone: variance by probes, bias by Stein's unbiased risk estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flockwise.estimate._types import Floats
from flockwise.estimate.calendar import Calendar
from flockwise.estimate.lowrank import strata
from flockwise.estimate.smoothing import Smoother

__all__ = ["mean_squared_errors", "signs"]

_PROBES = 6
_STEP = 0.1


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


@dataclass(frozen=True)
class _Response:
    """One probe of one level: the change of the estimate and of the unbiased value, per unit step."""

    estimate: Floats
    reference: Floats


def _probe(smoother: Smoother, noisy: Sequence[Floats]) -> list[list[_Response]]:
    """Return the responses, level by level, to each fixed direction."""
    out: list[list[_Response]] = [[] for _ in noisy]
    for probe in range(_PROBES):
        push = [sigma * signs(probe, place, *values.shape) for place, (sigma, values) in enumerate(zip(smoother.sigmas, noisy, strict=True))]
        up = smoother.smooth([v + _STEP * p for v, p in zip(noisy, push, strict=True)])
        down = smoother.smooth([v - _STEP * p for v, p in zip(noisy, push, strict=True)])
        for place, moved in enumerate(smoother.reference(push)):
            out[place].append(_Response((up[place] - down[place]) / (2 * _STEP), moved))
    return out


def _nonnegative_fit(target: Floats, features: Floats, weight: Floats) -> Floats:
    """Return the non-negative coefficients of at most two features with the least weighted squares."""
    gram = features.T @ (weight[:, None] * features)
    right = features.T @ (weight * target)
    best, least = np.zeros(len(right)), 0.0
    for kept in ([0], [1], [0, 1]):
        part = gram[np.ix_(kept, kept)]
        if np.linalg.cond(part) > 1e12:
            continue
        answer = np.linalg.solve(part, right[kept])
        loss = float(-right[kept] @ answer)
        if (answer >= 0).all() and loss < least:
            best, least = np.zeros(len(right)), loss
            best[kept] = answer
    return best


def _bias(mean: Floats, stein: Floats, variance: Floats, error: Floats) -> Floats:
    """Return a smooth, non-negative squared bias a cell, a curve a m + b m^2 through what Stein's estimate exceeds the variance by."""
    features = np.column_stack([mean, mean**2])
    curve = np.zeros(len(mean))
    for _ in range(3):
        weight = 1.0 / (error**2 + (curve + variance) ** 2)
        curve = features @ _nonnegative_fit(stein - variance, features, weight)
    return curve


def _blend(stein: Floats, error: Floats, model: Floats) -> Floats:
    """Return group risks: Stein's where it is sharp, the model's where it is not, by the spread of their ratio beyond chance."""
    ratio, chance = stein / model - 1.0, error / model
    weight = 1.0 / (1.0 + chance**2) ** 2
    spread = max(0.0, float(((ratio**2 - chance**2) * weight).sum() / weight.sum()))
    return model * np.maximum(1.0 + ratio * spread / (spread + chance**2), 0.25)


def _level_errors(estimate: Floats, reference: Floats, spread: Floats, responses: Sequence[_Response], calendar: Calendar) -> Floats:
    """Return the mean squared error of every value of one level."""
    cells, slots = estimate.shape
    mean = np.maximum(estimate.mean(axis=1), 0.0)
    floor = 1e-6 * float(spread.mean())
    curve = np.zeros(cells)
    for basis in calendar.subspaces():
        off = ((estimate - reference) @ basis) ** 2
        moves = [(r.estimate @ basis, r.reference @ basis) for r in responses]
        variance = np.mean([(m**2).sum(axis=1) for m, _ in moves], axis=0)
        slope = np.mean([(m * p).sum(axis=1) for m, p in moves], axis=0)
        dimensions = basis.shape[1]
        stein = off.sum(axis=1) - spread * dimensions + 2.0 * slope
        error = spread * np.sqrt(2.0 * dimensions)
        curve += _bias(mean, stein / slots, variance / slots, error / slots)
    stein = (estimate - reference) ** 2 - spread[:, None] + 2.0 * np.mean([r.estimate * r.reference for r in responses], axis=0)
    variance = np.mean([r.estimate**2 for r in responses], axis=0)
    bands = calendar.bands
    groups = [(cell, np.flatnonzero(bands == band)) for cell in strata(mean, 32) for band in np.unique(bands)]
    model = np.array([variance[np.ix_(c, t)].mean() + curve[c].mean() for c, t in groups]) + floor
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
    responses = _probe(smoother, noisy)
    return [
        _level_errors(estimate, unbiased, spread, seen, calendar)
        for estimate, unbiased, spread, seen in zip(estimates, reference, smoother.spread, responses, strict=True)
    ]
