from __future__ import annotations

import math

import numpy as np
import pytest

from flockwise.errors import DataError
from flockwise.estimate.threshold import ghost_threshold


@pytest.mark.parametrize(("size", "wanted"), [(1029, 4.03), (5000, 4.72), (50_000, 5.58)])
def test_it_gives_the_published_multiples_of_sigma(size: int, wanted: float) -> None:
    assert ghost_threshold(1.0, size**2, 30) == pytest.approx(wanted, abs=0.006)


def test_it_stays_accurate_where_one_minus_the_share_rounds_to_one() -> None:
    assert ghost_threshold(1.0, 10**18, 1e-3) == pytest.approx(9.505025, abs=1e-5)


def test_on_a_grid_it_is_the_next_multiple_and_a_tail_of_the_discrete_gaussian_no_larger_than_asked() -> None:
    for sigma in (0.7, 1.0, 4.531, 58.7):
        for ghosts in (0.01, 1, 30):
            size = 10_000
            t = ghost_threshold(sigma, size, ghosts, grid=1.0)
            assert t == int(t)
            k = np.arange(-int(40 * sigma) - 40, int(40 * sigma) + 41)
            mass = np.exp(-(k**2) / (2 * sigma**2))
            expected = size * mass[k >= t].sum() / mass.sum()
            assert expected <= ghosts
            assert size * mass[k >= t - 2].sum() / mass.sum() > ghosts


def test_a_coarser_grid_scales() -> None:
    assert ghost_threshold(10.0, 10_000, 30, grid=0.25) == ghost_threshold(40.0, 10_000, 30, grid=1.0) * 0.25


def test_half_of_all_rows_is_the_most_that_can_be_asked() -> None:
    assert ghost_threshold(2.0, 60, 30) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(DataError) as caught:
        ghost_threshold(2.0, 50, 30)
    assert caught.value.code == "ESTIMATE_THRESHOLD"


@pytest.mark.parametrize("sigma", [0.0, -1.0, math.nan, math.inf])
def test_a_scale_that_is_none_is_refused(sigma: float) -> None:
    with pytest.raises(DataError):
        ghost_threshold(sigma, 100, 1)
