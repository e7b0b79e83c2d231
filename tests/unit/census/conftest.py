"""A published folder with areas that are shown all night: many devices, large areas, little noise."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from flockwise import api

TABLES = '[[tables]]\nkind = "presence"\nresolution = 5\ncoarser = [4]\nslot_minutes = 60\ngreatest_hold_min = 60\n'


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a release of 15,000 devices and two days. Read only."""
    root, start = tmp_path_factory.mktemp("nights"), date(2026, 5, 4)
    api.simulate(root / "world", devices=15_000, start=start, days=2, seed=6)
    region, pings = root / "world" / "region.geojson", root / "world" / "pings"
    where = {"pings": pings / "part-000.parquet", "region": region, "supplier": root / "world" / "supplier.toml", "places": root / "world" / "places.parquet"}
    api.init(root / "study.toml", name="Nights", start=start, days=2, timezone="America/New_York", purpose="transport-planning", **where)
    text = (root / "study.toml").read_text(encoding="utf-8")
    text = re.sub(r"\[\[tables\]\].*", TABLES, text, count=1, flags=re.DOTALL)
    (root / "study.toml").write_text(re.sub(r'^epsilon = "1"', 'epsilon = "2"', text, count=1, flags=re.MULTILINE), encoding="utf-8")
    api.places_review(root / "study.toml", "a test")
    api.ingest(root / "study.toml", [str(pings)])
    api.release(root / "study.toml", root / "published")
    return root / "published"
