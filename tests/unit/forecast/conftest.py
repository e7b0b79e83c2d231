"""A study whose store, key and ledger do not exist: all that a forecast may need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h3
import pytest

CELLS = sorted(h3.grid_disk("872a1072bffffff", 4))

TEXT = """
name = "Planned"
[store]
path = "nowhere/pings.store"
key = "nowhere/pings.key"
retention_days = 90
[ledger]
path = "nowhere/people.ledger"
dataset = "people"
lifetime_epsilon = "4"
[region]
cells = [{cells}]
[window]
start = 2026-05-04
days = 2
timezone = "America/New_York"
[input]
device = "id"
device_type = "text"
time = "t"
time_format = "s"
lat = "lat"
lon = "lon"
consent_basis = "the supplier's written statement of 1 May 2026"
[privacy]
unit = "device"
window = "whole"
epsilon = "{epsilon}"
delta = "1e-6"
panel_bound = 20000
[[tables]]
kind = "presence"
resolution = 7
coarser = [6, 5]
weight = "3/4"
[[tables]]
kind = "flows"
resolution = 6
coarser = [5]
slots = ["00:00", "12:00"]
weight = "1/4"
"""


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Path]:
    """Writes the study file, with texts replaced."""

    def make(*changes: tuple[str, str], epsilon: str = "1") -> Path:
        text = TEXT.format(cells=", ".join(f'"{c}"' for c in CELLS), epsilon=epsilon)
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "study.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make
