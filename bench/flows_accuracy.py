"""Measure private flows between zones beside other libraries, on people whose trips are known, at one promise for all: epsilon 1, delta 1e-6 per person.

    python bench/flows_accuracy.py [--trips FILE ... --cells FILE] [--seeds N] [--json]

FILE of trips is Parquet with person, origin and destination (H3 cells), FILE of cells the public domain, one H3 cell a line; without them two populations
of 200,000 people are made up (bench/_trips.py). Each method publishes the number of trips of every pair of cells, once for every seed; what it does not
print counts as zero. Columns: l1, the sum of absolute errors over all pairs of the domain, in parts of all trips; pairs printed; ghosts, printed pairs that
are empty in truth, and their share; median and 90th percentile of the relative error of printed pairs that are not ghosts; top, the median relative error
of the 500 pairs that have most trips in truth, the same pairs for all (one that is not printed is 100 % wrong); seconds from trips in memory to printed
pairs. Means over the seeds; bench/README.md says how each method is run and how its bounds were chosen.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import _trips
from _flows_flockwise import DELTA, EPSILON, ours
from _flows_peers import PEERS, Peer, measure
from _machine import machine, versions
from _peers.environment import NotInstallableError
from _peers.measure import FailedError
from _trips import Trips

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
SHORT = {"people": 2_000, "pairs": 300, "parents": 1, "resolution": 7}
COLUMNS = ("l1", "pairs", "ghosts", "ghost_share", "median_rel_err", "p90_rel_err", "top_rel_err", "seconds")
TOP = 500


def l1(truth: Floats, pair: Ints, value: Floats) -> float:
    """The sum of absolute errors over the whole matrix, relative to its volume."""
    return float(np.abs(value - truth[pair]).sum() + truth.sum() - truth[pair].sum()) / float(truth.sum())


def scored(truth: Floats, pair: Ints, value: Floats) -> dict[str, float]:
    """The error of one run, without its seconds."""
    real = truth[pair] > 0
    relative = np.abs(value - truth[pair])[real] / truth[pair][real]
    ghosts = len(pair) - int(real.sum())
    whole = np.zeros_like(truth)
    whole[pair] = value
    top = np.argsort(-truth, kind="stable")[: min(TOP, int((truth > 0).sum()))]
    return {
        "l1": l1(truth, pair, value),
        "pairs": len(pair),
        "ghosts": ghosts,
        "ghost_share": ghosts / max(len(pair), 1),
        "median_rel_err": float(np.median(relative)) if len(relative) else float("nan"),
        "p90_rel_err": float(np.quantile(relative, 0.9)) if len(relative) else float("nan"),
        "top_rel_err": float(np.median(np.abs(whole - truth)[top] / truth[top])),
    }


def row(population: str, method: str, bounds: str, runs: list[dict[str, float]]) -> dict[str, Any]:
    """One row of results: means over runs, and how much l1 varied."""
    means = {name: round(float(np.mean([one[name] for one in runs])), 4) for name in COLUMNS}
    spread = float(np.std([one["l1"] for one in runs], ddof=1)) if len(runs) > 1 else None
    out = {"population": population, "method": method, "status": "measured", "bounds": bounds, "runs": len(runs), **means}
    # JSON has no NaN: a method that printed nothing real has no relative error.
    return {name: None if value != value else value for name, value in out.items()} | {"l1_sd": None if spread is None else round(spread, 4)}


def flockwise(population: str, trips: Trips, truth: Floats, seeds: int) -> dict[str, Any]:
    """Flockwise's row. Its noise has no seed: every run draws anew."""
    ours(trips)  # fills numba's cache and is not counted
    runs, chosen = [], set()
    for _ in range(seeds):
        began = time.perf_counter()
        printed = ours(trips)
        seconds = time.perf_counter() - began
        chosen.add(round(printed.bound, 1))
        runs.append({**scored(truth, printed.pair, printed.value), "seconds": seconds})
    bounds = " ".join(f"{b:g}" for b in sorted(chosen))
    return row(population, "flockwise", f"norm {bounds}, chosen privately", runs)


def beside(population: str, peer: Peer, trips: Trips, truth: Floats, seeds: int, ours_row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A peer's row with ratios beside ours, and the versions it ran with; or the reason why there are no figures."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(peer, trips, seeds, Path(folder), partial(l1, truth))
    except (NotInstallableError, FailedError) as error:
        return {"population": population, "method": peer.method, "status": "not measured", "reason": str(error)}, {}
    runs = [{**scored(truth, *printed), "seconds": seconds} for printed, seconds in zip(found.printed, found.seconds, strict=True)]
    out = row(population, peer.method, found.bounds, runs)
    out["tried"] = {bounds: round(error, 4) for bounds, error in found.tried.items()}
    for name in ("l1", "seconds"):
        out[f"{name}_ratio_vs_flockwise"] = round(out[name] / ours_row[name], 3)
    return out, found.versions


def populations(a: argparse.Namespace) -> dict[str, Callable[[], Trips]]:
    """The populations by name, made or read only when it is their turn."""
    if a.trips:
        return {path.stem: partial(_trips.load, path, a.cells) for path in a.trips}
    return {kind: partial(_trips.make, kind, **(SHORT if a.short else {})) for kind in _trips.KINDS}


def text(out: dict[str, Any]) -> str:
    if out["status"] != "measured":
        return f"{out['method']:54} {out['status']}: {out['reason']}"
    errors = " ".join("      -" if out[name] is None else f"{out[name]:7.3f}" for name in ("median_rel_err", "p90_rel_err", "top_rel_err"))
    figures = f"{out['l1']:7.3f} {out['pairs']:9,.0f} {out['ghosts']:9,.0f} {out['ghost_share']:7.1%} {errors} {out['seconds']:8.1f}"
    ratio = out.get("l1_ratio_vs_flockwise")
    return f"{out['method']:54} {figures} {'' if ratio is None else f'{ratio:.2f}':>9}  {out['bounds']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", type=Path, nargs="+", help="one file for each population")
    parser.add_argument("--cells", type=Path, help="the domain of all files of trips")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each method on each population")
    parser.add_argument("--peers", nargs="*", default=[p.environment for p in PEERS], metavar="NAME", help="pipelinedp, opendp, dpmobility; none: ours alone")
    parser.add_argument("--short", action="store_true", help="two tiny populations: shows that it runs, measures nothing")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    if bool(a.trips) != bool(a.cells) or (a.trips and a.short) or a.seeds < 1:
        parser.error("--trips goes with --cells and without --short; at least one seed")
    if unknown := set(a.peers) - {p.environment for p in PEERS}:
        parser.error(f"no such peer: {', '.join(sorted(unknown))}")
    where, rows, sizes, used = machine(), [], {}, versions()
    for population, make in populations(a).items():
        trips = make()
        size = len(trips.cells)
        truth = np.bincount(trips.pair, minlength=size**2).astype(np.float64)
        sizes[population] = {"people": int(trips.person[-1]) + 1, "trips": len(trips.person), "cells": size, "pairs": int((truth > 0).sum())}
        print(f"{population}: {sizes[population]}", file=sys.stderr)
        rows.append(flockwise(population, trips, truth, a.seeds))
        first = rows[-1]
        print(text(first), file=sys.stderr)
        for peer in PEERS:
            if peer.environment in a.peers:
                found, theirs = beside(population, peer, trips, truth, a.seeds, first)
                rows.append(found)
                used |= {f"{peer.environment}: {name}": which for name, which in theirs.items()}
                print(text(found), file=sys.stderr)
    if a.json:
        promise = {"unit": "person", "epsilon": float(EPSILON), "delta": float(DELTA)}
        print(json.dumps({"results": rows, "promise": promise, "populations": sizes, "machine": where, "versions": used}, indent=2))
        return
    print(f"{'':54} {'l1':>7} {'pairs':>9} {'ghosts':>9} {'share':>7} {'median':>7} {'p90':>7} {'top':>7} {'seconds':>8} {'l1 ratio':>9}  bounds")
    for population in sizes:
        print(population, sizes[population])
        for out in rows:
            if out["population"] == population:
                print(text(out))


if __name__ == "__main__":
    main()
