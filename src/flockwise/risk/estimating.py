"""From noisy figures to estimates and intervals: post-processing of released values and public facts.

An interval covers the noise and nothing else. It is for the exact figure of these devices in these groups, not for a population.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist, fmean

import numpy as np
import numpy.typing as npt

from flockwise.person.riskpoints import GROUP_UNITS, MOST_POINTS
from flockwise.risk.plan import POINT_EDGES, SMALL_SETS, UNITS, RiskBlock, RiskPlan
from flockwise.risk.table import Row

__all__ = ["COVERAGE", "SMALLER_THAN", "rows_of"]

Noisy = Mapping[str, npt.NDArray[np.int64]]

COVERAGE = 0.90
SMALLER_THAN = (2, 5, 10)
"""Shares of devices whose set has fewer members than this are shown."""
SURE_SIGMAS = 10
"""Shares of the devices are shown if their noisy number is at least so many standard deviations of its noise."""

_Z = NormalDist().inv_cdf(0.5 + COVERAGE / 2)


@dataclass(frozen=True)
class _Count:
    """A noisy number and the standard deviation of its noise."""

    value: float
    sd: float


def rows_of(plan: RiskPlan, noisy: Noisy) -> list[Row]:
    """All published rows.

    Args:
        plan: the plan.
        noisy: int64 noisy figures by block name, in grid units.

    Privacy:
        Reads noisy figures and public facts only.
    """
    (points,) = plan.of("points")
    devices = _Count(float(noisy[points.name].sum()) / UNITS, points.sigma * math.sqrt(points.size))
    rows = [_row(points, "devices", "devices", devices, 0.0, math.inf)]
    for block in plan.of("singled_out"):
        found = _curve(block, noisy[block.name])
        line = [_row(block, "singled_out", "share of devices", share, 0.0, 1.0, groups=block.groups, points=k) for k, share in enumerate(found, start=1)]
        rows += _rising(line)
    for block in plan.of("place_sets"):
        sets = noisy[block.name] / UNITS
        line = []
        for size in SMALLER_THAN:
            counted = np.arange(1, size)
            inside = _Count(float(sets[: size - 1] @ counted), block.sigma * math.sqrt(float(counted @ counted)))
            line.append(_row(block, "in_small_sets", "share of devices", _share(inside, devices), 0.0, 1.0, places=block.places, bin=_under(size)))
        rows += _rising(line)
        rows += [
            _row(block, "place_sets", "sets", _Count(float(n), block.sigma), 0.0, math.inf, places=block.places, bin=label)
            for n, label in zip(sets, [*map(str, range(1, SMALL_SETS + 1)), f"{SMALL_SETS + 1}+"], strict=True)
        ]
    labels = [*(_span(a + 1, b) for a, b in zip((0, *POINT_EDGES), POINT_EDGES, strict=False)), f"{POINT_EDGES[-1] + 1}+"]
    rows += [
        _row(points, "points", "devices", _Count(float(n) / UNITS, points.sigma), 0.0, math.inf, bin=label)
        for n, label in zip(noisy[points.name], labels, strict=True)
    ]
    return rows


def _curve(block: RiskBlock, noisy: npt.NDArray[np.int64]) -> list[_Count]:
    """The share singled out by the first k points, k from 1.

    The units of all k and of "not at all" add up to a public total. The noisy ones do not: each gets an equal part of the difference, which is the least
    squares estimate under that total. Cumulated to k of n bins, the variance of the noise is k (n - k) / n of one bin's.
    """
    bins, total = MOST_POINTS + 1, block.groups * GROUP_UNITS
    settled = noisy - (int(noisy.sum()) - total) / bins
    shares = np.cumsum(settled)[:MOST_POINTS] / total
    return [_Count(float(s), block.sigma_units * math.sqrt(k * (bins - k) / bins) / total) for k, s in enumerate(shares, start=1)]


def _rising(line: list[Row]) -> list[Row]:
    """The rows with the nearest values that never fall (least squares), each kept inside its interval.

    More points never single out fewer devices, and larger sets never hold fewer. The interval stays that of the row's own noise.

    Source: Barlow et al. 1972, the max-min formula of isotonic regression.
    """
    values = [row.value for row in line if row.value is not None]
    if len(values) < len(line):
        return line
    n = len(values)
    risen = [max(min(fmean(values[a : b + 1]) for b in range(i, n)) for a in range(i + 1)) for i in range(n)]
    return [row._replace(value=min(row.upper or 0.0, max(row.lower or 0.0, value))) for row, value in zip(line, risen, strict=True)]


def _share(part: _Count, whole: _Count) -> _Count | None:
    """A part over the whole, with the spread of the quotient to first order (the two are drawn independently)."""
    if whole.value < SURE_SIGMAS * whole.sd:
        return None
    share = part.value / whole.value
    return _Count(share, math.hypot(part.sd, share * whole.sd) / whole.value)


def _row(
    block: RiskBlock, figure: str, unit: str, found: _Count | None, least: float, most: float, *,
    places: int | None = None, groups: int | None = None, points: int | None = None, bin: str | None = None,  # noqa: A002  the column's name
) -> Row:  # fmt: skip
    level, time = (None, None) if figure == "devices" else (block.view.level, block.view.time)
    head = (figure, level, time, places, groups, points, bin, unit)
    if found is None:
        return Row(*head, None, None, None, None)
    # Cutting at the ends of the scale changes no coverage: the exact figure is never beyond them.
    value, lower, upper = (min(most, max(least, found.value + z * found.sd)) for z in (0.0, -_Z, _Z))
    return Row(*head, value, lower, upper, found.sd)


def _under(size: int) -> str:
    return "1" if size == 2 else f"1-{size - 1}"


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"
