from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from tests.unit.governance.places.test_tags import OBJECTS

from flockwise.base.region import Region
from flockwise.errors import DataError
from flockwise.governance.places import Extent, Listing, build, read_tags
from flockwise.governance.places.index import PlaceIndex

LAT, LON = 40.7, -74.0
EXTENT = Extent.of(Region.from_cells(h3.grid_disk(h3.latlng_to_cell(LAT, LON, 7), 3), 7))
TODAY = date(2026, 5, 1)


def osm(body: str) -> str:
    return f'<?xml version="1.0"?><osm version="0.6" generator="test">{body}</osm>'


def tags(of: dict[str, str]) -> str:
    return "".join(f'<tag k="{k}" v="{v}"/>' for k, v in of.items())


def node(i: int, lon: float, lat: float, of: dict[str, str] | None = None) -> str:
    return f'<node id="{i}" version="1" lat="{lat:.7f}" lon="{lon:.7f}">{tags(of or {})}</node>'


def way(i: int, nodes: list[int], of: dict[str, str] | None = None) -> str:
    return f'<way id="{i}" version="1">{"".join(f"""<nd ref="{n}"/>""" for n in nodes)}{tags(of or {})}</way>'


def made(path: Path, text: str) -> Listing:
    path.write_text(text)
    return build([path], read_tags(), EXTENT, TODAY)


def square(first: int, lon: float, lat: float, half: float) -> tuple[str, list[int]]:
    corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    ids = list(range(first, first + 4))
    return "".join(node(i, lon + x, lat + y) for i, (x, y) in zip(ids, corners, strict=True)), [*ids, first]


def hit(listing: Listing, lon: float, lat: float) -> bool:
    found = PlaceIndex.build(listing.shapes, listing.buffers_m, EXTENT)
    return bool(found.covers(np.array([round(lat * 1e6)], np.int32), np.array([round(lon * 1e6)], np.int32))[0])


@pytest.mark.rule(9)
@pytest.mark.parametrize("category", list(OBJECTS))
@pytest.mark.parametrize("kind", ["node", "way", "relation", "geojson"])
def test_each_category_is_found_and_cuts_609_m_and_not_611_m(category: str, kind: str, tmp_path: Path) -> None:
    half = 0.002
    corners, ring = square(10, LON, LAT, half)
    if kind == "node":
        listing, edge = made(tmp_path / "a.osm", osm(node(1, LON, LAT, OBJECTS[category]))), 0.0
    elif kind == "way":
        listing, edge = made(tmp_path / "a.osm", osm(corners + way(5, ring, OBJECTS[category]))), half
    elif kind == "relation":
        relation = f'<relation id="7" version="1"><member type="way" ref="5" role="outer"/>{tags({"type": "multipolygon", **OBJECTS[category]})}</relation>'
        listing, edge = made(tmp_path / "a.osm", osm(corners + way(5, ring) + relation)), half
    else:
        shape = shapely.box(LON - half, LAT - half, LON + half, LAT + half)
        one = {"type": "Feature", "properties": {"category": category, "name": "not kept"}, "geometry": json.loads(shapely.to_geojson(shape))}
        listing, edge = made(tmp_path / "a.geojson", json.dumps({"type": "FeatureCollection", "features": [one]})), half
    listing = Listing(listing.table.filter(pa.compute.equal(listing.table["category"], category)))
    assert listing.table.num_rows == 1
    assert hit(listing, LON, LAT)
    metre = 1 / 84_484.0  # degrees of longitude at 40.7 degrees north
    assert hit(listing, LON + edge + 609 * metre, LAT)
    assert not hit(listing, LON + edge + 611 * metre, LAT)


def test_open_ways_sites_and_broken_relations_come_as_their_parts(tmp_path: Path) -> None:
    corners, ring = square(10, LON, LAT, 0.01)
    body = (
        corners
        + node(1, LON + 0.03, LAT)
        + way(5, ring[:3], {"amenity": "school"})  # not closed
        + way(6, ring[2:4])
        + '<relation id="7" version="1"><member type="way" ref="6" role="outer"/><member type="way" ref="99" role="outer"/>'
        + f"{tags({'type': 'multipolygon', 'amenity': 'prison'})}</relation>"
        + f'<relation id="8" version="1"><member type="node" ref="1" role=""/>{tags({"type": "site", "amenity": "hospital"})}</relation>'
        + f'<relation id="9" version="1"><member type="way" ref="98" role=""/>{tags({"type": "site", "amenity": "police"})}</relation>'
    )
    listing = made(tmp_path / "a.osm", osm(body))
    assert dict(zip(listing.categories, shapely.get_type_id(listing.shapes).tolist(), strict=True)) == {"school": 1, "detention": 1, "medical": 0}
    source = listing.sources[0]
    assert (source.read, source.kept, source.mended, source.refused) == (4, 3, 0, 1)  # of relation 9 nothing is in the file


def test_places_far_away_are_left_out_and_repeats_are_one(tmp_path: Path) -> None:
    far, here = node(1, LON + 2, LAT, {"amenity": "school"}), node(2, LON, LAT, {"amenity": "school"})
    path = tmp_path / "b.osm.gz"
    path.write_bytes(gzip.compress(osm(far + here).encode()))
    listing = build([path, path], read_tags(), EXTENT, TODAY)
    assert (listing.counts, [s.kept for s in listing.sources]) == ({"school": 1}, [1, 1])
    assert listing.digest == build([path], read_tags(), EXTENT, date(2027, 1, 1)).digest


def test_geopackage_and_geoparquet_with_buffers(tmp_path: Path) -> None:
    import pyogrio.raw

    shapes = np.array([shapely.Point(LON, LAT), shapely.Polygon([(LON, LAT), (LON + 0.1, LAT + 0.1), (LON + 0.1, LAT), (LON, LAT + 0.1)])], object)
    columns = [np.array(["worship", "court"], object), np.array([700.0, 0.0])]
    gpkg = tmp_path / "a.gpkg"
    pyogrio.raw.write(gpkg, shapely.to_wkb(shapes), columns, ["category", "buffer_m"], geometry_type="Unknown", crs="EPSG:4326")
    table = pa.table({"category": ["worship", "court"], "buffer_m": [700.0, None], "geometry": shapely.to_wkb(shapes)})
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB", "geometry_types": []}}}
    parquet = tmp_path / "a.parquet"
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), parquet)
    one, two = (build([p], read_tags(), EXTENT, TODAY) for p in (gpkg, parquet))
    assert one.digest == two.digest
    assert (one.categories, one.buffers_m.tolist(), one.sources[0].mended) == (["court", "worship"], [610, 700], 1)


def feature(properties: str) -> str:
    return '{"type": "Feature", "properties": ' + properties + ', "geometry": {"type": "Point", "coordinates": [1, 2]}}'


MERCATOR = '{"type": "FeatureCollection", "crs": {"type": "name", "properties": {"name": "EPSG:3857"}}, "features": [%s]}'
VRT = '<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>/etc/passwd</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.geojson", feature("{}"), "PLACES_NO_CATEGORY"),
        ("a.geojson", feature('{"category": "=cmd()"}'), "PLACES_UNKNOWN_CATEGORY"),
        ("a.geojson", feature('{"category": "court", "buffer_m": 1e9}'), "PLACES_BUFFER"),
        ("a.geojson", MERCATOR % feature('{"category": "court"}'), "PLACES_NOT_WGS84"),
        ("a.geojson", VRT, "PLACES_UNREADABLE"),
        ("a.gpkg", '{"type": "FeatureCollection", "features": []}', "PLACES_UNREADABLE"),
        ("a.osm", "<osm", "PLACES_UNREADABLE"),
        ("a.osm.pbf", "nonsense", "PLACES_UNREADABLE"),
        ("a.parquet", "nonsense", "PLACES_UNREADABLE"),
        ("a.csv", "category,lat,lon", "PLACES_UNREADABLE"),
        ("a.shp", "shapefile", "PLACES_UNREADABLE"),
        ("a.vrt", VRT, "PLACES_UNREADABLE"),
    ],
)
def test_what_can_not_be_used_is_refused_as_a_whole(tmp_path: Path, name: str, content: str, code: str) -> None:
    with pytest.raises(DataError) as caught:
        made(tmp_path / name, content)
    assert caught.value.code == code


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="PLACES_UNREADABLE"):
        build([tmp_path / "none.osm"], read_tags(), EXTENT, TODAY)


@pytest.mark.parametrize("category", ["'court'", "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c)"])
def test_a_geopackage_whose_layer_is_a_query_is_refused_before_it_runs(tmp_path: Path, category: str) -> None:
    import pyogrio.raw

    path = tmp_path / "a.gpkg"
    shape = np.array([shapely.Point(LON, LAT)], object)
    pyogrio.raw.write(path, shapely.to_wkb(shape), [np.array(["court"], object)], ["category"], geometry_type="Unknown", crs="EPSG:4326", SPATIAL_INDEX="NO")
    assert build([path], read_tags(), EXTENT, TODAY).categories == ["court"]
    with closing(sqlite3.connect(path)) as file:
        geometry = file.execute("SELECT hex(geom) FROM a").fetchone()[0]
        file.executescript(
            f"DROP TABLE a; CREATE VIEW b AS SELECT 1 AS fid, x'{geometry}' AS geom, {category} AS category;"
            "UPDATE gpkg_contents SET table_name = 'b', identifier = 'b';"
            "UPDATE gpkg_geometry_columns SET table_name = 'b'; DELETE FROM gpkg_ogr_contents;"
        )
    with pytest.raises(DataError, match="PLACES_UNREADABLE"):
        build([path], read_tags(), EXTENT, TODAY)
