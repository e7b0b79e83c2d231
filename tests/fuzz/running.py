"""How a target is run: in bounded time, in a folder of its own, to an end that is good or a FlockwiseError."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from flockwise.errors import FlockwiseError, InternalError

__all__ = ["TooSlowError", "bounded", "ends_well", "folder"]

SECONDS = 20


class TooSlowError(BaseException):
    """A target did not end in time. Not an Exception: nothing may swallow it."""


@contextmanager
def bounded(seconds: int = SECONDS) -> Iterator[None]:
    """Raises if the block takes longer."""

    def late(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="flockwise-fuzz-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def ends_well(work: Callable[[], Any]) -> str | None:
    """None, or the code of the FlockwiseError in which the work ended. An InternalError is a bug of ours and goes on."""
    found: FlockwiseError
    try:
        with bounded():
            work()
    except InternalError:
        raise
    except FlockwiseError as error:
        found = error
    else:
        return None
    assert found.code.isupper()
    assert "Traceback" not in str(found)
    return found.code
