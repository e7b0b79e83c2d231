"""The parts that the rest stands on: polygons, random streams, cells in 28 bits."""

from __future__ import annotations

import h3
import numba
import numpy as np
import pytest

from flockwise.simulate._geography import _flat, correlation
from flockwise.simulate._geometry import Shapes, inside
from flockwise.simulate._jit import PINGS, exponential, geometric, normal, poisson, shuffle, start, uniform
from flockwise.simulate._truth import cells_of, lengthen, shorten

N = 200_000


@numba.njit
def _inside(shapes: Shapes, polygon: int, lat: float, lon: float) -> bool:
    return inside(shapes, polygon, lat, lon)


@numba.njit
def _draws(seed: np.uint64, n: int) -> np.ndarray:
    s = np.empty(1, np.uint64)
    start(s, seed, 7, PINGS)
    out = np.empty((5, n))
    for i in range(n):
        out[0, i] = uniform(s)
        out[1, i] = exponential(s, 3.0)
        out[2, i] = normal(s, 1.0, 2.0)
        out[3, i] = geometric(s, 5.0)
        out[4, i] = poisson(s, 4.0)
    return out


def test_polygon_with_a_hole_and_an_island() -> None:
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]])
    shapes = _flat([[square + 10], [square, square / 4 + 1.5, square / 8 + 6]])
    for lat, lon, expected in [(0.5, 0.5, True), (2.0, 2.0, False), (6.2, 6.2, True), (5.0, 5.0, False), (12.0, 12.0, False)]:
        assert _inside(shapes, 1, lat, lon) == expected
    assert _inside(shapes, 0, 12.0, 12.0)


def test_moments_of_the_draws() -> None:
    # means of 200,000 draws against 6 standard errors: false alarm about 1 in 10**8
    draws = _draws(np.uint64(1), N)
    for row, mean, sd in zip(draws, (0.5, 3.0, 1.0, 5.0, 4.0), (12**-0.5, 3.0, 2.0, 20**0.5, 2.0), strict=True):
        assert abs(row.mean() - mean) < 6 * sd / N**0.5
        assert abs(row.std() / sd - 1) < 0.03
    assert draws[0].min() >= 0
    assert draws[0].max() < 1
    assert draws[3].min() == 1


def test_shuffle_is_a_permutation_of_its_own() -> None:
    orders = []
    for chunk in (0, 1, 0):
        order = np.empty(1_000, np.int32)
        shuffle(order, np.uint64(5), chunk)
        assert (np.sort(order) == np.arange(1_000)).all()
        orders.append(order)
    assert (orders[0] == orders[2]).all()
    assert (orders[0] == orders[1]).sum() < 15


def test_cells_in_28_bits_and_back() -> None:
    rng = np.random.default_rng(1)
    lat, lon = rng.uniform(-80, 80, 2_000), rng.uniform(-180, 180, 2_000)
    cells = cells_of(lat, lon)
    assert cells[:50].tolist() == [h3.str_to_int(h3.latlng_to_cell(a, b, 7)) for a, b in zip(lat[:50], lon[:50], strict=True)]
    assert (lengthen(shorten(cells)) == cells).all()
    assert (np.argsort(shorten(cells), kind="stable") == np.argsort(cells, kind="stable")).all()


def test_correlation() -> None:
    assert correlation(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[2, 4], [6, 8]])) == pytest.approx(1.0)
    assert np.isnan(correlation(np.array([1.0]), np.array([2.0])))
