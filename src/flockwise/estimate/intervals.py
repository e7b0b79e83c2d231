"""How wrong the estimates are, from released values alone: variance by probes, bias by Stein's unbiased risk estimate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flockwise.estimate._types import Floats, Ints
from flockwise.estimate.calendar import Calendar
from flockwise.estimate.conditional import solve_location
from flockwise.estimate.curves import fit_curve
from flockwise.estimate.probes import Moments, probe
from flockwise.estimate.smoothing import Smoother

__all__ = ["lower_ends", "mean_squared_errors"]

_ALLOWANCE = 0.5  # standard errors of a whole level's Stein risk, added for what so little data can't show
_STRATUM, _FEWEST = 32, 10  # cells that share one correction: at most, and of the largest cells, which differ most
_FARTHEST = 2.0  # standard errors below an estimate at which the lower end of a shown interval stops
_TAIL = 0.05  # of a 90 % interval, each side


def _strata(size: Floats) -> list[Ints]:
    """Return groups of cells of like size: ten of the largest, then half as many again each time, up to 32."""
    order = np.argsort(-size, kind="stable")
    cuts, take = list[int](), _FEWEST
    while (cuts[-1] if cuts else 0) + 2 * take <= len(order):  # what is too few for a group of its own joins the last one
        cuts.append((cuts[-1] if cuts else 0) + take)
        take = min(_STRATUM, take * 3 // 2)
    return [np.asarray(part, dtype=np.int64) for part in np.split(order, cuts)]


def _blend(stein: Floats, error: Floats, model: Floats) -> Floats:
    """Return group risks: Stein's where it is sharp, the model's where it is not, by the spread of their ratio beyond chance."""
    ratio, chance = stein / model - 1.0, error / model
    weight = 1.0 / (1.0 + chance**2) ** 2
    spread = max(0.0, float(((ratio**2 - chance**2) * weight).sum() / weight.sum()))
    return model * np.maximum(1.0 + ratio * spread / (spread + chance**2), 0.25)


def _squared_bias(off: Floats, mean: Floats, spread: Floats, seen: Moments) -> Floats:
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
            chance = spread * np.sqrt(2.0 * size) / slots
            total += fit_curve(((stein - base) / slots)[:, None], mean, np.hypot(chance, base / slots)[:, None])[:, 0]
    return total


def _base(seen: Moments, mean: Floats, spread: Floats) -> Floats:
    """Return the variance a cell: half its own, which six probes know roughly, half of a curve through all cells'.

    An estimate is the mean of a posterior whose variance is the slope times the noise (Tweedie); its own variance alone would leave out what is not known.
    """
    own = np.maximum(seen.square.mean(axis=1), seen.product.mean(axis=1))
    least = float(np.median(own[np.argsort(mean, kind="stable")[: max(3, len(mean) // 10)]]))
    curve = least + fit_curve((own - least)[:, None], mean, np.array([max(least, 1e-12)]))[:, 0]
    half: Floats = 0.5 * (own + np.minimum(curve, np.maximum(spread, least)))
    return half


def _level_errors(estimate: Floats, reference: Floats, spread: Floats, seen: Moments, calendar: Calendar) -> Floats:
    """Return the mean squared error of every value of one level."""
    off = estimate - reference
    mean = np.maximum(estimate.mean(axis=1), 0.0)
    base = _base(seen, mean, spread)
    bias = _squared_bias(off, mean, spread, seen)
    stein = off**2 - spread[:, None] + 2.0 * seen.product
    floor = _ALLOWANCE * float(spread.mean()) * np.sqrt(2.0 / off.size)
    bands = calendar.bands
    slots = [np.flatnonzero(bands == band) for band in np.unique(bands)]
    groups: list[tuple[Ints, Ints]] = []
    model = np.empty_like(estimate)
    for cells in _strata(mean):
        response = np.maximum(seen.square[cells].mean(axis=0), seen.product[cells].mean(axis=0))
        for band in slots:
            shape = response[band].mean() / max(float(response.mean()), 1e-300)
            # Smoothing may not make it worse than leaving the noise in.
            inside = np.minimum(base[cells] * shape + bias[cells], np.maximum(spread[cells], base[cells])) + floor
            model[np.ix_(cells, band)] = inside[:, None]
            groups.append((cells, band))
    expected = np.array([model[np.ix_(c, t)].mean() for c, t in groups])
    measured = np.array([stein[np.ix_(c, t)].mean() for c, t in groups])
    chance = np.array([spread[c].mean() * np.sqrt(2.0 / (len(c) * len(t))) for c, t in groups])
    for (c, t), ratio in zip(groups, _blend(measured, chance, expected) / expected, strict=True):
        model[np.ix_(c, t)] *= ratio
    return model


def mean_squared_errors(
    smoother: Smoother, noisy: Sequence[Floats], estimates: Sequence[Floats], views: Sequence[tuple[Floats | None, Calendar]]
) -> list[list[Floats]]:
    """Return the estimated mean squared error of every estimate, view by view and level by level: a model by cell and part of the day, corrected by groups.

    Args:
        smoother: the map from noisy values to estimates.
        noisy: what it was given, finest level first.
        estimates: what it gave back.
        views: each None, for the slots themselves, or slots x columns, orthonormal, for these combinations of slots; and labels of its columns.

    Returns:
        For each view arrays of cells x columns. Looking in several ways costs little more than in one: the smoother is tried once for all.

    Source: Stein 1981 (the risk); Ramani, Blu and Unser 2008 (by probes); differs: the variance comes from the same probes, and only the bias from
    Stein's formula, because at low counts the formula's own noise is larger than the risk.
    """
    reference = smoother.reference(noisy)
    probed = probe(smoother, noisy, [(view, calendar.subspaces()) for view, calendar in views])
    return [
        [
            _level_errors(estimate if view is None else estimate @ view, unbiased if view is None else unbiased @ view, spread, seen, calendar)
            for estimate, unbiased, spread, seen in zip(estimates, reference, smoother.spread, moments, strict=True)
        ]
        for (view, calendar), moments in zip(views, probed, strict=True)
    ]


def lower_ends(devices: Floats, deviation: Floats, half_width: Floats, threshold: Floats) -> Floats:
    """Return the lower ends of the intervals of shown estimates: conditional on having passed the threshold, at most 2 standard errors down.

    Estimates just above the rule's edge are shown because they came out high, so their truth lies lower than a symmetric interval says.

    Args:
        devices: estimates at or over `threshold`, a vector.
        deviation: their standard errors.
        half_width: half-widths of the symmetric interval.
        threshold: the least estimate that would have been shown, each.

    Source: Lee, Sun, Sun and Taylor 2016 (the condition); the stop at 2 standard errors is ours, measured in docs/claims/intervals.md.
    """
    over = np.maximum(devices - threshold, 0.0) / np.maximum(deviation, 1e-300)
    conditional = threshold + deviation * solve_location(over, _TAIL)
    lowest = np.maximum(conditional, devices - _FARTHEST * deviation)
    ends: Floats = np.maximum(np.minimum(lowest, devices - half_width), 0.0)
    return ends
