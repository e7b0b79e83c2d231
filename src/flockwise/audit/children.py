"""Work in a forked child: to kill it in the middle, or to see whether two processes draw the same noise."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable

__all__ = ["HungError", "in_child"]

SECONDS = 60.0
PAUSE_S = 0.1
"""A thread that was joined goes on for a moment to clean up, and a lock that it holds then (OpenDP's generator has one) stays locked in a forked child."""


class HungError(Exception):
    """A child did not end in time. If a thread holds a lock in the moment of the fork, the child waits for it for ever: that says nothing about the work."""


def in_child(work: Callable[[], bytes], tries: int = 3) -> bytes | None:
    """What `work` gives in a child of this process, or None if the child was killed or failed.

    Args:
        work: runs in the child, which ends without any cleaning up.
        tries: how often a child may hang before that is an error.

    Raises:
        HungError: every try took a minute.
    """
    for _ in range(tries):
        ended, said = _once(work)
        if ended:
            return said
    raise HungError


def _once(work: Callable[[], bytes]) -> tuple[bool, bytes | None]:
    here, there = os.pipe()
    time.sleep(PAUSE_S)
    child = os.fork()
    if child == 0:
        try:
            os.close(here)
            with os.fdopen(there, "wb") as file:
                file.write(work())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(there)
    try:
        said = _received(here, time.monotonic() + SECONDS)
    finally:
        os.close(here)
    if said is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return said is not None, said if os.waitstatus_to_exitcode(status) == 0 else None


def _received(pipe: int, until: float) -> bytes | None:
    """All that comes until the other end is closed; None if it is not closed in time."""
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return None
        if not (part := os.read(pipe, 1 << 16)):
            return b"".join(parts)
        parts.append(part)
