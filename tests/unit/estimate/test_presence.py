"""Properties of the presence estimate that hold for any input."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flockwise.errors import DataError
from flockwise.estimate import Calendar, NoisyLevel, estimate_presence, level_shares, publish_rule, summarise_presence


def random_levels(seed: int, cells: int, slots: int, scale: float) -> list[NoisyLevel]:
    rng = np.random.default_rng(seed)
    middle = int(rng.integers(1, cells + 1))
    top = int(rng.integers(1, middle + 1))
    to_middle = rng.permutation(np.concatenate([np.arange(middle), rng.integers(0, middle, cells - middle)]))
    to_top = rng.permutation(np.concatenate([np.arange(top), rng.integers(0, top, middle - top)]))
    shapes = ((cells, to_middle), (middle, to_top), (top, None))
    return [NoisyLevel(scale * rng.standard_t(2, (n, slots)), float(rng.uniform(0.5, 20)), parent) for n, parent in shapes]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 60), st.sampled_from([0.0, 1.0, 30.0, 1e6]), st.integers(1, 25))
def test_estimates_are_finite_non_negative_and_sum_exactly(seed: int, cells: int, slots: int, scale: float, per_day: int) -> None:
    levels = random_levels(seed, cells, slots, scale)
    found = estimate_presence(levels, Calendar.regular(slots, per_day))
    for level, result in zip(levels, found, strict=True):
        for array in (result.devices, result.lower, result.upper, result.standard_error):
            assert array.shape == level.noisy.shape
            assert np.isfinite(array).all()
            assert (array >= 0).all()
        assert (result.lower <= result.devices).all()
        assert (result.devices <= result.upper).all()
        assert (result.unbiased == level.noisy).all()
        assert (result.published == publish_rule(result.devices, result.upper - result.devices)).all()
    for level, child, parent in zip(levels, found, found[1:], strict=False):
        sums = np.zeros_like(parent.devices)
        np.add.at(sums, level.parent, child.devices)
        assert (sums == parent.devices).all()


@settings(max_examples=12, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 30)), elements=st.floats(-1e10, 1e10)), st.floats(1e-6, 1e9))
def test_any_finite_input_gives_finite_output(noisy: np.ndarray, sigma: float) -> None:
    found = estimate_presence([NoisyLevel(noisy, sigma)], Calendar.regular(noisy.shape[1], 24))[0]
    for array in (found.devices, found.lower, found.upper):
        assert np.isfinite(array).all()
        assert (array >= 0).all()


def test_permuted_cells_give_permuted_estimates(town: Callable[..., Any]) -> None:
    """Intervals too, up to the probes, which belong to positions: within a third of a half-width, and a tenth on average."""
    t = town(35, 72, 20.0, 3)
    order, top = np.random.default_rng(1).permutation(35), np.random.default_rng(2).permutation(5)
    fine, coarse = t.levels
    place = np.argsort(top)
    moved = [NoisyLevel(fine.noisy[order], fine.sigma, place[fine.parent[order]]), NoisyLevel(coarse.noisy[top], coarse.sigma)]
    a, b = estimate_presence(t.levels, t.calendar), estimate_presence(moved, t.calendar)
    for x, y, rows in zip(a, b, (order, top), strict=True):
        np.testing.assert_allclose(y.devices, x.devices[rows], atol=1.01 / 64 * 7)
        ratio = y.standard_error / x.standard_error[rows]
        assert abs(np.log(ratio)).mean() < 0.1
        assert abs(np.log(ratio)).max() < 0.33


def test_the_same_input_gives_the_same_bytes(town: Callable[..., Any]) -> None:
    t = town(21, 48, 20.0, 4)
    a, b = (estimate_presence(t.levels, t.calendar) for _ in range(2))
    for x, y in zip(a, b, strict=True):
        assert x.devices.tobytes() == y.devices.tobytes()
        assert x.upper.tobytes() == y.upper.tobytes()


def test_what_is_published_depends_on_estimates_alone() -> None:
    devices = np.array([4.9, 5.0, 100.0, 100.0, 0.0])
    half = np.array([0.1, 2.5, 50.0, 50.1, 0.0])
    assert publish_rule(devices, half).tolist() == [False, True, True, False, False]


def test_an_event_in_one_cell_survives_at_every_level(town: Callable[..., Any]) -> None:
    """An evening of 3 hours at 15 noise standard deviations in one cell: seed fixed; the uplift's own standard error is 4 %, 15 % allowed."""
    t = town(70, 168, 20.0, 5)
    noisy = t.levels[0].noisy.copy()
    coarse = t.levels[1].noisy.copy()
    noisy[10, 100:103] += 150.0
    coarse[1, 100:103] += 150.0
    calm = estimate_presence(t.levels, t.calendar)
    busy = estimate_presence([NoisyLevel(noisy, 10.0, t.levels[0].parent), NoisyLevel(coarse, 23.0)], t.calendar)
    for before, after, row in zip(calm, busy, (10, 1), strict=True):
        uplift = (after.devices - before.devices)[row, 100:103].mean()
        assert 0.85 * 150 < uplift < 1.15 * 150
    others = np.delete(np.arange(70), 10)
    assert np.abs(busy[0].devices - calm[0].devices)[others].mean() < 1.0


def test_default_shares_sum_to_one() -> None:
    for levels in ([7], [7, 6], [7, 6, 5], [8, 7, 6, 5]):
        assert sum(level_shares(levels)) == Fraction(1)
    for bad in ([], [5, 6], [7, 7], [9, 8, 7, 6, 5]):
        with pytest.raises(DataError):
            level_shares(bad)


def test_the_summary_adds_up(town: Callable[..., Any]) -> None:
    t = town(35, 48, 30.0, 6)
    for level in estimate_presence(t.levels, t.calendar):
        figures = summarise_presence(level)
        assert figures.published + figures.withheld == level.devices.size
        assert figures.typical_relative_error is None or 0 < figures.typical_relative_error <= 0.5 / 1.6448


def test_nothing_shown_has_no_typical_error() -> None:
    found = estimate_presence([NoisyLevel(np.zeros((2, 3)), 5.0)], Calendar.regular(3, 24))[0]
    assert summarise_presence(found).typical_relative_error is None
