"""Work in a forked child: to kill it in the middle, or to see whether two processes draw the same noise."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

__all__ = ["in_child"]

SECONDS = 120.0


def in_child(work: Callable[[], bytes]) -> bytes | None:
    """What `work` gives in a child of this process, or None if the child was killed, failed or took two minutes.

    Args:
        work: runs in the child, which ends without any cleaning up.
    """
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(here)
            _send(there, work())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(there)
    try:
        said = _receive(here, time.monotonic() + SECONDS)
    finally:
        os.close(here)
    if said is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return said if os.waitstatus_to_exitcode(status) == 0 else None


def _send(pipe: int, content: bytes) -> None:
    with os.fdopen(pipe, "wb") as file:
        file.write(content)


def _receive(pipe: int, until: float) -> bytes | None:
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return None
        if not (part := os.read(pipe, 1 << 16)):
            return b"".join(parts)
        parts.append(part)
