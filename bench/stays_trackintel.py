"""Find stays with Flockwise and with trackintel on the same pings, and turn one list into the other rule by rule.

    python bench/stays_trackintel.py [--pings FILE] [--peer-python PATH] [--json]

FILE is Parquet with a device, a time and coordinates in degrees; without it the Garden City pings in tests/data are used. trackintel 1.4.2 runs in an
environment of its own, made on demand from requirements/bench-trackintel.txt, or in the interpreter that is named.
Rows: flockwise (ordering, cleaning and stays of all pings, compiled, one thread), trackintel (its call alone), and for up to 300,000 pings the stays after
each of trackintel's rules is taken over (plain Python loops, tests/conformance); docs/explanation/stays.md explains them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from _machine import machine, versions
from _peers.environment import NotInstallableError, python_of
from flockwise.base.schemas import STORED_PINGS
from flockwise.config.template import guess_columns
from flockwise.person import Rules
from flockwise.person.cleaning import clean
from flockwise.person.columns import columns_of
from flockwise.person.ordering import ordered
from flockwise.person.stays import find_stays

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tests.conformance import peer  # noqa: E402  the slow reference lives with the tests

GARDEN_CITY = ROOT / "tests" / "data" / "garden_city" / "gc_pings_100dev_15d.parquet"
MOST_FOR_LOOPS = 300_000
Arrays = dict[str, np.ndarray]

PEER = """
import sys, time, warnings
import geopandas as gpd, numpy as np, pandas as pd
from trackintel import Positionfixes
warnings.simplefilter("ignore")
source, target, radius, least, gap, last = sys.argv[1:]
with np.load(source) as given:
    times = pd.to_datetime(given["t_us"], unit="us", utc=True)
    points = gpd.points_from_xy(given["lon"], given["lat"])
    frame = gpd.GeoDataFrame({"user_id": given["device"], "tracked_at": times}, geometry=points, crs="EPSG:4326")
frame.index.name = "id"
began, busy = time.perf_counter(), time.process_time()
_, found = Positionfixes(frame).generate_staypoints(
    "sliding", dist_threshold=float(radius), time_threshold=float(least), gap_threshold=float(gap), include_last=last == "1", n_jobs=1)
wall, cpu = time.perf_counter() - began, time.process_time() - busy
us = {name: found[name].dt.as_unit("us").astype("int64").to_numpy() for name in ("started_at", "finished_at")}
np.savez(target, device=found.user_id.to_numpy(), lat=found.geometry.y.to_numpy(), lon=found.geometry.x.to_numpy(), wall=wall, cpu=cpu, **us)
"""


def load(path: Path) -> Arrays:
    """Device numbers by first appearance, microseconds, degrees."""
    schema = pq.read_schema(path)
    guess = guess_columns(schema)
    if None in (guess.device, guess.time, guess.lat, guess.lon):
        raise SystemExit(f"no column for device, time, latitude or longitude among {', '.join(schema.names)}")
    table = pq.read_table(path, columns=[guess.device, guess.time, guess.lat, guess.lon])
    when = table[guess.time].combine_chunks()
    scale = {"s": 1_000_000, "ms": 1_000, "us": 1, "timestamp": 1}[guess.time_format]
    if guess.time_format == "timestamp":
        when = when.cast(pa.timestamp("us", when.type.tz)).cast(pa.int64())
    device = table[guess.device].combine_chunks().dictionary_encode().indices
    return {
        "device": device.to_numpy().astype(np.int64),
        "t_us": when.to_numpy() * scale,
        "lat": table[guess.lat].to_numpy(),
        "lon": table[guess.lon].to_numpy(),
    }


def flockwise(pings: Arrays, rules: peer.StayRules, repeats: int = 3) -> dict[str, Any]:
    """Ordering, cleaning and stays by the compiled person stage."""
    n = len(pings["t_us"])
    zeros = np.zeros(n, dtype=np.int64)
    mixed = (pings["device"].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)).view(np.int64)  # stands for the keyed hash
    micro = {axis: np.round(pings[axis] * 1e6).astype(np.int32) for axis in ("lat", "lon")}
    columns = (mixed, pings["device"], pings["t_us"], micro["lat"], micro["lon"], np.full(n, -1, dtype=np.int32), zeros)
    table = pa.Table.from_arrays([pa.array(c) for c in columns], schema=STORED_PINGS)
    own = Rules(rules.start_us + 1, rules.end_us - 1, rules.accuracy_dm, rules.speed_mm_s, rules.radius_m, rules.least_us, rules.gap_us, None, None, 0)
    walls, cpus = [], []
    for _ in range(repeats):
        began, busy = time.perf_counter(), time.process_time()
        stays = find_stays(clean(ordered(columns_of(table)), own), own)
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - busy)
    return row("flockwise", len(stays.start_us), n, statistics.median(walls), statistics.median(cpus))


def trackintel(python: str, pings: Arrays, rules: peer.StayRules, last: bool) -> tuple[dict[str, Any], set[tuple[int, int, int]]]:
    """Its stays in its own interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, **pings)
        numbers = (rules.radius_m, rules.least_us / 60e6, rules.gap_us / 60e6, int(last))
        done = subprocess.run([python, "-c", PEER, str(source), str(target), *map(str, numbers)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotInstallableError((done.stderr.strip().splitlines() or ["no reason given"])[-1])
        with np.load(target) as found:
            spans = set(zip(*(found[name].tolist() for name in ("device", "started_at", "finished_at")), strict=True))
            wall, cpu = float(found["wall"]), float(found["cpu"])
    return row(f"trackintel{', include_last' if last else ''}", len(spans), len(pings["t_us"]), wall, cpu), spans


def row(method: str, stays: int, pings: int, wall_s: float | None = None, cpu_s: float | None = None) -> dict[str, Any]:
    return {
        "method": method,
        "stays": stays,
        "wall_s": None if wall_s is None else round(wall_s, 4),
        "cpu_s": None if cpu_s is None else round(cpu_s, 4),
        "pings_per_s": None if wall_s is None else round(pings / wall_s),
    }


def by_rules(pings: Arrays, rules: peer.StayRules, theirs: dict[bool, set[tuple[int, int, int]]]) -> list[dict[str, Any]]:
    """Our stays, turned into the peer's."""
    tracks = peer.tracks_of(*(pings[name].tolist() for name in ("device", "t_us", "lat", "lon")))
    texts = {"flockwise": "Flockwise's rules in plain loops", **{name: f"+ {text}" for name, text in peer.STEPS}}
    rows, before, same_last = [], None, None
    for name, found in peer.steps(tracks, rules):
        now = {(device, stay.start): stay.end for device, stay in found}
        out = row(texts[name], len(found), len(pings["t_us"]))
        if before is not None:
            out |= {
                "gone": len(before.keys() - now.keys()),
                "new": len(now.keys() - before.keys()),
                "other_end": sum(1 for key in now.keys() & before.keys() if now[key] != before[key]),
            }
        rows.append(out)
        before = now
        if name == "restart_after":
            same_last = peer.spans(found)
    if theirs:
        rows[-1]["equals_trackintel"] = peer.spans(found) == theirs[False]
        rows[-1]["equals_trackintel_include_last"] = same_last == theirs[True]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pings", type=Path, default=GARDEN_CITY)
    parser.add_argument("--radius-m", type=int, default=100)
    parser.add_argument("--least-min", type=int, default=5)
    parser.add_argument("--gap-min", type=int, default=15)
    parser.add_argument("--peer-python", default=os.environ.get("FLOCKWISE_TRACKINTEL_PYTHON"), help="interpreter that has trackintel 1.4.2")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    where = machine()
    rules = peer.StayRules(a.radius_m, a.least_min * 60_000_000, a.gap_min * 60_000_000)
    pings = load(a.pings)
    rows = [flockwise(pings, rules)]
    theirs: dict[bool, set[tuple[int, int, int]]] = {}
    try:
        python = a.peer_python or python_of("trackintel")
        for last in (False, True):
            out, theirs[last] = trackintel(python, pings, rules, last)
            out["ratio_vs_flockwise"] = round(out["pings_per_s"] / rows[0]["pings_per_s"], 5)
            out["cpu_ratio_vs_flockwise"] = round(out["cpu_s"] / rows[0]["cpu_s"], 1)
            out["digest"] = peer.digest(theirs[last])
            rows.append(out)
    except NotInstallableError as error:
        rows.append({"method": "trackintel", "stays": None, "wall_s": None, "cpu_s": None, "pings_per_s": None, "reason": str(error)})
        theirs = {}
    if len(pings["t_us"]) <= MOST_FOR_LOOPS:
        rows += by_rules(pings, rules, theirs)
    if a.json:
        print(json.dumps({"results": rows, "pings": len(pings["t_us"]), "machine": where, "versions": versions()}, indent=2))
        return
    print(f"{len(pings['t_us']):,} pings; {rules.radius_m} m, {a.least_min} min, greatest gap {a.gap_min} min")
    for out in rows:
        figures = "  ".join(
            f"{name} {value:,}" if type(value) is int else f"{name} {value}" for name, value in out.items() if name != "method" and value is not None
        )
        print(f"{out['method']:<68} {figures}")


if __name__ == "__main__":
    main()
