"""One bad line refuses itself and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fuzz.targets import as_csv
from tests.unit.store import _made


@pytest.mark.parametrize(
    ("line", "stored"),
    [
        (b"a,b\n", 50),
        (b",,,,,,,\n", 50),
        (b"\x00\n", 50),
        (b"\xff\xfe,2026-03-02T00:00:00Z,40.7,-74.0\n", 51),  # an identifier is any bytes
        pytest.param(
            b"\xff\xfe,1\n",
            50,
            marks=pytest.mark.xfail(strict=True, reason="pyarrow reads a line of too few fields as UTF-8 for its handler, fails, and refuses the file"),
        ),
    ],
)
def test_a_bad_line(line: bytes, stored: int, tmp_path: Path) -> None:
    lines = as_csv(50).splitlines(keepends=True)
    store = _made.store(tmp_path / "s", input={"device_type": "text", "time_format": "iso8601"})
    (tmp_path / "day.csv").write_bytes(b"".join([*lines[:5], line, *lines[5:]]))
    assert store.ingest([str(tmp_path / "day.csv")], _made.order).stored == stored
