"""kill -9 during an ingest: at every step that touches a name on the disk, and at many moments in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flockwise.store import Store
from tests.unit.store._made import bytes_of, order, pings, rows, store, study, write

# The child ingests and kills itself at the n-th call of a step, before or after it is done. With n = 0 it only counts the steps.
CHILD = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[5:]
from tests.unit.store import _made
from flockwise.store import Store

folder, source, n, after = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "after"
count = 0

def stepping(name):
    real = getattr(os, name)
    def step(*args, **options):
        global count
        count += 1
        if count == n and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = real(*args, **options)
        if count == n and after:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    setattr(os, name, step)

made = Store.open(_made.study(folder))
for name in ("fsync", "rename", "replace", "open", "mkdir", "unlink", "rmdir"):
    stepping(name)
made.ingest([source], _made.order, threads=1)
print(count)
"""


def child(folder: Path, source: str, n: int, moment: str) -> subprocess.Popen[str]:
    root = Path(__file__).parents[3]
    code = [sys.executable, "-c", CHILD, str(folder), source, str(n), moment, str(root), str(root / "src")]
    return subprocess.Popen(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def before(tmp_path: Path) -> dict[str, bytes]:
    """A store with one delivery, and a second one that waits."""
    made = store(tmp_path)
    made.ingest([write(pings(300, seed=1), tmp_path / "first.parquet")], order)
    write(pings(300, seed=2), tmp_path / "second.parquet")
    return bytes_of(tmp_path / "store")


def held(folder: Path) -> list[tuple[int, ...]]:
    return rows(Store.open(study(folder)))


def test_killed_at_every_step_the_store_is_as_before_or_as_after(before: dict[str, bytes], tmp_path: Path) -> None:
    source = str(tmp_path / "second.parquet")
    old = held(tmp_path)
    counting = child(tmp_path, source, 0, "before")
    out, err = counting.communicate(timeout=120)
    assert counting.returncode == 0, err
    steps = int(out)
    new, after = held(tmp_path), bytes_of(tmp_path / "store")
    assert steps > 15
    assert len(new) == 600

    seen = set()
    runs: list[tuple[int, str]] = [(n, moment) for n in range(1, steps + 1) for moment in ("before", "after")]
    for n, moment in runs[:: max(1, len(runs) // 24)] + runs[-16:]:
        restore(tmp_path / "store", before)
        killed = child(tmp_path, source, n, moment)
        killed.communicate(timeout=120)
        assert killed.returncode == -signal.SIGKILL
        found = held(tmp_path)
        assert found in (old, new)
        seen.add(len(found))
        Store.open(study(tmp_path)).ingest([source], order)
        assert bytes_of(tmp_path / "store") == after
    assert seen == {300, 600}


def restore(folder: Path, content: dict[str, bytes]) -> None:
    import shutil

    for part in ("segments", "staging"):
        shutil.rmtree(folder / part)
        (folder / part).mkdir(mode=0o700)
    for name, data in content.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


def test_killed_at_any_moment(before: dict[str, bytes], tmp_path: Path) -> None:
    source = write(pings(400_000, devices=5000, seed=3), tmp_path / "large.parquet")
    old = held(tmp_path)
    whole = child(tmp_path, source, 0, "before")
    start = time.monotonic()
    _, err = whole.communicate(timeout=120)
    assert whole.returncode == 0, err
    length = time.monotonic() - start
    after, new = bytes_of(tmp_path / "store"), held(tmp_path)
    for i in range(6):
        restore(tmp_path / "store", before)
        killed = child(tmp_path, source, 0, "before")
        time.sleep(length * (0.5 + 0.08 * i))
        os.kill(killed.pid, signal.SIGKILL)
        killed.communicate(timeout=120)
        assert held(tmp_path) in (old, new)
    Store.open(study(tmp_path)).ingest([source], order)
    assert bytes_of(tmp_path / "store") == after
