"""How good the presence estimates are on a town with known truth. Seeds are fixed; margins are stated with each test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from flockwise.estimate import Calendar, NoisyLevel, estimate_presence, summarise_presence


def error(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(found - truth).sum() / truth.sum())


def test_smoothing_takes_most_of_the_noise_away(town: Callable[..., Any]) -> None:
    """200 cells, a week: measured 0.14 of the non-negative noisy values' error at 30 devices a cell (spread over seeds 0.01); 0.25 allowed."""
    t = town(203, 168, 20.0, 1)
    found = estimate_presence(t.levels, t.calendar)
    for level, result, truth in zip(t.levels, found, t.truth, strict=True):
        assert error(result.devices, truth) < 0.25 * error(np.maximum(level.noisy, 0), truth)


@pytest.mark.parametrize(
    ("cells", "slots", "size"),
    [(1, 1, 50.0), (1, 24, 3.0), (2, 3, 10.0), (7, 24, 3.0), (7, 24, 1000.0), (30, 1, 5.0), (30, 50, 0.3), (3, 169, 20.0), (60, 8, 1e5)],
)
def test_small_problems_are_never_much_worse_than_non_negative_noisy_values(cells: int, slots: int, size: float, town: Callable[..., Any]) -> None:
    """Mean over 12 draws; 25 % more is allowed, and a tenth of the noise: fails by chance under 1 in 10,000 (measured spread of the mean: 6 %)."""
    ours, plain = [], []
    for seed in range(12):
        t = town(cells, slots, size, seed)
        ours.append(np.abs(estimate_presence(t.levels, t.calendar)[0].devices - t.truth[0]).mean())
        plain.append(np.abs(np.maximum(t.levels[0].noisy, 0) - t.truth[0]).mean())
    assert np.mean(ours) < 1.25 * np.mean(plain) + 1.0


@pytest.mark.rule(23)
def test_nine_intervals_in_ten_cover(town: Callable[..., Any]) -> None:
    """6 towns: coverage over all values of a level, 0.86 to 0.97 (the error of a cell lasts all week, so that a town's coverage varies by 1.5 %, the
    mean's standard error is 0.6 %; margins of 4 standard errors around the measured 0.91 to 0.94)."""
    covers = np.zeros(2)
    for seed in range(6):
        t = town(140, 168, 20.0, 50 + seed)
        for place, (level, truth) in enumerate(zip(estimate_presence(t.levels, t.calendar), t.truth, strict=True)):
            covers[place] += np.mean((level.lower <= truth) & (truth <= level.upper)) / 6
    assert (covers > 0.86).all()
    assert (covers < 0.97).all()


@pytest.mark.rule(24)
def test_the_typical_error_that_is_printed_is_the_error_that_is_made(town: Callable[..., Any]) -> None:
    """A normal error's mean size is 0.8 standard errors. Means over 6 towns, 0.9 to 1.6: measured 1.33 and 1.27, since in so small a town intervals are
    rather too wide; single towns 0.96 to 1.58, so that a mean has a standard error of 0.1."""
    ratios = np.zeros(2)
    for seed in range(9, 15):
        t = town(203, 168, 30.0, seed)
        for place, (level, truth) in enumerate(zip(estimate_presence(t.levels, t.calendar), t.truth, strict=True)):
            shown = level.published
            made = np.abs(level.devices - truth)[shown].sum() / level.devices[shown].sum()
            ratios[place] += (summarise_presence(level).typical_relative_error or np.nan) / (made / 0.8) / 6
    assert (ratios > 0.9).all()
    assert (ratios < 1.6).all()


def test_parents_gain_from_a_level_of_their_own(town: Callable[..., Any]) -> None:
    """Over 4 towns; measured 15 to 25 % better than sums of children alone."""
    with_own, without = 0.0, 0.0
    for seed in range(4):
        t = town(140, 96, 15.0, 20 + seed)
        family = t.levels[0].parent
        with_own += error(estimate_presence(t.levels, t.calendar)[1].devices, t.truth[1])
        alone = estimate_presence([NoisyLevel(t.levels[0].noisy, 10.0)], t.calendar)[0].devices
        sums = np.zeros_like(t.truth[1])
        np.add.at(sums, family, alone)
        without += error(sums, t.truth[1])
    assert with_own < without


def test_hours_lost_to_daylight_saving_cost_nothing(town: Callable[..., Any]) -> None:
    t = town(70, 168, 20.0, 30)
    keep = np.delete(np.arange(168), 146)
    local = keep * 3_600_000_000
    short = [NoisyLevel(level.noisy[:, keep], level.sigma, level.parent) for level in t.levels]
    found = estimate_presence(short, Calendar.from_local(local, 60))[0].devices
    whole = estimate_presence(t.levels, t.calendar)[0].devices
    assert error(found, t.truth[0][:, keep]) < 1.1 * error(whole, t.truth[0])
