"""Rules refuse what could break the bound or overflow."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest
from tests.conformance.worlds import CELLS, HOUR, START, make_rules

from flockwise.base.window import Window
from flockwise.errors import InternalError
from flockwise.person import Rules


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
