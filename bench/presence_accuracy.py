"""How near estimates of present population come to the truth, beside the plain noisy values and others, on synthetic populations.

    python bench/presence_accuracy.py [--devices N ...] [--epsilon E ...] [--seen gaps|always ...] [--seeds K] [--noise rounded|discrete]
                                      [--json]

Truth: two synthetic populations (`_populations.py`) on a disk of 1,027 H3 cells, one week of hours. "gaps" sees each device in a part of the hours (median
about a third), "always" in all of them. Rough data have an unexplained AR(1) departure of 20 % in every cell and hour.
Noise: Gaussian, rounded to 1/256 device, with the sigma of a release (this file protects nobody and may therefore use numpy's generator).
Error: sum of absolute errors over sum of truth, so that 0.05 is 5 %, of the hours and of the typical day (mean over days by hour).
"ours" has the whole budget on the finest level; "ours, 3 levels" spends the default shares on resolutions 7, 6 and 5, each scored on its own.
"Laplace" bounds the hours a device as the peers do, epsilon in L1; of four bounds the best in hindsight counts, which favours it; so does "Gaussian, bounded".
How often intervals hold over many releases: presence_coverage.py.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from _machine import machine, versions
from _populations import HOURS, POPULATIONS, Floats, Presence, Zones, roughen, zones
from _smoothers import ebs, fourier, singular_values
from flockwise import estimate
from flockwise.estimate.tree import Family

# Standard deviation a unit of norm at delta 1e-6, by epsilon: exactly rounded Gaussian noise (mu-GDP), or the discrete Gaussian of OpenDP.
SIGMA_PER_UNIT = {"rounded": {1.0: 4.2247, 2.0: 2.2305}, "discrete": {1.0: 4.531, 2.0: 2.39}}
CALENDAR = estimate.Calendar.regular(HOURS, 24)
# The design notes' targets for an hourly week and for a typical day; theirs for 50,000 devices had 45 of them in a cell and hour, which is "always" here.
TARGETS = {(50_000, 1.0): (0.20, 0.15), (50_000, 2.0): (0.15, 0.10), (500_000, 1.0): (0.05, 0.028), (500_000, 2.0): (0.035, 0.018)}


def by_day(values: Floats) -> Floats:
    """Return means over days by hour."""
    return values.reshape(len(values), -1, 24).mean(axis=1)


def error(fitted: Floats, truth: Floats) -> float:
    """Return the sum of absolute errors over the sum of the truth."""
    return float(np.abs(fitted - truth).sum() / truth.sum())


def held(level: estimate.LevelEstimate, truth: Floats) -> Any:
    """Return where the interval holds the truth."""
    return (level.lower <= truth) & (truth <= level.upper)


def row(method: str, fitted: Floats, truth: Floats, seconds: float) -> dict[str, Any]:
    """Return one row of results."""
    return {"method": method, "hourly": error(fitted, truth), "typical_day": error(by_day(fitted), by_day(truth)), "cells": len(truth), "seconds": seconds}


def our_row(method: str, level: estimate.LevelEstimate, day: estimate.LevelEstimate, truth: Floats, seconds: float) -> dict[str, Any]:
    """Return one row of ours, with coverage of the shown intervals."""
    out = row(method, level.devices, truth, seconds)
    out["typical_day"] = error(day.devices, by_day(truth))
    for name, table, true in (("", level, truth), ("day_", day, by_day(truth))):
        covered = held(table, true)
        out |= {f"{name}coverage": float(covered[table.published].mean()) if table.published.any() else None, f"{name}shown": float(table.published.mean())}
    return out


def compare(truth: Presence, data: Floats, z: Zones, unit: float, epsilon: float, seed: int) -> list[dict[str, Any]]:
    """Return the rows of all methods for one draw of the noise; `data` is the truth, smooth or rough, `unit` the noise a unit of norm."""
    rng = np.random.default_rng(seed)
    sigma = unit * math.sqrt(HOURS)
    normal = rng.standard_normal(data.shape)
    noisy = np.round((data + sigma * normal) * 256) / 256
    top = z.parents[1][z.parents[0]]  # type: ignore[index]  # three levels: the first two have parents
    family = Family(top, z.counts[2])

    def legal(fitted: Floats) -> Floats:
        """Non-negative, with the coarse sums it had."""
        return family.project(fitted, np.maximum(family.sums(fitted), 0.0))

    rough = data - truth.all
    bounded = {bound: counts + rough for bound, counts in truth.bounded.items()} | {HOURS: data}
    laplace = rng.laplace(size=data.shape)
    rows = [
        min((row("Laplace, bounded hours", c + b / epsilon * laplace, data, 0.0) for b, c in bounded.items()), key=lambda r: r["hourly"]),
        min((row("Gaussian, bounded hours", c + unit * math.sqrt(b) * normal, data, 0.0) for b, c in bounded.items()), key=lambda r: r["hourly"]),
        row("plain noisy", noisy, data, 0.0),
    ]
    white = noisy / sigma
    others: dict[str, Callable[[], Floats]] = {
        "non-negative": lambda: white,
        "singular values": lambda: singular_values(white),
        "Fourier": lambda: fourier(white, white.sum(axis=1)),
        "EBS + Fourier (design notes)": lambda: ebs(white, top),
    }
    for name, fit in others.items():
        start = time.process_time()
        fitted = legal(fit() * sigma)
        rows.append(row(name, fitted, data, time.process_time() - start))
    start = time.process_time()
    one = [estimate.NoisyLevel(noisy, sigma)]
    alone = estimate.estimate_presence(one, CALENDAR)
    seconds = time.process_time() - start
    rows.append(our_row("ours", alone[0], estimate.typical_day(one, CALENDAR)[0], data, seconds))
    levels, truths = release(data, z, unit, rng)
    start = time.process_time()
    found = estimate.estimate_presence(levels, CALENDAR)
    seconds = time.process_time() - start
    for resolution, level, day, exact in zip((7, 6, 5), found, estimate.typical_day(levels, CALENDAR), truths, strict=True):
        rows.append(our_row(f"ours, 3 levels, r{resolution}", level, day, exact, seconds))
    return rows


def release(truth: Floats, z: Zones, unit: float, rng: np.random.Generator) -> tuple[list[estimate.NoisyLevel], list[Floats]]:
    """Return the noisy levels of one release at the default shares, and their truth."""
    levels, truths, exact = [], [], truth
    for place, share in enumerate(estimate.level_shares([7, 6, 5])):
        sigma = unit * math.sqrt(HOURS / share)
        above = z.parents[place]
        levels.append(estimate.NoisyLevel(np.round((exact + sigma * rng.standard_normal(exact.shape)) * 256) / 256, sigma, above))
        truths.append(exact)
        if above is not None:
            exact = Family(above, z.counts[place + 1]).sums(exact)
    return levels, truths


def mean(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean of the figures of several draws."""
    out = dict(rows[0])
    for key in ("hourly", "typical_day", "coverage", "shown", "day_coverage", "day_shown", "seconds"):
        known = [r[key] for r in rows if r.get(key) is not None]
        out[key] = sum(known) / len(known) if known else None
    return out


def cases(devices: list[int], seen: list[str], z: Zones) -> Iterator[tuple[dict[str, Any], Presence, Floats]]:
    """Yield the labels, the truth and the data of every case."""
    for count in devices:
        for population, make in POPULATIONS.items():
            for how in seen:
                truth = make(count, z, complete=how == "always")
                for data, values in (("smooth", truth.all), ("rough", roughen(truth.all))):
                    yield {"devices": count, "population": population, "seen": how, "data": data}, truth, values


def run(devices: list[int], seen: list[str], sigmas: dict[float, float], seeds: int) -> list[dict[str, Any]]:
    """Return the rows of every case, epsilon and method."""
    z, results = zones(), list[dict[str, Any]]()
    for labels, truth, data in cases(devices, seen, z):
        for epsilon, unit in sigmas.items():
            draws = [compare(truth, data, z, unit, epsilon, seed) for seed in range(1, seeds + 1)]
            hourly, typical = TARGETS.get((labels["devices"], epsilon), (None, None))
            more = {"epsilon": epsilon, "hourly_target": hourly, "typical_day_target": typical, "releases": seeds}
            results += [labels | more | mean(list(same)) for same in zip(*draws, strict=True)]
    return results


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[50_000, 500_000])
    parser.add_argument("--epsilon", type=float, nargs="+", choices=(1.0, 2.0), default=[1.0, 2.0])
    parser.add_argument("--seen", nargs="+", choices=("gaps", "always"), default=["gaps", "always"])
    parser.add_argument("--seeds", type=int, default=2, help="noise draws a case (default 2)")
    parser.add_argument("--noise", choices=sorted(SIGMA_PER_UNIT), default="rounded")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    where = machine()  # before the work, so that the load is the others'
    sigmas = {epsilon: SIGMA_PER_UNIT[options.noise][epsilon] for epsilon in options.epsilon}
    results = run(options.devices, options.seen, sigmas, options.seeds)
    if options.json:
        json.dump({"results": results, "machine": where, "versions": versions()}, sys.stdout, indent=1)
        print()
        return
    figures = [key for key in results[0] if key not in {"method", "devices", "population", "seen", "data", "epsilon", "releases", "cells"}]
    print("devices eps population seen   data   " + "method".ljust(30) + "".join(f" {name[:10]:>10}" for name in figures))
    for r in results:
        values = "".join(f" {r[key]:>10.3f}" if r.get(key) is not None else f" {'':>10}" for key in figures)
        print(f"{r['devices']:>7} {r['epsilon']:>3.0f} {r['population']:<10} {r['seen']:<6} {r['data']:<6} {r['method']:<30}{values}")


if __name__ == "__main__":
    main()
