"""Rules refuse what could break the bound or overflow."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conformance.worlds import CELLS, HOUR, START, make_rules

from flockwise.base.window import Window
from flockwise.config import Study, load
from flockwise.config.template import template
from flockwise.errors import InternalError
from flockwise.person import Rules, rules_for


@pytest.mark.parametrize(
    "changes",
    [
        {"bound": 48 * 256**2 * 3 - 1},  # presence in every slot would exceed it
        {"bound": 1 << 63},
        {"bound": -1},
        {"presence_weights": (1, 0, 1)},
        {"flows_weights": (0, 1)},
        {"flows_weights": (1 << 62, 1 << 62)},
        {"slot_us": 7 * HOUR},  # does not fill two days
        {"least_us": 0},
        {"least_us": 10},  # 17 thousand million trips
        {"gap_us": 0},
        {"start_us": START + 1},
        {"cells": CELLS[::-1]},
        {"hold_us": 0},
    ],
)
def test_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InternalError) as caught:
        make_rules(**changes)
    assert caught.value.code == "PERSON_BAD_RULES"


def test_the_smallest_bound_that_presence_allows() -> None:
    assert make_rules(bound=48 * 256**2 * 3).bound == 9_437_184


def test_the_most_trips_follow_from_the_window() -> None:
    rules = make_rules(hours=672)
    assert rules.most_trips == 8064
    assert (rules.most_trips * 256) ** 2 < 2**63


def test_arrays_are_copied_and_can_not_change() -> None:
    cells = CELLS.copy()
    rules: Rules = make_rules(cells)
    cells[0] = 0
    assert rules.presence is not None
    np.testing.assert_array_equal(rules.presence.cells, CELLS)
    with pytest.raises(ValueError, match="read-only"):
        rules.presence.cells[0] = 1


def test_the_window_of_a_study_fits() -> None:
    window = Window(date(2026, 3, 2), 14, "America/New_York")  # the clocks go forward
    starts, offsets = window.offsets
    assert len(starts) == 2
    assert len(window.slots(60)) == 335
    assert starts[0] == window.start_us
    assert offsets.tolist() == [-5 * HOUR, -4 * HOUR]


def _study(tmp_path: Path) -> Study:
    (tmp_path / "region.txt").write_text("852a1073fffffff\n", encoding="utf-8")
    text = template(name="T", region='"region.txt"', start=date(2026, 3, 2), days=14, timezone="America/New_York", columns=None)
    path = tmp_path / "study.toml"
    path.write_text(re.sub(r"geojson = .*", 'cells_file = "region.txt"', text), encoding="utf-8")
    return load(path)


def test_rules_of_a_study(tmp_path: Path) -> None:
    study = _study(tmp_path)
    rules = rules_for(study, presence_weights=(3, 2, 1), flows_weights=(5, 4), bound=1 << 40)
    assert (rules.accuracy_dm, rules.speed_mm_s, rules.radius_m, rules.least_us, rules.gap_us) == (2000, 111_111, 100, 300_000_000, 900_000_000)
    assert rules.presence is not None
    assert rules.flows is not None
    assert rules.presence.shape == (49, 335)
    assert rules.flows.shape == (1, 7, 7, 5)
    assert [set(p.tolist()) for p in rules.presence.parents] == [set(range(7)), {0}]
    assert rules.presence.slot_charge == 6 * 256**2
    assert rules.flows.trip_us == 12 * HOUR


def test_rules_of_a_study_without_tables_are_enough_to_order(tmp_path: Path) -> None:
    rules = rules_for(_study(tmp_path))
    assert rules.presence is None
    assert rules.flows is None
    assert rules.bound == 0
