"""From a study's [ledger] to a storage."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from flockwise import config
from flockwise.errors import ConfigError
from flockwise.ledger import place
from flockwise.ledger.postgres import PostgresStorage
from flockwise.ledger.storage import SqliteStorage


def spec(**where: object) -> config.Ledger:
    return config.Ledger(dataset="panel", lifetime_epsilon=Fraction(4), **where)  # type: ignore[arg-type]  # as a study file gives them


def test_a_path_is_a_file_and_a_connection_string_a_server_and_neither_is_touched_yet(tmp_path: Path):
    assert isinstance(place(spec(path=tmp_path / "a.ledger")), SqliteStorage)
    assert isinstance(place(spec(postgres="service=flockwise", folder=tmp_path / "host")), PostgresStorage)
    assert list(tmp_path.iterdir()) == []


def test_without_the_driver_a_server_is_refused_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "flockwise.ledger.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError) as got:
        place(spec(postgres="service=flockwise", folder=tmp_path))
    assert got.value.code == "LEDGER_NO_DRIVER"
    assert "flockwise[postgres]" in got.value.fix


def test_a_file_needs_no_driver():
    code = "import sys, flockwise.ledger, flockwise.release; assert not [m for m in sys.modules if m.startswith('psycopg')]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
