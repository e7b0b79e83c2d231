from __future__ import annotations

import numpy as np
import pytest

from flockwise.errors import DataError
from flockwise.estimate import NoisyFlows, flow_rows, printed_rows


def noisy_flows() -> np.ndarray:
    noisy = np.full((2, 2, 2), -3.0)
    noisy[1, 0, 0], noisy[0, 1, 1], noisy[0, 0, 1] = 40.0, 39.99, 80.0
    return noisy


def test_rows_are_those_that_reach_the_threshold_sorted_by_slot_then_pair() -> None:
    rows = flow_rows([NoisyFlows(noisy_flows(), 10.0, 40.0)])[0]
    assert rows.slot.tolist() == [0, 1]
    assert rows.origin.tolist() == [1, 0]
    assert rows.destination.tolist() == [0, 0]
    assert rows.noisy.tolist() == [40.0, 80.0]
    assert (rows.lower <= rows.trips).all()
    assert (rows.trips <= rows.upper).all()
    assert (rows.lower >= 0).all()


def test_sparse_values_give_the_same_rows_in_any_order() -> None:
    dense = flow_rows([NoisyFlows(noisy_flows(), 10.0, 40.0)])[0]
    sparse = printed_rows(np.array([0, 1]), np.array([0, 0]), np.array([1, 0]), np.array([80.0, 40.0]), 10.0, 40.0)
    for name in ("origin", "destination", "slot", "trips", "lower", "upper", "noisy"):
        assert getattr(dense, name).tolist() == getattr(sparse, name).tolist()


def test_levels_are_apart_and_an_empty_one_is_empty() -> None:
    fine, coarse = flow_rows([NoisyFlows(np.zeros((2, 2, 1)), 10.0, 40.0), NoisyFlows(np.full((1, 1, 1), 90.0), 20.0, 60.0)])
    assert len(fine.trips) == 0
    assert len(coarse.trips) == 1
    assert summarise_flows(fine, 4).typical_relative_error is None
    figures = summarise_flows(coarse, 1)
    assert (figures.published, figures.withheld) == (1, 0)
    assert figures.typical_relative_error is not None


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError):
        flow_rows([NoisyFlows(np.zeros((2, 2)), 10.0, 40.0)])
    with pytest.raises(DataError):
        flow_rows([NoisyFlows(np.full((1, 1, 1), np.nan), 10.0, 40.0)])
    with pytest.raises(DataError):
        printed_rows(np.array([0]), np.array([0, 1]), np.array([0]), np.array([50.0]), 10.0, 40.0)
