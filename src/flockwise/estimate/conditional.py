"""Intervals and estimates for values that are printed only because they reached a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from flockwise.errors import DataError
from flockwise.estimate._types import Floats
from flockwise.estimate.normal import log_survival, mills

__all__ = ["ConditionalEstimate", "conditional_estimate", "solve_location"]

_NEAREST, _FARTHEST, _KNOTS = 1e-5, 16.0, 4096
_DEEPEST = 1e4  # noise units below the threshold; the intervals are cut at zero long before


@dataclass(frozen=True)
class ConditionalEstimate:
    """Vectors in the order of the input; none is negative.

    Attributes:
        value: the estimate to print, halfway between `naive` and `median`, moved into the interval: least absolute error where it was measured.
        naive: the printed noisy value.
        median: the median-unbiased estimate.
        lower: lower end of the interval.
        upper: upper end of the interval.
    """

    value: Floats
    naive: Floats
    median: Floats
    lower: Floats
    upper: Floats


def _slack(above: Floats, location: Floats, log_probability: float) -> Floats:
    """Return log P(X >= t + above | X >= t) less its wanted value, for X normal around t + location."""
    slack: Floats = log_survival(above - location) - log_survival(-location) - log_probability
    return slack


@lru_cache(maxsize=16)
def _table(probability: float) -> tuple[Floats, Floats]:
    """Return knots of log(above) and the locations that solve there, by bisection."""
    above = np.geomspace(_NEAREST, _FARTHEST, _KNOTS)
    low = np.full(_KNOTS, np.log(probability)) / above - 40.0
    high = above + 10.0
    for _ in range(80):
        middle = 0.5 * (low + high)
        under = _slack(above, middle, float(np.log(probability))) < 0.0
        low = np.where(under, middle, low)
        high = np.where(under, high, middle)
    return np.log(above), 0.5 * (low + high)


def solve_location(above: Floats, probability: float) -> Floats:
    """Return the location m, relative to the threshold, for which P(X >= above | X >= 0) = probability, X normal (m, 1).

    The location rises with `above` from minus infinity at 0 (cut at -10,000) to above - z. A table in log(above), then one Newton step: the
    logarithm of the probability is met within 1e-6 (tested).

    Args:
        above: how far each value exceeds the threshold, in noise units, 0 or more.
        probability: between 0 and 1, both excluded.

    Source: Lee, Sun, Sun and Taylor 2016 (truncated-normal pivots); the one-dimensional form is argued in docs/claims/intervals.md.
    """
    knots, locations = _table(probability)
    out = np.full(above.shape, -_DEEPEST)
    far = above >= _FARTHEST
    out[far] = above[far] + NormalDist().inv_cdf(probability)
    inside = (above > _NEAREST) & ~far
    x = above[inside]
    # Times x the location is nearly flat where x is small: interpolate that.
    start = np.interp(np.log(x), knots, locations * np.exp(knots)) / x
    slope = _hazard(x - start) - _hazard(-start)
    start = start - _slack(x, start, float(np.log(probability))) / np.maximum(slope, 1e-300)
    out[inside] = np.maximum(start, -_DEEPEST)
    return out


def _hazard(z: Floats) -> Floats:
    """Return density over survival."""
    size = np.abs(z)
    with np.errstate(under="ignore"):
        density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    hazard: Floats = np.where(z > 0.0, 1.0 / mills(size), density / (1.0 - density * mills(size)))
    return hazard


def conditional_estimate(values: Floats, sigma: float, threshold: float, *, coverage: float = 0.9) -> ConditionalEstimate:
    """Return estimates and equal-tailed intervals that hold among the values that reached the threshold.

    Args:
        values: vector of printed noisy values, each at least `threshold`; no nulls.
        sigma: standard deviation of the noise, in the same unit.
        threshold: the least value that is printed.
        coverage: of the intervals.

    Returns:
        `value`, `naive`, `median`, `lower` and `upper`, cut at zero: the truth is a count. Of all the values printed, `coverage` of the intervals hold the
        (clipped) sum that the noise was added to; for an empty row the cut makes it 0.5 + coverage / 2.

    Raises:
        DataError: a value under the threshold or not finite, sigma not positive.

    Privacy: post-processing of printed values; charges nothing.

    Source: Lee, Sun, Sun and Taylor 2016, section 5; docs/claims/intervals.md.

    Example:
        >>> import numpy as np
        >>> e = conditional_estimate(np.array([41.0, 45.0, 80.0]), sigma=10.0, threshold=40.0)
        >>> e.lower.round(1).tolist(), e.upper.round(1).tolist()
        ([0.0, 0.0, 63.5], [45.4, 59.4, 96.4])
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not sigma > 0.0 or not 0.0 < coverage < 1.0 or (values.size and not (np.isfinite(values).all() and values.min() >= threshold)):
        raise DataError(
            "ESTIMATE_CONDITIONAL",
            what="conditional intervals are for finite values that reached their threshold.",
            got=f"shape {values.shape}, sigma {sigma!r}",
            expected="a vector of finite values, all at or above the threshold, and sigma > 0",
            state="Nothing was estimated.",
            fix="Pass the printed values only, with the threshold that they were printed by.",
        )
    above = (values - threshold) / sigma
    tail = (1.0 - coverage) / 2.0

    def at(probability: float) -> Floats:
        located: Floats = np.maximum(threshold + sigma * solve_location(above, probability), 0.0)
        return located

    naive, median, lower, upper = np.maximum(values, 0.0), at(0.5), at(tail), at(1.0 - tail)
    return ConditionalEstimate(np.clip(0.5 * (naive + median), lower, upper), naive, median, lower, upper)
