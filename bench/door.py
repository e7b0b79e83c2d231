"""What the door costs: ingest of the same files with everything on that can be on, and bare.

Everything: consent time, consent text, purposes, withdrawal and opt-out in columns of their own, a list of 100,000 devices that opted out in an earlier
delivery and one of 100,000 that asked for deletion, sensitive places (few: 200, as in the demo; many: 100,000) and 20 gatherings, encryption, pseudonyms,
the supplier's record, the trail. Bare: none of it (`_bare.py`), for the comparison alone: there is no switch in the product that turns a rule off.

Half of the pings lie around the 40 towns that the places lie in and around, half anywhere. What is cut is not ordered and written, which makes an ingest
with the door cheaper: `cut` says how many were, and `per_stored` is the ratio of seconds for each stored ping.

python bench/door.py --rows 5000000 --runs 3
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from _bare import bare
from _machine import machine

SECOND = 1_000_000
START, DAYS = date(2026, 3, 2), 7
START_US = 1_772_409_600 * SECOND
BOX = (-79.0, 38.0, -72.0, 43.0)
TOWNS = np.random.default_rng(11).uniform((38.4, -78.6), (42.6, -72.4), (40, 2))
KINDS = {"bare": 0, "few": 200, "many": 100_000}
"""Places of each kind of ingest."""
BUSY = 1_000_000
"""Rows in a file."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--devices", type=int, default=50_000)
    parser.add_argument("--list", type=int, default=100_000, help="devices on the suppression list")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="as every script here takes it: one JSON object is printed in any case")
    parser.add_argument("--child", nargs=3, metavar=("KIND", "STUDY", "SOURCE"), help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.child:
        print(json.dumps(ingest(*a.child)))
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        pings(work, a.rows, a.devices)
        leavers(work, a.list, a.devices)
        found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
        for run in range(a.runs + 1):  # the first round compiles
            for kind in KINDS:
                study = write_study(work / f"{kind}-{run}", kind)
                if kind != "bare":
                    child(kind, study, work / "leavers")
                    child("forget", study, work / "deletions.csv")
                told = child(kind, study, work / "pings")
                if run:
                    found[kind].append(told)
                shutil.rmtree(study.parent)
        print(json.dumps({"machine": machine(), "rows": a.rows, "list": a.list, **compared(found)}, indent=1))


def compared(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians of each kind, and of the ratios to the bare ingest that ran just before."""
    out: dict[str, Any] = {"stored": {kind: runs[0]["stored"] for kind, runs in found.items()}}
    for unit in ("cpu_s", "wall_s"):
        for kind, runs in found.items():
            out[f"{kind}_{unit}"] = round(statistics.median(r[unit] for r in runs), 2)
            pairs = [(f, b) for f, b in zip(runs, found["bare"], strict=True) if f is not b]
            if pairs:
                out[f"{kind}_ratio_{unit}"] = round(statistics.median(f[unit] / b[unit] for f, b in pairs), 3)
                out[f"{kind}_per_stored_{unit}"] = round(statistics.median(f[unit] * b["stored"] / (b[unit] * f["stored"]) for f, b in pairs), 3)
    out["cut"] = {kind: {reason: n for reason, n in runs[0]["refused"].items() if n} for kind, runs in found.items()}
    return out


def ingest(kind: str, study: str, source: str) -> dict[str, Any]:
    """One ingest in this process: its seconds on the clock and on all cores."""
    from flockwise import api

    if kind == "forget":
        api.forget(Path(study), source)
        return {}
    wall, cpu = time.perf_counter(), time.process_time()
    told: dict[str, Any] = bare(Path(study), source) if kind == "bare" else api.ingest(Path(study), [source]).facts
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "stored": told["stored"], "refused": told.get("refused", {})}


def child(kind: str, study: Path, source: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, "--child", kind, str(study), str(source)], check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout))


def pings(work: Path, rows: int, devices: int) -> None:
    """The same pings for both studies: every column is there, a study names what it reads. One row in 50 is refused for its consent."""
    (work / "pings").mkdir()
    for k, n in enumerate([BUSY] * (rows // BUSY) + ([rows % BUSY] if rows % BUSY else [])):
        rng = np.random.default_rng(k)
        late = rng.random(n) < 0.02
        at = np.where((rng.random(n) < 0.5)[:, None], TOWNS[rng.integers(len(TOWNS), size=n)] + rng.normal(0, 0.25, (n, 2)), np.nan)
        at = np.where(np.isnan(at), rng.uniform((BOX[1], BOX[0]), (BOX[3], BOX[2]), (n, 2)), at)
        table = pa.table(
            {
                "device": rng.integers(0, devices, n) * 1_000_003 + 17,
                "ts": pa.array(START_US + rng.integers(0, DAYS * 86_400, n) * SECOND, pa.timestamp("us", "UTC")),
                "lat": np.round(at[:, 0], 6),
                "lon": np.round(at[:, 1], 6),
                "accuracy": rng.integers(3, 150, n).astype(np.float32),
                "consent": pa.array(np.where(late, START_US + DAYS * 86_400 * SECOND, START_US - 30 * 86_400 * SECOND), pa.timestamp("us", "UTC")),
                "text": pa.array(np.full(n, "1", object)),
                "purposes": pa.array(np.array(["transport-planning", "public-health; transport-planning"], object)[rng.integers(0, 2, n)]),
                "withdrawn": pa.nulls(n, pa.timestamp("us", "UTC")),
                "opted_out": np.zeros(n, bool),
            }
        )
        pq.write_table(table, work / "pings" / f"{k:03d}.parquet", compression="zstd")


def leavers(work: Path, number: int, devices: int) -> None:
    """A delivery in which `number` devices opt out, and a list of as many to be deleted; one in a hundred of them has pings in the other files."""
    (work / "leavers").mkdir()
    own = np.arange(number) * 1_000_003 + 17 + devices * 1_000_003
    own[::100] = np.arange(len(own[::100])) * 1_000_003 + 17
    good = pq.read_table(work / "pings" / "000.parquet").slice(0, number)
    table = good.set_column(0, "device", pa.array(own)).set_column(9, "opted_out", pa.array(np.ones(number, bool)))
    pq.write_table(table, work / "leavers" / "list.parquet")
    asked = own + number * 1_000_003
    asked[::100] = np.arange(len(own[::100])) * 1_000_003 + 17 + devices // 2 * 1_000_003
    (work / "deletions.csv").write_text("device\n" + "\n".join(map(str, asked.tolist())) + "\n")


def write_study(folder: Path, kind: str) -> Path:
    from flockwise import api, config
    from flockwise.base import clock
    from flockwise.governance import places

    folder.mkdir()
    west, south, east, north = BOX
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    (folder / "region.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    (folder / "supplier.toml").write_text(config.supplier_of_simulation(START, clock.today()))
    study = folder / "study.toml"
    api.init(study, region=folder / "region.geojson", start=START, days=DAYS, timezone="UTC", purpose="transport-planning", supplier=folder / "supplier.toml")
    text = study.read_text()
    begin, end = text.index("[input]"), text.index("[cleaning]")
    rights = 'consent = "consent"\nconsent_text = "text"\npurposes = "purposes"\nwithdrawn = "withdrawn"\nopt_out = "opted_out"\n'
    mapping = 'device = "device"\ndevice_type = "integer"\ntime = "ts"\ntime_format = "timestamp"\nlat = "lat"\nlon = "lon"\naccuracy = "accuracy"\n'
    mapping += rights if kind != "bare" else 'consent_basis = "made-up pings: nobody is behind them"\n'
    study.write_text(text[:begin] + "[input]\n" + mapping + "\n" + text[end:])
    rng = np.random.default_rng(3)
    n = KINDS[kind]
    at = TOWNS[rng.integers(len(TOWNS), size=n)] + rng.normal(0, 0.12, (n, 2))
    names = [c.name for c in places.read_tags().categories]
    listed = places.Listing.of([names[i % len(names)] for i in range(n)], np.full(n, 610), shapely.points(at[:, 1], at[:, 0]), [], START)
    listed.write(folder / "places.parquet")
    if n:
        rows = [f"political,{y:.6f},{x:.6f},{START}T16:00:00Z,{START}T20:00:00Z" for y, x in at[:20] + 0.3]
        (folder / "gatherings.csv").write_text("\n".join(["category,lat,lon,from,to", *rows]) + "\n")
        study.write_text(re.sub("^# *gatherings = .*$", 'gatherings = "gatherings.csv"', study.read_text(), flags=re.MULTILINE))
    api.places_review(study, "the bench", none_in_region=not n)
    return study


if __name__ == "__main__":
    main()
