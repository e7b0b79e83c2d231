"""Files are whole and durable when a writer's block ends, or it says what went wrong."""

from __future__ import annotations

import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flockwise.store.writing import WAITING, Writer, write_file


def fail(descriptor: int) -> None:
    raise OSError(5, "no disk")


def test_every_file_is_synced_after_its_last_byte_and_before_the_block_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, synced, lock = os.fsync, {}, threading.Lock()

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        with lock:
            synced[status.st_ino] = status.st_size
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    wanted = {tmp_path / f"{i}": os.urandom(i * 997) for i in range(4 * WAITING)}
    with Writer() as writer, ThreadPoolExecutor(4) as pool:
        list(pool.map(writer.write, wanted, wanted.values()))
    assert synced == {path.stat().st_ino: len(data) for path, data in wanted.items()}
    for path, data in wanted.items():
        assert path.read_bytes() == data
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_no_more_than_so_many_files_are_open_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, entered, waiting = threading.Event(), [0], threading.Semaphore(0)

    def fsync(descriptor: int) -> None:
        entered[0] += 1
        waiting.release()
        gate.wait(60)

    monkeypatch.setattr(os, "fsync", fsync)
    written: list[int] = []

    def write() -> None:
        for i in range(WAITING + 1):
            writer.write(tmp_path / f"{i}", b"x")
            written.append(i)

    with Writer() as writer:
        thread = threading.Thread(target=write)
        thread.start()
        for _ in range(WAITING):
            assert waiting.acquire(timeout=60)
        thread.join(0.2)
        assert len(written) == WAITING
        assert thread.is_alive()
        gate.set()
        thread.join(60)
        assert len(written) == WAITING + 1


def test_a_disk_that_fails_late_is_told_at_the_end_and_to_the_next_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail)

    def write(files: int) -> int:
        with Writer() as writer:
            for _ in range(files):
                writer.write(tmp_path / "one", b"x")
        return files

    before = len(list(Path("/proc/self/fd").iterdir()))
    for files in (1, 10**9):  # told at the end; and in mid-course, as soon as the failure of an earlier file is known
        with pytest.raises(OSError, match="no disk"):
            write(files)
    with pytest.raises(OSError, match="no disk"):
        write_file(tmp_path / "two", b"x")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_error_of_the_block_is_not_hidden_by_the_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", fail)

    def write() -> None:
        with Writer() as writer:
            writer.write(tmp_path / "one", b"x")
            raise KeyError

    with pytest.raises(KeyError):
        write()
