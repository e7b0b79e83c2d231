from __future__ import annotations

import os
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
