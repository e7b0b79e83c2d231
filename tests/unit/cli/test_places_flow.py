"""An officer's year with the list of sensitive places, by commands alone: built, shown, reviewed, stale, changed, applied."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.conftest import World

from flockwise import config
from flockwise.cli import main

FIRST = date(2026, 5, 10)
HOSPITAL, COURT = (40.74, -73.98), (40.7128, -74.006)
NODES = f"""<osm version="0.6">
<node id="1" lat="{HOSPITAL[0]}" lon="{HOSPITAL[1]}" version="1"><tag k="amenity" v="hospital"/></node>
<node id="2" lat="10.0" lon="10.0" version="1"><tag k="amenity" v="hospital"/></node>
<node id="3" lat="40.76" lon="-73.97" version="1"><tag k="amenity" v="cafe"/></node>
</osm>
"""


def run(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    return done.exit_code, json.loads(done.stdout or done.stderr)


def refused(*arguments: object) -> str:
    code, told = run(*arguments)
    assert code != 0, told
    return str(told["error"]["code"])


def done(*arguments: object) -> dict[str, Any]:
    code, told = run(*arguments)
    assert code == 0, told
    return told


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_day(day: date) -> None:
        monkeypatch.setattr("flockwise.base.clock.now", lambda: datetime(day.year, day.month, day.day, 12, tzinfo=UTC))

    set_day(FIRST)
    return set_day


@pytest.fixture
def study(small_world: World, tmp_path: Path, clock: Any) -> Path:
    """A new study in a folder of its own, whose list is still to be built."""
    world, made = small_world.root / "world", tmp_path / "study.toml"
    where = ("--region", world / "region.geojson", "--start", "2026-05-04", "--days", "2", "--timezone", "America/New_York")
    (tmp_path / "supplier.toml").write_text(config.supplier_of_simulation(date(2026, 5, 4), FIRST))
    done(
        "init",
        "--out",
        made,
        "--pings",
        small_world.pings / "part-000.parquet",
        *where,
        "--purpose",
        "transport-planning",
        "--supplier",
        tmp_path / "supplier.toml",
    )
    (tmp_path / "city.osm").write_text(NODES)
    return made


def shelters(folder: Path, *at: tuple[float, float]) -> Path:
    features = [
        {"type": "Feature", "properties": {"category": "survivors", "buffer_m": 800}, "geometry": {"type": "Point", "coordinates": [lon, lat]}}
        for lat, lon in at
    ]
    path = folder / "own-shelters.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


@pytest.mark.rule(10)
def test_an_officers_year_with_the_list(study: Path, small_world: World, clock: Any) -> None:
    folder, pings, out = study.parent, small_world.pings, study.parent / "out"
    build = ("places", "build", study, folder / "city.osm", shelters(folder, (40.70, -73.95)))
    told = done(*build)
    assert told["categories"] == {"medical": 1, "survivors": 1}
    assert [s["near_the_region"] for s in told["sources"]] == [1, 1]
    done("places", "show", study, "--out", folder / "places.html")
    assert "city.osm" in (folder / "places.html").read_text()
    assert refused("ingest", study, pings) == "PLACES_UNREVIEWED"
    assert done("places", "review", study, "--by", "A. Officer")["holds_until"] == str(FIRST + timedelta(days=92))
    assert done("places", "status", study)["applied_to_the_store"] == "nothing is stored yet"
    cut = done("ingest", study, pings)["refused"]["sensitive_place"]
    assert cut > 0
    assert done("places", "status", study)["applied_to_the_store"] == "yes"

    clock(FIRST + timedelta(days=92))
    assert done("places", "status", study)["state"] == "current"
    clock(FIRST + timedelta(days=93))
    assert done("places", "status", study)["state"] == "stale"
    assert refused("release", study, "--out", out) == "PLACES_STALE"
    assert refused("ingest", study, pings) == "PLACES_STALE"

    # A court is added. From the review on nothing is released; the store has two days.
    (folder / "city.osm").write_text(NODES.replace("<node", f'<node id="9" lat="{COURT[0]}" lon="{COURT[1]}"><tag k="amenity" v="courthouse"/></node><node', 1))
    assert done(*build)["categories"] == {"court": 1, "medical": 1, "survivors": 1}
    assert refused("release", study, "--out", out) == "PLACES_UNREVIEWED"
    due = FIRST + timedelta(days=95)
    assert done("places", "review", study, "--by", "A. Officer")["apply_by"] == str(due)
    assert done("places", "status", study)["applied_to_the_store"] == f"no, due by {due}"
    assert refused("release", study, "--out", out) == "PLACES_NOT_APPLIED"
    clock(due + timedelta(days=1))
    assert refused("ingest", study, pings) == "PLACES_NOT_APPLIED"
    done("places", "apply", study)
    assert done("places", "status", study)["applied_to_the_store"] == "yes"
    assert not out.exists()
    done("release", study, "--out", out)
    assert json.loads((out / "certificate.json").read_text())["places"]["places"] == 3


def test_an_officer_without_the_stores_key_sees_how_the_list_stands(study: Path, small_world: World) -> None:
    done("places", "build", study, study.parent / "city.osm")
    done("places", "review", study, "--by", "A. Officer")
    done("ingest", study, small_world.pings)
    Path(config.load(study).store.key).rename(study.parent / "elsewhere")
    told = done("places", "status", study)
    assert (told["state"], told["applied_to_the_store"]) == ("current", "not known: the store's key is not at hand")
    assert refused("places", "apply", study) == "STORE_KEY_MISSING"
