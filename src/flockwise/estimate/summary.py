"""The figures of a table that its certificate prints, from released values alone."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

from flockwise.estimate._types import Floats, LevelEstimate
from flockwise.estimate.presence import COVERAGE

__all__ = ["TableSummary", "summarise_presence", "typical_relative_error"]


@dataclass(frozen=True)
class TableSummary:
    """How much of a table is shown, and how sure it is.

    Attributes:
        published: rows shown.
        withheld: rows of the public domain that are not shown.
        typical_relative_error: sum of standard errors over sum of values, of the rows shown; None where nothing is shown.
    """

    published: int
    withheld: int
    typical_relative_error: float | None


def summarise_presence(level: LevelEstimate) -> TableSummary:
    """Return the figures of one level of a presence table.

    Privacy: reads estimates and the rule's outcome only.
    """
    shown = level.published
    count = int(shown.sum())
    return TableSummary(count, int(shown.size) - count, _ratio((level.upper - level.devices)[shown], level.devices[shown]))


def typical_relative_error(trips: Floats, lower: Floats, upper: Floats) -> float | None:
    """Return the weighted mean standard error of printed figures, from their intervals, relative to the figures; None if there are none.

    Privacy: reads printed figures only.
    """
    return _ratio(0.5 * (upper - lower), trips)


def _ratio(half_width: Floats, values: Floats) -> float | None:
    """Return the weighted mean standard error, relative to the values."""
    total = float(values.sum())
    if total <= 0.0:
        return None
    return float(half_width.sum()) / NormalDist().inv_cdf(0.5 + COVERAGE / 2) / total
