"""Measure the main job under each engine, in one run: threads of this machine, and Spark's tasks on its cores.

    python bench/engines.py --pings FOLDER --devices N [--days 7] [--resolution 7] [--json]

Ingest is the same code under both. The time until Spark's session stands is a row of its own: the ratio leaves it aside.
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


def measured(engine: str, pings: Pings, work: Path, a: argparse.Namespace) -> dict[str, Any]:
    """One run from raw files to the published folder, in a process of its own."""
    study = write_study(pings, work, days=a.days, resolution=a.resolution or pings.resolution, devices_bound=max(a.devices, 100_000))
    cores = machine()["cpus"]
    study.write_text(study.read_text() + f'\n[engine]\nkind = "{engine}"\n[engine.spark]\nmaster = "local[{cores}]"\n')
    told = run([sys.executable, str(HERE / "_peers" / "run_flockwise.py"), str(study), str(work / "release"), str(pings.folder)])
    stages = json.loads(told.out)["stages"]
    start = stages.get("release: other", 0.0) if engine == "spark" else 0.0
    return {
        "engine": engine,
        "wall_s": round(told.wall_s, 2),
        "start_up_s": round(start, 2),
        "person_s": round(sum(s for name, s in stages.items() if name == "release: person"), 2),
        "peak_mb_of_this_process": round(told.peak_mb),
        "stages_s": {name: round(s, 2) for name, s in stages.items() if name},
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
