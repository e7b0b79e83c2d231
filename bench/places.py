"""What sensitive places cost: ingest of the same pings with a list of 100,000 places and with an empty one, in pairs, in CPU seconds.

Devices live in 40 made-up towns in a region of some 300,000 km2; places lie in and around the same towns, points and small blocks, so that about half of
the pings are cut and many lie near an edge. Building the lookup table is in the time of the ingest, and is shown by itself, too.

python bench/places.py --rows 4000000 --places 100000 --runs 3
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import tempfile
import time
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from _machine import machine, versions
from flockwise import config, person
from flockwise.governance import places
from flockwise.store import Store, keys

SECOND = 1_000_000
START_US = 1_772_409_600 * SECOND  # 2026-03-02 00:00 UTC
BOX = (0.0, 46.0, 7.0, 51.0)
TOWNS = 40
DAYS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="as every script here takes it: one JSON object is printed in any case")
    parser.add_argument("--rows", type=int, default=4_000_000)
    parser.add_argument("--devices", type=int, default=20_000)
    parser.add_argument("--places", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    where = machine()
    rng = np.random.default_rng(5)
    towns = np.stack([rng.uniform(46.4, 50.6, TOWNS), rng.uniform(0.4, 6.6, TOWNS)], axis=1)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        pings(work / "pings", a.rows, a.devices, towns, rng)
        lists = {"empty": listing(0, towns, rng), "full": listing(a.places, towns, rng)}
        found: dict[str, list[dict[str, Any]]] = {"empty": [], "full": []}
        for run in range(a.runs + 1):  # the first pair compiles
            for kind in ("empty", "full"):
                told = ingest(work / f"{kind}-{run}", work / "pings", lists[kind], a.threads)
                if run:
                    found[kind].append(told)
        out: dict[str, Any] = {"rows": a.rows, "places": a.places}
        for kind, runs in found.items():
            out |= {f"{kind}_{key}": round(statistics.median(r[key] for r in runs), 2) for key in ("cpu_s", "wall_s", "table_cpu_s")}
        out["ratio_cpu"] = round(statistics.median(f["cpu_s"] / e["cpu_s"] for f, e in zip(found["full"], found["empty"], strict=True)), 3)
        out["share_of_full"] = round(statistics.median(f["look_cpu_s"] / f["cpu_s"] for f in found["full"]), 3)
        out |= {key: found["full"][0][key] for key in ("cut", "table_mb", "look_ns")}
        out["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        print(json.dumps({"results": [out], "machine": where, "versions": versions("shapely")}, indent=1))


def pings(folder: Path, rows: int, devices: int, towns: np.ndarray[Any, Any], rng: np.random.Generator) -> None:
    """Each device keeps near a home in one town: runs of its pings are close to each other in space, files are shuffled."""
    folder.mkdir()
    town = towns[rng.integers(len(towns), size=devices)]
    home = town + rng.normal(0, 0.1, (devices, 2))
    device = rng.integers(devices, size=rows)
    at = home[device] + rng.normal(0, 0.02, (rows, 2))
    kept = (at[:, 0] > BOX[1]) & (at[:, 0] < BOX[3]) & (at[:, 1] > BOX[0]) & (at[:, 1] < BOX[2])
    table = pa.table(
        {
            "id": device[kept] + 10**12,
            "t": pa.array(START_US + rng.integers(0, DAYS * 86_400, int(kept.sum())) * SECOND).view(pa.timestamp("us", "UTC")),
            "lat": np.round(at[kept, 0], 6),
            "lon": np.round(at[kept, 1], 6),
        }
    )
    for i in range(4):
        pq.write_table(table.slice(i * table.num_rows // 4, table.num_rows // 4), folder / f"part-{i}.parquet")


def listing(n: int, towns: np.ndarray[Any, Any], rng: np.random.Generator) -> places.Listing:
    """Points and blocks of some 100 m around the towns, of every category."""
    table = places.read_tags()
    at = towns[rng.integers(len(towns), size=n)] + rng.normal(0, 0.35, (n, 2))
    half = rng.uniform(2e-4, 1e-3, n)
    shapes = np.where(rng.random(n) < 0.5, shapely.points(at[:, 1], at[:, 0]), shapely.box(at[:, 1] - half, at[:, 0] - half, at[:, 1] + half, at[:, 0] + half))
    names = [table.categories[i % len(table.categories)].name for i in range(n)]
    return places.Listing.of(names, np.full(n, 610), shapes, [], date(2026, 3, 1))


def ingest(folder: Path, source: Path, listed: places.Listing, threads: int) -> dict[str, Any]:
    """One ingest into a new store: CPU seconds of all threads, of building the table, and of looking the same positions up."""
    folder.mkdir()
    listed.write(folder / "places.parquet")
    west, south, east, north = BOX
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    (folder / "region.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    study = config.parse(STUDY, folder)
    keys.create(study.store.key)
    places.review(study, "bench", none_in_region=not listed.table.num_rows)
    vault = Store.create(study)
    wall, cpu = time.perf_counter(), time.process_time()
    report = vault.ingest([str(source)], partial(person.order, rules=person.rules_for(study)), places.reviewed(study), threads=threads)
    out: dict[str, Any] = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall, "cut": report.refused.get("sensitive_place", 0)}
    cpu = time.process_time()
    current = places.require(study)
    assert current is not None
    suppress = places.suppression(study, current)
    out["table_cpu_s"] = time.process_time() - cpu
    out["table_mb"] = round(suppress.places.nbytes / 1e6)
    look = 0.0
    rows = 0
    for file in sorted(source.iterdir()):
        table = pq.read_table(file)
        lat, lon = (np.rint(table[c].to_numpy() * 1e6).astype(np.int32) for c in ("lat", "lon"))
        t = np.zeros(len(lat), np.int64)
        cpu = time.process_time()
        for start in range(0, len(lat), 1 << 15):
            part = slice(start, start + (1 << 15))
            suppress(lat[part], lon[part], t[part])
        look += time.process_time() - cpu
        rows += len(lat)
    return out | {"look_cpu_s": look, "look_ns": round(look / rows * 1e9, 1)}


STUDY = """
name = "bench"
purpose = "public-health"
[store]
path = "store"
key = "key"
retention_days = 365
[ledger]
path = "ledger"
dataset = "bench"
lifetime_epsilon = "4"
[region]
geojson = "region.geojson"
[places]
file = "places.parquet"
[window]
start = 2026-03-02
days = 7
timezone = "UTC"
[input]
device = "id"
device_type = "integer"
time = "t"
time_format = "timestamp"
lat = "lat"
lon = "lon"
consent_basis = "made-up pings: nobody is behind them"
[privacy]
unit = "device"
window = "whole"
epsilon = "1"
delta = "1e-6"
panel_bound = 100000
[[tables]]
kind = "presence"
resolution = 6
"""

if __name__ == "__main__":
    main()
