"""Stays and trips, case by case as docs/explanation/stays.md states them."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance import reference
from tests.conformance.worlds import CELLS, MINUTE, PLACES, SECOND, START, Row, make_rules, table

from flockwise.person.cleaning import clean
from flockwise.person.columns import columns_of
from flockwise.person.stays import RESTART_LIMIT, Stays, find_stays
from flockwise.person.trips import find_trips

RULES = make_rules()
TELEPORT = make_rules(speed_mm_s=10**12)
HERE = (round(PLACES[0][0] * 1e6), round(PLACES[0][1] * 1e6))
THERE = (round(PLACES[1][0] * 1e6), round(PLACES[1][1] * 1e6))
METRE = 1e6 / (math.radians(1) * 6_371_008.8)  # millionths of a degree of latitude in a metre


def ping(t: int, north_m: float = 0.0, cell: int = int(CELLS[0]), at: tuple[int, int] = HERE, device: int = 1) -> Row:
    return (device, device, START + t, at[0] + round(north_m * METRE), at[1], -1, cell)


def stays(rows: list[Row], **changes: Any) -> Stays:
    rules = replace(TELEPORT, **changes)
    return find_stays(clean(columns_of(table(rows)), rules), rules)


def spans(rows: list[Row], **changes: Any) -> list[tuple[int, int]]:
    """Minutes of start and end."""
    found = stays(rows, **changes)
    return [((int(a) - START) // MINUTE, (int(b) - START) // MINUTE) for a, b in zip(found.start_us, found.end_us, strict=True)]


def test_a_stay_ends_at_the_last_ping_inside() -> None:
    assert spans([ping(t * MINUTE) for t in (0, 3, 6)] + [ping(9 * MINUTE, 500)]) == [(0, 6)]


def test_the_last_stay_is_not_lost() -> None:
    assert spans([ping(0, 900), ping(9 * MINUTE), ping(15 * MINUTE)]) == [(9, 15)]


def test_least_duration_is_included() -> None:
    assert spans([ping(0), ping(5 * MINUTE)]) == [(0, 5)]
    assert spans([ping(0), ping(5 * MINUTE - 1)]) == []


def test_greatest_gap_is_included() -> None:
    assert spans([ping(0), ping(15 * MINUTE)]) == [(0, 15)]
    assert spans([ping(0), ping(15 * MINUTE + 1)]) == []


def test_a_silence_ends_a_stay_and_keeps_it() -> None:
    assert spans([ping(t * MINUTE) for t in (0, 10, 40, 50)]) == [(0, 10), (40, 50)]


def test_after_a_halt_too_short_the_next_ping_is_tried() -> None:
    """From the ping at 0 the halt breaks at 4, but from the ping at 2 it lasts."""
    assert spans([ping(0, 0), ping(2 * MINUTE, 60), ping(4 * MINUTE, 140), ping(8 * MINUTE, 100)]) == [(2, 8)]


def test_the_radius_is_measured_from_the_first_ping() -> None:
    assert spans([ping(t * MINUTE, 19.0 * t) for t in range(12)]) == [(0, 5), (6, 11)]


@pytest.mark.parametrize(("north_m", "inside"), [(99.5, True), (100.5, False)])
def test_the_radius(north_m: float, inside: bool) -> None:
    assert spans([ping(0), ping(5 * MINUTE, north_m)]) == ([(0, 5)] if inside else [])


def test_the_cell_with_most_pings_ties_to_the_smaller() -> None:
    cells = [int(c) for c in (CELLS[3], CELLS[1], CELLS[3], CELLS[1], CELLS[7])]
    assert stays([ping(i * 2 * MINUTE, cell=c) for i, c in enumerate(cells)]).cell.tolist() == [CELLS[1]]
    assert stays([ping(i * 2 * MINUTE, cell=c) for i, c in enumerate([*cells, int(CELLS[3])])]).cell.tolist() == [CELLS[3]]


def test_the_position_is_the_integer_mean() -> None:
    found = stays([(1, 1, START, 10, -10, -1, 5), (1, 1, START + 5 * MINUTE, 11, -11, -1, 5)])
    assert (found.lat_e6.tolist(), found.lon_e6.tolist()) == ([10], [-11])


def test_the_mean_crosses_the_date_line_the_short_way() -> None:
    found = stays([(1, 1, START, 0, 179_999_900, -1, 5), (1, 1, START + 5 * MINUTE, 0, -179_999_700, -1, 5)])
    assert found.lon_e6.tolist() == [-179_999_900]


def test_devices_do_not_touch() -> None:
    assert spans([ping(0), ping(3 * MINUTE), ping(6 * MINUTE, device=2)]) == []


def test_more_pings_than_the_restart_limit_end_the_search_of_that_halt() -> None:
    """Dense halts that are too short are left at the ping outside; one ping fewer and every ping is tried."""
    for n, expected in ((RESTART_LIMIT, 1), (RESTART_LIMIT + 1, 0)):
        halt = [ping(i * 1000, 60 if i else 0) for i in range(n)]  # first ping at 0 m, the others at 60 m
        rows = [*halt, ping(4 * MINUTE, 140), ping(9 * MINUTE, 300), ping(9 * MINUTE + 1, 60)]
        late = [*halt, ping(4 * MINUTE, 140), ping(6 * MINUTE, 100)]
        assert len(spans(rows)) == 0
        assert len(spans(late)) == expected
        pings = [reference.Ping(r[2], r[6], r[3], r[4], r[5]) for r in late]
        assert len(reference.stays(pings, RULES)) == expected


def test_a_burst_of_one_device_takes_no_square() -> None:
    """A device that sends 200,000 pings in four minutes, between two places and one more: at most RESTART_LIMIT tests a ping."""
    n = 200_000
    t = START + np.arange(n) * (4 * MINUTE // n)
    lat = np.full(n, HERE[0]) + (np.arange(n) % 3) * 300
    lat[-1] += 5_000
    rows = clean(columns_of(table(list(zip([1] * n, [1] * n, t.tolist(), lat.tolist(), [HERE[1]] * n, [-1] * n, [5] * n, strict=True)))), TELEPORT)
    assert len(rows.t_us) == n
    began = perf_counter()
    find_stays(rows, TELEPORT)
    assert perf_counter() - began < 5


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([SECOND, 100 * SECOND, 5 * MINUTE, 16 * MINUTE]), st.integers(-120, 120), st.integers(0, 2)), max_size=50))
def test_against_the_loops(steps: list[tuple[int, int, int]]) -> None:
    t, rows = 0, []
    for step, north_m, cell in steps:
        t += step
        rows.append(ping(t, north_m, int(CELLS[cell])))
    found = stays(rows)
    expected = reference.stays([reference.Ping(r[2], r[6], r[3], r[4], r[5]) for r in rows], RULES)
    assert [tuple(map(int, row)) for row in zip(*found[1:6], strict=True)] == [(s.start, s.end, s.lat, s.lon, s.cell) for s in expected]
    assert all(a.end < b.start for a, b in pairwise(expected))


def trips(rows: list[Row]) -> list[tuple[int, int, int]]:
    """Origin, destination, slot."""
    assert RULES.flows is not None
    key = find_trips(stays(rows), RULES.flows).key
    _, cells, _, slots = RULES.flows.shape
    return [(int(k) // slots // cells, int(k) // slots % cells, int(k) % slots) for k in key]


def halt(at_min: int, place: tuple[int, int], cell: int) -> list[Row]:
    return [ping(at_min * MINUTE, at=place, cell=cell), ping((at_min + 6) * MINUTE, at=place, cell=cell)]


A, B = (next(int(c) for c in CELLS if RULES.flows is not None and reference.parent(int(c), 6) == int(RULES.flows.cells[i])) for i in (0, 1))


def test_a_trip_has_origin_destination_and_the_slot_of_its_departure() -> None:
    # The window begins at local midnight; departures at 05:56 and 06:06.
    assert trips(halt(350, HERE, A) + halt(390, THERE, B)) == [(0, 1, 0)]
    assert trips(halt(360, HERE, A) + halt(400, THERE, B)) == [(0, 1, 1)]


def test_the_clocks_count() -> None:
    # Offsets of the test's rules change from -5 h to -4 h at 30 h 07: 33:30 after the start is 10:30 by the new clock, 09:30 by the old one.
    assert trips(halt(33 * 60 + 24, HERE, A) + halt(34 * 60, THERE, B)) == [(0, 1, 2)]


def test_a_trip_within_a_zone_counts() -> None:
    assert trips(halt(0, HERE, A) + halt(30, THERE, A)) == [(0, 0, 0)]


def test_two_stays_at_one_place_are_no_trip() -> None:
    assert trips(halt(0, HERE, A) + halt(60, HERE, B)) == []


def test_stays_too_far_apart_in_time_are_no_trip() -> None:
    assert len(trips(halt(0, HERE, A) + halt(6 + 720, THERE, B))) == 1
    assert trips(halt(0, HERE, A) + halt(6 + 721, THERE, B)) == []


def test_a_stay_outside_the_domain_breaks_the_chain() -> None:
    outside = 0x870000000FFFFFF
    assert trips(halt(0, HERE, A) + halt(30, THERE, outside) + halt(60, HERE, A)) == []


def test_the_longest_possible_list_of_stays_fits() -> None:
    rules = replace(TELEPORT, least_us=1, flows=None)
    rows = [ping(i, (i // 2 % 2) * 150) for i in range(200)]
    assert len(find_stays(clean(columns_of(table(rows)), rules), rules).start_us) == 100
