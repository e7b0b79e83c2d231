"""A copy of a store holds what the store holds and nothing else, whatever was there before and wherever the copying stopped."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fsspec.implementations.local import LocalFileSystem
from tests.unit.store._made import SIMULATED, bytes_of, order, pings, store, write

from flockwise.base import clock
from flockwise.errors import StoreError
from flockwise.store import Store, lifecycle, update_copy
from flockwise.store.optouts import OptOuts


class Stopping(LocalFileSystem):  # type: ignore[misc]
    """Fails at the n-th change, and remembers them."""

    cachable = False

    def __init__(self, left: int = 1 << 30) -> None:
        super().__init__()
        self.left, self.done = left, list[str]()

    def _change(self, what: str) -> None:
        self.left -= 1
        if self.left < 0:
            raise PermissionError("secret place")
        self.done.append(what)

    def rm(self, path: Any, *given: Any, **more: Any) -> None:
        self._change("rm")
        super().rm(path, *given, **more)

    def put_file(self, path1: str, path2: str, *given: Any, **more: Any) -> None:
        self._change("put")
        super().put_file(path1, path2, *given, **more)


def filled(folder: Path) -> Store:
    made = store(folder)
    for i in range(2):
        made.ingest([write(pings(300, seed=i), folder / f"{i}.parquet")], order, SIMULATED, threads=1)
    return made


def update(made: Store, copy: Path, fs: Any) -> None:
    update_copy(made._root, fs, str(copy), "the copy")


def segments(made: Store) -> dict[str, bytes]:
    return bytes_of(made._root / "segments")


def nobody() -> OptOuts:
    return OptOuts.of(np.array([1], np.int64), np.array([2], np.int64), np.array([1], np.uint8))


def test_after_every_change(tmp_path: Path) -> None:
    made, copy, fs = filled(tmp_path / "s"), tmp_path / "copy", Stopping()
    update(made, copy, fs)
    first = segments(made)
    assert bytes_of(copy / "segments") == first
    done = len(fs.done)
    update(made, copy, fs)
    assert len(fs.done) == done  # there was nothing to do
    made.forget(nobody(), clock.today())
    update(made, copy, fs)
    assert bytes_of(copy / "segments") == segments(made)
    assert not first.keys() & segments(made).keys()
    assert fs.done[done:] == ["rm"] * len(first) + ["put"] * len(segments(made))  # what is gone from the store goes first
    lifecycle.purge(made._study, early=True)
    update(made, copy, fs)
    assert bytes_of(copy / "segments") == {}


def test_stopped_at_every_step_and_run_again(tmp_path: Path) -> None:
    made, copy = filled(tmp_path / "s"), tmp_path / "copy"
    update(made, copy, LocalFileSystem())
    made.forget(nobody(), date(2026, 3, 1))
    stops, told = 0, list[str]()
    while True:
        try:
            update(made, copy, Stopping(stops % 3))
        except StoreError as error:
            told.append(str(error))
            stops += 1
        else:
            break
        assert stops < 100
    assert stops > 3
    assert all("STORE_COPY" in text and "secret" not in text for text in told)
    assert bytes_of(copy / "segments") == segments(made)


def test_what_else_lies_there_and_what_was_cut_off(tmp_path: Path) -> None:
    made, copy = filled(tmp_path / "s"), tmp_path / "copy"
    update(made, copy, LocalFileSystem())
    (name, *_), stray = sorted(segments(made)), copy / "segments" / "000099" / "0000.parquet"
    (copy / "segments" / name).write_bytes(b"cut off")
    stray.parent.mkdir()
    stray.write_bytes(b"old")
    update(made, copy, LocalFileSystem())
    assert bytes_of(copy / "segments") == segments(made)


def test_a_place_that_takes_files_and_does_not_keep_them(tmp_path: Path) -> None:
    class Forgetful(LocalFileSystem):  # type: ignore[misc]
        def put_file(self, *_: Any, **__: Any) -> None:
            pass

    with pytest.raises(StoreError) as refused:
        update(filled(tmp_path / "s"), tmp_path / "copy", Forgetful())
    assert refused.value.code == "STORE_COPY"
