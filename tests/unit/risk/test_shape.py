"""The known shape on a simulated population (de Montjoye et al. 2013): four points at fine resolution single out nearly everybody, coarse ones few.

Exact figures of made-up people: nothing here is private, and nothing is released.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from flockwise import config
from flockwise.risk import plan as plans
from flockwise.risk.summing import exact_figures
from flockwise.store import Store

Curves = Mapping[tuple[int, int, str], np.ndarray]


@pytest.fixture(scope="module")
def exact(ingested: Path) -> tuple[plans.RiskPlan, dict[str, np.ndarray]]:
    study = config.load(ingested)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plans, "_group_bits", lambda *_: (2, 4, 6))
        plan = plans.make_plan(study, "1")
    return plan, exact_figures(Store.open(study), plan, 2)


@pytest.fixture(scope="module")
def curves(exact: tuple[plans.RiskPlan, dict[str, np.ndarray]]) -> Curves:
    plan, figures = exact
    return {(b.bits, b.view.level, b.view.time): np.cumsum(figures[b.name])[:8] / (256 * b.groups) for b in plan.of("singled_out")}


def test_four_points_single_out_most_devices_at_fine_resolution(curves: Curves) -> None:
    assert curves[2, 7, "hour"][3] > 0.9  # groups of about 730 devices
    assert curves[2, 7, "hour"][0] < 0.7


def test_four_points_single_out_few_at_coarse_resolution(curves: Curves) -> None:
    assert curves[2, 4, "day"][3] < 0.1
    assert curves[2, 7, "hour"][3] > curves[2, 7, "day"][3] > curves[2, 4, "day"][3]
    assert curves[2, 7, "hour"][3] > curves[2, 5, "hour"][3] > curves[2, 4, "day"][3]


def test_more_points_single_out_more(curves: Curves) -> None:
    assert all((np.diff(line) >= 0).all() for line in curves.values())
    assert (np.diff(curves[2, 7, "day"])[:3] > 0.01).all()


def test_larger_groups_hide_more(curves: Curves) -> None:
    for level, time in ((7, "hour"), (7, "day"), (5, "hour"), (4, "day")):
        assert curves[2, level, time][3] <= curves[4, level, time][3] <= curves[6, level, time][3]


def test_more_places_make_smaller_sets_and_finer_places_too(exact: tuple[plans.RiskPlan, dict[str, np.ndarray]]) -> None:
    """Zang and Bolot 2011: the top place alone rarely gives small sets, two and three do."""
    plan, figures = exact
    alone = {(b.view.level, b.places): figures[b.name][0] / figures["points"].sum() for b in plan.of("place_sets")}
    for level in (7, 5):
        assert alone[level, 1] < alone[level, 2] < alone[level, 3]
    assert all(alone[7, n] > alone[5, n] for n in (1, 2, 3))
    assert alone[7, 3] > 0.4 > 0.1 > alone[7, 1]
