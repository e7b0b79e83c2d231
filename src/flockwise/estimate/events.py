"""Events: runs of slots in which one cell stands out so far that smoothing must not take it away."""

from __future__ import annotations

import numpy as np

from flockwise.estimate._types import Bools, Floats

__all__ = ["rescue_events"]

_STANDS_OUT = 5.0
_MOST_EVENTS = 8  # a cell, so that the work is bounded


def rescue_events(values: Floats, fitted: Floats, longest: int) -> tuple[Floats, Bools]:
    """Return the fit with the mean residual of each outstanding run added back, and where that was done.

    A run of 1 to `longest` slots stands out when its residual's mean, times the root of its length, exceeds 5 noise standard deviations
    (about one run in three weeks of 650 cells by chance alone).

    Args:
        values: cells x slots in noise units.
        fitted: the smooth estimate of the same.
        longest: the longest run looked for, in slots.
    """
    residual = values - fitted
    touched = np.zeros(values.shape, dtype=np.bool_)
    cells = np.arange(len(values))
    for _ in range(_MOST_EVENTS):
        best = np.full(len(cells), _STANDS_OUT)
        start = np.zeros(len(cells), dtype=np.int64)
        length = np.zeros(len(cells), dtype=np.int64)
        sums = np.pad(np.cumsum(residual[cells], axis=1), ((0, 0), (1, 0)))
        for run in range(1, min(longest, values.shape[1]) + 1):
            height = np.abs(sums[:, run:] - sums[:, :-run]) / np.sqrt(run)
            place = height.argmax(axis=1)
            top = height[np.arange(len(cells)), place]
            better = top > best
            best[better], start[better], length[better] = top[better], place[better], run
        found = length > 0
        cells, start, length = cells[found], start[found], length[found]
        if not len(cells):
            break
        slot = np.arange(values.shape[1])
        inside = (slot >= start[:, None]) & (slot < (start + length)[:, None])
        mean = np.where(inside, residual[cells], 0.0).sum(axis=1) / length
        residual[cells] -= np.where(inside, mean[:, None], 0.0)
        touched[cells] |= inside
    return values - residual, touched
