"""Who reads the segments: as long as somebody does, no segment is deleted. Locks go with their process, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["read_lock", "write_lock"]


@contextmanager
def read_lock(folder: Path) -> Iterator[None]:
    """Any number of readers at a time; waits for the moment that a deletion takes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


@contextmanager
def write_lock(folder: Path) -> Iterator[bool]:
    """Whether nobody reads, and nobody begins to within the block. Does not wait."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
