"""What the machine has, processors that this process may use and memory, and how our own processes use it."""

from __future__ import annotations

import atexit
import gc
import os
from pathlib import Path

__all__ = ["collect_rarely", "cpus", "memory_mb"]

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container's limit stands (cgroup v2, v1)."""


def cpus() -> int:
    """Processors that this process may run on, 1 or more."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1))


def memory_mb() -> int:
    """A quarter of the machine's memory, or of its container's limit, in 2^20 bytes: what a run may take unless its study says otherwise."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _LIMITS:
        try:
            total = min(total, int(path.read_text()))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return total // 4 >> 20


def collect_rarely() -> None:
    """Has Python look for unreachable cycles a hundred times more seldom, and not at its end. For a process of our own, not for one that imports Flockwise.

    Imports make half a million objects that stay, and each look goes through all of them: 0.3 of the 9 CPU seconds of 20 million pings, and as much again
    when the process ends. Rows are in arrays, and arrays are in no cycles.
    """
    gc.set_threshold(100_000, 20, 20)
    atexit.register(gc.freeze)
