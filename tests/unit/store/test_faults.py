"""What fails in mid-stage: nothing is lost, nothing counts twice, and the next ingest finds a clean store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.store._made import SIMULATED, content_of, order, pings, rows, store, write

from flockwise.errors import StoreError
from flockwise.store import Store, intake, writing
from flockwise.store.locking import locked

ROOT = Path(__file__).parents[3]


@pytest.fixture
def vault(tmp_path: Path) -> Store:
    made = store(tmp_path / "s")
    made.ingest([write(pings(300, seed=1), tmp_path / "first.parquet")], order, SIMULATED)
    return made


class GoneError(Exception):
    """A worker died."""


@pytest.mark.parametrize("nth", [1, 3])
@pytest.mark.parametrize("stage", ["read", "order", "write", "sync"])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_worker_that_fails_in_mid_stage(vault: Store, stage: str, nth: int, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, called = content_of(vault), [0]
    delivery = write(pings(intake.SLICE_ROWS * 4, devices=300, seed=2), tmp_path / "second.parquet")

    def failing(function: Any) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            called[0] += 1
            if called[0] == nth:
                raise GoneError
            return function(*args, **more)

        return call

    with monkeypatch.context() as patch:
        if stage == "read":
            patch.setattr(intake, "judge", failing(intake.judge))
        if stage in ("write", "sync"):
            name = {"write": "_written", "sync": "_sync"}[stage]
            patch.setattr(writing, name, failing(getattr(writing, name)))
        with pytest.raises(GoneError):
            vault.ingest([delivery], failing(order) if stage == "order" else order, SIMULATED, threads=threads)
    assert content_of(vault) == before
    assert content_of(Store.open(vault._study)) == before
    assert vault.ingest([delivery], order, SIMULATED).files == 1
    whole = store(tmp_path / "whole")
    whole.ingest([str(tmp_path / "first.parquet"), delivery], order, SIMULATED)
    assert sorted(r[2:] for r in rows(vault)) == sorted(r[2:] for r in rows(whole))


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from tests.unit.store import _made
from flockwise.errors import StoreError
from flockwise.store import Store
vault = Store.open(_made.study(Path(sys.argv[1])))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    vault.ingest([sys.argv[2]], _made.order, _made.SIMULATED, memory_mb=16)
except StoreError as error:
    print(error.code)
"""


def test_a_full_disk_while_rows_are_spilled(vault: Store, tmp_path: Path) -> None:
    """No file may grow beyond 200 kB, as on a disk without room: the spilled rows of a bucket do."""
    before = content_of(vault)
    delivery = write(pings(600_000, devices=3000, seed=2), tmp_path / "second.parquet")
    code = [sys.executable, "-c", FULL, str(tmp_path / "s"), delivery, str(ROOT), str(ROOT / "src")]
    done = subprocess.run(code, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["STORE_WRITE"], done.stderr
    assert content_of(Store.open(vault._study)) == before
    assert Store.open(vault._study).ingest([delivery], order, SIMULATED, memory_mb=16).files == 1


TWO = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from tests.unit.store import _made
from flockwise.errors import StoreError
from flockwise.store import Store
vault, busy = Store.open(_made.study(Path(sys.argv[1]))), 0
for file in sorted(Path(sys.argv[2]).iterdir()):
    while True:
        try:
            vault.ingest([str(file)], _made.order, _made.SIMULATED, threads=1)
            break
        except StoreError as error:
            assert error.code == "STORE_BUSY", error.code
            busy += 1
            time.sleep(0.01)
print("busy", busy)
"""


def test_two_processes_that_deliver_at_once_lose_and_double_nothing(vault: Store, tmp_path: Path) -> None:
    """Both deliver the same six files and four of their own, waiting while the other one holds the lock."""
    shared: list[pa.Table] = [pings(500, seed=10 + n) for n in range(6)]
    for who in range(2):
        for n, table in enumerate(shared):
            write(table, tmp_path / f"d{who}" / f"{n}.parquet")
        for n in range(4):
            write(pings(500, seed=100 + 10 * who + n), tmp_path / f"d{who}" / f"own{n}.parquet")
    code = [sys.executable, "-c", TWO, str(tmp_path / "s")]
    both = [subprocess.Popen([*code, str(tmp_path / f"d{who}"), str(ROOT), str(ROOT / "src")], stdout=subprocess.PIPE, text=True) for who in range(2)]
    told = [one.communicate(timeout=180)[0] for one in both]
    assert all(one.returncode == 0 for one in both), told
    assert len(rows(Store.open(vault._study))) == 300 + 500 * (6 + 2 * 4)


def test_a_store_that_is_written_says_so(vault: Store, tmp_path: Path) -> None:
    with locked(vault._root), pytest.raises(StoreError) as caught:
        Store.open(vault._study).compact(order)
    assert caught.value.code == "STORE_BUSY"
