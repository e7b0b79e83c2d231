"""Writes the files of a store so that they outlast a crash."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

__all__ = ["Writer", "write_file"]

WAITING = 16
"""Files that a `Writer` has open at a time. The kernel commits those that wait together, so more of them take little longer than one."""


def write_file(path: Path, data: bytes | memoryview) -> None:
    """Writes a file with mode 0600; durable on return."""
    _sync(_written(path, data))


class Writer:
    """Writes files with mode 0600 while their makers go on: all are durable when its block ends without an error.

    Any thread may write. No more than `WAITING` files wait for the disk, and none of their bytes are kept: they are the kernel's from the first moment.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WAITING, "flockwise-sync")
        self._room = threading.BoundedSemaphore(WAITING)
        self._failed: BaseException | None = None

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._pool.shutdown(wait=True)
        if kind is None and self._failed is not None:
            raise self._failed

    def write(self, path: Path, data: bytes | memoryview) -> None:
        """Writes a file, which is durable by the end of the block.

        Raises:
            OSError: it can't be written, or an earlier one could not be made durable.
        """
        self._room.acquire()
        try:
            if self._failed is not None:
                raise self._failed
            synced = self._pool.submit(_sync, _written(path, data))
        except BaseException:
            self._room.release()
            raise
        synced.add_done_callback(self._finish)

    def _finish(self, synced: Future[None]) -> None:
        self._failed = self._failed or synced.exception()
        self._room.release()


def _written(path: Path, data: bytes | memoryview) -> int:
    """The open descriptor of a file that holds the data."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
