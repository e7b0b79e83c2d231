"""Measure the two kinds of noise beside each other: draws per second, and how much noise a promise costs.

    python bench/samplers.py [--draws N] [--peer-draws N] [--sigma S ...] [--threads N ...] [--repeat N] [--json]

Speed: `rounded` is the continuous Gaussian, rounded exactly (Karney's Algorithm N); `discrete` is OpenDP's discrete Gaussian, called on chunks of
4,096 values. Both through `noise.add`, turn by turn in one process; the fastest of `--repeat` turns is told. `cpu_us` is the work of all threads for one
draw, which a busy machine changes least. Noise: sigma for a contribution of norm 1, for one window and for a year of windows under one epsilon.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from fractions import Fraction
from typing import Any

import numpy as np

from _machine import machine, versions
from flockwise import noise

DELTA = Fraction(1, 10**6)
KINDS: tuple[noise.Kind, ...] = ("rounded", "discrete")


def turn(kind: noise.Kind, draws: int, sigma: float, threads: int) -> tuple[float, float]:
    """Wall and processor seconds of one array's noise."""
    values = np.zeros(draws, dtype=np.int64)
    wall, cpu = time.perf_counter(), time.process_time()
    noise.add(values, sigma, threads, kind=kind)
    return time.perf_counter() - wall, time.process_time() - cpu


def speeds(sigmas: list[float], threads: list[int], draws: dict[noise.Kind, int], repeat: int) -> list[dict[str, Any]]:
    """One row for each kind, scale and number of threads; the kinds take turns."""
    rows = []
    for sigma in sigmas:
        for count in threads:
            turns: dict[noise.Kind, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
            for _ in range(repeat):
                for kind in KINDS:
                    turns[kind].append(turn(kind, draws[kind], sigma, count))
            rates = {kind: draws[kind] / min(wall for wall, _ in turns[kind]) for kind in KINDS}
            rows += [
                {
                    "method": f"flockwise, {kind}",
                    "sigma": sigma,
                    "threads": count,
                    "draws": draws[kind],
                    "draws_per_s": round(rates[kind]),
                    "wall_us": round(1e6 / rates[kind], 3),
                    "cpu_us": round(1e6 * min(cpu for _, cpu in turns[kind]) / draws[kind], 3),
                    "ratio_to_discrete": round(rates[kind] / rates["discrete"], 2),
                }
                for kind in KINDS
            ]
    return rows


def scales() -> list[dict[str, Any]]:
    """How much noise a figure gets, a contribution of norm 1, when `windows` equal charges together are worth epsilon."""
    rows = []
    for epsilon in (1, 2, 4):
        for windows in (1, 13):
            rho = {kind: noise.rho_for(Fraction(epsilon), DELTA, kind) / windows for kind in KINDS}
            sigma = {kind: 1 / math.sqrt(2 * rho[kind]) for kind in KINDS}
            rows += [
                {
                    "method": f"flockwise, {kind}",
                    "epsilon": epsilon,
                    "windows": windows,
                    "sigma_per_unit": round(sigma[kind], 4),
                    "ratio_to_discrete": round(sigma[kind] / sigma["discrete"], 4),
                    "guess_percent_of_all": float(noise.guess_percent(windows * rho[kind], kind)),
                }
                for kind in KINDS
            ]
    return rows


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--draws", type=int, default=4_000_000, help="rounded draws in a turn (default 4,000,000)")
    p.add_argument("--peer-draws", type=int, default=80_000, help="discrete draws in a turn (default 80,000)")
    p.add_argument("--sigma", type=float, nargs="+", default=[1.0, 7116.8, 1e6], help="scales in grid units")
    p.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    p.add_argument("--repeat", type=int, default=3)
    p.add_argument("--json", action="store_true", help="print one JSON object")
    a = p.parse_args()
    where = machine()  # before the work, so that the load is the others'
    for kind in KINDS:
        turn(kind, 1000, 1.0, 1)  # loads numba and OpenDP
    fast = speeds(a.sigma, a.threads, {"rounded": a.draws, "discrete": a.peer_draws}, a.repeat)
    noisy = scales()
    if a.json:
        print(json.dumps({"results": [*fast, *noisy], "machine": where, "versions": versions("python-flint")}, indent=1))
        return
    for row in fast:
        print(
            f"{row['method']:<20} sigma {row['sigma']:>9g}, {row['threads']} threads: {row['draws_per_s']:>11,} draws a second, "
            f"{row['cpu_us']:>7.3f} us of work a draw, {row['ratio_to_discrete']:.0f} x"
        )
    for row in noisy:
        print(
            f"{row['method']:<20} epsilon {row['epsilon']} over {row['windows']:>2} windows: sigma {row['sigma_per_unit']:>8.4f} a unit, "
            f"{row['ratio_to_discrete']:.4f} x; a guess is right at most {row['guess_percent_of_all']} times in 100"
        )


if __name__ == "__main__":
    main()
