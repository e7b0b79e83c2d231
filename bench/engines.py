"""Measure the main job under each engine, in one run: threads of this machine, and Spark's tasks on its cores.

    python bench/engines.py --pings FOLDER --devices N [--days 7] [--resolution 7] [--json]

Both ingest and release. Spark has one session for both; the time until it stands and its Python has run is a row of its own: the ratio leaves it aside.
The peak is of all processes together; Java's heap takes what it is given.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from _machine import machine
from _peers.measure import run
from _pings import Pings, find, write_study

HERE = Path(__file__).resolve().parent


def measured(name: str, pings: Pings, work: Path, a: argparse.Namespace) -> dict[str, Any]:
    """One run from raw files to the published folder, in a process of its own."""
    cores = machine()["cpus"]
    engine = f'kind = "{name}"\n[engine.spark]\nmaster = "local[{cores}]"'
    study = write_study(pings, work, days=a.days, resolution=a.resolution or pings.resolution, devices_bound=max(a.devices, 100_000), engine=engine)
    told = run([sys.executable, str(HERE / "_peers" / "run_flockwise.py"), str(study), str(work / "release"), str(pings.folder)])
    stages = json.loads(told.out)["stages"]
    start = stages.get("start of the engine", 0.0)

    def of(part: str) -> float:
        return round(sum(s for stage, s in stages.items() if stage.startswith(part)), 2)

    return {
        "engine": name,
        "wall_s": round(told.wall_s, 2),
        "start_up_s": round(start, 2),
        "ingest_s": of("ingest"),
        "release_s": of("release"),
        "person_s": of("release: person"),
        "peak_mb": round(told.peak_mb),
        "stages_s": {stage: round(s, 2) for stage, s in stages.items() if stage},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pings", type=Path, required=True)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--resolution", type=int, default=None)
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    pings = find(a.pings)
    with tempfile.TemporaryDirectory(prefix="flockwise-engines-") as made:
        rows = [measured(engine, pings, Path(made) / engine, a) for engine in ("local", "spark")]
    local, spark = rows
    ratio = (spark["wall_s"] - spark["start_up_s"]) / local["wall_s"]
    out = {"pings": pings.rows, "machine": machine(), "rows": rows, "spark_to_local_start_up_aside": round(ratio, 2)}
    print(json.dumps(out, indent=1) if a.json else "\n".join([*(str(row) for row in rows), f"Spark to local, start-up aside: {ratio:.2f}"]))


if __name__ == "__main__":
    main()
