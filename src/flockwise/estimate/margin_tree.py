"""Departures and arrivals of every cell, between what was measured and what the pairs add up to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flockwise.estimate._types import Floats, Ints
from flockwise.estimate.flow_ends import REACH
from flockwise.estimate.flow_types import GRID, MarginTable
from flockwise.estimate.pair_sums import shares_of

__all__ = ["GROWTH", "MARGINS_OFF", "PAIRS_OFF", "Drawn", "drawn", "settle_margins", "usual"]


_ROUNDS = 8
# Variance in trips that any flow has in excess of what its prior says, for each trip.
_LEAST_OFF = 1.0
_LEAST, _MOST = 0.5, 25.0
PAIRS_OFF, MARGINS_OFF = (1.0, 3.6, 10.0), (3.0, 4.5, 3.5, 4.5)
"""How far sums of pairs and margins are usually off, in parts of the pairs' variances, level by level: pairs from the second level on, margins from the finest.
Measured: docs/claims/intervals.md."""
GROWTH = 0.2, -0.35, 0.0
"""Power of the size, relative to 1,000 trips, by which the factors of pairs change, level by level."""
_MIDDLE, _RANGE = 1000.0, (0.1, 30.0)


@dataclass(frozen=True)
class Drawn:
    """An estimate before it is made to agree.

    Attributes:
        trips: the estimate.
        deviation: its standard deviation.
        keeps: what it keeps of what was expected, 0 to 1.
        ends: how many standard deviations the ends of its interval are away, lower and upper.
    """

    trips: Floats
    deviation: Floats
    keeps: Floats
    ends: tuple[Floats | float, Floats | float] = (REACH, REACH)


def usual(off: Sequence[float], above: int) -> float:
    """Return the usual factor of a level; the last one stands for all that are coarser."""
    return off[min(above, len(off) - 1)]


def drawn(
    expected: Floats,
    variance: Floats,
    measured: Floats | None,
    sigma: Floats,
    usual: float,
    shared: Floats | float = 0.0,
    growth: float = 0.0,
    *,
    learnt: bool = False,
) -> Drawn:
    """Return values between what the finer pairs add up to and what was measured with noise of its own.

    How far the expectation is off is the sum of the finer pairs' posterior variances, times one factor for the table: it stands for what their errors have
    in common. It is fitted to the squared differences and drawn towards the usual factor, as far as their noise asks for.

    Args:
        expected: sums of posterior means of pairs, at least 0, any shape.
        variance: sums of their posterior variances, same shape.
        measured: noisy values in trips; None if there are none.
        sigma: their noise, same shape.
        usual: the factor where the differences do not tell.
        shared: variance of the expectation by what the errors of many have in common; same shape.
        growth: power of the size by which the factor changes.
        learnt: whether the expectation has already been moved by what these very values tell of what many have in common.

    Source: linear empirical Bayes; Robbins 1983.
    """
    off = (variance + _LEAST_OFF * expected + 1e-9) * np.clip(expected / _MIDDLE, *_RANGE) ** growth
    if measured is None:
        return Drawn(expected, np.sqrt(usual * off + shared), np.ones(expected.shape))
    noise = sigma**2
    # What values have been fitted to is nearer to them than the truth is, by as much as the fit is still unsure.
    excess, factor = (measured - expected) ** 2 - noise + (shared if learnt else -shared), usual
    for _ in range(_ROUNDS):
        weight = off / (noise + shared + factor * off) ** 2
        # A weighted mean of the squares' own factors, and the usual one as a further observation whose standard error is half of it.
        known = float((weight * off).sum()) ** 2 / max(float((weight**2 * 2.0 * (noise + shared + factor * off) ** 2).sum()), 1e-300)
        fitted = float((weight * excess).sum()) / max(float((weight * off).sum()), 1e-300)
        factor = float(np.clip((known * fitted + 4.0 / usual) / (known + 4.0 / usual**2), _LEAST, _MOST))
    own = factor * off / (factor * off + noise)
    return Drawn(np.maximum(expected + own * (measured - expected), 0.0), np.sqrt(own * noise + (1.0 - own) ** 2 * shared), 1.0 - own)


def settle_margins(
    total: Floats, levels: Sequence[tuple[Drawn, Drawn]], rows: Sequence[tuple[Ints, Ints]], parents: Sequence[Ints | None]
) -> tuple[tuple[MarginTable, ...], tuple[MarginTable, ...]]:
    """Return departures and arrivals of all levels, finest first, that add up exactly.

    Departures and arrivals get the same total a slot, but at least what is printed. Going down, a cell gets what its printed
    pairs hold and a share of the rest of its parent in proportion to what it lacks.

    Args:
        total: trips of each slot.
        levels: departures and arrivals before agreeing, finest first.
        rows: sums of printed pairs by origin and by destination, cells x slots, in 1/256 trip, finest first; a cell's is at most its children's parents' sum.
        parents: row in the next coarser level; None at the coarsest.
    """
    top = len(levels) - 1
    whole = np.maximum(np.round(GRID * total), rows[top][0].sum(axis=0)).astype(np.int64)[None, :]
    done: list[list[MarginTable]] = [[], []]
    for end in (0, 1):
        above = whole
        for place in range(top, -1, -1):
            parent = parents[place]
            group = np.zeros(len(rows[place][end]), dtype=np.int64) if parent is None else parent
            held = rows[place][end]
            taken = np.zeros_like(above)
            np.add.at(taken, group, held)
            margin = levels[place][end]
            unlisted = shares_of(above - taken, np.maximum(margin.trips - held / GRID, 0.0), group)
            above = held + unlisted
            trips = above / GRID
            # What agreeing has moved may have been right where it was.
            off = np.hypot(margin.deviation, (trips - margin.trips) / REACH)
            lower = np.floor(np.maximum(trips - margin.ends[0] * off, 0.0) * GRID) / GRID
            upper = np.ceil((trips + margin.ends[1] * off) * GRID) / GRID
            done[end].append(MarginTable(trips, lower, upper, lower > 0.0, unlisted / GRID))
    return tuple(done[0][::-1]), tuple(done[1][::-1])
