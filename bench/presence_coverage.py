"""How often the 90 % intervals of presence hold the number of devices seen, over many releases of several populations.

    python bench/presence_coverage.py [--devices N ...] [--epsilon E ...] [--seen gaps|always ...] [--releases N] [--populations N] [--json]

A case is a number of devices, an epsilon, and how much of the time a device is seen. Its populations are drawn anew, both kinds of `_populations.py` in turn,
half of them roughened; each is counted once, and its sums are then released again and again with new noise, over 1,027 cells, 168 hours and three levels at the
default shares. Noise is numpy's, with the sigma of a release (this file protects nobody); what is estimated, and how, is the release's own.
Values are counted in bins of the estimate, of those that are shown; "true" bins are by the true value, of all values, shown or not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from _machine import machine, versions
from _populations import POPULATIONS, Floats, Zones, roughen, zones
from flockwise import estimate
from presence_accuracy import CALENDAR, SIGMA_PER_UNIT, by_day, release

EDGES = np.array([-np.inf, 5.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0])
BINS = ("under 5", "5 to 10", "10 to 30", "30 to 100", "100 to 300", "300 to 1,000", "1,000 to 3,000", "over 3,000")
TABLES = ("hours", "typical day")
LEVELS = (7, 6, 5)


class Count:
    """Shown values and held ones by bin of the estimate, all values and held ones by bin of the truth, each for smooth and for rough data."""

    def __init__(self) -> None:
        self.cells = np.zeros((2, 2, len(BINS), 2), dtype=np.int64)

    def add(self, level: estimate.LevelEstimate, truth: Floats, rough: int) -> None:
        held = (level.lower <= truth) & (truth <= level.upper)
        for by, (size, some) in enumerate(((level.devices, level.published), (truth, np.ones(truth.shape, dtype=bool)))):
            place = np.searchsorted(EDGES, size[some], side="right") - 1
            for k, what in enumerate((np.ones(len(place), dtype=bool), held[some])):
                self.cells[rough, by, :, k] += np.bincount(place[what], minlength=len(BINS))

    def row(self) -> dict[str, Any]:
        def share(counts: Any) -> float | None:
            return float(counts[1] / counts[0]) if counts[0] else None

        shown, whole = self.cells[:, 0].sum(axis=(0, 1)), self.cells[:, 1].sum(axis=(0, 1))
        out: dict[str, Any] = {"shown": float(shown[0] / whole[0]), "coverage": share(shown), "of_all": share(whole)}
        for place, name in enumerate(("smooth", "rough")):
            out[name] = share(self.cells[place, 0].sum(axis=0))
        for by, name in enumerate(("printed", "true")):
            total = self.cells[:, by].sum(axis=0)
            # A bin of under a hundredth of the values says little.
            out[name] = {b: share(n) for b, n in zip(BINS, total, strict=True) if n[0] > 0.01 * total[:, 0].sum()}
        return out


def truths(devices: int, complete: bool, populations: int, z: Zones) -> Iterator[tuple[int, int, Floats]]:
    """Yield the number, 0 or 1 for smooth or rough, and the counts of each population."""
    makers = list(POPULATIONS.values())
    for number in range(populations):
        counts = makers[number % len(makers)](devices, z, complete=complete, seed=100 + number).all
        rough = number // len(makers) % 2
        yield number, rough, roughen(counts, seed=200 + number) if rough else counts


def measure(case: dict[str, Any], epsilons: list[float], releases: int, populations: int, z: Zones) -> list[dict[str, Any]]:
    """Return one row for each epsilon, table and level of a case."""
    counts = {(epsilon, table, level): Count() for epsilon in epsilons for table in TABLES for level in LEVELS}
    done = 0
    for number, rough, data in truths(case["devices"], case["seen"] == "always", populations, z):
        for turn in range(number, releases, populations):
            for epsilon in epsilons:
                levels, exact = release(data, z, SIGMA_PER_UNIT["rounded"][epsilon], np.random.default_rng([turn, round(epsilon)]))
                for table, found in zip(TABLES, (estimate.estimate_presence(levels, CALENDAR), estimate.typical_day(levels, CALENDAR)), strict=True):
                    for level, result, truth in zip(LEVELS, found, exact, strict=True):
                        counts[epsilon, table, level].add(result, by_day(truth) if table == TABLES[1] else truth, rough)
            done += 1
            print(f"{case}: {done} of {releases}", file=sys.stderr, end="\r")
    return [case | {"epsilon": e, "table": table, "level": level, "releases": releases, **count.row()} for (e, table, level), count in counts.items()]


def main() -> None:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[50_000, 500_000])
    parser.add_argument("--epsilon", type=float, nargs="+", choices=(1.0, 2.0), default=[1.0, 2.0])
    parser.add_argument("--seen", nargs="+", choices=("gaps", "always"), default=["gaps", "always"])
    parser.add_argument("--releases", type=int, default=200, help="of each case (default 200)")
    parser.add_argument("--populations", type=int, default=20, help="of each case, a multiple of 4 (default 20)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.populations % 4 or options.releases < options.populations > 0:
        parser.error("both kinds, smooth and rough: populations in fours, and a release of each at least")
    where, z = machine(), zones()
    results = [
        row
        for devices in options.devices
        for seen in options.seen
        for row in measure({"devices": devices, "seen": seen}, options.epsilon, options.releases, options.populations, z)
    ]
    if options.json:
        json.dump({"results": results, "machine": where, "versions": versions()}, sys.stdout, indent=1)
        print()
        return
    for row in results:
        held, smooth, rough = (row[name] or 0.0 for name in ("coverage", "smooth", "rough"))
        print(f"{row['devices']:,} devices seen {row['seen']}, epsilon {row['epsilon']:g}, {row['table']} at resolution {row['level']}: ", end="")
        print(f"{row['shown']:.0%} shown, {held:.3f} held (smooth {smooth:.3f}, rough {rough:.3f}), {row['of_all']:.3f} of all values")
        for by in ("printed", "true"):
            print(f"  by {by} size  " + ", ".join(f"{size}: {held:.3f}" for size, held in row[by].items() if held is not None))


if __name__ == "__main__":
    main()
