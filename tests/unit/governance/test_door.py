from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise.governance import ALWAYS, BAD_TIME, NEVER, REASONS, DoorRules, Rows, Verdict, judge
from flockwise.governance.consent import ANY_TEXT, UNKNOWN_TEXT, ConsentTexts
from flockwise.governance.door import GATHERING, NULL, SENSITIVE_PLACE, UNREADABLE

RULES = DoorRules(start_us=100, end_us=200, accuracy_dm=2000)


TEXTS = ConsentTexts(("1", "2", "B"), np.array([50, 120, 140]), np.array([110, 160, NEVER]), np.array([True, False, True]))
"""Text 1 was shown in [50, 110), text 2 in [120, 160) and not for the study's purpose, text B from 140 on."""


def inside(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    return np.where(lat > 10_000_000, 0, -1).astype(np.int32)


def suppress(lat: np.ndarray, lon: np.ndarray, t_us: np.ndarray) -> np.ndarray:
    return np.where(lat == 41_000_000, SENSITIVE_PLACE, np.where(lon == -75_000_000, GATHERING, 0)).astype(np.uint8)


def rows(
    problem: int = 0,
    t: int = 150,
    lat: float = 40.0,
    lon: float = -74.0,
    accuracy: float = 10.0,
    consent: int = ALWAYS,
    out: bool = False,
    fits: bool = True,
    withdrawn: bool = False,
) -> Rows:
    return Rows(
        np.array([problem], np.uint8),
        np.array([t], np.int64),
        np.array([lat]),
        np.array([lon]),
        np.array([accuracy]),
        np.array([consent], np.int64),
        np.array([out]),
        None,
        np.array([fits]),
        np.array([withdrawn]),
    )


def reason(made: Rows, rules: DoorRules = RULES) -> str:
    return REASONS[judge(made, rules, inside, suppress).reason[0]]


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
        ({"fits": False}, "other_purpose"),
        ({"withdrawn": True}, "withdrawn"),
        ({"lat": 41.0}, "sensitive_place"),
        ({"lon": -75.0}, "gathering"),
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
        ("other_purpose", {"fits": False}),
        ("withdrawn", {"withdrawn": True}),
        ("opted_out", {"out": True}),
        ("outside_region", {"lat": 5.0}),
        ("sensitive_place", {"lat": 41.0}),
        ("gathering", {"lon": -75.0}),
        ("poor_accuracy", {"accuracy": 9e9}),
    ]
    assert [name for name, _ in changes] == [r for r in REASONS[2:] if r != "deleted"]  # the store knows who is on the list
    for i in range(len(changes)):
        merged: dict[str, float] = {}
        for _, change in changes[i:]:
            merged = change | merged
        if changes[i][0] == "outside_window":
            merged["t"] = 300
        assert reason(rows(**merged)) == changes[i][0]  # type: ignore[arg-type]


@pytest.mark.rule(2)
@pytest.mark.parametrize(
    ("t", "consent", "text", "expected"),
    [
        (150, 49, ANY_TEXT, "no_consent"),  # before the first text was shown
        (150, 50, ANY_TEXT, "accepted"),
        (150, 109, ANY_TEXT, "accepted"),
        (150, 110, ANY_TEXT, "no_consent"),  # no text was shown then
        (108, 109, ANY_TEXT, "before_consent"),
        (150, 120, ANY_TEXT, "other_purpose"),
        (150, 145, ANY_TEXT, "other_purpose"),  # two texts were shown, one of them not for this purpose
        (150, 145, 2, "accepted"),  # it is known which
        (150, 145, 1, "other_purpose"),
        (150, 130, 2, "no_consent"),  # a text that was not shown yet
        (150, 145, UNKNOWN_TEXT, "no_consent"),
        (150, NEVER, 2, "no_consent"),
        (110, ALWAYS, ANY_TEXT, "accepted"),
        (125, ALWAYS, ANY_TEXT, "other_purpose"),  # without a time, it can have been text 2
        (150, ALWAYS, 2, "accepted"),
        (130, ALWAYS, 2, "before_consent"),
        (150, ALWAYS, UNKNOWN_TEXT, "no_consent"),
    ],
)
def test_a_consent_is_held_against_the_texts_that_were_shown(t: int, consent: int, text: int, expected: str) -> None:
    column = None if text == ANY_TEXT else np.array([text], np.int16)
    assert reason(replace(rows(t=t, consent=consent), consent_text=column), replace(RULES, texts=TEXTS)) == expected


def test_without_a_consent_column_the_texts_hold_for_every_row() -> None:
    rules = replace(RULES, start_us=0, texts=TEXTS)
    assert [reason(replace(rows(t=t), consent_us=None), rules) for t in (49, 50, 119, 120)] == ["before_consent", "accepted", "accepted", "other_purpose"]


def test_positions_are_coarse_and_unknown_accuracy_is_minus_one() -> None:
    verdict = judge(rows(lat=40.1234565001, lon=-74.1234564, accuracy=float("nan")), RULES, inside)
    assert (verdict.lat_e6[0], verdict.lon_e6[0], verdict.accuracy_dm[0], verdict.place[0]) == (40_123_450, -74_123_450, -1, 0)


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
