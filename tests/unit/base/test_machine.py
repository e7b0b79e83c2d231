from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flockwise.base import machine


def test_a_quarter_of_the_machine_or_of_its_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "_LIMITS", (tmp_path / "none", limit))
    limit.write_text("max\n")
    assert machine.memory_mb() == whole // 4 >> 20
    limit.write_text(f"{1 << 30}\n")
    assert machine.memory_mb() == 256


def test_processors_are_those_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.cpus() >= 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert machine.cpus() == 3


ENDING = """
import atexit, gc, sys
from flockwise.base.machine import collect_rarely
if sys.argv[1] == "rarely":
    collect_rarely()
class Circle:
    def __init__(self):
        self.itself = self
    def __del__(self):
        print("looked for")
circle = Circle()
atexit.register(print, "exit handlers ran")
"""


@pytest.mark.parametrize(("setting", "told"), [("often", ["exit handlers ran", "looked for"]), ("rarely", ["exit handlers ran"])])
def test_a_process_of_our_own_does_not_look_through_all_its_objects_when_it_ends(setting: str, told: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", ENDING, setting], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == told
