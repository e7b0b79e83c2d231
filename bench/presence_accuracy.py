"""Measure the error and the coverage of presence estimates on a public synthetic population.

    python bench/presence_accuracy.py [--devices N ...] [--seeds K] [--json]

Truth: devices with a home, a work place and other places on a disk of 1,027 H3 cells, one week of hours; "gaps" sees each device in a heavy-tailed part
of the hours (median about a third), "complete" in all of them. Rough data have an unexplained AR(1) departure of 20 % in every cell and hour.
Noise: Gaussian, rounded to 1/256 device, with the sigma of the release (the release draws discrete Gaussian noise; this file protects nobody and may
therefore use numpy's generator). Error: sum of absolute errors over sum of truth, so that 0.05 is 5 %.
"ours" has the whole budget on the finest level; "ours, 3 levels" spends the default shares on resolutions 7, 6 and 5, each scored on its own.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from typing import Any

import h3
import numpy as np
import numpy.typing as npt

from _machine import machine, versions
from flockwise import estimate
from flockwise.estimate.lowrank import strata
from flockwise.estimate.tree import Family

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
        roaming = mobile & (hour >= 7) & (hour <= 21)
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


def singular_values(z: Floats) -> Floats:
    """Return the optimal shrinkage of singular values for unit noise (Gavish and Donoho 2017)."""
    c, t = z.shape
    left, s, right = np.linalg.svd(z, full_matrices=False)
    inner = np.maximum((s**2 - c - t) ** 2 - 4 * c * t, 0.0)
    kept = np.where(s > math.sqrt(c) + math.sqrt(t), np.sqrt(inner) / np.maximum(s, 1e-9), 0.0)
    fitted: Floats = (left * kept) @ right
    return fitted


def fourier(z: Floats, size: Floats) -> Floats:
    """Return the empirical-Bayes shrinkage of every frequency by strata of size."""
    waves = np.fft.rfft(z, axis=1)
    power = np.abs(waves) ** 2 / z.shape[1]
    for group in strata(size):
        waves[group] *= np.maximum(0.0, 1.0 - 1.0 / np.maximum(power[group].mean(0), 1e-9))
    fitted: Floats = np.fft.irfft(waves, z.shape[1], axis=1)
    return fitted


def ebs(z: Floats, groups: Ints, hours_per_day: int = 24) -> Floats:
    """Return the design notes' estimator: eigen-scores with a group effect, James-Stein of day, hour and day x hour, averaged with Fourier's."""
    c, t = z.shape
    energy, vectors = np.linalg.eigh(z.T @ z)
    k = max(1, int((energy > (math.sqrt(c) + math.sqrt(t)) ** 2).sum()))
    v = vectors[:, ::-1][:, :k].copy()
    v[:, 0] *= np.sign(v[:, 0].sum()) or 1.0
    a = z @ v
    n = np.maximum(a[:, 0], 0.0)
    fitted = a.copy()
    for j in range(1, k):
        prior = n * float(a[:, j] @ n) / max(float(n @ n), 1e-9)
        weight = np.bincount(groups, n**2)
        effect = np.bincount(groups, n * (a[:, j] - prior)) / np.maximum(weight, 1e-9)
        spread = max(0.0, float(((effect**2 - 1 / np.maximum(weight, 1e-9)) * weight**2).sum() / max(float((weight**2).sum()), 1e-9)))
        prior = prior + n * (effect * spread / (spread + 1 / np.maximum(weight, 1e-9)))[groups]
        rest = a[:, j] - prior
        for group in strata(a[:, 0]):
            rest[group] *= max(0.0, 1.0 - 1.0 / max(float(np.mean(rest[group] ** 2)), 1e-9))
        fitted[:, j] = np.clip(prior + rest, a[:, j] - 2, a[:, j] + 2)
    left = (z - a @ v.T).reshape(c, -1, hours_per_day)
    level = left.mean((1, 2), keepdims=True)
    day, hour = left.mean(2, keepdims=True) - level, left.mean(1, keepdims=True) - level
    out = fitted @ v.T
    for part, size in ((day, left.shape[1] - 1), (hour, hours_per_day - 1), (left - level - day - hour, (left.shape[1] - 1) * (hours_per_day - 1))):
        own = np.broadcast_to(part, left.shape).reshape(c, t)
        out += own * np.maximum(0.0, 1.0 - (size - 2) / np.maximum((own**2).sum(1, keepdims=True), 1e-9))
    averaged: Floats = 0.5 * (out + fourier(z, a[:, 0]))
    return averaged


def score(name: str, fitted: Floats, truth: Floats, covered: Any, sure: Any = None) -> dict[str, Any]:
    """Return one row of results; `covered` and `sure` are arrays of bool, or None."""
    return {
        "method": name,
        "rel_err": float(np.abs(fitted - truth).sum() / truth.sum()),
        "coverage": None if covered is None else float(covered.mean()),
        "coverage_published": float(covered[sure].mean()) if sure is not None and sure.any() else None,
        "published": None if sure is None else float(sure.mean()),
        "cells": len(truth),
    }


def compare(truth: Floats, z: Zones, epsilon: float, seed: int) -> list[dict[str, Any]]:
    """Return the rows of all methods for one draw of the noise."""
    rng = np.random.default_rng(seed)
    unit = SIGMA_PER_UNIT[epsilon] * math.sqrt(truth.shape[1])
    noisy = np.round((truth + unit * rng.standard_normal(truth.shape)) * 256) / 256
    top = z.parents[1][z.parents[0]]  # type: ignore[index]  # three levels: the first two have parents
    family = Family(top, z.counts[2])

    def legal(fitted: Floats) -> Floats:
        """Non-negative, with the coarse sums it had."""
        return family.project(fitted, np.maximum(family.sums(fitted), 0.0))

    white = noisy / unit
    size = white.sum(1)
    rows = [score("plain noisy", noisy, truth, np.abs(noisy - truth) <= 1.645 * unit), score("non-negative", legal(noisy), truth, None)]
    for name, fitted in (("singular values", singular_values(white)), ("Fourier", fourier(white, size)), ("EBS + Fourier (design notes)", ebs(white, top))):
        rows.append(score(name, legal(fitted * unit), truth, None))
    calendar = estimate.Calendar.regular(truth.shape[1], 24)
    start = time.perf_counter()
    alone = estimate.estimate_presence([estimate.NoisyLevel(noisy, unit)], calendar)[0]
    seconds = time.perf_counter() - start
    rows.append(score("ours", alone.devices, truth, (alone.lower <= truth) & (truth <= alone.upper), alone.published) | {"seconds": seconds})
    levels, exact, truths = [], truth, []
    for place, share in enumerate(estimate.level_shares([7, 6, 5])):
        sigma = unit / math.sqrt(share)
        above = z.parents[place]
        levels.append(estimate.NoisyLevel(np.round((exact + sigma * rng.standard_normal(exact.shape)) * 256) / 256, sigma, above))
        truths.append(exact)
        if above is not None:
            exact = Family(above, z.counts[place + 1]).sums(exact)
    start = time.perf_counter()
    found = estimate.estimate_presence(levels, calendar)
    seconds = time.perf_counter() - start
    for resolution, level, exact in zip((7, 6, 5), found, truths, strict=True):
        rows.append(score(f"ours, 3 levels, r{resolution}", level.devices, exact, (level.lower <= exact) & (exact <= level.upper), level.published))
        rows[-1]["seconds"] = seconds
    return rows


def mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean of the figures of several draws."""
    out = dict(rows[0])
    for key in ("rel_err", "coverage", "coverage_published", "published", "seconds"):
        known = [row[key] for row in rows if row.get(key) is not None]
        out[key] = round(sum(known) / len(known), 4) if known else None
    return out


def run(devices: list[int], seeds: int) -> list[dict[str, Any]]:
    """Return the rows of every population, epsilon and method."""
    z = zones()
    results = []
    for count in devices:
        for complete in (False, True):
            smooth = population(count, z, complete=complete)
            for data, truth in (("smooth", smooth), ("rough", roughen(smooth))):
                for epsilon in SIGMA_PER_UNIT:
                    draws = [compare(truth, z, epsilon, seed) for seed in range(1, seeds + 1)]
                    rows = [mean(list(same)) for same in zip(*draws, strict=True)]
                    target = (TARGETS if data == "smooth" else ROUGH_TARGETS).get((count, epsilon))
                    for row in rows:
                        fine = row["cells"] == z.counts[0]
                        row |= {"devices": count, "epsilon": epsilon, "data": data, "seen": "complete" if complete else "gaps", "draws": seeds}
                        row["ratio_to_plain"] = round(row["rel_err"] / rows[0]["rel_err"], 4) if fine else None
                        row["target"] = target if fine else None
                    results += rows
    return results


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[50_000, 500_000])
    parser.add_argument("--seeds", type=int, default=2, help="noise draws a case (default 2)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    where = machine()  # before the work, so that the load is the others'
    results = run(options.devices, options.seeds)
    if options.json:
        json.dump({"results": results, "machine": where, "versions": versions()}, sys.stdout, indent=1)
        print()
        return
    columns = ("rel_err", "ratio_to_plain", "target", "coverage", "published", "coverage_published")
    print(f"{'devices':>8} {'eps':>3} {'data':<7}{'seen':<9} {'method':<29} {'cells':>5}" + "".join(f" {name[:9]:>9}" for name in columns))
    for r in results:
        figures = "".join(f" {r[name]:>9.3f}" if r[name] is not None else f" {'':>9}" for name in columns)
        print(f"{r['devices']:>8} {r['epsilon']:>3.0f} {r['data']:<7}{r['seen']:<9} {r['method']:<29} {r['cells']:>5}" + figures)


if __name__ == "__main__":
    main()
