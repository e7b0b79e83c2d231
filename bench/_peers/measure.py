"""One command in a process of its own, with its wall time, processor time and peak memory."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["FailedError", "Measured", "run"]

EVERY_S = 0.05


class FailedError(Exception):
    """The command did not end well; the text says why."""


@dataclass(frozen=True)
class Measured:
    """What a command printed and took.

    Attributes:
        out: its stdout.
        wall_s: from before the interpreter starts to after it has ended.
        cpu_s: processor seconds of it and its children, user and system.
        peak_mb: highest resident memory, in 10^6 bytes: of all its processes together, looked at 20 times a second, or the
            kernel's own high-water mark of one of them where that is higher.
    """

    out: str
    wall_s: float
    cpu_s: float
    peak_mb: float


def run(command: Sequence[str], timeout_s: float = 3600.0) -> Measured:
    """Runs a command and measures it.

    The kernel's ru_maxrss is not used: a child inherits the parent's value when it starts, so a large parent would be measured instead.

    Raises:
        FailedError: it ended with an error or ran out of time.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        child = subprocess.Popen(list(command), stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
        watch = _Watch(child.pid)
        killer = threading.Timer(timeout_s, child.kill)
        watch.start()
        killer.start()
        try:
            _, status, used = os.wait4(child.pid, 0)
        finally:
            wall = time.perf_counter() - began
            killer.cancel()
            watch.over.set()
            watch.join()
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode != 0:
            last = err.read().decode(errors="replace").strip().splitlines()[-3:]
            raise FailedError(" / ".join(last) or (f"killed after {wall:.0f} s" if wall >= timeout_s else f"exit {child.returncode}"))
        return Measured(out.read().decode(), wall, used.ru_utime + used.ru_stime, watch.peak_kb * 1024 / 1e6)


class _Watch(threading.Thread):
    """Looks at the memory of every process of a session."""

    def __init__(self, session: int) -> None:
        super().__init__(daemon=True)
        self.session = session
        self.over = threading.Event()
        self.peak_kb = 0
        self.known: dict[int, bool] = {}

    def run(self) -> None:
        while True:
            together = 0
            for pid in self._members():
                status = _status(pid)
                together += status.get("VmRSS", 0)
                self.peak_kb = max(self.peak_kb, status.get("VmHWM", 0))
            self.peak_kb = max(self.peak_kb, together)
            if self.over.wait(EVERY_S):
                return

    def _members(self) -> list[int]:
        present = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]
        # A process keeps its session for life, so each is asked once.
        self.known = {pid: self.known[pid] if pid in self.known else _session(pid) == self.session for pid in present}
        return [pid for pid, ours in self.known.items() if ours]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _status(pid: int) -> dict[str, int]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines) if name in ("VmRSS", "VmHWM")}
