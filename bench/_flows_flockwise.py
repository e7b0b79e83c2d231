"""Flockwise's own way from trips to printed pairs: the stages of a release one after another, with exact noise, without store, ledger and folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from _trips import Trips
from flockwise import noise, person
from flockwise.base.h3bits import resolution_of, to_hex
from flockwise.config import Study
from flockwise.person.bounding import Bounded, bound_flows, bound_totals, counted, norm_bins
from flockwise.person.trips import Trips as Keyed
from flockwise.release.plan import NORMS, Plan
from flockwise.release.planning import make_plan
from flockwise.release.publishing import settled
from flockwise.release.sums import all_levels
from flockwise.release.tables import flow_estimate

__all__ = ["DELTA", "EPSILON", "Panel", "Printed", "ours"]

EPSILON, DELTA = Fraction(1), Fraction(1, 10**6)
Ints = npt.NDArray[np.int64]


class Printed(NamedTuple):
    """The finest level's printed pairs.

    Attributes:
        pair: origin * cells + destination.
        value: estimated trips.
        bound: the norm of one person's trips that the private clip chose to keep whole.
    """

    pair: Ints
    value: npt.NDArray[np.float64]
    bound: float


class Panel:
    """People's trips on the way to a release at a study's defaults: the cells' level and three coarser ones, a private clip, one slot of the day.

    Args:
        trips: who went where.
        epsilon: of the whole release.
    """

    def __init__(self, trips: Trips, epsilon: Fraction = EPSILON) -> None:
        self.plan = make_plan(_study(trips.cells, epsilon))
        self.units = np.full(int(trips.person[-1]) + 1, person.GRID, dtype=np.int64)
        self.mine = counted(Keyed(trips.person, trips.pair), self.units)  # one slot of the day: the key of a trip is that of its pair

    def norms(self) -> Ints:
        """The exact histogram of norms."""
        rules = self.plan.clip_rules()
        bins = norm_bins(self.mine, _flows(rules))
        return _summed(rules, {person.NORMS: Bounded(bins, bins, np.full(len(bins), person.GRID, dtype=np.int64))})[person.NORMS]

    def sums(self, plan: Plan) -> dict[str, Ints]:
        """The exact sums of every block of a settled plan."""
        rules = plan.rules()
        blocks = {person.FLOWS: bound_flows(self.mine, np.zeros(len(self.units), dtype=np.int64), rules, _flows(rules))}
        blocks |= dict(zip((person.DEPARTURES, person.ARRIVALS), bound_totals(self.mine, _flows(rules)), strict=True))
        return {name: _dense(values) for name, values in all_levels(plan, _summed(rules, blocks)).items()}


def ours(trips: Trips) -> Printed:
    """Print flows as a study at its defaults would, all paid from one epsilon."""
    panel = Panel(trips)
    plan, noisy = panel.plan, dict[str, Ints]()
    if plan.clip is not None:
        noisy[NORMS] = _drawn(panel.norms(), plan.clip.sigma_units, plan)
        plan = settled(plan, noisy)
    exact = panel.sums(plan)
    for block in plan.blocks:
        noisy[block.name] = _drawn(exact[block.name], block.sigma_units, plan)
    rows = flow_estimate(plan, noisy).pairs[0]
    return Printed(rows.origin * len(trips.cells) + rows.destination, rows.trips, plan.trips_bound or 0.0)


def _flows(rules: person.Rules) -> person.FlowsRules:
    assert rules.flows is not None
    return rules.flows


def _summed(rules: person.Rules, blocks: Mapping[int, Bounded]) -> dict[int, Ints]:
    sums = person.empty_sums(rules)
    for number, found in blocks.items():
        np.add.at(_dense(sums[number]).reshape(-1), found.key, found.value)
    return {number: _dense(total) for number, total in sums.items()}


def _dense(total: Ints | person.SparseSum) -> Ints:
    if isinstance(total, person.SparseSum):
        raise SystemExit("this measurement is for domains of up to 5,000 cells, which are drawn densely")
    return total


def _drawn(sums: Ints | person.SparseSum, sigma: float, plan: Plan) -> Ints:
    return noise.add(_dense(sums), sigma, os.cpu_count() or 1, kind=plan.noise_kind)


def _study(cells: Ints, epsilon: Fraction) -> Study:
    level = int(resolution_of(cells[:1])[0])
    study = Study.model_validate(
        {
            "name": "Flows accuracy",
            "store": {"path": "store", "key": "key", "retention_days": 30},
            "ledger": {"path": "ledger.sqlite", "dataset": "made-up trips", "lifetime_epsilon": 4},
            "region": {"cells": tuple(to_hex(cells))},
            "window": {"start": date(2026, 3, 2), "days": 7, "timezone": "UTC"},
            "input": {"device": "d", "device_type": "integer", "time": "t", "time_format": "s", "lat": "y", "lon": "x", "consent_basis": "made-up people"},
            # delta is that of the comparison; a study of more people would have to take a smaller one.
            "privacy": {"unit": "device", "window": "whole", "epsilon": epsilon, "delta": DELTA, "panel_bound": 100_000},
            "tables": [{"kind": "flows", "resolution": min(level, 7), "weight": 1}],
        }
    )
    # A study may not publish cells as small as those of the comparison, so its check is passed by.
    table = study.tables[0].model_copy(update={"resolution": level, "coarser": tuple(range(level - 1, max(level - 4, 4), -1))})
    return study.model_copy(update={"tables": (table,)})
