"""How often the 90 % intervals of flows and margins hold what they say they hold, over many releases of several populations.

    python bench/flows_coverage.py [--cases NAME ...] [--releases N] [--populations N] [--first N] [--json]

A case is a kind of population, a number of people and an epsilon. Its populations are drawn anew, with other numbers of trips, other popularity of pairs and
another edge of heavy travellers each; each is counted once, and its sums go through the stages of a release again and again with new noise. That noise is
numpy's, rounded to the grid, which can be seeded (this file protects nobody). What an interval claims to hold is the rescaled flow: trips as they were counted
within the bound, those of light and of heavy devices each times the ratio of their zones, which totals without noise would give. Empty pairs count as 0.
"trips" is the share that holds all trips, what the bound and the cap of totals took away included: no interval claims that. Rows are counted in bins of the
true value and in bins of the printed one, all releases together.
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
SMALL: dict[str, Any] = {"pairs": 15_000, "parents": 2}
# Kind, people, epsilon.
CASES: dict[str, tuple[str, int, int]] = {
    "heterogeneous 200k": ("heterogeneous", 200_000, 1),
    "homogeneous 200k": ("homogeneous", 200_000, 1),
    "heterogeneous 50k": ("heterogeneous", 50_000, 1),
    "homogeneous 50k": ("homogeneous", 50_000, 1),
    "heterogeneous 50k, epsilon 2": ("heterogeneous", 50_000, 2),
    "homogeneous 200k, epsilon 2": ("homogeneous", 200_000, 2),
    "heterogeneous 500k": ("heterogeneous", 500_000, 1),
    "short": ("heterogeneous", 2_000, 1),
}
DEFAULT = ("heterogeneous 200k", "homogeneous 200k", "heterogeneous 50k", "homogeneous 50k")
EDGES = np.array([-np.inf, 0.5, 3.5, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0])
BINS = ("0", "1 to 3", "4 to 10", "10 to 30", "30 to 100", "100 to 300", "300 to 1,000", "1,000 to 3,000", "3,000 to 10,000", "over 10,000")


def options(kind: str, people: int, number: int) -> dict[str, Any]:
    """Return how a population is drawn; other than in the benches that compare libraries."""
    rng = np.random.default_rng([people, number])
    out: dict[str, Any] = {"people": people, "seed": 1000 + number, "few": float(rng.uniform(1.3, 1.6)), "popular": float(rng.uniform(0.9, 1.2))}
    if kind == "heterogeneous":
        out["heavy_from"] = int(rng.choice([25, 40, 60]))
    if people <= 50_000:
        out |= SMALL
    return out | ({"pairs": 300, "parents": 1, "resolution": 7} if people <= 2_000 else {})


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


def measure(name: str, releases: int, populations: int, first: int) -> list[dict[str, Any]]:
    """Return one row for pairs and one for margins of each level."""
    kind, people, epsilon = CASES[name]
    counts = dict[tuple[str, int], Count]()
    for number in range(first, first + populations):
        case = Case(kind, options(kind, people, number), epsilon)
        for turn in range(number - first, releases, populations):
            count_release(case, number * 1000 + turn, counts)
            print(f"{name}: population {number}, release {turn}", file=sys.stderr, end="\r")
    return [{"case": name, "table": table, "level": level, "releases": releases, **count.row(releases)} for (table, level), count in counts.items()]


def count_release(case: Case, seed: int, counts: dict[tuple[str, int], Count]) -> None:
    """Make one release and count what its intervals hold."""
    plan, noisy, truth = case.release(seed)
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


def main() -> None:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(DEFAULT))
    parser.add_argument("--releases", type=int, default=200)
    parser.add_argument("--populations", type=int, default=20, help="that share the releases (default 20)")
    parser.add_argument("--first", type=int, default=100, help="number of the first population (default 100; the estimator's constants were chosen on 0 to 10)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    where = machine()
    results = [row for name in options.cases for row in measure(name, options.releases, options.populations, options.first)]
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
