"""A supplier's record in order on `TODAY`, and changed copies of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from flockwise.config import supplier_of_simulation

TODAY = date(2026, 6, 1)


def record(folder: Path, *changes: tuple[str, str], assessed: date = date(2026, 5, 1)) -> Path:
    """The record of the simulation with texts replaced, written to a file."""
    text = supplier_of_simulation(date(2026, 3, 2), assessed).replace("retention_days = 365", "retention_days = 1830")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / "supplier.toml"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
