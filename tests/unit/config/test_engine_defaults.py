from __future__ import annotations

import pytest

from flockwise.base import machine
from flockwise.config import EngineSpec


def test_what_a_study_leaves_open_is_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cpus", lambda: 7)
    monkeypatch.setattr(machine, "memory_mb", lambda: 1234)
    assert (EngineSpec().workers, EngineSpec().megabytes) == (7, 1234)
    assert (EngineSpec(threads=3, memory_mb=640).workers, EngineSpec(threads=3, memory_mb=640).megabytes) == (3, 640)
