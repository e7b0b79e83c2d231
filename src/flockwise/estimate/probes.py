"""How an estimate answers to its noise: moments of its response to fixed directions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flockwise.estimate._types import Floats
from flockwise.estimate.smoothing import Smoother

__all__ = ["Moments", "probe", "signs"]

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


class Moments:
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


def probe(smoother: Smoother, noisy: Sequence[Floats], views: Sequence[tuple[Floats | None, Sequence[Floats]]]) -> list[list[Moments]]:
    """Return the moments of each level's response to the fixed directions, view by view.

    Args:
        smoother: the map from noisy values to estimates.
        noisy: where it is tried.
        views: each slots x columns, what is looked at of every cell's slots, None for the slots themselves; and subspaces of the columns.
    """
    slots = noisy[0].shape[1]
    out = [[Moments(values.shape[0], slots if view is None else view.shape[1], bases) for values in noisy] for view, bases in views]
    for turn in range(_PROBES):
        push = [sigma * signs(turn, place, *values.shape) for place, (sigma, values) in enumerate(zip(smoother.sigmas, noisy, strict=True))]
        up = smoother.smooth([v + _STEP * p for v, p in zip(noisy, push, strict=True)])
        down = smoother.smooth([v - _STEP * p for v, p in zip(noisy, push, strict=True)])
        for level, (high, low, reference) in enumerate(zip(up, down, smoother.reference(push), strict=True)):
            moved = (high - low) / (2 * _STEP)
            for (view, _), moments in zip(views, out, strict=True):
                moments[level].add(*((moved, reference) if view is None else (moved @ view, reference @ view)))
    return out
