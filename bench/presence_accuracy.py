"""Measure the error and the coverage of presence estimates on a public synthetic population.

    python bench/presence_accuracy.py [--devices N ...] [--json]

Truth: devices with a home, a work place and other places on a disk of 1,027 H3 cells, one week of hours, with heavy-tailed gaps
in what is seen. Noise: Gaussian, rounded to the published grid (the release draws discrete Gaussian noise of the same sigma;
this file protects nobody and therefore may use numpy's generator).
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h3
import numpy as np
import numpy.typing as npt

from flockwise.estimate import presence

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOURS = 168
SIGMA_PER_UNIT = {1.0: 4.531, 2.0: 2.39}
RINGS = 18  # a disk of 18 rings has 1,027 cells
TARGETS = {(50_000, 1.0): 0.20, (50_000, 2.0): 0.15, (500_000, 1.0): 0.05, (500_000, 2.0): 0.035}
ROUGH_TARGETS = {(500_000, 1.0): 0.08}


@dataclass(frozen=True)
class Zones:
    """A disk of cells, finest level first: how many cells each level has, and each cell's place in the next level."""

    counts: list[int]
    parents: list[Ints | None]
    x_km: Floats
    y_km: Floats


def zones(rings: int = RINGS, levels: tuple[int, ...] = (7, 6, 5)) -> Zones:
    """Return the disk of H3 cells around Paris and its parents."""
    cells = sorted(h3.grid_disk(h3.latlng_to_cell(48.8566, 2.3522, levels[0]), rings))
    where = np.array([h3.cell_to_latlng(c) for c in cells])
    counts, parents = [len(cells)], list[Ints | None]()
    for level in levels[1:]:
        above = [h3.cell_to_parent(c, level) for c in cells]
        names = sorted(set(above))
        place = {name: i for i, name in enumerate(names)}
        parents.append(np.array([place[a] for a in above], dtype=np.int64))
        counts.append(len(names))
        cells = names
    parents.append(None)
    x = (where[:, 1] - 2.3522) * math.cos(math.radians(48.8566)) * 111.3
    return Zones(counts, parents, x, (where[:, 0] - 48.8566) * 111.3)


def population(devices: int, z: Zones, *, seed: int = 7, complete: bool = False, hours: int = HOURS) -> Floats:
    """Return true counts, cells x hours, of devices that live, work and go out; each is in at most one cell an hour."""
    rng = np.random.default_rng(seed)
    n = len(z.x_km)
    away = np.hypot(z.x_km[:, None] - z.x_km, z.y_km[:, None] - z.y_km)
    centre = np.exp(-np.hypot(z.x_km, z.y_km) / 12)
    homes = rng.lognormal(0, 0.9, n) * (0.15 + centre)
    jobs = rng.lognormal(0, 1.2, n) * (0.03 + centre**2)
    shops = rng.lognormal(0, 1.3, n) * (0.05 + centre)

    def near(pull: Floats, scale_km: float) -> Floats:
        """Cumulative choice of a destination for every origin."""
        p = pull * np.exp(-away / scale_km)
        return np.cumsum(p / p.sum(1, keepdims=True), 1)

    def choose(table: Floats, origin: Ints) -> Ints:
        out = np.empty(len(origin), dtype=np.int64)
        order = np.argsort(origin, kind="stable")
        edges = np.searchsorted(origin[order], np.arange(n + 1))
        for c in range(n):
            mine = order[edges[c] : edges[c + 1]]
            out[mine] = np.minimum(np.searchsorted(table[c], rng.random(len(mine))), n - 1)
        return out

    home = rng.choice(n, devices, p=homes / homes.sum())
    work_table, other_table = near(jobs, 8.0), near(shops, 3.5)
    work = choose(work_table, home)
    others = np.stack([choose(other_table, home), choose(other_table, work), choose(near(shops, 15.0), home)])
    employed = rng.random(devices) < 0.62
    starts, ends = rng.normal(8.4, 1.1, devices), rng.normal(17.6, 1.3, devices)
    outing = rng.gamma(2.0, 0.09, devices)  # share of waking hours spent in other places
    mobile = rng.random(devices) < 0.04
    anywhere = np.cumsum(shops / shops.sum())
    seen_share = rng.beta(0.9, 1.5, devices)
    state = rng.random(devices) < seen_share
    left = np.ceil(rng.pareto(1.3, devices) + 1)
    leisure = np.interp(np.arange(24), [0, 6, 9, 12, 15, 19, 22, 24], [0.05, 0.05, 0.6, 1.2, 1.0, 1.8, 0.8, 0.05])
    truth = np.zeros((n, hours))
    for t in range(hours):
        day, hour = divmod(t, 24)
        weekend = day % 7 >= 5
        at_work = employed & (starts < hour) & (hour < ends) & (rng.random(devices) < (0.08 if weekend else 0.9))
        place = np.where(at_work, work, home)
        out = ~at_work & (rng.random(devices) < outing * leisure[hour] * (1.5 if weekend else 1.0))
        which = rng.integers(0, 3, devices)
        place = np.where(out, others[which, np.arange(devices)], place)
        roaming = mobile & (7 <= hour) & (hour <= 21)
        place[roaming] = np.minimum(np.searchsorted(anywhere, rng.random(int(roaming.sum()))), n - 1)
        if not complete:
            left -= 1
            turn = left <= 0
            state[turn] = rng.random(int(turn.sum())) < seen_share[turn]
            left[turn] = np.ceil(rng.pareto(1.3, int(turn.sum())) + 1)
            place = place[state]
        truth[:, t] = np.bincount(place, minlength=n)
    return truth


def roughen(truth: Floats, *, share: float = 0.2, memory: float = 0.7, seed: int = 11) -> Floats:
    """Return the truth with an unexplained AR(1) departure of `share` (sd) in every cell and hour."""
    rng = np.random.default_rng(seed)
    walk = np.empty_like(truth)
    walk[:, 0] = rng.standard_normal(len(truth))
    for t in range(1, truth.shape[1]):
        walk[:, t] = memory * walk[:, t - 1] + math.sqrt(1 - memory**2) * rng.standard_normal(len(truth))
    rough: Floats = np.round(truth * np.maximum(0.0, 1 + share * walk))
    return rough
