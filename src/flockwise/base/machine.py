"""What the machine has: processors that this process may use, and memory."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["cpus", "memory_mb"]

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
