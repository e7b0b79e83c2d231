from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise.governance import ALWAYS, BAD_TIME, NEVER, REASONS, DoorRules, Rows, Verdict, judge
from flockwise.governance.door import NULL, UNREADABLE

RULES = DoorRules(start_us=100, end_us=200, accuracy_dm=2000)


def inside(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    return np.where(lat > 10_000_000, 0, -1).astype(np.int32)


def rows(problem: int = 0, t: int = 150, lat: float = 40.0, lon: float = -74.0, accuracy: float = 10.0, consent: int = ALWAYS, out: bool = False) -> Rows:
    return Rows(
        np.array([problem], np.uint8),
        np.array([t], np.int64),
        np.array([lat]),
        np.array([lon]),
        np.array([accuracy]),
        np.array([consent], np.int64),
        np.array([out]),
    )


def reason(made: Rows) -> str:
    return REASONS[judge(made, RULES, inside).reason[0]]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "accepted"),
        ({"problem": NULL}, "null"),
        ({"problem": UNREADABLE}, "bad_value"),
        ({"t": BAD_TIME}, "bad_time"),
        ({"lat": 90.000001}, "out_of_range"),
        ({"lat": float("nan")}, "out_of_range"),
        ({"lon": float("inf")}, "out_of_range"),
        ({"lon": -180.000001}, "out_of_range"),
        ({"lat": 0.0, "lon": 0.0}, "out_of_range"),
        ({"t": 99}, "outside_window"),
        ({"t": 200}, "outside_window"),
        ({"t": 100}, "accepted"),
        ({"t": 199}, "accepted"),
        ({"consent": NEVER}, "no_consent"),
        ({"consent": 151}, "before_consent"),
        ({"consent": 150}, "accepted"),
        ({"out": True}, "opted_out"),
        ({"lat": 5.0}, "outside_region"),
        ({"lat": 0.0}, "outside_region"),
        ({"accuracy": 200.1}, "poor_accuracy"),
        ({"accuracy": 200.0}, "accepted"),
        ({"accuracy": float("inf")}, "poor_accuracy"),
        ({"accuracy": -1.0}, "poor_accuracy"),
        ({"accuracy": float("nan")}, "accepted"),
    ],
)
def test_each_reason(change: dict[str, float], expected: str) -> None:
    assert reason(rows(**change)) == expected  # type: ignore[arg-type]


def test_the_first_reason_in_the_documented_order_is_given() -> None:
    changes: list[tuple[str, dict[str, float]]] = [
        ("null", {"problem": NULL | UNREADABLE}),
        ("bad_value", {"problem": UNREADABLE}),
        ("bad_time", {"t": BAD_TIME}),
        ("out_of_range", {"lat": 95.0}),
        ("outside_window", {"t": 300}),
        ("no_consent", {"consent": NEVER}),
        ("before_consent", {"consent": 301}),
        ("opted_out", {"out": True}),
        ("outside_region", {"lat": 5.0}),
        ("poor_accuracy", {"accuracy": 9e9}),
    ]
    assert [name for name, _ in changes] == list(REASONS[2:])
    for i in range(len(changes)):
        merged: dict[str, float] = {}
        for _, change in changes[i:]:
            merged = change | merged
        if changes[i][0] == "outside_window":
            merged["t"] = 300
        assert reason(rows(**merged)) == changes[i][0]  # type: ignore[arg-type]


def test_positions_are_rounded_and_unknown_accuracy_is_minus_one() -> None:
    verdict = judge(rows(lat=40.1234565001, lon=-74.1234564, accuracy=float("nan")), RULES, inside)
    assert (verdict.lat_e6[0], verdict.lon_e6[0], verdict.accuracy_dm[0], verdict.place[0]) == (40_123_457, -74_123_456, -1, 0)


def test_absent_columns_refuse_nothing() -> None:
    assert reason(replace(rows(), accuracy_m=None, consent_us=None, opted_out=None)) == "accepted"


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-200, 200), st.integers(50, 250), st.booleans()), min_size=1, max_size=20), st.randoms())
def test_a_row_is_judged_by_itself(cases: list[tuple[float, float, int, bool]], random: object) -> None:
    def together(chosen: list[tuple[float, float, int, bool]]) -> Verdict:
        lat, lon, t, out = (np.array(c) for c in zip(*chosen, strict=True))
        return judge(Rows(np.zeros(len(t), np.uint8), t.astype(np.int64), lat, lon, None, None, out), RULES, inside)

    whole = together(cases).reason
    assert whole.tolist() == [int(together([case]).reason[0]) for case in cases]
