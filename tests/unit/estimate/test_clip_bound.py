from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flockwise.errors import DataError
from flockwise.estimate import FlowBounds, choose_bounds, norm_edges

EDGES = np.array([0, *norm_edges(200)], dtype=float)


def histogram(norms: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    bins = np.searchsorted(EDGES[1:], norms**2, side="left")
    return np.bincount(bins, minlength=len(EDGES)) + sigma * np.random.default_rng(seed).standard_normal(len(EDGES))


@pytest.mark.parametrize(("devices", "slack"), [(5_000, 2.0), (200_000, 1.3), (5_000_000, 1.3)])
def test_bound_is_the_median_and_heavy_the_ninth_decile_from_small_panels_to_large(devices, slack) -> None:
    norms = np.random.default_rng(1).lognormal(1.0, 1.0, min(devices, 500_000)).clip(1, 200)
    for seed in range(20):
        counts = histogram(norms, 0.0, 0) * (devices / len(norms))
        found = choose_bounds(counts + 42.2 * np.random.default_rng(seed).standard_normal(len(EDGES)), EDGES, 42.2)
        assert 1 / slack < found.bound / np.quantile(norms, 0.5) < slack
        assert 1 / slack < found.heavy / np.quantile(norms, 0.9) < slack


def test_devices_alike_get_one_bound() -> None:
    found = choose_bounds(histogram(np.full(10_000, 4.0), 30.0, 0), EDGES, 30.0)
    assert found == FlowBounds(4.0, 4.0)


def test_noise_alone_chooses_the_smallest() -> None:
    for seed in range(50):
        assert choose_bounds(np.clip(histogram(np.zeros(0), 40.0, seed), -120, 120), EDGES, 40.0) == FlowBounds(1.0, 1.0)


@given(st.lists(st.floats(-1e9, 1e9), min_size=len(EDGES), max_size=len(EDGES)), st.floats(0.1, 1e6))
def test_any_histogram_gives_edges_in_order(counts, sigma) -> None:
    found = choose_bounds(np.array(counts), EDGES, sigma)
    assert found.bound <= found.heavy
    assert all(np.isclose(EDGES[1:], value**2).any() for value in (found.bound, found.heavy))


def test_edges_rise_to_the_cap() -> None:
    for cap in (1, 2, 3, 200, 5000):
        edges = norm_edges(cap)
        assert edges[0] == 1
        assert edges[-1] == cap**2
        assert (np.diff(edges) > 0).all()
        assert all(b <= 2 * a for a, b in itertools.pairwise(edges))


def test_what_does_not_fit_is_refused() -> None:
    good = np.zeros(3), np.array([0.0, 1.0, 2.0]), 1.0
    for noisy, edges, sigma in (
        (good[0][:2], good[1], 1.0),
        (good[0], good[1] + 1, 1.0),
        (good[0], good[1][::-1], 1.0),
        (good[0] * np.nan, good[1], 1.0),
        (*good[:2], 0.0),
    ):
        with pytest.raises(DataError):
            choose_bounds(noisy, edges, sigma)
    with pytest.raises(DataError):
        norm_edges(0)
