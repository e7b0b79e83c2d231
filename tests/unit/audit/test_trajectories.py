from __future__ import annotations

import numpy as np
import pytest

from flockwise.audit.trajectories import accuracy, moves_in_common, recover

LINE = np.arange(12.0)
AWAY = np.zeros(12)


def counts(truth: np.ndarray) -> np.ndarray:
    out = np.zeros((12, truth.shape[1]))
    np.add.at(out, (truth, np.arange(truth.shape[1])[None, :]), 1)
    return out


@pytest.mark.rule(21)
def test_journeys_far_apart_are_recovered_whole() -> None:
    truth = np.array([[0, 0, 1, 2, 3], [11, 11, 10, 9, 8]])
    found = recover(counts(truth), LINE, AWAY, np.array([True, True, False, False, False]), 2)
    assert accuracy(found, truth) == 1
    assert moves_in_common(found, truth) == 1


@pytest.mark.rule(21)
def test_by_day_a_journey_goes_on_as_it_went() -> None:
    """Two that meet: who stays by night is nearest, who travels by day passes on."""
    truth = np.array([[2, 3, 4, 5, 6], [7, 6, 5, 4, 3]])
    by_day = recover(counts(truth), LINE, AWAY, np.zeros(5, dtype=bool), 2)
    by_night = recover(counts(truth), LINE, AWAY, np.ones(5, dtype=bool), 2)
    assert accuracy(by_day, truth) == 1
    assert accuracy(by_night, truth) < 1


def test_counts_of_any_scale_or_sign_are_shared_out() -> None:
    found = recover(np.array([[3.5, -2.0], [0.0, 0.0], [7.0, -1.0]]), LINE[:3], AWAY[:3], np.zeros(2, dtype=bool), 3)
    assert sorted(found[:, 0]) == [0, 2, 2]
    assert sorted(found[:, 1]) == [0, 1, 2]


def test_accuracy_gives_each_journey_to_one_truth() -> None:
    truth = np.array([[0, 0], [5, 5]])
    assert accuracy(np.array([[0, 0], [0, 0]]), truth) == pytest.approx(0.5)
    assert accuracy(truth[::-1], truth) == 1


def test_moves_count_slot_from_and_to() -> None:
    truth = np.array([[0, 1, 1, 2]])
    assert moves_in_common(np.array([[0, 1, 1, 1]]), truth) == pytest.approx(2 / 3)
    assert moves_in_common(np.array([[0, 0, 1, 2]]), truth) == pytest.approx(1 / 2)
    assert moves_in_common(np.array([[3, 3, 3, 3]]), np.array([[3, 3, 3, 3]])) == 0
