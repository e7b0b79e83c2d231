"""The long form works: a few seconds of it, guided by coverage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import flockwise

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["study", "deletions"])
def test_a_short_run(name: str) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(flockwise.__file__).parents[1]), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.long", name, "--seconds", "4"], capture_output=True, text=True, timeout=240, check=False, env=env, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-3000:]
