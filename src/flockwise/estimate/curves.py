"""Variance as a function of size: a curve a m + b m^2 through noisy squares, learnt from all cells at once."""

from __future__ import annotations

import numpy as np

from flockwise.estimate._types import Floats

__all__ = ["fit_curve", "signal_curve"]

_ROUNDS = 3  # weights depend on the curve; three rounds settle them
_CHANCE = 1.0  # standard errors of a curve's height that are counted as noise


def _nonnegative(gram: Floats, right: Floats) -> Floats:
    """Return the non-negative coefficients of two features with the least weighted squares, a column each.

    Args:
        gram: 3 x columns, the normal equations' (1, 1), (1, 2) and (2, 2).
        right: 2 x columns, their right-hand sides.
    """
    one, cross, two = np.maximum(gram, 1e-300)
    alone = np.maximum(right, 0.0) / np.stack([one, two])
    first = alone[0] * right[0] >= alone[1] * right[1]  # the single feature that takes away more
    determinant = one * two - cross**2
    sound = determinant > 1e-12 * one * two
    both = np.stack([two * right[0] - cross * right[1], one * right[1] - cross * right[0]]) / np.where(sound, determinant, 1.0)
    answer: Floats = np.where(sound & (both >= 0.0).all(axis=0), both, alone * np.stack([first, ~first]))
    return answer


def fit_curve(target: Floats, mean: Floats, floor: Floats) -> Floats:
    """Return the curve a m + b m^2, a and b at least 0, nearest to `target` by weighted least squares; a curve for each column.

    The part a m is chance (counts of people vary like their size), the part b m^2 is habit (a cell's own share of its size).

    Args:
        target: noisy squares less their noise, cells x columns; may be negative.
        mean: size of each cell, at least 0.
        floor: standard deviation of `target` where the curve is 0, cells x columns or what spreads to it; it grows with the curve.
    """
    features = np.column_stack([mean, mean**2])
    features = features / np.maximum(features.max(axis=0), 1e-300)
    products = np.column_stack([features[:, 0] ** 2, features[:, 0] * features[:, 1], features[:, 1] ** 2])
    curve: Floats = np.zeros(target.shape)
    for _ in range(_ROUNDS):
        weight = 1.0 / (floor + curve) ** 2
        curve = features @ _nonnegative(products.T @ weight, features.T @ (weight * target))
    return curve


def signal_curve(power: Floats, size: Floats, noise: Floats, copies: Floats) -> Floats:
    """Return the variance of the signal in `power`, lowered by one standard error of its height lest chance passes for signal.

    Args:
        power: mean squares of signal and noise, cells x columns.
        size: size of each cell, at least 0.
        noise: variance of the noise in each column.
        copies: how many squares of independent standard normals each power of a column is the mean of.
    """
    curve = fit_curve(power - noise, size, noise)
    strength = np.sqrt(((curve / (noise + curve)) ** 2).sum(axis=0) * copies / 2.0)
    lowered: Floats = curve * np.maximum(0.0, 1.0 - _CHANCE / np.maximum(strength, 1e-9))
    return lowered
