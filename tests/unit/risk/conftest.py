"""A simulated panel in a store: what an assessment needs, and nothing more."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from flockwise import api

START = date(2026, 5, 4)


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study file of 3,000 devices and three days, ingested. Read only."""
    root = tmp_path_factory.mktemp("risk")
    api.simulate(root / "world", devices=3000, start=START, days=3, seed=11)
    region, pings = root / "world" / "region.geojson", root / "world" / "pings" / "part-000.parquet"
    where = {"pings": pings, "region": region, "supplier": root / "world" / "supplier.toml", "places": root / "world" / "places.parquet"}
    api.init(root / "study.toml", name="Risk world", start=START, days=3, timezone="America/New_York", purpose="transport-planning", **where)
    api.places_review(root / "study.toml", "a test")
    api.ingest(root / "study.toml", [str(root / "world" / "pings")])
    return root / "study.toml"


@pytest.fixture
def own_study(ingested: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    shutil.copytree(ingested.parent, tmp_path / "own", symlinks=True)
    return tmp_path / "own" / "study.toml"
