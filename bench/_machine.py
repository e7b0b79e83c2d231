"""What every script in bench/ prints beside its figures: the machine and the versions."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["machine", "versions"]

CORE = ("flockwise", "h3", "h3ronpy", "numba", "numpy", "opendp", "pyarrow")


def machine() -> dict[str, Any]:
    """The processors, memory and system that this runs on, and how busy they were when it began."""
    return {
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "memory_gb": _memory_gb(),
        "os": f"{_field('/etc/os-release', 'PRETTY_NAME', '=').strip(chr(34)) or platform.system()}, {platform.system()} {platform.release()}",
        "load_1min": round(os.getloadavg()[0], 2),
    }


def versions(*more: str) -> dict[str, str]:
    """Versions of Python, of the packages that Flockwise stands on and of those named; a package that is not there is left out."""
    found = {"python": platform.python_version()}
    for name in (*CORE, *more):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _field(path: str, name: str, separator: str = ":") -> str:
    """The first value of a name in one of the system's text files, or an empty text."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.split(separator, 1)[1].strip() for line in lines if line.startswith(name) and separator in line), "")


def _memory_gb() -> float | None:
    total = _field("/proc/meminfo", "MemTotal").split()
    return round(int(total[0]) / 1024**2, 1) if total else None
