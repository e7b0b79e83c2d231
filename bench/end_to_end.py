"""Measure raw Parquet to a private release beside the floor, DuckDB's SQL, trackintel's and scikit-mobility's stay detection, in one run.

    python bench/end_to_end.py [--pings FOLDER] [--devices N] [--also FOLDER:DEVICES] [--growth] [--full] [--peers/--no-peers] [--json] [--chart FILE.svg]

Every method runs in processes of its own. Flockwise does its whole main job (interpreter start, ingest of the raw files, stays, trips,
presence, flows, exact noise, estimates, published folder) over all the pings; a peer does stay detection alone, over a sample of whole
devices, and only that call is counted in its rate. bench/README.md says more.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _chart import chart
from _machine import machine, versions
from _peers.environment import NotInstallableError, python_of
from _peers.measure import FailedError, Measured, run
from _pings import Pings, Sample, find, make, relabelled, sample, write_study

HERE = Path(__file__).resolve().parent
WARM_UP_DEVICES = 50
FLOOR = "everything in memory, the same kernels, 2 threads; no pseudonyms, no store, no noise, no estimates"
DUCKDB = "presence by hour and flows by runs of one cell, 2 threads; no pseudonyms, no store, no stays by radius, no bounds, no noise, no estimates"


@dataclass(frozen=True)
class Peer:
    """A tool that finds stays: its name in the results, its environment, its runner's arguments and what they mean."""

    method: str
    environment: str
    runner: str
    arguments: tuple[str, ...]
    settings: str


def peers(cpus: int) -> list[Peer]:
    """The peers' runs."""
    return [
        Peer("trackintel", "trackintel", "run_trackintel.py", ("--jobs", "1"), "stays, 100 m, 5 min, gap 15 min, 1 job"),
        Peer(f"trackintel, {cpus} jobs", "trackintel", "run_trackintel.py", ("--jobs", str(cpus)), f"stays, 100 m, 5 min, gap 15 min, {cpus} jobs"),
        Peer("scikit-mobility", "skmob", "run_skmob.py", (), "stays, 200 m, 20 min, no greatest gap (its defaults)"),
        Peer(
            "scikit-mobility, 100 m, 5 min",
            "skmob",
            "run_skmob.py",
            ("--radius-m", "100", "--least-min", "5", "--gap-min", "15"),
            "stays, 100 m, 5 min, gap 15 min",
        ),
    ]


def flockwise(method: str, pings: Pings, source: Path, rows: int, devices: int, a: argparse.Namespace, work: Path, engine: str = "") -> dict[str, Any]:
    """One run of the main job from raw files to the published folder."""
    engine += f"memory_mb = {a.memory_mb}\n" if a.memory_mb else ""
    study = write_study(pings, work, days=a.days, resolution=a.resolution or pings.resolution, devices_bound=max(devices, 100_000), engine=engine)
    told = run([sys.executable, str(HERE / "_peers" / "run_flockwise.py"), str(study), str(work / "release"), str(source)])
    inside = json.loads(told.out)
    stages = {name: round(seconds, 2) for name, seconds in inside["stages"].items() if name}
    stages["interpreter"] = round(told.wall_s - sum(inside["stages"].values()), 2)
    tables = json.loads((work / "release" / "certificate.json").read_text())["tables"]
    noise = sum(seconds for name, seconds in stages.items() if name == "release: noise")
    return {
        "method": method,
        "status": "measured",
        "settings": "raw Parquet to published folder, stays 100 m, 5 min, gap 15 min, epsilon 1, delta 1e-6",
        "pings": rows,
        "devices": devices,
        **figures(told, rows / told.wall_s),
        "draws": sum(t["rows_public"] for t in tables),
        "noise_share": round(noise / told.wall_s, 3),
        "stages_s": stages,
    }


def spark(pings: Pings, a: argparse.Namespace, work: Path, engine: str) -> dict[str, Any]:
    """The same job by the Spark engine; what can't be run says why and has no figures."""
    try:
        return flockwise("flockwise, by Spark", pings, pings.folder, pings.rows, a.devices, a, work, engine)
    except FailedError as error:
        return {"method": "flockwise, by Spark", "settings": engine, "status": "failed", "reason": str(error)}


def in_memory(method: str, runner: str, settings: str, pings: Pings, a: argparse.Namespace, work: Path) -> dict[str, Any]:
    """One run of something that needs no environment of its own and holds all pings: the floor, or DuckDB."""
    study = write_study(pings, work, days=a.days, resolution=a.resolution or pings.resolution, devices_bound=max(a.devices, 100_000))
    row: dict[str, Any] = {"method": method, "settings": settings, "pings": pings.rows, "devices": a.devices}
    try:
        told = run([sys.executable, str(HERE / "_peers" / runner), str(study), str(pings.folder)])
    except FailedError as error:
        return {**row, "status": "failed", "reason": str(error)}
    inside = json.loads(told.out)
    stages = inside.get("stages") or {"read, index, scatter": inside["read_s"], "person": inside["person_s"]}
    return {
        **row,
        "status": "measured",
        **figures(told, pings.rows / told.wall_s),
        "stages_s": {"import": round(inside["import_s"], 2), **{name: round(seconds, 2) for name, seconds in stages.items()}},
        "versions": inside.get("versions", {}),
    }


def full(pings: Pings, a: argparse.Namespace, work: Path, say: Any) -> dict[str, Any]:
    """A billion pings: the set again and again with other identifiers, each piece written, ingested as a delivery of its own, and deleted; then one release."""
    pieces = -(-a.full_pings // pings.rows)
    study = write_study(
        pings,
        work,
        days=a.days,
        resolution=a.resolution or pings.resolution,
        devices_bound=a.devices * pieces,
        engine=f"memory_mb = {a.memory_mb}" if a.memory_mb else "",
    )
    runner = [sys.executable, str(HERE / "_peers" / "run_flockwise.py"), str(study)]
    ran: list[Measured] = []
    for n in range(pieces):
        folder = relabelled(pings, n, work / "piece")
        ran.append(run([*runner, "-", str(folder)], timeout_s=7200))
        shutil.rmtree(folder)
        say(f"  piece {n + 1} of {pieces}: {ran[-1].cpu_s:.0f} CPU s, {ran[-1].wall_s:.0f} s, {ran[-1].peak_mb:.0f} MB")
    taken = Measured("", sum(r.wall_s for r in ran), sum(r.cpu_s for r in ran), max(r.peak_mb for r in ran))
    told = run([*runner, str(work / "release")], timeout_s=7200)
    stored = sum(p.stat().st_size for p in work.rglob("*") if p.is_file())
    whole = Measured("", taken.wall_s + told.wall_s, taken.cpu_s + told.cpu_s, max(taken.peak_mb, told.peak_mb))
    return {
        "method": f"flockwise, {pieces} deliveries",
        "status": "measured",
        "settings": "as above; the making of the pings is not counted",
        "pings": pings.rows * pieces,
        "devices": a.devices * pieces,
        **figures(whole, pings.rows * pieces / whole.wall_s),
        "ingest": figures(taken, pings.rows * pieces / taken.wall_s),
        "release": figures(told, pings.rows * pieces / told.wall_s),
        "store_bytes": stored,
        "stages_s": {"all ingests": round(taken.wall_s, 2), **{k: round(v, 2) for k, v in json.loads(told.out)["stages"].items() if k}},
    }


def peer(which: Peer, part: Sample) -> dict[str, Any]:
    """One run of a peer over the sample; what can't be run says why and has no figures."""
    row: dict[str, Any] = {"method": which.method, "settings": which.settings, "devices": part.devices}
    try:
        python = python_of(which.environment)
    except NotInstallableError as error:
        return {**row, "status": "not installable", "reason": str(error)}
    try:
        told = run([python, str(HERE / "_peers" / which.runner), str(part.arrays), *which.arguments])
    except FailedError as error:
        return {**row, "status": "failed", "reason": str(error)}
    inside = json.loads(told.out)
    return {
        **row,
        "status": "measured",
        "pings": inside["pings"],
        **figures(told, inside["pings"] / inside["stays_s"]),
        "stays": inside["stays"],
        "stages_s": {name: round(inside[key], 2) for name, key in (("import", "import_s"), ("load, order, warm up", "load_s"), ("stays", "stays_s"))},
        "versions": inside["versions"],
    }


def figures(told: Measured, rate: float) -> dict[str, Any]:
    """The figures that every row has."""
    return {"wall_s": round(told.wall_s, 2), "cpu_s": round(told.cpu_s, 2), "peak_mb": round(told.peak_mb), "pings_per_s": round(rate)}


@contextmanager
def workplace(folder: Path | None) -> Iterator[Path]:
    """A folder for stores, samples and releases, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="flockwise-bench-", dir=folder) as made:
        yield Path(made)


def measure(a: argparse.Namespace, say: Any) -> dict[str, Any]:
    """All rows, with the machine and the versions."""
    where = machine()
    if where["load_1min"] > where["cpus"] / 4:
        say(f"The machine is busy (load {where['load_1min']} on {where['cpus']} cpus): these figures will say more about that than about the methods.")
    with workplace(a.work) as work:
        if a.pings is None:
            say(f"Simulating {a.devices:,} devices ...")
            pings = make(work / "world", a.devices, a.days)
        else:
            pings = find(a.pings)
        tiny = sample(pings, WARM_UP_DEVICES, a.days, work / "tiny")
        say("Warming up: a tiny run, not counted, so that compiled code and imports are in their caches ...")
        flockwise("warm-up", pings, tiny.parquet, tiny.rows, WARM_UP_DEVICES, a, work / "warm")
        say(f"flockwise: {pings.rows:,} pings ...")
        rows = [flockwise("flockwise", pings, pings.folder, pings.rows, a.devices, a, work / "whole")]
        shutil.rmtree(work / "whole")
        if a.memory_peers:
            say("the floor ...")
            rows.append(in_memory("floor, in memory", "run_floor.py", FLOOR, pings, a, work / "floor"))
            say("DuckDB ...")
            rows.append(in_memory("DuckDB SQL", "run_duckdb.py", DUCKDB, pings, a, work / "duckdb"))
        if a.spark:
            say("Spark, on this machine ...")
            local = f'kind = "spark"\nspark.master = "local[{where["cpus"]}]"\n'
            rows.append(spark(pings, a, work / "spark", local))
        if a.growth:
            for share in (20, 4):
                part = sample(pings, a.devices // share, a.days, work / f"growth-{share}")
                say(f"growth: {part.rows:,} pings ...")
                rows.append(flockwise(f"flockwise, 1/{share} of the devices", pings, part.parquet, part.rows, part.devices, a, work / f"part-{share}"))
        for address in a.also:
            folder, devices = address.rsplit(":", 1)
            more = find(Path(folder))
            say(f"flockwise: {more.rows:,} pings ...")
            rows.append(flockwise("flockwise, a larger set", more, more.folder, more.rows, int(devices), a, work / "also"))
            shutil.rmtree(work / "also")
        if a.full:
            say(f"flockwise: {a.full_pings:,} pings in pieces ...")
            rows.append(full(pings, a, work / "full", say))
            shutil.rmtree(work / "full")
        if a.peers:
            part = sample(pings, a.peer_devices, a.days, work / "sample")
            say(f"flockwise on the peers' sample: {part.rows:,} pings of {part.devices:,} devices ...")
            rows.append(flockwise("flockwise, on the peers' sample", pings, part.parquet, part.rows, part.devices, a, work / "part"))
            warm = set[str]()
            for which in peers(where["cpus"]):
                say(f"{which.method} ...")
                if which.environment not in warm:
                    peer(which, tiny)
                    warm.add(which.environment)
                rows.append(peer(which, part))
    best = rows[0]["pings_per_s"]
    for row in rows:
        if row["status"] == "measured":
            row["ratio_vs_flockwise"] = round(row["pings_per_s"] / best, 5)
    found = versions()
    for row in rows:
        for name, value in row.pop("versions", {}).items():
            # Peers live in environments of their own: their numpy is not ours.
            found[name if name in ("trackintel", "scikit-mobility") else f"{row['method'].split(',')[0]}: {name}"] = value
    about = {"kind": pings.kind, "pings": pings.rows, "devices": a.devices, "days": a.days, "resolution": a.resolution or pings.resolution}
    return {"results": rows, "set": about, "machine": where, "versions": found}


def show(report: dict[str, Any]) -> str:
    """The report as text."""
    about, where = report["set"], report["machine"]
    lines = [
        f"{about['kind']} set: {about['pings']:,} pings of {about['devices']:,} devices, {about['days']} days",
        f"{where['cpus']} cpus ({where['cpu']}), {where['memory_gb']} GB, load {where['load_1min']} at the start",
        "",
        f"{'method':<34}{'pings':>12}{'wall s':>9}{'cpu s':>9}{'peak MB':>9}{'pings/s':>12}{'flockwise is':>15}",
    ]
    for row in report["results"]:
        if row["status"] != "measured":
            lines.append(f"{row['method']:<34}{row['status']}: {row['reason']}")
            continue
        times = "" if row["ratio_vs_flockwise"] == 1 else f"{1 / row['ratio_vs_flockwise']:.1f} x as fast"
        lines.append(f"{row['method']:<34}{row['pings']:>12,}{row['wall_s']:>9.1f}{row['cpu_s']:>9.1f}{row['peak_mb']:>9,}{row['pings_per_s']:>12,}{times:>15}")
    grown = sorted(
        (r for r in report["results"] if r["method"].startswith("flockwise") and r["status"] == "measured" and "Spark" not in r["method"]),
        key=lambda r: r["pings"],
    )
    if len(grown) > 1:
        lines += ["", f"{'growth: pings':>16}{'devices':>12}{'cpu s':>9}{'cpu s per million':>20}{'wall s per million':>20}{'peak MB':>9}"]
        for r in grown:
            million = r["pings"] / 1e6
            lines.append(f"{r['pings']:>16,}{r['devices']:>12,}{r['cpu_s']:>9.1f}{r['cpu_s'] / million:>20.3f}{r['wall_s'] / million:>20.3f}{r['peak_mb']:>9,}")
    ours = report["results"][0]
    lines += ["", "Wall time and memory are of whole processes. A peer's pings/s counts its stay detection alone, ours the whole job.", ""]
    lines.append(f"Flockwise by stage ({ours['draws']:,} exact draws; noise is {ours['noise_share']:.0%} of the time):")
    lines += [f"  {name:<40}{seconds:>8.2f} s" for name, seconds in ours["stages_s"].items()]
    return "\n".join(lines)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pings", type=Path, help="folder of the standard set, or one that flockwise simulate wrote; without it a simulated set is made")
    parser.add_argument("--devices", type=int, default=100_000, help="devices of the set (made, or told of the folder); default 100,000")
    parser.add_argument("--days", type=int, default=7, help="days of the set; default 7")
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True, help="run the peers too; default yes")
    parser.add_argument("--peer-devices", type=int, default=2_000, help="devices of the peers' sample; default 2,000")
    parser.add_argument("--resolution", type=int, help="H3 resolution of the presence table; default 5 (standard set) or 7 (simulated)")
    parser.add_argument(
        "--memory-peers", action=argparse.BooleanOptionalAction, default=True, help="run the floor and DuckDB too, which hold all pings in memory"
    )
    parser.add_argument("--spark", action="store_true", help="a row of the Spark engine on this machine")
    parser.add_argument("--memory-mb", type=int, help="[engine] memory_mb of Flockwise's rows; default a quarter of the machine")
    parser.add_argument("--also", action="append", default=[], metavar="FOLDER:DEVICES", help="another set for a row of Flockwise alone; may be repeated")
    parser.add_argument("--growth", action="store_true", help="rows of Flockwise on a twentieth and a quarter of the devices")
    parser.add_argument(
        "--full", action="store_true", help="a row for --full-pings pings, ingested in pieces as large as the set; needs 30 GB of disk for a billion"
    )
    parser.add_argument("--full-pings", type=int, default=1_000_000_000, help="pings of the row of --full; default 1,000,000,000")
    parser.add_argument("--chart", type=Path, help="SVG file to draw the rows into")
    parser.add_argument("--chart-by", choices=("rate", "cpu"), default="rate", help="what the chart shows; on a busy machine only cpu is fair")
    parser.add_argument("--from-json", type=Path, help="measure nothing: show (and draw) an earlier report")
    parser.add_argument("--work", type=Path, help="folder for temporary files; default the system's")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def main() -> None:
    """Measure and print."""
    a = arguments().parse_args()
    report = json.loads(a.from_json.read_text()) if a.from_json else measure(a, lambda text: print(text, file=sys.stderr, flush=True))
    if a.chart:
        a.chart.write_text(chart(report, a.chart_by))
    print(json.dumps(report, indent=1) if a.json else show(report))


if __name__ == "__main__":
    main()
