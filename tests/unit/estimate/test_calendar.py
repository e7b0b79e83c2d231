from __future__ import annotations

import numpy as np
import pytest

from flockwise.errors import DataError
from flockwise.estimate import Calendar

HOUR = 3_600_000_000


def test_a_spring_week_of_167_hours_keeps_its_hours_in_place() -> None:
    local = np.delete(np.arange(168), 6 * 24 + 2) * HOUR
    calendar = Calendar.from_local(local, 60)
    calendar.check(167)
    assert calendar.slot[-1] == 23
    assert calendar.day.max() == 6


def test_an_autumn_week_of_169_hours_repeats_one() -> None:
    local = np.insert(np.arange(168), 6 * 24 + 2, 6 * 24 + 2) * HOUR
    calendar = Calendar.from_local(local, 60)
    calendar.check(169)
    assert (calendar.slot == 2).sum() == 8


def test_slots_of_any_length_have_a_place() -> None:
    assert Calendar.from_local(np.arange(4) * 24 * HOUR, 1440).slots_per_day == 1
    assert Calendar.from_local(np.arange(3) * 168 * HOUR, 7 * 1440).slot.tolist() == [0, 0, 0]
    assert Calendar.from_local(np.arange(0, 48, 7) * HOUR, 420).slot.max() == 3


@pytest.mark.parametrize(("slots", "per_day"), [(1, 1), (1, 24), (5, 24), (24, 24), (50, 24), (169, 24), (7, 1)])
def test_subspaces_are_orthonormal(slots: int, per_day: int) -> None:
    bases = np.column_stack(Calendar.regular(slots, per_day).subspaces())
    np.testing.assert_allclose(bases.T @ bases, np.eye(bases.shape[1]), atol=1e-9)


def test_labels_that_do_not_fit_are_refused() -> None:
    for bad in (Calendar(np.zeros(2, int), np.zeros(3, int), 24), Calendar(np.zeros(3, int), np.full(3, 24), 24)):
        with pytest.raises(DataError):
            bad.check(3)
    with pytest.raises(DataError):
        Calendar.regular(0, 24)
