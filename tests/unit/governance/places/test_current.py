from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h3
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely

from flockwise.base.region import Region
from flockwise.config import PlacesSpec
from flockwise.errors import DataError, FlockwiseError, RuleError
from flockwise.governance.door import GATHERING, SENSITIVE_PLACE
from flockwise.governance.places import Listing, Source, coverage, current, read_gatherings, require, review, suppression

LAT, LON = 40.7, -74.0
AREA = Region.from_cells(h3.grid_disk(h3.latlng_to_cell(LAT, LON, 7), 3), 7)
SOURCE = Source("a.osm", "0" * 64, 1, 1, 0, 0)
HEAD = "category,lat,lon,from,to\n"


def write(path: Path, shapes: list[shapely.Geometry]) -> None:
    Listing.of(["worship"] * len(shapes), [610] * len(shapes), np.array(shapes, object), [SOURCE], date(2026, 5, 1)).write(path)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    write(tmp_path / "places.parquet", [shapely.Point(LON, LAT)])
    set_day(monkeypatch, date(2026, 5, 2))
    return SimpleNamespace(places=PlacesSpec(file=tmp_path / "places.parquet"), area=AREA)


def set_day(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    monkeypatch.setattr("flockwise.base.clock.now", lambda: datetime(day.year, day.month, day.day, 12, tzinfo=UTC))


def refused(study: Any) -> str:
    with pytest.raises(FlockwiseError) as caught:
        require(study)
    return caught.value.code


@pytest.mark.rule(10)
def test_a_list_holds_for_a_quarter_after_its_review(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(study) == "PLACES_UNREVIEWED"
    review(study, "A. Officer")
    found = require(study)
    assert found is not None
    assert (found.changed, found.review_by, found.apply_by) == (date(2026, 5, 2), date(2026, 8, 2), date(2026, 5, 4))
    set_day(monkeypatch, date(2026, 8, 2))
    assert require(study) is not None
    set_day(monkeypatch, date(2026, 8, 3))
    assert refused(study) == "PLACES_STALE"
    review(study, "B. Officer")
    again = require(study)
    assert again is not None
    assert (again.changed, [r.by for r in again.listing.reviews]) == (date(2026, 5, 2), ["A. Officer", "B. Officer"])
    set_day(monkeypatch, date(2026, 5, 2))
    assert refused(study) == "PLACES_UNREVIEWED"  # a review dated in the future


@pytest.mark.rule(10)
def test_a_changed_list_needs_a_new_review(study: Any, tmp_path: Path) -> None:
    review(study, "A")
    reviews = Listing.read(study.places.file).reviews
    write(study.places.file, [shapely.Point(LON, LAT), shapely.Point(LON + 0.01, LAT)])
    replace(Listing.read(study.places.file), reviews=reviews).write(study.places.file)
    assert refused(study) == "PLACES_UNREVIEWED"
    review(study, "A")
    require(study)
    gatherings = tmp_path / "gatherings.csv"
    gatherings.write_text(HEAD)
    study.places = study.places.model_copy(update={"gatherings": gatherings})
    assert refused(study) == "PLACES_UNREVIEWED"
    review(study, "A")
    require(study)
    gatherings.write_text(HEAD + "political,40.7,-74.0,2026-05-04T18:00:00-04:00,2026-05-04T20:00:00-04:00\n")
    assert refused(study) == "PLACES_UNREVIEWED"


def test_an_empty_list_needs_the_statement(study: Any) -> None:
    with pytest.raises(RuleError, match="PLACES_NONE"):
        review(study, "A", none_in_region=True)
    write(study.places.file, [])
    with pytest.raises(RuleError, match="PLACES_NONE"):
        review(study, "A")
    review(study, "A", none_in_region=True)
    found = require(study)
    assert found is not None
    assert found.last is not None
    assert found.last.none_in_region
    assert not suppression(study, found)(np.array([40_700_000], np.int32), np.array([-74_000_000], np.int32), np.zeros(1, np.int64)).any()


def test_a_missing_or_broken_list_is_refused(study: Any, tmp_path: Path) -> None:
    pq.write_table(pq.read_table(study.places.file).replace_schema_metadata(None), study.places.file)
    assert refused(study) == "PLACES_NOT_A_LIST"
    study.places.file.write_bytes(b"PAR1")
    assert refused(study) == "PLACES_NOT_A_LIST"
    study.places.file.unlink()
    assert refused(study) == "PLACES_MISSING"
    study.places = None
    assert (current(study), require(study)) == (None, None)


def test_the_list_file_is_geoparquet_and_holds_no_names(study: Any) -> None:
    import json

    table = pq.read_table(study.places.file)
    geo = json.loads(table.schema.metadata[b"geo"])
    assert (geo["version"], geo["columns"]["geometry"]["geometry_types"]) == ("1.1.0", ["Point"])
    assert table.schema.names == ["category", "buffer_m", "geometry"]


@pytest.mark.rule(9)
def test_gatherings_are_cut_in_space_and_time_with_their_margin(study: Any, tmp_path: Path) -> None:
    path = tmp_path / "gatherings.csv"
    begin = datetime(2026, 5, 4, 18, tzinfo=UTC)
    path.write_text(HEAD + f"political,{LAT + 0.02},{LON},{begin.isoformat()},{(begin + timedelta(hours=2)).isoformat()}\n")
    study.places = study.places.model_copy(update={"gatherings": path})
    review(study, "A")
    found = require(study)
    assert found is not None
    suppress = suppression(study, found)
    hours = np.array([-2.01, -2.0, 0.0, 1.0, 3.999, 4.0])
    t = np.array([int((begin + timedelta(hours=h)).timestamp()) * 1_000_000 for h in hours])
    lat, lon = np.full(6, round((LAT + 0.02) * 1e6), np.int32), np.full(6, round(LON * 1e6), np.int32)
    assert suppress(lat, lon, t).tolist() == [0, *[GATHERING] * 4, 0]
    metre = 1e6 / 111_050
    at = np.array([round((LAT + 0.02) * 1e6 + 609 * metre), round((LAT + 0.02) * 1e6 + 611 * metre), round(LAT * 1e6)], np.int32)
    assert suppress(at, lon[:3], t[2:3].repeat(3)).tolist() == [GATHERING, 0, SENSITIVE_PLACE]


@pytest.mark.parametrize(
    "line",
    [
        "political,40.7,-74.0,2026-05-04T18:00:00,2026-05-04T20:00:00+00:00",
        "political,40.7,-74.0,2026-05-04T18:00:00+00:00,2026-05-04T18:00:00+00:00",
        "political,40.7,-74.0,2026-05-04T18:00:00+00:00,2026-07-04T18:00:00+00:00",
        "political,95,-74.0,2026-05-04T18:00:00+00:00,2026-05-04T20:00:00+00:00",
        "political,x,-74.0,2026-05-04T18:00:00+00:00,2026-05-04T20:00:00+00:00",
        ",40.7,-74.0,2026-05-04T18:00:00+00:00,2026-05-04T20:00:00+00:00",
        "political,40.7,-74.0,2026-05-04T18:00:00+00:00",
        "political,40.7,-74.0,2026-05-04T18:00:00+00:00,2026-05-04T20:00:00+00:00,7",
        'political,40.7,"-74.0,2026',
    ],
)
def test_a_bad_line_of_gatherings_refuses_the_file(tmp_path: Path, line: str) -> None:
    path = tmp_path / "g.csv"
    path.write_text(HEAD + line + "\n")
    with pytest.raises(DataError, match="PLACES_GATHERINGS"):
        read_gatherings(path, 120)


def test_gatherings_may_have_shapes_and_buffers(tmp_path: Path) -> None:
    path = tmp_path / "g.csv"
    path.write_text('category,wkt,from,to,buffer\nsocial,"LINESTRING (-74 40.7, -74.01 40.71)",2026-05-04T18:00:00Z,2026-05-04T20:00:00Z,900\n')
    found = read_gatherings(path, 60)
    assert (len(found), found.buffers_m.tolist(), np.diff(found.times_us).tolist()) == (1, [900], [[4 * 3600 * 1_000_000]])
    path.write_text(path.read_text().replace("900", "609"))
    with pytest.raises(DataError, match="610"):
        read_gatherings(path, 60)


def test_coverage_is_the_share_of_area() -> None:
    shapes = np.array([shapely.Point(LON, LAT), shapely.Point(LON, LAT)], object)
    found = coverage(AREA, Listing.of(["worship", "court"], [1500, 610], shapes, [], date(2026, 5, 1)))
    km2 = sum(h3.cell_area(f"{c:x}", "km^2") for c in AREA.cells)
    assert found.whole == pytest.approx(np.pi * 1.5**2 / km2, rel=0.03)
    assert found.categories["worship"] == pytest.approx(found.whole)
    assert found.categories["court"] == pytest.approx(np.pi * 0.61**2 / km2, rel=0.1)
    assert found.cells.max() > 0.4
    assert found.cells.min() == 0.0
