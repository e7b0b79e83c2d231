"""The memory of an ingest is set by its configuration, not by the size of the delivery."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
from tests.unit.store._made import pings, study, write

CHILD = """
import resource, sys
from pathlib import Path
sys.path[:0] = sys.argv[4:]
from tests.unit.store import _made
from flockwise.store import Store

folder, small, large = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
made = _made.store(folder, panel=100_000)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

made.ingest([small], _made.order, _made.SIMULATED, memory_mb=16)
first = peak()
report = made.ingest([large], _made.order, _made.SIMULATED, memory_mb=16)
print(first, peak(), report.stored)
"""


def test_ten_times_the_rows_do_not_need_the_room_for_them(tmp_path: Path) -> None:
    """A small delivery loads everything; one of 2,400,000 rows (96 MB packed, more as columns) may then take 110 MB more with buffers of 16 MB."""
    study(tmp_path / "s", panel=100_000)
    small = write(pings(200_000, devices=20_000, seed=1), tmp_path / "small.parquet")
    for i in range(12):
        write(pings(200_000, devices=20_000, seed=2 + i), tmp_path / "large" / f"{i}.parquet")
    root = Path(__file__).parents[3]
    code = [sys.executable, "-c", CHILD, str(tmp_path / "s"), small, str(tmp_path / "large"), str(root), str(root / "src")]
    done = subprocess.run(code, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    first, second, stored = (int(n) for n in done.stdout.split())
    assert stored == 2_400_000
    assert second - first < 110, (first, second)


HEAVY = """
import resource, sys
from pathlib import Path
sys.path[:0] = sys.argv[4:]
from tests.unit.store import _made
from flockwise.store import capping, Store

capping.GREATEST_PINGS = 1 << 17
folder, small, large = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
made = _made.store(folder, panel=1000)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

made.ingest([small], _made.order, _made.SIMULATED, memory_mb=16)
first = peak()
report = made.ingest([large], _made.order, _made.SIMULATED, memory_mb=16)
print(first, peak(), report.stored, report.capped)
"""


def test_one_device_with_most_of_the_pings_does_not_need_the_room_for_them(tmp_path: Path) -> None:
    """1,600,000 pings of one device (64 MB packed, 380 MB while they are ordered) in one bucket, of which the store keeps 131,072."""
    study(tmp_path / "s", panel=1000)
    small = write(pings(100_000, devices=900, seed=1), tmp_path / "small.parquet")
    for i in range(8):
        moved = pings(200_000, devices=1, seed=3)
        write(moved.set_column(moved.schema.get_field_index("lat"), "lat", pc.add(moved["lat"], 1e-4 * i)), tmp_path / "large" / f"{i}.parquet")
    root = Path(__file__).parents[3]
    code = [sys.executable, "-c", HEAVY, str(tmp_path / "s"), small, str(tmp_path / "large"), str(root), str(root / "src")]
    done = subprocess.run(code, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    first, second, stored, capped = (int(n) for n in done.stdout.split())
    assert stored == 1 << 17
    assert stored + capped > 1_000_000
    assert second - first < 160, (first, second)
