"""What smoothing takes away: events, departures from the common week, small cells; on the populations of presence_accuracy.py.

    python bench/presence_bias.py [--devices N ...] [--json]

Three levels at the default shares, epsilon 1, devices with gaps, one draw of the noise. "event" is the share that is kept of an uplift of four hours from
6 p.m. in 40 cells, whose height is so many noise standard deviations of a mean over four hours. "departure" is the slope of the estimate's departures from
the common week on the true ones, by the cell's mean. "size" is the sum of estimates over the sum of the truth, of hours whose true value, or whose
estimate, is in a range.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np

from _machine import machine, versions
from _populations import POPULATIONS, Floats, Zones, roughen, zones
from flockwise import estimate
from flockwise.estimate.tree import Family
from presence_accuracy import CALENDAR, SIGMA_PER_UNIT, release

RANGES = ((1, 3), (3, 10), (10, 30), (30, 100), (100, 300), (300, 1000), (1000, 1e9))
EVENT_HOURS, EVENT_CELLS = 4, 40


def ratio(top: Floats, bottom: Floats) -> float | None:
    """Return the quotient of sums; None for fewer than 500 values."""
    return round(float(top.sum() / bottom.sum()), 3) if bottom.size >= 500 else None


def departures(values: Floats) -> Floats:
    """Return what is left of each cell's hours beside its mean times the common week."""
    week = values.sum(axis=0) / values.sum()
    return values - values.sum(axis=1, keepdims=True) * week


def event(levels: list[estimate.NoisyLevel], calm: Floats, z: Zones, height: float) -> float:
    """Return the share of an evening's uplift that is kept, on average over the cells that have one."""
    rng = np.random.default_rng(5)
    cells, start = rng.choice(len(calm), EVENT_CELLS, replace=False), rng.integers(0, 7, EVENT_CELLS) * 24 + 18
    uplift = height * levels[0].sigma / np.sqrt(EVENT_HOURS)
    more, busy = np.zeros_like(calm), list[estimate.NoisyLevel]()
    hours = start[:, None] + np.arange(EVENT_HOURS)
    more[cells[:, None], hours] = uplift
    for place, level in enumerate(levels):
        busy.append(estimate.NoisyLevel(level.noisy + more, level.sigma, level.parent))
        if level.parent is not None:
            more = Family(level.parent, z.counts[place + 1]).sums(more)
    found = estimate.estimate_presence(busy, CALENDAR)[0].devices
    return float((found - calm)[cells[:, None], hours].mean() / uplift)


def measure(truth: Floats, z: Zones) -> dict[str, Any]:
    """Return the figures of one population."""
    levels, _ = release(truth, z, SIGMA_PER_UNIT["rounded"][1.0], np.random.default_rng(1))
    found = estimate.estimate_presence(levels, CALENDAR)[0].devices
    out: dict[str, Any] = {f"event_{height}_sd": round(event(levels, found, z, height), 3) for height in (4, 6, 10)}
    mean, true, estimated = truth.mean(axis=1), departures(truth), departures(found)
    for low, high in RANGES:
        cells = (mean >= low) & (mean < high)
        out[f"departure_{low}"] = ratio(true[cells] * estimated[cells], true[cells] ** 2)
        in_truth, in_estimate = (truth >= low) & (truth < high), (found >= low) & (found < high)
        out[f"size_{low}_true"] = ratio(found[in_truth], truth[in_truth])
        out[f"size_{low}_estimated"] = ratio(found[in_estimate], truth[in_estimate])
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[50_000, 500_000])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    where, z, results = machine(), zones(), list[dict[str, Any]]()
    for devices in options.devices:
        for population, make in POPULATIONS.items():
            smooth = make(devices, z, complete=False).all
            for data, truth in (("smooth", smooth), ("rough", roughen(smooth))):
                results.append({"method": "ours", "devices": devices, "population": population, "data": data} | measure(truth, z))
    if options.json:
        json.dump({"results": results, "machine": where, "versions": versions()}, sys.stdout, indent=1)
        print()
        return
    for r in results:
        print(f"{r['devices']:,} {r['population']}, {r['data']}: event " + " ".join(f"{r[f'event_{h}_sd']:.2f} at {h} sd" for h in (4, 6, 10)))
        for name in ("departure_{}", "size_{}_true", "size_{}_estimated"):
            known = [(low, r[name.format(low)]) for low, _ in RANGES]
            print(f"    {name.format('from'):<20}" + " ".join(f"{low}: {value:.2f}" for low, value in known if value is not None))


if __name__ == "__main__":
    main()
