"""How often the 90 % intervals of flows and margins hold what they say they hold, over many releases of the same people with new noise.

    python bench/flows_coverage.py [--cases NAME ...] [--releases N] [--seed S] [--json]

The stages of a release run on people whose trips are known (`_trips.py`). Their noise is numpy's, rounded to the grid, which can be seeded (this file protects
nobody). What an interval claims to hold is the rescaled flow: trips as they were counted within the bound, those of light and of heavy devices each times
the ratio of their zones, which totals without noise would give. Empty pairs count as 0. "trips" is the share that holds all trips, what the bound and the
cap of totals took away included: no interval claims that. Rows are counted in bins of the true value and in bins of the printed one, all releases together.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

import _trips
from _flows_flockwise import Panel
from _machine import machine, versions
from flockwise.estimate.flow_rescale import ratios
from flockwise.release.plan import NORMS, Plan
from flockwise.release.publishing import settled
from flockwise.release.tables import flow_estimate, noisy_flows

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SMALL: dict[str, Any] = {"people": 50_000, "pairs": 15_000, "parents": 2}
# What the estimator's few constants were chosen on, and what they were not.
CASES: dict[str, tuple[str, dict[str, Any], int]] = {
    "homogeneous": ("homogeneous", {}, 1),
    "heterogeneous": ("heterogeneous", {}, 1),
    "heterogeneous 50k": ("heterogeneous", SMALL, 1),
    "homogeneous, epsilon 2": ("homogeneous", {"seed": 8}, 2),
    "fresh 200k": ("heterogeneous", {"seed": 31, "few": 1.6, "popular": 0.9, "heavy_from": 25}, 1),
    "fresh 500k, epsilon 2": ("homogeneous", {"seed": 32, "people": 500_000, "few": 1.3, "popular": 1.2}, 2),
    "fresh 500k": ("heterogeneous", {"seed": 33, "people": 500_000, "few": 1.55, "heavy_from": 60}, 1),
    "fresh 50k, epsilon 2": ("homogeneous", SMALL | {"seed": 34, "few": 1.35, "popular": 0.95}, 2),
    "short": ("heterogeneous", {"people": 2_000, "pairs": 300, "parents": 1, "resolution": 7}, 1),
}
EDGES = np.array([-np.inf, 0.5, 3.5, 10.0, 30.0, 100.0, 300.0, 1000.0])
BINS = ("0", "1 to 3", "4 to 10", "10 to 30", "30 to 100", "100 to 300", "300 to 1,000", "over 1,000")


class Case:
    """One population: its exact sums and what the intervals claim to hold, kept for every bound that the private clip chooses."""

    def __init__(self, kind: str, options: dict[str, Any], epsilon: int) -> None:
        trips = _trips.make(kind, **options)
        cells = len(trips.cells)
        self.panel = Panel(trips, Fraction(epsilon))
        self.norms = self.panel.norms()
        self.trips = np.bincount(trips.pair, minlength=cells**2).astype(np.float64).reshape(cells, cells)
        self.known: dict[Any, tuple[dict[str, Ints], Floats]] = {}

    def release(self, seed: int) -> tuple[Plan, dict[str, Ints], Floats]:
        """Return the settled plan, noisy sums, and the rescaled flow of the finest pairs."""
        rng = np.random.Generator(np.random.SFC64(seed))
        plan = self.panel.plan
        assert plan.clip is not None
        noisy = {NORMS: with_noise(self.norms, plan.clip.sigma_units, rng)}
        plan = settled(plan, noisy)
        bounds = plan.norm, plan.heavy_edge
        if bounds not in self.known:
            exact = self.panel.sums(plan)
            self.known[bounds] = exact, rescaled(plan, exact)
        exact, flows = self.known[bounds]
        return plan, noisy | {b.name: with_noise(exact[b.name], b.sigma_units, rng) for b in plan.blocks}, flows


def with_noise(exact: Ints, sigma: float, rng: np.random.Generator) -> Ints:
    return exact + np.round(sigma * rng.standard_normal(exact.shape)).astype(np.int64)


def rescaled(plan: Plan, exact: dict[str, Ints]) -> Floats:
    """Return what the finest intervals claim to hold: the estimator's own ratios, from sums without noise."""
    least = {"pairs_sigma": 1e-6, "margins_sigma": 1e-6, "totals_sigma": 1e-6}
    bands = [[replace(level, **least) for level in noisy_flows(plan, exact, band)] for band in (0, 1)]
    cell = np.arange(bands[0][0].shape[0])
    light, heavy = ratios(bands[0], bands[1])
    everyone, of_heavy = (band[0].dense[:, :, 0] for band in bands)
    return light.at(cell[:, None], cell) * (everyone - of_heavy) + heavy.at(cell[:, None], cell) * of_heavy


def raised(flows: Floats, parent: Ints) -> Floats:
    """Return sums over children at both ends."""
    zones = int(parent.max()) + 1
    out = np.zeros((zones, zones))
    np.add.at(out, (parent[:, None], parent), flows)
    return out


class Count:
    """Rows and held rows by bin: of the true value, of the printed one; and how many hold all trips."""

    def __init__(self) -> None:
        self.cells = np.zeros((2, len(BINS), 3), dtype=np.int64)

    def add(self, printed: Any, truth: Floats, trips: Floats) -> None:
        value, lower, upper = printed
        held = [(lower - 1e-6 <= t) & (t <= upper + 1e-6) for t in (truth, trips)]
        for by, size in enumerate((truth, value)):
            place = np.searchsorted(EDGES, size, side="right") - 1
            for k, what in enumerate((np.ones(len(size), dtype=bool), *held)):
                self.cells[by, :, k] += np.bincount(place[what], minlength=len(BINS))

    def row(self, releases: int) -> dict[str, Any]:
        rows, held, trips = self.cells[0].sum(axis=0)
        out: dict[str, Any] = {"rows": rows / releases, "coverage": held / rows if rows else None, "trips": trips / rows if rows else None}
        for by, name in enumerate(("true", "printed")):
            out[name] = {b: (n / releases, h / n if n else None) for b, (n, h, _) in zip(BINS, self.cells[by].tolist(), strict=True)}
        return out


def measure(name: str, releases: int, seed: int) -> list[dict[str, Any]]:
    """Return one row for pairs and one for margins of each level."""
    case, counts = Case(*CASES[name]), dict[tuple[str, int], Count]()
    for turn in range(releases):
        plan, noisy, truth = case.release(seed + turn)
        found, trips = flow_estimate(plan, noisy), case.trips
        for block, level, pairs, departures, arrivals in zip(
            plan.of("flows"), noisy_flows(plan, noisy, 0), found.pairs, found.departures, found.arrivals, strict=True
        ):
            at = pairs.origin, pairs.destination
            counts.setdefault(("pairs", block.level), Count()).add((pairs.trips, pairs.lower, pairs.upper), truth[at], trips[at])
            margins = counts.setdefault(("margins", block.level), Count())
            for axis, table in ((1, departures), (0, arrivals)):
                margins.add((table.trips[:, 0], table.lower[:, 0], table.upper[:, 0]), truth.sum(axis=axis), trips.sum(axis=axis))
            if level.parent is not None:
                truth, trips = raised(truth, level.parent), raised(trips, level.parent)
        print(f"{name}: release {turn + 1} of {releases}", file=sys.stderr, end="\r")
    return [{"case": name, "table": table, "level": level, "releases": releases, **count.row(releases)} for (table, level), count in counts.items()]


def main() -> None:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=[name for name in CASES if name.startswith("fresh")])
    parser.add_argument("--releases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the first release (default 1)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    where = machine()
    results = [row for name in options.cases for row in measure(name, options.releases, options.seed)]
    if options.json:
        json.dump({"results": results, "machine": where, "versions": versions()}, sys.stdout, indent=1)
        print()
        return
    for row in results:
        print(
            f"{row['case']}, {row['table']} at resolution {row['level']}: {row['rows']:,.0f} a release, {row['coverage']:.3f} held, of trips {row['trips']:.3f}"
        )
        for by in ("true", "printed"):
            figures = ", ".join(f"{size}: {held:.3f} ({rows:,.1f})" for size, (rows, held) in row[by].items() if held is not None)
            print(f"  by {by} size  {figures}")


if __name__ == "__main__":
    main()
