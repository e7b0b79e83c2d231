"""kill -9 during a deletion, a change of keys and a purge: at every step that touches a name on the disk. As before or as after, and nothing in the clear."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.store._made import SIMULATED, by_base, order, pings, store, study, write

from flockwise.errors import FlockwiseError
from flockwise.store import Store, forget, keys, purge, rotate
from flockwise.store.suppression import folder_of

STEPS = ("fsync", "rename", "replace", "open", "mkdir", "unlink", "rmdir")
Change = Callable[[Path], Any]


def dying(change: Change, folder: Path, n: int) -> tuple[int, int]:
    """How a child ended that carries out the change and kills itself at its n-th step, and how many steps it took if it lived."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        count = [0]

        def stepping(name: str) -> None:
            real = getattr(os, name)

            def step(*args: Any, **options: Any) -> Any:
                count[0] += 1
                if count[0] == n:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **options)

            setattr(os, name, step)

        try:
            for name in STEPS:
                stepping(name)
            change(folder)
            os.write(writer, str(count[0]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with os.fdopen(reader) as pipe:
        return ended, int(pipe.read() or 0)


def forgetting(folder: Path) -> None:
    forget(study(folder), str(folder / "list.csv"), received=date(2026, 6, 1))


def renewing(folder: Path) -> None:
    Store.open(study(folder)).renew()


def rotating(folder: Path) -> None:
    rotate(study(folder), folder / "old")


def purging(folder: Path) -> None:
    purge(study(folder), early=True)


def held(folder: Path) -> Any:
    try:
        return by_base(Store.open(study(folder)))
    except FlockwiseError as error:
        return error.code


@pytest.mark.rule(6)
@pytest.mark.parametrize("change", [forgetting, renewing, rotating, purging])
def test_killed_at_every_step(change: Change, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    made = store(whole)
    table = pings(60, devices=6)
    made.ingest([write(table, tmp_path / "delivery" / "a.parquet")], order, SIMULATED)
    gone = table["device_id"].unique().to_pylist()[:2]
    (whole / "list.csv").write_text("id\n" + "\n".join(str(i) for i in gone) + "\n")
    old = held(whole)
    if change is rotating:
        (whole / "key").rename(whole / "old")
        keys.create(whole / "key")
        old = held(whole)

    def fresh(n: int) -> Path:
        shutil.copytree(whole, tmp_path / str(n))
        return tmp_path / str(n)

    change(fresh(-1))  # loads the machine code: afterwards every child takes the same steps
    last = fresh(0)
    ended, steps = dying(change, last, 0)
    assert ended == 0
    assert steps > 8
    new = held(last)
    clear = [int(v).to_bytes(8, "little", signed=True) for v in np.unique(table["device_id"].to_numpy())]
    for n in range(1, steps + 1):
        folder = fresh(n)
        assert dying(change, folder, n)[0] == -signal.SIGKILL
        between = held(folder)
        if change is rotating and between not in (old, new):
            assert between == "STORE_OTHER_STUDY"  # the list is under the new key, the store not yet: said, and mended by repeating
        elif change is not rotating:
            assert between in (old, new)
        for root in (folder / "store", folder_of(study(folder))):
            assert not [p for p in root.rglob("*") if p.is_file() and any(c in p.read_bytes() for c in clear)]
        change(folder)
        assert held(folder) == new
        assert {p.name for p in (folder / "store" / "staging").iterdir()} == set()
        assert len(list((folder / "store" / "segments").iterdir())) == (0 if change is purging else 1)
        shutil.rmtree(folder)
