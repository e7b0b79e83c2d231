"""Cleaning: one ping an instant, the window, accuracy, speed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.conformance import reference
from tests.conformance.worlds import HOUR, MINUTE, SECOND, START, Row, make_rules, table

from flockwise.person.cleaning import clean
from flockwise.person.columns import columns_of

RULES = make_rules()
CELL = 608725951253053439
LAT, LON = 40_700_000, -74_000_000


def ping(t: int, lat: int = LAT, lon: int = LON, accuracy: int = 50, device: int = 1) -> Row:
    return (device, device, t, lat, lon, accuracy, CELL)


def times(rows: list[Row], **changes: int) -> list[int]:
    kept = clean(columns_of(table(rows)), replace(RULES, **changes))
    assert kept.first[-1] == len(kept.t_us)
    return [int(t) - START for t in kept.t_us]


def test_the_window_is_half_open() -> None:
    end = START + 48 * HOUR
    assert times([ping(t) for t in (START - 1, START, end - 1, end)]) == [0, 48 * HOUR - 1]


def test_of_one_instant_the_first_stays_whatever_becomes_of_it() -> None:
    rows = [ping(START, lat=LAT), ping(START, lat=LAT + 1), ping(START + SECOND, accuracy=2001), ping(START + SECOND, lat=LAT + 1)]
    assert times(rows) == [0]


@pytest.mark.parametrize(("accuracy", "kept"), [(-1, True), (0, True), (2000, True), (2001, False), (2**31 - 1, False)])
def test_accuracy(accuracy: int, kept: bool) -> None:
    assert (times([ping(START, accuracy=accuracy)]) == [0]) is kept


def test_speed_is_measured_from_the_last_kept_ping() -> None:
    # A degree of latitude is 111.2 km: a jump of a tenth (11.1 km) in a minute is 667 km/h, in two minutes 334 km/h.
    rows = [ping(START), ping(START + MINUTE, lat=LAT + 100_000), ping(START + 2 * MINUTE, lat=LAT + 100_000), ping(START + 3 * MINUTE)]
    assert times(rows) == [0, 2 * MINUTE, 3 * MINUTE][:2]


def test_each_device_begins_anew() -> None:
    rows = [ping(START), ping(START + SECOND, lat=LAT + 9_000_000, device=2)]
    assert times(rows) == [0, SECOND]


@pytest.mark.parametrize("offset", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize(("lat", "lon"), [(LAT + 30_000, LON), (LAT, LON + 40_000), (LAT - 7_000, LON - 30_000), (-LAT, LON + 100_000_000)])
def test_the_limit_is_the_great_circle(lat: int, lon: int, offset: int) -> None:
    """To the microsecond, on both sides of the limit: the quick test never decides otherwise."""
    far_m = reference.haversine_m(LAT, LON, lat, lon)
    needed_us = int(far_m * 1e9 / RULES.speed_mm_s) + offset
    assert (len(times([ping(START), ping(START + needed_us, lat=lat, lon=lon)], end_us=START + 10**13, presence=None)) == 2) is (offset > 0)


def test_across_the_date_line_is_near() -> None:
    assert len(times([ping(START, lon=179_999_900), ping(START + MINUTE, lon=-179_999_900)])) == 2
