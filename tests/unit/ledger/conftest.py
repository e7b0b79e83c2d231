"""Tests that ask for `where` run on both storages: an SQLite file, and a real PostgreSQL server."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conformance.postgres import server
from tests.unit.ledger._places import Place, PostgresPlace, SqlitePlace

__all__ = ["server", "where"]


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place for a new ledger."""
    return SqlitePlace(tmp_path) if request.param == "sqlite" else PostgresPlace(request.getfixturevalue("server"), tmp_path)
