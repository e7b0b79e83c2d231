from __future__ import annotations

from pathlib import Path

import h3
import numpy as np
import pytest

from flockwise.base.h3bits import to_hex
from flockwise.base.region import Region
from flockwise.errors import ConfigError

SQUARE = {"type": "Polygon", "coordinates": [[[-74.1, 40.6], [-73.8, 40.6], [-73.8, 40.9], [-74.1, 40.9], [-74.1, 40.6]]]}


def test_every_point_of_the_polygon_is_in_the_region() -> None:
    region = Region.from_geojson(SQUARE, 7)
    rng = np.random.default_rng(1)
    points = zip(rng.uniform(40.6, 40.9, 500), rng.uniform(-74.1, -73.8, 500), strict=True)
    inside = {h3.latlng_to_cell(lat, lon, 7) for lat, lon in points}
    assert inside <= set(to_hex(region.cells))
    assert region.resolution == 7


def test_features_collections_and_multipolygons_give_the_same_cells() -> None:
    plain = Region.from_geojson(SQUARE, 6).cells
    multi = {"type": "MultiPolygon", "coordinates": [SQUARE["coordinates"]]}
    wrapped = {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": multi}]}
    assert np.array_equal(plain, Region.from_geojson(wrapped, 6).cells)


def test_coarser_levels_are_the_ancestors() -> None:
    region = Region.from_geojson(SQUARE, 7)
    assert set(to_hex(region.at(5).cells)) == {h3.cell_to_parent(c, 5) for c in to_hex(region.cells)}


def test_positions_and_strangers() -> None:
    region = Region.from_geojson(SQUARE, 7)
    stranger = int(h3.latlng_to_cell(0.0, 0.0, 7), 16)
    assert region.index_of([region.cells[3], stranger, region.cells[-1], 2**62]).tolist() == [3, -1, len(region) - 1, -1]


def test_cells_of_other_resolutions_are_opened_or_lifted() -> None:
    coarse = h3.latlng_to_cell(40.7, -74.0, 5)
    assert len(Region.from_cells([coarse], 7)) == 49
    assert len(Region.from_cells([h3.latlng_to_cell(40.7, -74.0, 9)], 7)) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", "REGION_NOT_GEOJSON"),
        ("[]", "REGION_BAD_POLYGON"),
        ('{"type": "Point", "coordinates": [0, 0]}', "REGION_BAD_POLYGON"),
        ('{"type": "FeatureCollection", "features": []}', "REGION_EMPTY"),
        ('{"type": "Polygon", "coordinates": [[[500000, 4500000], [500001, 4500000], [500000, 4500001], [500000, 4500000]]]}', "REGION_BAD_POLYGON"),
        ('{"type": "Polygon", "coordinates": "here"}', "REGION_BAD_POLYGON"),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "r.geojson"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Region.from_geojson(path, 7)
    assert caught.value.code == code


def test_a_list_of_cells_in_a_file(tmp_path: Path) -> None:
    region = Region.from_geojson(SQUARE, 7)
    path = tmp_path / "cells.txt"
    path.write_text("# public\n\n" + "\n".join(to_hex(region.cells)) + "\n")
    assert np.array_equal(Region.from_cells_file(path, 7).cells, region.cells)
    path.write_text("872a1072bffffff\nnonsense\n")
    with pytest.raises(ConfigError, match="not an H3 cell"):
        Region.from_cells_file(path, 7)
    with pytest.raises(ConfigError, match="can't be read"):
        Region.from_cells_file(tmp_path / "missing.txt", 7)


def test_missing_geojson(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        Region.from_geojson(tmp_path / "none.geojson", 7)
