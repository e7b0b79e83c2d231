"""The error to expect of each table and level: noise of the plan's size and the real estimators, on a population made of public facts."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise import estimate, release
from flockwise.base.h3bits import parent
from flockwise.estimate.presence import COVERAGE
from flockwise.estimate.smoothing import Smoother
from flockwise.forecast import population
from flockwise.forecast.facts import Expected, Facts, gathered, noisy, relative_error, weight
from flockwise.forecast.flows import flows

__all__ = ["expected"]

Floats: TypeAlias = npt.NDArray[np.float64]

_ALIKE = 24
"""Cells of like size whose errors are taken together."""


def expected(plan: release.Plan, facts: Facts, kinds: tuple[str, ...] = ("presence", "flows")) -> list[Expected]:
    """The expected error of every table and level of a plan.

    Args:
        plan: a plan; if its contribution bound is open, it is chosen as its private clip would on the assumed panel.
        facts: what is assumed of the panel.
        kinds: which tables; the typical day comes with presence, and margins with flows.

    Returns:
        Tables in the order presence, typical day, flows, margins, each finest level first. The same plan and facts give the same figures.

    Privacy:
        Reads public facts only; no data, no ledger. The noise on the made-up figures is made up as well.
    """
    out: list[Expected] = []
    if "presence" in kinds and plan.of("presence"):
        out += _presence(plan, facts)
    if "flows" in kinds and plan.of("flows"):
        out += sorted(flows(plan, facts), key=lambda e: e.table)
    return out


def _presence(plan: release.Plan, facts: Facts) -> list[Expected]:
    """As in a release, but without intervals, which take ten times as long: here the errors are known."""
    blocks, scale = plan.of("presence"), plan.study.scale
    calendar = release.calendar(plan)
    finest = population.presence(blocks[0].region.cells, calendar, facts.devices * facts.seen * weight(plan))
    truth = [gathered(finest, blocks[0], b, (0,)) for b in blocks]
    levels = [
        estimate.NoisyLevel(noisy(b, exact) / release.GRID, b.sigma, None if up is None else up.region.index_of(parent(b.region.cells, up.level)))
        for b, up, exact in zip(blocks, [*blocks[1:], None], truth, strict=True)
    ]
    found = Smoother(levels, calendar.longest_event).smooth([level.noisy for level in levels])
    out = [
        Expected("presence", b.level, b.sigma * scale, relative_error(values, exact), _printed(values, exact), b.size)
        for b, values, exact in zip(blocks, found, truth, strict=True)
    ]
    day = release.typical_slots(plan)
    if day is not None:
        days = np.bincount(day[0])
        mean = (day[0][:, None] == np.arange(len(days))) / days
        for b, values, exact in zip(blocks, found, truth, strict=True):
            by_day = values @ mean, exact @ mean
            sigma = b.sigma * scale / sqrt(days.min())
            out.append(Expected("typical_day", b.level, sigma, relative_error(*by_day), _printed(*by_day), by_day[0].size))
    return out


def _printed(values: Floats, exact: Floats) -> int:
    """How many figures would be sure enough to be shown, if every cell's interval told the error of cells of its size."""
    by_size = np.argsort(-values.mean(axis=1), kind="stable")
    width = NormalDist().inv_cdf(0.5 + COVERAGE / 2)
    shown = 0
    for cells in np.array_split(by_size, max(1, len(by_size) // _ALIKE)):
        half = width * np.sqrt(((values[cells] - exact[cells]) ** 2).mean())
        shown += int(estimate.publish_rule(values[cells], np.full(values[cells].shape, half)).sum())
    return shown
