"""kill -9 during an ingest: at every step that touches a name on the disk, and at many moments in between."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.store._made import SIMULATED, bytes_of, content_of, order, pings, rows, store, study, write

from flockwise.store import Store

# One process that has everything loaded and forks a child for each line "n moment source"; the child ingests and kills itself at the n-th call of a step,
# before or after it is done, or n microseconds after it began. It prints how the child ended, and the steps that a child counted that lived.
NURSERY = """
import os, signal, sys, tempfile, threading, time
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from tests.unit.store import _made
from flockwise.store import Store

folder = Path(sys.argv[1])
with tempfile.TemporaryDirectory() as aside:  # loads the machine code
    warm = _made.store(Path(aside))
    warm.ingest([_made.write(_made.pings(100), Path(aside) / "a.parquet")], _made.order, _made.SIMULATED, threads=1)

def child(n, moment, source):
    count, lock = 0, threading.Lock()

    def stepping(name):
        real = getattr(os, name)

        def step(*args, **options):
            nonlocal count
            with lock:  # files are synced by several threads
                count += 1
                number = count
            if number == n and moment == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return real(*args, **options)
            finally:
                if number == n and moment == "after":
                    os.kill(os.getpid(), signal.SIGKILL)

        setattr(os, name, step)

    made = Store.open(_made.study(folder))
    for name in ("fsync", "rename", "replace", "open", "mkdir", "unlink", "rmdir"):
        stepping(name)
    if moment == "later":
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, n / 1e6)
    start = time.monotonic()
    made.ingest([source], _made.order, _made.SIMULATED, threads=1)
    return count, int((time.monotonic() - start) * 1e6)

for line in sys.stdin:
    n, moment, source = line.split()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, ("%d %d" % child(int(n), moment, source)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with os.fdopen(reader) as pipe:
        print(ended, pipe.read() or "0 0", flush=True)
"""


class Nursery:
    """Children that ingest into the study's store, one after the other."""

    def __init__(self, folder: Path) -> None:
        root = Path(__file__).parents[3]
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY, str(folder), str(root), str(root / "src")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, n: int, moment: str, source: str) -> tuple[int, int, int]:
        """How the child ended, its steps and its microseconds if it lived."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{n} {moment} {source}\n")
        self._process.stdin.flush()
        ended, steps, micro = self._process.stdout.readline().split()
        return int(ended), int(steps), int(micro)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    made = Nursery(tmp_path)
    yield made
    made.close()


@pytest.fixture
def before(tmp_path: Path) -> dict[str, bytes]:
    """A store with one delivery; a second one waits."""
    made = store(tmp_path)
    made.ingest([write(pings(300, seed=1), tmp_path / "first.parquet")], order, SIMULATED)
    write(pings(300, seed=2), tmp_path / "second.parquet")
    return bytes_of(tmp_path / "store")


def held(folder: Path) -> list[tuple[int, ...]]:
    return rows(Store.open(study(folder)))


def restore(folder: Path, content: dict[str, bytes]) -> None:
    for part in ("segments", "staging"):
        shutil.rmtree(folder / part)
        (folder / part).mkdir(mode=0o700)
    for name, data in content.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


def test_killed_at_every_step_the_store_is_as_before_or_as_after(before: dict[str, bytes], nursery: Nursery, tmp_path: Path) -> None:
    source = str(tmp_path / "second.parquet")
    old = held(tmp_path)
    ended, steps, _ = nursery.run(0, "before", source)
    assert ended == 0
    assert steps > 15
    new, after = held(tmp_path), content_of(Store.open(study(tmp_path)))
    assert len(new) == 600
    seen = []
    for n in range(1, steps + 1):
        for moment in ("before", "after"):
            restore(tmp_path / "store", before)
            assert nursery.run(n, moment, source)[0] == -signal.SIGKILL
            found = held(tmp_path)
            assert found in (old, new)
            seen.append(len(found))
            Store.open(study(tmp_path)).ingest([source], order, SIMULATED)
            assert content_of(Store.open(study(tmp_path))) == after
    assert seen == sorted(seen)
    assert set(seen) == {300, 600}


def test_killed_at_any_moment(before: dict[str, bytes], nursery: Nursery, tmp_path: Path) -> None:
    source = write(pings(300_000, devices=5000, seed=3), tmp_path / "large.parquet")
    old = held(tmp_path)
    ended, _, micro = nursery.run(0, "before", source)
    assert ended == 0
    after, new = content_of(Store.open(study(tmp_path))), held(tmp_path)
    for i in range(12):
        restore(tmp_path / "store", before)
        nursery.run(max(1, micro * (i + 1) // 12), "later", source)
        assert held(tmp_path) in (old, new)
    Store.open(study(tmp_path)).ingest([source], order, SIMULATED)
    assert content_of(Store.open(study(tmp_path))) == after
