"""Sound content for each target, from which mutations begin, and words that have broken readers before."""

from __future__ import annotations

import gzip
import hashlib
import io
import json

import h3
import numpy as np
import osmium
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio.raw
import shapely
import zstandard
from tests.fuzz.running import folder
from tests.fuzz.targets import as_csv, as_parquet
from tests.fuzz.targets_of_places import EXTENT, TODAY
from tests.unit.artifact import _made as made

from flockwise.governance.places import Review, build, read_tags

__all__ = ["SEEDS", "STUDY", "WORDS"]

STUDY = """\
name = "test"
purpose = "public-health"
[store]
path = "store"
key = "key"
retention_days = 30
[ledger]
path = "ledger"
dataset = "panel"
lifetime_epsilon = "4"
[region]
cells = ["872a1072bffffff"]
[window]
start = 2026-03-02
days = 2
timezone = "UTC"
[input]
device = "device_id"
device_type = "integer"
time = "ts"
time_format = "timestamp"
lat = "lat"
lon = "lon"
consent_basis = "made up for a test"
[privacy]
unit = "device"
window = "whole"
epsilon = "1"
delta = "1e-9"
panel_bound = 1000
[[tables]]
kind = "presence"
resolution = 7
"""

_RING = [[-74.1, 40.6], [-73.8, 40.6], [-73.8, 40.9], [-74.1, 40.9], [-74.1, 40.6]]
_GEO = json.dumps({"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [_RING]}}]})
_CELLS = [h3.latlng_to_cell(40.7, -74 + i / 3, 6) for i in range(3)]
_OSM = """<?xml version="1.0"?><osm version="0.6"><node id="1" lat="40.7" lon="-74.0" version="1"><tag k="amenity" v="hospital"/></node>
<node id="2" lat="40.71" lon="-74.0" version="1"/><node id="3" lat="40.71" lon="-74.01" version="1"/>
<way id="1" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/><tag k="amenity" v="school"/></way></osm>"""


_SHAPES = np.array([shapely.Point(-74, 40.7), shapely.box(-74.01, 40.7, -74, 40.71), None], object)
_CATEGORIES = np.array(["medical", "worship", "medical"], object)


def _places(ending: str) -> bytes:
    with folder() as path:
        name = path / f"places{ending}"
        if ending == ".gpkg":
            pyogrio.raw.write(name, shapely.to_wkb(_SHAPES), [_CATEGORIES], ["category"], geometry_type="Unknown", crs="EPSG:4326")
        elif ending == ".osm.pbf":
            (path / "places.osm").write_text(_OSM)
            writer = osmium.SimpleWriter(str(name))
            for thing in osmium.FileProcessor(str(path / "places.osm")):
                writer.add(thing)
            writer.close()
        elif ending == ".parquet":
            geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB", "geometry_types": []}}}
            table = pa.table({"category": _CATEGORIES, "buffer_m": [700, 0, 800], "geometry": pa.array(shapely.to_wkb(_SHAPES), pa.binary())})
            pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), name)
        else:
            (path / "places.osm").write_text(_OSM)
            build([path / "places.osm"], read_tags(), EXTENT, TODAY).reviewed(Review(TODAY, "A. Example", "ab" * 32)).write(name)
        return name.read_bytes()


def _deletions() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": [7, 8, 9], "received": ["2026-06-01", None, "2026-06-02"]}), buffer)
    return buffer.getvalue()


def _certificate() -> bytes:
    tables = made.tables()
    return made.certificate(tables["presence"], tables["flows"]).to_json().encode()


SEEDS: dict[str, bytes] = {
    "study": STUDY.encode(),
    "supplier": b'name = "Example"\nnews = 1\n[assessment]\non = 2026-01-01\n',
    "region": _GEO.encode(),
    "cells": "".join(f"{c}\n" for c in _CELLS).encode(),
    "weights": ("cell,weight\n" + "".join(f"{c},1.5\n" for c in _CELLS)).encode(),
    "census": ("cell,people\n" + "".join(f"{c},1500\n" for c in _CELLS)).encode(),
    "certificate": _certificate(),
    "gatherings": b"category,lat,lon,from,to,buffer\npolitical,40.7,-74.0,2026-03-02T10:00:00Z,2026-03-02T12:00:00Z,1000\n",
    "places_geojson": _GEO.replace('"properties": {}', '"properties": {"category": "medical", "buffer_m": 700}').encode(),
    "places_gpkg": _places(".gpkg"),
    "places_geoparquet": _places(".parquet"),
    "places_list": _places(".list"),
    "osm": _OSM.encode(),
    "osm_pbf": _places(".osm.pbf"),
    "tags": b'[[category]]\nname = "own"\nlabel = "Own"\nbuffer_m = 700\ntags = ["amenity=clinic|x & access!=private", "a=*"]\n',
    "recipient": b"Ministry of Transport",
    "deletions": b"id,received\n7,2026-06-01\n8,2026-06-02\n",
    "deletions_of_texts": b'id\n"a\nb"\nc\n',
    "deletions_hashed": "".join(["hash\n", *(hashlib.sha256(bytes([k])).hexdigest() + "\n" for k in range(5))]).encode(),
    "deletions_parquet": _deletions(),
    "csv": as_csv(),
    "csv_gz": gzip.compress(as_csv(), mtime=0),
    "csv_zst": zstandard.compress(as_csv()),
    "parquet": as_parquet(),
}

WORDS: tuple[bytes, ...] = (
    b"1e999999999", b"1e-999999999", b"9" * 5000, b"-1", b"NaN", b"Infinity", b"null", b"true", b"1/0", b"0x1p-1074", b"-0", b"1_0",
    b"\x00", b"\\u0000", b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc0\xaf", "\uff11".encode(), "\u2028".encode(), "\u202e".encode(),
    b"[" * 3000, b"{" * 3000, b"a." * 3000, b'"' * 3, b"'", b"\r", b"\n\n", b",,,,", b"../" * 40, b"/dev/stdin", b"//", b"~", b"%00",
    b"=cmd|' /C calc'!A0", b"@SUM(1)", b"<script>alert(1)</script>", b"${jndi:ldap://x}", b"; DROP TABLE ledger", b"%s%n", b"a" * 70_000,
)  # fmt: skip
