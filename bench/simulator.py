"""Measure the simulator: pings written per second (Parquet included) and peak memory.

    python bench/simulator.py [--devices N ...] [--days N] [--threads N] [--repeat N] [--keep FOLDER] [--json]

Every run is a process of its own, so that its peak is its own. A small run comes first and is not counted: it compiles the kernels, once for
each installation. `pings_per_s` divides by the wall time of `simulate.write`; `process_s` adds the start of Python and the imports; `cpu_s` is the work
of all threads, which a busy machine changes least. --keep copies the last run's folder, for a look at it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _machine import machine, versions

CHILD = """
import json, resource, sys
from pathlib import Path
from flockwise import simulate
out, devices, days, threads = sys.argv[1], *map(int, sys.argv[2:5])
before = resource.getrusage(resource.RUSAGE_SELF)
told = simulate.write(simulate.Settings(devices=devices, days=days, threads=threads or None), out).as_dict()
used = resource.getrusage(resource.RUSAGE_SELF)
told["cpu_s"] = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
told["peak_mb"] = used.ru_maxrss / (1024 if sys.platform != "darwin" else 1024 * 1024)
print(json.dumps(told))
"""


def run(devices: int, days: int, threads: int, keep: Path | None = None) -> dict[str, Any]:
    """One run in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="flockwise-simulator-") as folder:
        out = Path(folder) / "out"
        began = time.perf_counter()
        child = subprocess.run([sys.executable, "-c", CHILD, str(out), str(devices), str(days), str(threads)], capture_output=True, text=True, check=False)
        process_s = time.perf_counter() - began
        if child.returncode:
            raise SystemExit(child.stderr)
        if keep is not None:
            shutil.copytree(out, keep)
        return json.loads(child.stdout) | {"process_s": process_s}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--devices", type=int, nargs="+", default=[50_000], help="numbers of devices, one run each (default 50000)")
    p.add_argument("--days", type=int, default=7)
    p.add_argument("--threads", type=int, default=0, help="0: one for each processor")
    p.add_argument("--repeat", type=int, default=1, help="runs of each; the fastest is told")
    p.add_argument("--keep", type=Path, help="folder that does not exist yet, for the last run's files")
    p.add_argument("--json", action="store_true", help="print one JSON object")
    a = p.parse_args()

    run(200, 1, 1)
    results = []
    for n in a.devices:
        runs = [run(n, a.days, a.threads, a.keep if n == a.devices[-1] and k == 0 else None) for k in range(a.repeat)]
        best = min(runs, key=lambda told: told["seconds"])
        results.append(
            {
                "method": "flockwise",
                "devices": n,
                "pings": best["pings"],
                "pings_per_s": round(best["pings_per_s"]),
                "wall_s": round(best["seconds"], 2),
                "process_s": round(best["process_s"], 2),
                "cpu_s": round(best["cpu_s"], 2),
                "peak_mb": round(best["peak_mb"], 1),
                "ping_mb": round(best["ping_bytes"] / 1e6, 1),
                "county_correlation": round(best["county_correlation"], 5),
            }
        )
    told = {"results": results, "machine": machine(), "versions": versions()}
    if a.json:
        print(json.dumps(told))
        return
    for row in results:
        print(
            f"{row['devices']:>9,} devices: {row['pings']:>11,} pings in {row['wall_s']:.1f} s, {row['pings_per_s'] / 1e6:.2f} million a second "
            f"({row['cpu_s']:.1f} s of work), peak {row['peak_mb']:.0f} MB, files {row['ping_mb']:.0f} MB, correlation {row['county_correlation']}"
        )


if __name__ == "__main__":
    main()
