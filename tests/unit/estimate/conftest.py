"""A small town: cells with a level, a daily profile and a share of commuting, under parents of seven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from flockwise.estimate import Calendar, NoisyLevel


@dataclass(frozen=True)
class Town:
    truth: list[np.ndarray]
    levels: list[NoisyLevel]
    calendar: Calendar


def make_town(cells: int, slots: int, size: float, seed: int, *, sigma: float = 10.0, slots_per_day: int = 24) -> Town:
    rng = np.random.default_rng(seed)
    hour = np.arange(slots) % slots_per_day / slots_per_day * 2 * np.pi
    night, work = 1 + 0.4 * np.cos(hour), 1 - 0.6 * np.cos(hour)
    share = rng.beta(1, 3, cells)[:, None]
    truth = size * rng.lognormal(0, 1, cells)[:, None] * ((1 - share) * night + share * work)
    parent = np.arange(cells) // 7
    coarse = np.zeros((parent.max() + 1, slots))
    np.add.at(coarse, parent, truth)
    levels = [
        NoisyLevel(truth + sigma * rng.standard_normal(truth.shape), sigma, parent),
        NoisyLevel(coarse + 2.3 * sigma * rng.standard_normal(coarse.shape), 2.3 * sigma),
    ]
    return Town([truth, coarse], levels, Calendar.regular(slots, slots_per_day))


@pytest.fixture
def town() -> Callable[..., Town]:
    return make_town
