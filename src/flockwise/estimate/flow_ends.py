"""How far the ends of coarse pairs' and margins' intervals are from the estimate, by level and size."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from flockwise.estimate._types import Floats

__all__ = ["OF_MARGINS", "OF_PAIRS", "REACH", "ends_at", "of_panel"]

REACH = NormalDist().inv_cdf(0.95)
_SIZES = np.log([0.017, 0.055, 0.17, 0.55, 1.7, 5.5, 17.0, 55.0])
_Ends = tuple[tuple[float, ...], tuple[float, ...]]
_SAME: _Ends = (1.0,) * 8, (1.0,) * 8
OF_PAIRS: tuple[_Ends, ...] = (
    _SAME,
    ((1.0, 1.0, 0.95, 1.0, 1.1, 1.12, 1.02, 1.0), (1.7, 1.7, 1.26, 1.04, 1.02, 1.04, 1.0, 1.0)),
    ((0.4, 0.4, 0.64, 0.74, 0.7, 0.85, 1.05, 1.2), (1.7, 1.7, 1.34, 1.24, 1.1, 1.0, 1.0, 1.0)),
    _SAME,
)
OF_MARGINS: tuple[_Ends, ...] = (
    ((0.62, 0.82, 0.9, 0.9, 0.86, 0.92, 1.0, 1.0), (0.62, 0.82, 1.0, 1.1, 0.97, 0.88, 0.85, 0.85)),
    ((0.6, 0.84, 1.02, 0.86, 0.75, 0.85, 1.0, 1.0), (1.2, 1.32, 1.48, 1.27, 0.97, 0.77, 0.72, 0.7)),
    ((0.7, 0.7, 0.7, 0.8, 0.6, 0.6, 0.8, 0.95), (0.64, 0.64, 0.64, 0.8, 0.94, 0.95, 0.85, 0.75)),
    ((0.75,) * 8, (0.75,) * 8),
)
"""Where ends are, lower and upper, in parts of where they would be if errors were normal and as large as claimed; by level and by size in noise units of all
devices' trips. Small values are printed for their own noise and too low, the largest sums too high, and many errors less than claimed.
Measured: docs/decisions/0051-intervals-of-coarse-sums.md."""


_PANEL, _BY_PANEL = 16.0, 0.11
"""Margins of larger panels are further off than their noise says: power of all trips in units of the noise of their sum, relative to the first."""


def of_panel(margin: Floats, unit: float) -> float:
    """Return by how much margins of a level are wider for what they add up to, with noise of `unit` each."""
    return float(np.clip(margin.sum() / max(unit * np.sqrt(margin.size), 1e-9) / _PANEL, 0.1, 10.0) ** _BY_PANEL)


def ends_at(table: Sequence[_Ends], above: int, trips: Floats, unit: float, wider: float = 1.0) -> tuple[Floats, Floats]:
    """Return how many standard deviations the lower and the upper end are away.

    Args:
        table: OF_PAIRS or OF_MARGINS; its last level stands for all that are coarser.
        above: how many levels it is above the finest.
        trips: estimates.
        unit: noise of the level's values in trips.
        wider: by how much both are further away.
    """
    size, (lower, upper) = np.log(np.maximum(trips / unit, 1e-9)), table[min(above, len(table) - 1)]
    return wider * REACH * np.interp(size, _SIZES, lower), wider * REACH * np.interp(size, _SIZES, upper)
