"""Weights by usual area: which area it is, and that a skewed panel comes out as the population it was drawn from."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock

import h3
import numpy as np
import pytest
from tests.conformance.worlds import CELLS, HOUR, MINUTE, PLACES, START, Row, make_rules, pseudonym, table

from flockwise.base.h3bits import parent
from flockwise.errors import InternalError
from flockwise.person import FLOWS, PRESENCE, Rules, WeightRules, accumulate, empty_sums

OFFSET = -5 * HOUR
MIDNIGHT = START - START % (24 * HOUR) - OFFSET  # a local midnight
AREAS = np.unique(parent(CELLS, 6))


def area_of(place: int) -> int:
    return int(h3.cell_to_parent(h3.latlng_to_cell(*PLACES[place], 7), 6), 16)


def rules_with(units: dict[int, int], otherwise: int = 0) -> Rules:
    cells = np.array(sorted(units))
    found = np.array([units[int(c)] for c in cells])
    return replace(make_rules(hours=72), weights=WeightRules(cells, found, otherwise, HOUR, np.array([START]), np.array([OFFSET])))


def sums(rows: list[Row], rules: Rules) -> dict[int, np.ndarray]:
    found = empty_sums(rules)
    accumulate(table(rows), rules, found, Lock())
    return found  # type: ignore[return-value]


def stay(number: int, place: int, hour: int, hours: int) -> list[Row]:
    """A ping every ten minutes at a place, from an hour after the first local midnight in the window on."""
    hi, lo = pseudonym(number)
    lat, lon = PLACES[place]
    cell = int(h3.latlng_to_cell(lat, lon, 7), 16)
    first = MIDNIGHT + hour * HOUR
    return [(hi, lo, first + m * MINUTE, round(lat * 1e6), round(lon * 1e6), 50, cell) for m in range(0, hours * 60, 10)]


FAR = next(i for i in range(len(PLACES)) if area_of(i) != area_of(0))


def test_nights_decide_where_there_are_any() -> None:
    rules = rules_with({area_of(0): 10, area_of(FAR): 20}, 5)
    night_here_day_there = stay(1, 0, 2, 2) + stay(1, FAR, 8, 10)
    assert set(np.unique(sums(night_here_day_there, rules)[PRESENCE])) == {0, 10}
    days_only = stay(1, 0, 8, 2) + stay(1, FAR, 11, 5)
    assert set(np.unique(sums(days_only, rules)[PRESENCE])) == {0, 20}


def test_who_was_in_no_area_has_the_other_weight() -> None:
    rules = rules_with({area_of(FAR): 20}, 5)
    assert set(np.unique(sums(stay(1, 0, 2, 2), rules)[PRESENCE])) == {0, 5}


def test_a_weight_of_nothing_leaves_nothing() -> None:
    rules = rules_with({area_of(0): 0})
    found = sums(stay(1, 0, 2, 2) + stay(1, FAR, 5, 2), rules)
    assert not found[PRESENCE].any()
    assert not found[FLOWS].any()


def test_trips_have_the_weight_of_the_area_not_of_their_origin() -> None:
    rules = rules_with({area_of(0): 64, area_of(FAR): 256})
    found = sums(stay(1, 0, 1, 5) + stay(1, FAR, 7, 2), rules)
    assert found[FLOWS].sum() == 64


@pytest.mark.rule(25)
def test_a_known_panel_is_recovered() -> None:
    """A population of 120 here and 120 there, of which a third and a twelfth take part."""
    rules = rules_with({area_of(0): 64, area_of(FAR): 256})  # of the greatest weight, 12
    rows = [row for n in range(40) for row in stay(n, 0, 1, 3)] + [row for n in range(40, 50) for row in stay(n, FAR, 1, 3)]
    people = sums(rows, rules)[PRESENCE] * 12 / 256
    seen = people[:, people.any(axis=0)]
    assert np.array_equal(np.unique(seen[seen > 0]), [120.0])
    assert (seen.sum(axis=0) == 240.0).all()


@pytest.mark.parametrize("change", [{"units": np.array([257])}, {"units": np.array([-1])}, {"otherwise": 300}, {"units": np.array([1, 2])}, {"hold_us": 0}])
def test_weights_out_of_range_are_refused(change: dict) -> None:
    good = {"cells": AREAS[:1], "units": np.array([256]), "otherwise": 0, "hold_us": HOUR, "offset_starts_us": np.array([START]), "offset_us": np.array([0])}
    WeightRules(**good)
    with pytest.raises(InternalError):
        WeightRules(**{**good, **change})
