"""Present population from noisy counts: smooth, non-negative, consistent, with intervals and a rule for what to show.

Everything here is post-processing of released values: noisy arrays, their noise scales and the public hierarchy go in, and nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from statistics import NormalDist

import numpy as np

from flockwise.errors import DataError
from flockwise.estimate._types import Bools, Floats, LevelEstimate, NoisyLevel, check_levels
from flockwise.estimate.calendar import Calendar
from flockwise.estimate.intervals import lower_ends, mean_squared_errors
from flockwise.estimate.smoothing import Smoother
from flockwise.estimate.tree import Family

__all__ = ["COVERAGE", "FEWEST_DEVICES", "GREATEST_RELATIVE_WIDTH", "GRID", "estimate", "level_shares", "publish_rule", "rounded", "with_intervals"]

COVERAGE = 0.9
GRID = 64  # estimates are multiples of 1/64, so that sums of doubles are exact
FEWEST_DEVICES = 5.0
GREATEST_RELATIVE_WIDTH = 0.5

_SHARES = {
    1: (Fraction(1),),
    2: (Fraction(17, 20), Fraction(3, 20)),
    3: (Fraction(16, 20), Fraction(3, 20), Fraction(1, 20)),
    4: (Fraction(16, 20), Fraction(2, 20), Fraction(1, 20), Fraction(1, 20)),
}


def level_shares(levels: Sequence[int]) -> tuple[Fraction, ...]:
    """Return the default share of a presence table's budget (mu squared, or rho) for each level, in the order given, summing to 1.

    Args:
        levels: H3 resolutions, finest first, one to four of them.

    Raises:
        DataError: no level, more than four, or not from fine to coarse.

    Privacy: depends on the number of levels alone.

    Example:
        >>> [str(share) for share in level_shares([7, 6, 5])]
        ['4/5', '3/20', '1/20']
    """
    if len(levels) not in _SHARES or any(a <= b for a, b in itertools.pairwise(levels)):
        raise DataError(
            "ESTIMATE_LEVELS",
            what="there is no default split of the budget for these levels.",
            got=", ".join(str(level) for level in levels) or "none",
            expected="one to four levels, finest first",
            state="Nothing was estimated.",
            fix="Name fewer levels, or give the shares yourself.",
        )
    return _SHARES[len(levels)]


def publish_rule(devices: Floats, half_width: Floats) -> Bools:
    """Return where an estimate is sure enough to be shown: at least 5 devices, and a half-width of at most half the estimate.

    A half-width of half the value at 90 % is a standard error of 30 %: beyond it a reader could not tell a cell from one half as busy again.

    Args:
        devices: estimates, any shape.
        half_width: of their 90 % intervals, the same shape.

    Privacy: reads estimates only, which are made of released values; whether a row is shown says nothing more about anyone.
    """
    shown: Bools = (devices >= FEWEST_DEVICES) & (half_width <= GREATEST_RELATIVE_WIDTH * devices)
    return shown


def estimate(levels: Sequence[NoisyLevel], calendar: Calendar) -> list[LevelEstimate]:
    """Return the estimate of every level, in the order given.

    Args:
        levels: noisy counts, finest level first; every level has the same slots, and every parent a child.
        calendar: day and slot of the day of every slot.

    Returns:
        For each level `devices`, `lower`, `upper`, `published`, `unbiased`, `standard_error`, each cells x slots, in devices. Children sum to their
        parent exactly, as doubles. Sums over hidden children can't be told from this: hidden values are estimates too.

    Raises:
        DataError: shapes, values, noise scales, parents or labels that don't fit.

    Privacy: post-processing; charges nothing. Deterministic.

    Source: see docs/claims/estimates.md.

    Example:
        >>> import numpy as np
        >>> counts = NoisyLevel(np.array([[30.0, 32.0, 28.0, 30.0]]), sigma=1.0)
        >>> result = estimate([counts], Calendar.regular(slots=4, slots_per_day=2))[0]
        >>> bool((result.lower <= result.devices).all() and (result.devices <= result.upper).all())
        True
    """
    check_levels(levels)
    calendar.check(levels[0].noisy.shape[1])
    noisy = [np.asarray(level.noisy, dtype=np.float64) for level in levels]
    smoother = Smoother(levels, calendar.longest_event)
    smooth = smoother.smooth(noisy)
    (errors,) = mean_squared_errors(smoother, noisy, smooth, [(None, calendar)])
    return with_intervals(rounded(smooth[0], smoother.tree[:-1]), errors, noisy)


def with_intervals(estimates: Sequence[Floats], errors: Sequence[Floats], noisy: Sequence[Floats]) -> list[LevelEstimate]:
    """Return estimates with the intervals of their mean squared errors and the rule's decision, level by level."""
    width = NormalDist().inv_cdf(0.5 + COVERAGE / 2)
    out = []
    for devices, error, values in zip(estimates, errors, noisy, strict=True):
        deviation = np.sqrt(error)
        half = width * deviation
        shown = publish_rule(devices, half)
        lower = np.maximum(devices - half, 0.0)
        edge = np.maximum(FEWEST_DEVICES, half[shown] / GREATEST_RELATIVE_WIDTH)
        lower[shown] = lower_ends(devices[shown], deviation[shown], half[shown], edge)
        out.append(LevelEstimate(devices, lower, devices + half, shown, values, deviation))
    return out


def rounded(finest: Floats, tree: Sequence[Family]) -> list[Floats]:
    """Return the finest estimates on the grid, and their exact sums level by level."""
    out = [np.round(finest * GRID) / GRID]
    for family in tree:
        out.append(family.sums(out[-1]))
    return out
