"""Compiled code is kept: a second run compiles nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
from tests.conftest import World


def test_a_second_run_compiles_nothing(own_world: World, tmp_path: Path) -> None:
    """The fixture has ingested and released such pings already, so every kernel is in numba's cache."""
    own_world.study.write_text(own_world.study.read_text().replace("radius_m = ", "radius_m = 104 # "))
    part = own_world.root / "part.parquet"
    pq.write_table(pq.read_table(own_world.pings / "part-001.parquet").slice(0, 5000), part)  # other content, so that it is read
    for command in (["ingest", str(own_world.study), str(part)], ["release", str(own_world.study), "--out", str(tmp_path / "out")]):
        done = subprocess.run(
            [sys.executable, "-m", "flockwise", *command], capture_output=True, text=True, timeout=300, check=True, env=os.environ | {"NUMBA_DEBUG_CACHE": "1"}
        )
        told = done.stdout + done.stderr
        assert "data loaded from" in told
        assert [line for line in told.splitlines() if "data saved to" in line] == []
