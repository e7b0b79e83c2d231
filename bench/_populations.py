"""Synthetic present populations for the accuracy benches: who is in which cell in which hour, as counts; nobody in them exists."""

from __future__ import annotations

import math
from dataclasses import dataclass

import h3
import numpy as np
import numpy.typing as npt

__all__ = ["HOURS", "POPULATIONS", "Presence", "Zones", "roughen", "zones"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

HOURS = 168
BOUNDS = (24, 48, 84)  # greatest numbers of hours a device, for methods that bound them
RINGS = 18  # a disk of 18 rings has 1,027 cells


@dataclass(frozen=True)
class Zones:
    """A disk of cells, finest level first: how many cells each level has, and each cell's place in the next level."""

    counts: list[int]
    parents: list[Ints | None]
    x_km: Floats
    y_km: Floats
    within: Ints  # rings from the middle

    def part(self, rings: int) -> tuple[Ints, Zones]:
        """Return the rows of the cells within some rings of the middle, and the disk that they make."""
        rows = np.flatnonzero(self.within <= rings)
        counts, parents, kept = [len(rows)], list[Ints | None](), rows
        for above in self.parents:
            if above is None:
                parents.append(None)
                break
            kept, place = np.unique(above[kept], return_inverse=True)
            parents.append(place.astype(np.int64))
            counts.append(len(kept))
        return rows, Zones(counts, parents, self.x_km[rows], self.y_km[rows], self.within[rows])


def zones(rings: int = RINGS, levels: tuple[int, ...] = (7, 6, 5)) -> Zones:
    """Return the disk of H3 cells around Paris and its parents."""
    middle = h3.latlng_to_cell(48.8566, 2.3522, levels[0])
    cells = sorted(h3.grid_disk(middle, rings))
    where = np.array([h3.cell_to_latlng(c) for c in cells])
    within = np.array([h3.grid_distance(middle, c) for c in cells], dtype=np.int64)
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
    return Zones(counts, parents, x, (where[:, 0] - 48.8566) * 111.3, within)


@dataclass(frozen=True)
class Presence:
    """Counts of present devices, cells x hours.

    Attributes:
        all: everyone who is seen.
        bounded: the same with at most so many hours of each device, chosen at random, by their number (on average: each hour is kept by a coin).
    """

    all: Floats
    bounded: dict[int, Floats]


def _counted(places: npt.NDArray[np.int16], cells: int, rng: np.random.Generator) -> Presence:
    """Return the counts of places (devices x hours, -1 where a device is not seen)."""
    seen_hours = np.maximum((places >= 0).sum(axis=1), 1)
    truth = np.zeros((cells, places.shape[1]))
    bounded = {bound: np.zeros_like(truth) for bound in BOUNDS}
    for t in range(places.shape[1]):
        seen = places[:, t] >= 0
        here = places[seen, t]
        truth[:, t] = np.bincount(here, minlength=cells)
        coin = rng.random(len(here)) * seen_hours[seen]
        for bound, counts in bounded.items():
            counts[:, t] = np.bincount(here[coin < bound], minlength=cells)
    return Presence(truth, bounded)


def _choose(table: Floats, origin: Ints, rng: np.random.Generator) -> Ints:
    """Return a destination for each origin, by the cumulative probabilities in the origin's row."""
    out = np.empty(len(origin), dtype=np.int64)
    order = np.argsort(origin, kind="stable")
    edges = np.searchsorted(origin[order], np.arange(len(table) + 1))
    for cell, row in enumerate(table):
        mine = order[edges[cell] : edges[cell + 1]]
        out[mine] = np.minimum(np.searchsorted(row, rng.random(len(mine))), len(row) - 1)
    return out


def _cumulative(pull: Floats, away: Floats, scale_km: float) -> Floats:
    """Return cumulative probabilities of destinations, origins x cells, that fall with distance."""
    p = pull * np.exp(-away / scale_km)
    return np.cumsum(p / p.sum(axis=1, keepdims=True), axis=1)


def commuters(devices: int, z: Zones, *, complete: bool, seed: int = 7) -> Presence:
    """Return devices that live, work and go out around one centre; each is in at most one cell an hour.

    With gaps a device is seen in a heavy-tailed part of the hours (a median of about a third), in runs.
    """
    rng = np.random.default_rng(seed)
    n = len(z.x_km)
    away = np.hypot(z.x_km[:, None] - z.x_km, z.y_km[:, None] - z.y_km)
    centre = np.exp(-np.hypot(z.x_km, z.y_km) / 12)
    homes = rng.lognormal(0, 0.9, n) * (0.15 + centre)
    jobs = rng.lognormal(0, 1.2, n) * (0.03 + centre**2)
    shops = rng.lognormal(0, 1.3, n) * (0.05 + centre)
    home = rng.choice(n, devices, p=homes / homes.sum())
    work_table, other_table = _cumulative(jobs, away, 8.0), _cumulative(shops, away, 3.5)
    work = _choose(work_table, home, rng)
    others = np.stack([_choose(other_table, home, rng), _choose(other_table, work, rng), _choose(_cumulative(shops, away, 15.0), home, rng)])
    employed = rng.random(devices) < 0.62
    starts, ends = rng.normal(8.4, 1.1, devices), rng.normal(17.6, 1.3, devices)
    outing = rng.gamma(2.0, 0.09, devices)  # share of waking hours spent in other places
    mobile = rng.random(devices) < 0.04
    anywhere = np.cumsum(shops / shops.sum())
    seen_share = rng.beta(0.9, 1.5, devices)
    state = rng.random(devices) < seen_share
    left = np.ceil(rng.pareto(1.3, devices) + 1)
    leisure = np.interp(np.arange(24), [0, 6, 9, 12, 15, 19, 22, 24], [0.05, 0.05, 0.6, 1.2, 1.0, 1.8, 0.8, 0.05])
    places = np.full((devices, HOURS), -1, dtype=np.int16)
    for t in range(HOURS):
        day, hour = divmod(t, 24)
        weekend = day % 7 >= 5
        at_work = employed & (starts < hour) & (hour < ends) & (rng.random(devices) < (0.08 if weekend else 0.9))
        place = np.where(at_work, work, home)
        out = ~at_work & (rng.random(devices) < outing * leisure[hour] * (1.5 if weekend else 1.0))
        which = rng.integers(0, 3, devices)
        place = np.where(out, others[which, np.arange(devices)], place)
        roaming = mobile & (hour >= 7) & (hour <= 21)
        place[roaming] = np.minimum(np.searchsorted(anywhere, rng.random(int(roaming.sum()))), n - 1)
        left -= 1
        turn = left <= 0
        state[turn] = rng.random(int(turn.sum())) < seen_share[turn]
        left[turn] = np.ceil(rng.pareto(1.3, int(turn.sum())) + 1)
        seen = np.ones(devices, dtype=np.bool_) if complete else state
        places[seen, t] = place[seen]
    return _counted(places, n, rng)


def districts(devices: int, z: Zones, *, complete: bool, seed: int = 5) -> Presence:
    """Return devices that move between cells of six uses (homes, offices, schools, shops, nights out, transit), each with hours of its own.

    Density is a random field with a reach of 6 km, rougher in size than `commuters`; Friday and the weekend differ. Gaps come hour by hour.
    """
    rng = np.random.default_rng(seed)
    n = len(z.x_km)
    away = np.hypot(z.x_km[:, None] - z.x_km, z.y_km[:, None] - z.y_km)
    field = np.linalg.cholesky(np.exp(-away / 6.0) + 1e-6 * np.eye(n)) @ rng.standard_normal(n)
    density = np.exp(field + 0.5 * rng.standard_normal(n))
    uses = rng.dirichlet([0.5, 0.25, 0.2, 0.15, 0.15, 0.1], n)
    hours = np.arange(24)

    def bump(centre: float, width: float) -> Floats:
        """A bell around an hour of the day."""
        return np.exp(-0.5 * (((hours - centre + 12) % 24 - 12) / width) ** 2)

    flat = np.ones(24)
    weekday = np.stack(
        [
            0.9 * flat,
            1.6 * bump(13, 3.2),
            0.5 * bump(11.5, 2.4),
            0.3 * bump(17, 2.5) + 0.15 * bump(12.5, 1),
            0.12 * bump(21.5, 1.8),
            0.25 * (bump(8, 0.9) + bump(17.8, 1.1)),
        ]
    )
    weekend = np.stack([flat, 0.15 * bump(13, 3.2), 0.03 * flat, 0.6 * bump(15.5, 2.8), 0.4 * bump(23, 2.2), 0.12 * bump(14, 4)])
    weights = density * (uses[:, 0] + 0.02)
    home = rng.choice(n, devices, p=weights / weights.sum())
    spots = [home]
    for use, scale_km in zip(range(1, 6), (9.0, 3.0, 5.0, 6.0, 8.0), strict=True):
        pull = density * (uses[:, use] + 0.002) * np.exp(0.6 * rng.standard_normal(n))
        spots.append(_choose(_cumulative(pull, away, scale_km), home, rng))
    spots_of = np.stack(spots)
    taste = rng.gamma(1.5, 1 / 1.5, (6, devices))
    taste[0] = 1.0
    doing = np.zeros(devices, dtype=np.int64)
    seen_share = rng.beta(0.8, 1.4, devices)
    seen = rng.random(devices) < seen_share
    places = np.full((devices, HOURS), -1, dtype=np.int16)
    for t in range(HOURS):
        day, hour = divmod(t, 24)
        wish = (weekend if day >= 5 else weekday)[:, hour] * (1 + 0.15 * (day == 4) * np.array([0, -1, 0, 1, 2, 0]))
        chances = np.cumsum(taste * np.maximum(wish, 0)[:, None], axis=0)
        fresh = (rng.random(devices) > chances / chances[-1]).sum(axis=0)
        doing = np.where(rng.random(devices) < 0.35, fresh, doing)
        place = spots_of[doing, np.arange(devices)]
        seen = np.where(rng.random(devices) < 0.25, rng.random(devices) < seen_share, seen)
        here = np.ones(devices, dtype=np.bool_) if complete else seen
        places[here, t] = place[here]
    return _counted(places, n, rng)


POPULATIONS = {"commuters": commuters, "districts": districts}


def roughen(truth: Floats, *, share: float = 0.2, memory: float = 0.7, seed: int = 11) -> Floats:
    """Return the truth with an unexplained AR(1) departure of `share` (sd) in every cell and hour."""
    rng = np.random.default_rng(seed)
    walk = np.empty_like(truth)
    walk[:, 0] = rng.standard_normal(len(truth))
    for t in range(1, truth.shape[1]):
        walk[:, t] = memory * walk[:, t - 1] + math.sqrt(1 - memory**2) * rng.standard_normal(len(truth))
    rough: Floats = np.round(truth * np.maximum(0.0, 1 + share * walk))
    return rough
