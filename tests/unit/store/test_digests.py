"""Digests that are begun before an ingest are those that it would take itself, and a file that changes after its digest is still noticed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from concurrent.futures import CancelledError
from pathlib import Path

import fsspec
import pytest
from tests.unit.store._made import SIMULATED, content_of, order, pings, store, write

from flockwise.errors import DataError
from flockwise.store import EarlyDigests, Store, sources


@pytest.fixture
def vault(tmp_path: Path) -> Store:
    return store(tmp_path / "vault")


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    folder = tmp_path / "delivery"
    folder.mkdir()
    for i in range(3):
        (folder / f"{i}.parquet").write_bytes(os.urandom(i * 1_000_003 + 1))
    return folder


def test_they_are_of_every_byte_and_in_blocks(delivery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_BLOCK", 65_536)
    with EarlyDigests([str(delivery)], 2) as digests:
        for file in sources.find([str(delivery)]):
            assert digests.of(file) == hashlib.sha256(Path(file.path).read_bytes()).digest()
            assert digests.stamp(file) == file.stamp()


def test_a_file_that_was_not_named_is_read_when_it_is_asked_for(delivery: Path, tmp_path: Path) -> None:
    with EarlyDigests([str(tmp_path / "nothing.parquet")], 1) as digests:
        (file,) = sources.find([str(delivery / "1.parquet")])
        assert digests.of(file) == hashlib.sha256(Path(file.path).read_bytes()).digest()
        assert digests.stamp(file) == file.stamp()


def test_what_lies_elsewhere_is_not_fetched_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    with fsspec.open("memory://elsewhere/a.parquet", "wb") as file:
        file.write(b"bytes")
    monkeypatch.setattr(sources.SourceFile, "sha256", lambda *_: pytest.fail("it was fetched"))
    with EarlyDigests(["memory://elsewhere/a.parquet"], 1):
        pass


def test_the_stamp_is_of_before_the_digest(vault: Store, tmp_path: Path) -> None:
    path = write(pings(500), tmp_path / "a.parquet")
    before = content_of(vault)
    with EarlyDigests([path], 1) as digests:
        (file,) = sources.find([path])
        digests.of(file)
        write(pings(600), Path(path))
        with pytest.raises(DataError, match="changed while it was read") as told:
            vault.ingest([path], order, SIMULATED, threads=1, digests=digests)
    assert told.value.code == "INGEST_FILE_CHANGED"
    assert content_of(vault) == before


def test_the_same_content_is_known_with_and_without_them(vault: Store, tmp_path: Path) -> None:
    path = write(pings(500), tmp_path / "a.parquet")
    with EarlyDigests([path], 2) as digests:
        assert vault.ingest([path], order, SIMULATED, threads=1, digests=digests).files == 1
    assert vault.ingest([path], order, SIMULATED, threads=1).files_skipped == 1


def test_the_end_of_the_block_does_not_wait_for_large_files(delivery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, gate, blocks = threading.Event(), threading.Event(), [0]
    monkeypatch.setattr(sources, "_BLOCK", 1)
    (file,) = sources.find([str(delivery / "2.parquet")])
    real = sources.hashlib.sha256

    class Slow:
        def __init__(self) -> None:
            self.inner = real()

        def update(self, block: bytes) -> None:
            blocks[0] += 1
            begun.set()
            gate.wait(60)
            self.inner.update(block)

        def digest(self) -> bytes:
            return self.inner.digest()

    monkeypatch.setattr(sources.hashlib, "sha256", Slow)
    digests = EarlyDigests([file.path], 1)
    assert begun.wait(60)
    ending = threading.Thread(target=digests.__exit__, args=(None, None, None))
    ending.start()
    while not digests._over.is_set():
        pass
    gate.set()
    ending.join(60)
    assert not ending.is_alive()
    assert blocks[0] < 10
    with pytest.raises(CancelledError):
        digests.of(file)


EARLY = """
import sys
from flockwise import api
from flockwise.store import digests
def begun(self, sources, threads):
    print("numba" in sys.modules)
    raise SystemExit
digests.EarlyDigests.__init__ = begun
from pathlib import Path
from flockwise import config, trail
from types import SimpleNamespace
config.load = lambda path: SimpleNamespace(engine=SimpleNamespace(workers=1, kind="local"))
trail.require = lambda study: None
api.ingest(Path("study.toml"), ["a.parquet"])
"""


def test_they_are_begun_before_the_heavy_imports() -> None:
    assert subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, check=True).stdout == "False\n"
