"""What exact noise looks like: probabilities in floating point, by code that shares nothing with `noise`, and chances of what was seen."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from flockwise import noise

__all__ = ["chance_of_count", "chance_of_law", "chance_of_relation", "chance_of_spread", "masses", "repeats", "tail"]

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

_FAR = 12.0
_LEAST_EXPECTED = 50.0


def masses(numbers: Ints, sigma: float, kind: noise.Kind) -> Floats:
    """P(X = n) for each whole number."""
    n = np.abs(numbers.astype(np.float64))
    if kind == "rounded":
        found: Floats = special.ndtr(-(n - 0.5) / sigma) - special.ndtr(-(n + 0.5) / sigma)
        return found
    far = np.arange(-math.ceil(40 * sigma), math.ceil(40 * sigma) + 1, dtype=np.float64)
    return np.exp(-(n**2) / (2 * sigma**2)) / float(np.exp(-(far**2) / (2 * sigma**2)).sum())


def tail(least: int, sigma: float, kind: noise.Kind) -> float:
    """P(X >= least), least above 0."""
    if kind == "rounded":
        return float(special.ndtr(-(least - 0.5) / sigma))
    return float(masses(np.arange(least, least + math.ceil(40 * sigma)), sigma, kind).sum())


def chance_of_spread(noise_seen: Ints, sigma: float) -> float:
    """Two-sided chance that the squares of so many draws add up to so little or so much (sigma well above 1)."""
    x = noise_seen.astype(np.float64).ravel()
    found = float((x**2).sum()) / (sigma**2 + 1 / 12)
    return 2 * min(float(stats.chi2.cdf(found, len(x))), float(stats.chi2.sf(found, len(x))))


def chance_of_relation(one: Ints, other: Ints, sigma: float) -> float:
    """Two-sided chance of the inner product of some noise with other noise of scale sigma, given the first (which may be any numbers)."""
    x, y = one.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    size = math.sqrt(float(x @ x))
    return 1.0 if size == 0 else 2 * float(special.ndtr(-abs(float(x @ y)) / (size * sigma)))


def chance_of_count(count: int, trials: int, chance: float) -> float:
    """Two-sided chance of so many successes."""
    low, high = float(stats.binom.cdf(count, trials, chance)), float(stats.binom.sf(count - 1, trials, chance))
    return min(1.0, 2 * min(low, high))


def chance_of_law(seen: Ints, sigma: float, kind: noise.Kind, least: int | None = None) -> float:
    """Chance of a table of values as far from the law as this (Pearson's chi-square; neighbouring values are put together where few are expected).

    Args:
        seen: values.
        sigma: scale in grid units.
        kind: of the noise.
        least: if given, the values are those at or above it, and the law is conditional on that.
    """
    if len(seen) == 0:
        return 1.0
    far = math.ceil(_FAR * sigma)
    numbers = np.arange(-far if least is None else least, far + 1, dtype=np.int64)
    expected = masses(numbers, sigma, kind)
    expected *= len(seen) / expected.sum()
    counts = np.bincount(np.clip(seen, numbers[0], numbers[-1]) - numbers[0], minlength=len(numbers))
    bins = _bins(expected)
    wanted, found = np.bincount(bins, expected), np.bincount(bins, counts)
    return float(stats.chi2.sf(float(((found - wanted) ** 2 / wanted).sum()), len(wanted) - 1))


def repeats(arrays: list[Ints], length: int = 4) -> int:
    """How many runs of `length` values occur more than once in the arrays, wherever they are."""
    runs = [np.lib.stride_tricks.sliding_window_view(a.ravel(), length) for a in arrays if a.size >= length]
    every = np.concatenate(runs)
    return len(every) - len(np.unique(every, axis=0))


def _bins(expected: Floats) -> Ints:
    """Numbers of bins with enough expected in each; what is left at the end goes to the last."""
    out = np.empty(len(expected), dtype=np.int64)
    number, held = 0, 0.0
    for i, e in enumerate(expected):
        out[i] = number
        held += e
        if held >= _LEAST_EXPECTED:
            number, held = number + 1, 0.0
    if held < _LEAST_EXPECTED and number:
        out[out == number] = number - 1
    return out
