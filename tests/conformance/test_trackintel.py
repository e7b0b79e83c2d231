"""The figure of docs/explanation/stays.md shows what the two sets of rules find."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.conformance import peer
from tests.conformance.reference import EARTH_M, Switches

FIGURE = Path(__file__).parents[2] / "docs" / "images" / "stays.svg"
# Read off the time axis of the figure, in minutes.
MINUTES = (0, 2, 4, 8, 12, 14, 17, 21, 26, 46, 49, 52)
THEIRS = Switches(**{name: True for name, _ in peer.STEPS})


@pytest.fixture(scope="module")
def track() -> dict[int, peer.Track]:
    """The twelve pings as the figure draws them: 105 pixels are 100 m, ping 2 is on the equator."""
    drawn = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="8.5"', FIGURE.read_text(encoding="utf-8"))[:12]
    degree_m = EARTH_M * 3.141592653589793 / 180
    lon, lat = ([sign * (float(p[axis]) - origin) / 1.05 / degree_m for p in drawn] for axis, origin, sign in ((0, 215.0, 1), (1, 165.0, -1)))
    return peer.tracks_of([0] * 12, [m * 60_000_000 for m in MINUTES], lat, lon)


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        (Switches(), [(2, 5), (7, 9), (10, 12)]),
        (THEIRS, [(3, 6)]),
        (replace(THEIRS, drop_last=False), [(3, 6), (10, 12)]),
    ],
)
def test_the_figure(track: dict[int, peer.Track], switches: Switches, expected: list[tuple[int, int]]) -> None:
    found = peer.found_by(track, peer.StayRules(), switches)
    number = {minute * 60_000_000: at for at, minute in enumerate(MINUTES, start=1)}
    assert [(number[stay.start], number[stay.end]) for _, stay in found] == expected
