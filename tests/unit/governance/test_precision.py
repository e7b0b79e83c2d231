from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.conformance import reference
from tests.unit.governance.places._geodesy import apart

from flockwise.governance import DoorRules, Rows, judge
from flockwise.governance.precision import GRID_E6, MOVED_M, coarse

Ping = tuple[int, int, int, int]
PINGS = st.tuples(
    st.integers(-(10**16), 10**16),
    st.integers(-90_000_000, 90_000_000),
    st.integers(-180_000_000, 180_000_000),
    st.integers(-1, 2_000_000_000),
)


def coarsened(pings: list[Ping]) -> list[Ping]:
    t, lat, lon, accuracy = (np.array(c, d) for c, d in zip(zip(*pings, strict=True), (np.int64, np.int32, np.int32, np.int32), strict=True))
    kept = coarse(t, lat, lon, accuracy)
    return list(zip(kept.tolist(), lat.tolist(), lon.tolist(), accuracy.tolist(), strict=True))


@settings(deadline=None)  # the first call compiles
@given(st.lists(PINGS, min_size=1, max_size=20))
@example([(1, 90_000_000, 180_000_000, 0), (-1, -90_000_000, -180_000_000, 1), (0, 59_999_975, 179_999_975, 10), (0, 75_522_474, -179_999_951, 11)])
def test_a_ping_is_rounded_by_itself_as_the_text_says_and_only_once(pings: list[Ping]) -> None:
    found = coarsened(pings)
    assert found == [reference.coarse(*p) for p in pings]
    assert coarsened(found) == found


@settings(deadline=None)
@given(PINGS)
@example((0, 25, 25, 0))
@example((0, 60_000_025, 49, 0))
@example((0, 89_999_975, 179_999_950, 0))
def test_no_ping_moves_further_than_a_recut_allows_for_or_as_much_as_a_second(ping: Ping) -> None:
    (t, lat, lon, accuracy) = coarsened([ping])[0]
    assert abs(lat) <= 90_000_000
    assert abs(lon) <= 180_000_000
    assert apart(ping[1] / 1e6, ping[2] / 1e6, lat / 1e6, lon / 1e6) < MOVED_M
    assert 0 <= ping[0] - t < 1_000_000
    assert accuracy == -1 if ping[3] < 0 else ping[3] <= accuracy < ping[3] + 10


def test_the_bound_of_a_move_is_nearly_met() -> None:
    """The worst that there is at the equator, at both edges of the steps of longitude, and at the pole."""
    half, worst = GRID_E6 // 2, []
    for lat, step in ((0, 1), (59_999_950, 1), (60_000_050, 2), (75_522_450, 2), (75_522_550, 4)):
        ping = (0, lat + half - 1, 10_000_000 + step * half - 1, 0)
        worst.append(apart(ping[1] / 1e6, ping[2] / 1e6, *(v / 1e6 for v in coarsened([ping])[0][1:3])))
    assert 3.7 < max(worst) < MOVED_M


@pytest.mark.parametrize(("degrees", "greatest"), [(0, 5.6), (40, 5.6), (59.9, 5.6), (60.1, 5.6), (75.4, 5.6), (75.6, 5.6), (82, 5.6)])
def test_places_are_known_to_some_five_metres_both_ways(degrees: float, greatest: float) -> None:
    lat = round(degrees * 1e6)
    points = {p[1:3] for p in coarsened([(0, lat + y, x, 0) for y in (0, GRID_E6) for x in range(0, 1_000, 5)])}
    rows, columns = (sorted({p[i] for p in points}) for i in (0, 1))
    assert 5.4 < apart(rows[0] / 1e6, 0, rows[1] / 1e6, 0) < greatest + 0.01
    assert 2.7 < apart(rows[0] / 1e6, columns[0] / 1e6, rows[0] / 1e6, columns[1] / 1e6) < greatest + 0.01


def test_positions_are_rounded_without_a_bias() -> None:
    """Over a whole step the moves cancel out, but for the half that lies on the boundary."""
    every = [(0, y, x, 0) for y in range(GRID_E6) for x in range(GRID_E6)]
    moves = np.array([(b[1] - a[1], b[2] - a[2]) for a, b in zip(every, coarsened(every), strict=True)])
    assert np.abs(moves).max() == GRID_E6 // 2
    assert np.abs(moves.mean(axis=0)).max() <= 0.5


@pytest.mark.parametrize("zone", ["Africa/Monrovia", "Asia/Kathmandu", "America/New_York"])
def test_no_ping_leaves_its_slot(zone: str) -> None:
    """Slots, days and windows begin with whole seconds in every time zone, so the last microsecond before one stays before it."""
    assert ZoneInfo(zone).utcoffset(None) is None
    begin = 1_777_000_000_000_000 // 900_000_000 * 900_000_000
    assert coarsened([(begin - 1, 0, 1, 0), (begin, 0, 1, 0), (begin + 1, 0, 1, 0)]) == [(t, 0, 0, 0) for t in (begin - 1_000_000, begin, begin)]


@pytest.mark.rule(32)
def test_the_door_decides_on_what_came_in_and_keeps_less() -> None:
    """Window, list, cell and accuracy see the full row: the same row decides otherwise where only its rounded form would."""
    seen: list[tuple[list[int], list[int], list[int]]] = []

    def find(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        return np.where(lat >= 40_123_457, 7, -1).astype(np.int32)

    def suppress(lat: np.ndarray, lon: np.ndarray, t_us: np.ndarray) -> np.ndarray:
        seen.append((lat.tolist(), lon.tolist(), t_us.tolist()))
        return np.zeros(len(lat), np.uint8)

    rows = Rows(np.zeros(2, np.uint8), np.array([1_500_000, 1_499_999]), np.array([40.123457] * 2), np.array([-74.123456] * 2), np.array([4.1] * 2), None, None)
    verdict = judge(rows, DoorRules(1_500_000, 9_000_000, 41), find, suppress)
    assert verdict.reason.tolist()[0] == 0
    assert verdict.reason.tolist()[1] != 0
    assert seen == [([40_123_457] * 2, [-74_123_456] * 2, [1_500_000, 1_499_999])]
    assert (verdict.t_us[0], verdict.lat_e6[0], verdict.lon_e6[0], verdict.accuracy_dm[0], verdict.place[0]) == (1_000_000, 40_123_450, -74_123_450, 50, 7)
