"""How near the forecast of `flockwise plan` comes to the errors of releases, on simulated panels whose exact sums are known.

    python bench/forecast_accuracy.py [--devices N ...] [--draws K] [--json]

For each panel (a simulated week, seed 3; New York with three more counties, and Buffalo with Rochester at half as many devices): ingest, exact sums, K draws
of a release's noise and its estimates (without intervals of presence, which take ten times as long and move no estimate). "actual" is the sum of absolute
errors over the sum of what the panel shows, the mean over draws, with its standard error; "forecast" is what `flockwise.forecast` says, given the panel's
number of devices, the share of slots in which a device is seen, and its trips a day. Behind both: between which errors eight releases in ten lie.
The figures that it compares with are exact: it is for made-up panels alone and charges no ledger.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from _machine import machine, versions
from flockwise import api, config, engines, estimate, forecast, noise, release
from flockwise.base.h3bits import parent
from flockwise.estimate.smoothing import Smoother
from flockwise.forecast.facts import relative_error
from flockwise.release.sums import Exact, all_levels
from flockwise.simulate import DEMO_COUNTIES, Settings, write
from flockwise.store import Store

PLACES = {"New York": (DEMO_COUNTIES, 1.0), "Buffalo, Rochester": (("36029", "36063", "36055"), 0.5)}
DAYS = 7


def measure(place: str, devices: int, draws: int, root: Path) -> list[dict[str, Any]]:
    """Return one row for each table and level."""
    counties, part = PLACES[place]
    settings = Settings(devices=int(devices * part), days=DAYS, seed=3, counties=counties)
    write(settings, root / "world")
    world = root / "world"
    where = {
        "region": world / "region.geojson",
        "pings": world / "pings" / "part-000.parquet",
        "supplier": world / "supplier.toml",
        "places": world / "places.parquet",
    }
    api.init(root / "study.toml", start=settings.start, days=DAYS, timezone=settings.timezone, name="Forecast", purpose="transport-planning", **where)
    api.places_review(root / "study.toml", "the bench")
    api.ingest(root / "study.toml", [str(root / "world" / "pings")])
    study = config.load(root / "study.toml")
    plan = release.make_plan(study)
    vault, engine = Store.open(study), engines.LocalEngine(2)
    if plan.clip is not None:
        norms = engine.sum(vault, plan.clip_rules())
        plan = release.settled(plan, {release.NORMS: next(iter(norms.values()))})
    whole = all_levels(plan, engine.sum(vault, replace(plan.rules(), bound=1 << 62)))
    kept = all_levels(plan, engine.sum(vault, plan.rules()))
    truth = {name: np.asarray(values, dtype=np.float64) / release.GRID for name, values in whole.items()}
    presence, flows = plan.of("presence")[0], plan.of("flows")[0]
    trips = float(truth[flows.name][0].sum()) / settings.devices / DAYS
    seen = float(truth[presence.name].sum()) / presence.shape[1] / settings.devices
    told = forecast.expected(release.make_plan(study), forecast.Facts(settings.devices, seen, trips))
    actual = [errors(plan, truth, kept) for _ in range(draws)]
    rows = []
    for e in told:
        came = np.array([found[e.table, e.level] for found in actual])
        mean, error = float(came.mean()), float(came.std(ddof=1) / np.sqrt(draws)) if draws > 1 else np.nan
        shares = {"forecast": e.relative_error, "actual": mean, "actual_se": error, "ratio": (e.relative_error or np.nan) / mean}
        shares |= {"forecast_range": (e.low, e.high), "actual_range": tuple(np.quantile(came, [0.1, 0.9]))}
        panel = {"place": place, "devices": settings.devices, "seen": seen, "trips": trips}
        rows.append({**panel, "table": e.table, "level": e.level, **shares})
    return rows


def errors(plan: release.Plan, truth: dict[str, Any], kept: Exact) -> dict[tuple[str, int], float]:
    """Return the relative error of every table and level of one draw."""
    noisy = {b.name: noise.add(kept[b.name], b.sigma_units, 2, kind=plan.noise_kind) for b in plan.blocks}  # type: ignore[arg-type]  # all dense
    out, day = {}, release.typical_slots(plan)
    for block, devices in zip(plan.of("presence"), presence(plan, noisy), strict=True):
        out["presence", block.level] = relative_error(devices, truth[block.name])
        if day is not None:
            mean = (day[0][:, None] == np.arange(len(day[1]))) / np.bincount(day[0])
            out["typical_day", block.level] = relative_error(devices @ mean, truth[block.name] @ mean)
    found = release.flow_estimate(plan, noisy)
    for block, pairs, departures, arrivals in zip(plan.of("flows"), found.pairs, found.departures, found.arrivals, strict=True):
        exact = truth[block.name][0]
        printed = np.zeros(exact.shape)
        printed[pairs.origin, pairs.destination, pairs.slot] = pairs.trips
        out["flows", block.level] = relative_error(printed, exact)
        ends = np.concatenate([exact.sum(axis=1), exact.sum(axis=0)])
        out["margins", block.level] = relative_error(np.concatenate([departures.trips, arrivals.trips]), ends)
    return out


def presence(plan: release.Plan, noisy: Exact) -> list[Any]:
    """Return the estimates of presence, finest first."""
    blocks = plan.of("presence")
    levels = [
        estimate.NoisyLevel(noisy[b.name] / release.GRID, b.sigma, None if up is None else up.region.index_of(parent(b.region.cells, up.level)))
        for b, up in zip(blocks, [*blocks[1:], None], strict=True)
    ]
    return list(Smoother(levels, release.calendar(plan).longest_event).smooth([level.noisy for level in levels]))


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, nargs="+", default=[20_000, 100_000])
    parser.add_argument("--draws", type=int, default=8, help="releases of each panel (default 8)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = []
    for devices in options.devices:
        for place in PLACES:
            with tempfile.TemporaryDirectory() as folder:
                results += measure(place, devices, options.draws, Path(folder))
    if options.json:
        json.dump({"results": results, "machine": machine(), "versions": versions()}, sys.stdout, indent=1)
        print()
        return
    print("place                devices  seen  trips  table        level  forecast   actual   (error)  ratio  eight in ten: forecast, actual")
    for r in results:
        print(
            f"{r['place']:<20} {r['devices']:>7}  {r['seen']:.2f}  {r['trips']:.2f}   {r['table']:<12} {r['level']:>5}"
            f"  {100 * r['forecast']:>6.1f} %  {100 * r['actual']:>5.1f} %  ({100 * r['actual_se']:.1f} %)  {r['ratio']:>5.2f}"
            f"  {between(r['forecast_range'])}, {between(r['actual_range'])}"
        )


def between(ends: tuple[float | None, float | None]) -> str:
    """Return a range in words."""
    return "-" if None in ends else " to ".join(f"{100 * end:.1f} %" for end in ends if end is not None)


if __name__ == "__main__":
    main()
