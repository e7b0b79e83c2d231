"""One writer at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flockwise.errors import StoreError

__all__ = ["LOCK", "alone", "locked"]

LOCK = "lock"


@contextmanager
def locked(root: Path, *, wait: bool = False) -> Iterator[None]:
    """Only one process writes to a folder. The lock goes with the process, however it ends.

    Args:
        root: the folder.
        wait: whether to wait for another process.

    Raises:
        StoreError: STORE_BUSY.
        OSError: there is no room or right to make the lock.
    """
    handle = os.open(root / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise StoreError(
                "STORE_BUSY",
                what="Another command is writing to this store.",
                got=str(root),
                state="Nothing was changed by this one.",
                fix="Wait until it has ended, and try again.",
            ) from error
        yield
    finally:
        os.close(handle)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Waits until nobody reads the folder (`readers.read_lock`); nobody begins to within the block."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
