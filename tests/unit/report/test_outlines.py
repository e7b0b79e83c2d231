"""Outlines: what is cut out, and which place a point is given."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flockwise.report._outlines import Places, basemap, box_around, clip

BOX = (-1.0, -1.0, 1.0, 1.0)


def area(ring: np.ndarray) -> float:
    x, y = ring[:, 0], ring[:, 1]
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0.1, 3))
def test_clipped_square_is_the_overlap_of_two_rectangles(x: float, y: float, half: float) -> None:
    square = np.array([(x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half)])
    cut = clip(square, BOX)
    wide = max(0.0, min(x + half, 1) - max(x - half, -1))
    high = max(0.0, min(y + half, 1) - max(y - half, -1))
    found = area(cut) if len(cut) else 0.0
    assert math.isclose(found, wide * high, abs_tol=1e-9)
    if len(cut):
        assert np.abs(cut).max() <= 1 + 1e-9


def test_points_get_their_county_and_far_ones_the_nearest() -> None:
    places = Places((-75.0, 40.0, -73.0, 42.0))
    # Times Square; Prospect Park; the sea south of Rockaway; Newark.
    lon, lat = np.array([-73.985, -73.969, -73.98, -74.172]), np.array([40.758, 40.660, 40.55, 40.736])
    assert places.of(lon, lat) == [("New York", "New York"), ("Kings", "New York"), ("Queens", "New York"), ("Essex", "New Jersey")]


def test_outside_the_united_states_the_country_is_named() -> None:
    near = Places((4.0, 51.5, 6.0, 53.0))
    assert near.of(np.array([5.12]), np.array([52.09])) == [("Netherlands", "")]


def test_no_outlines_no_names() -> None:
    assert Places((-140.5, -30.0, -140.0, -29.5)).of(np.array([-140.2]), np.array([-29.7])) == [("", "")]


def test_basemap_is_whole_numbers_inside_the_box_and_small() -> None:
    box = box_around(np.array([-74.3, -73.3]), np.array([40.4, 41.3]))
    found = basemap(box)
    assert found.land
    assert found.lines["county"]
    assert found.lines["coast"]
    assert {"Kings", "Bergen"} <= {name for name, *_ in found.places}
    land = np.concatenate([np.array(ring).reshape(-1, 2) for ring in found.land]) / 1e4
    assert land[:, 0].min() >= box[0] - 1e-3
    assert land[:, 0].max() <= box[2] + 1e-3
    assert sum(len(line) for lines in found.lines.values() for line in lines) < 100_000


@given(st.floats(-170, 170), st.floats(-70, 70), st.floats(0, 5), st.floats(0, 5))
def test_box_holds_the_region_and_stays_on_the_map(x: float, y: float, wide: float, high: float) -> None:
    west, south, east, north = box_around(np.array([x, x + wide]), np.array([y, y + high]))
    assert -180 <= west <= x <= x + wide <= max(east, x + wide)
    assert -85 <= south < y <= y + high < north <= 85
