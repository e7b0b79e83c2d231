"""What the door costs: ingest of the same pings with everything on that can be on, and with as little as a study can have.

Everything: a column each of consent time, consent text, purposes, withdrawal and opt-out, and a suppression list of 100,000 devices.
As little as can be: no such column (the supplier's statement covers every row), no list. There is no switch in the product that turns a rule off.

python bench/door.py --rows 5000000 --runs 3
"""

from __future__ import annotations

import argparse
import json
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

from _machine import machine

SECOND = 1_000_000
START, DAYS = date(2026, 3, 2), 7
START_US = 1_772_409_600 * SECOND
BOX = (-75.0, 40.0, -73.0, 42.0)
BUSY = 1_000_000
"""Rows in a file."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--devices", type=int, default=50_000)
    parser.add_argument("--list", type=int, default=100_000, help="devices on the suppression list")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="as every script here takes it: one JSON object is printed in any case")
    parser.add_argument("--child", nargs=2, metavar=("STUDY", "SOURCE"), help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.child:
        print(json.dumps(ingest(*a.child)))
        return
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        pings(work, a.rows, a.devices)
        leavers(work, a.list, a.devices)
        found: dict[str, list[dict[str, Any]]] = {"bare": [], "full": []}
        for run in range(a.runs + 1):  # the first pair compiles
            for kind in ("bare", "full"):
                where = work / f"{kind}-{run}"
                study = write_study(where, kind)
                if kind == "full":
                    child(study, work / "leavers")
                told = child(study, work / "pings")
                if run:
                    found[kind].append(told)
        print(json.dumps({"machine": machine(), "rows": a.rows, "list": a.list, **compared(found)}, indent=1))


def compared(found: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians of each kind, and of the ratios of pairs that ran one after the other."""
    out: dict[str, Any] = {}
    for unit in ("cpu_s", "wall_s"):
        for kind, runs in found.items():
            out[f"{kind}_{unit}"] = round(statistics.median(r[unit] for r in runs), 2)
        out[f"ratio_{unit}"] = round(statistics.median(f[unit] / b[unit] for f, b in zip(found["full"], found["bare"], strict=True)), 3)
    out["refused"] = {kind: runs[0]["refused"] for kind, runs in found.items()}
    return out


def ingest(study: str, source: str) -> dict[str, Any]:
    """One ingest in this process: its seconds on the clock and on all cores."""
    from flockwise import api

    wall, cpu = time.perf_counter(), time.process_time()
    told = api.ingest(Path(study), [source]).facts
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, "stored": told["stored"], "refused": told["refused"]}


def child(study: Path, source: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, "--child", str(study), str(source)], check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout))


def pings(work: Path, rows: int, devices: int) -> None:
    """The same pings for both studies: every column is there, a study names what it reads. One row in 50 is refused for its consent."""
    (work / "pings").mkdir()
    for k, n in enumerate([BUSY] * (rows // BUSY) + ([rows % BUSY] if rows % BUSY else [])):
        rng = np.random.default_rng(k)
        late = rng.random(n) < 0.02
        table = pa.table(
            {
                "device": rng.integers(0, devices, n) * 1_000_003 + 17,
                "ts": pa.array(START_US + rng.integers(0, DAYS * 86_400, n) * SECOND, pa.timestamp("us", "UTC")),
                "lat": np.round(rng.uniform(BOX[1], BOX[3], n), 6),
                "lon": np.round(rng.uniform(BOX[0], BOX[2], n), 6),
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
    """A delivery in which `number` devices opt out, one in a hundred of them with pings in the other files."""
    (work / "leavers").mkdir()
    own = np.arange(number) * 1_000_003 + 17 + devices * 1_000_003
    own[::100] = np.arange(len(own[::100])) * 1_000_003 + 17
    good = pq.read_table(work / "pings" / "000.parquet").slice(0, number)
    table = good.set_column(0, "device", pa.array(own)).set_column(9, "opted_out", pa.array(np.ones(number, bool)))
    pq.write_table(table, work / "leavers" / "list.parquet")


def write_study(folder: Path, kind: str) -> Path:
    from flockwise import api, config
    from flockwise.governance import places

    folder.mkdir()
    west, south, east, north = BOX
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    (folder / "region.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    (folder / "supplier.toml").write_text(config.supplier_of_simulation(START, date.today()))  # noqa: DTZ011  the day of the run
    study = folder / "study.toml"
    api.init(study, region=folder / "region.geojson", start=START, days=DAYS, timezone="UTC", purpose="transport-planning", supplier=folder / "supplier.toml")
    text = study.read_text()
    begin, end = text.index("[input]"), text.index("[cleaning]")
    rights = 'consent = "consent"\nconsent_text = "text"\npurposes = "purposes"\nwithdrawn = "withdrawn"\nopt_out = "opted_out"\n'
    mapping = 'device = "device"\ndevice_type = "integer"\ntime = "ts"\ntime_format = "timestamp"\nlat = "lat"\nlon = "lon"\naccuracy = "accuracy"\n'
    mapping += rights if kind == "full" else 'consent_basis = "made-up pings: nobody is behind them"\n'
    study.write_text(text[:begin] + "[input]\n" + mapping + "\n" + text[end:])
    places.Listing.of([], [], np.array([], object), [], START).write(folder / "places.parquet")
    api.places_review(study, "the bench", none_in_region=True)
    return study


if __name__ == "__main__":
    main()
