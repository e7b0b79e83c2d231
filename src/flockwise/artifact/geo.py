"""Geometry of the published tables: WKB from H3 cells, and the metadata of GeoParquet 1.1."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from h3ronpy import vector

__all__ = ["bbox_of", "centres", "check_metadata", "lines", "metadata", "polygons"]

Cells = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_LINE = np.dtype([("order", "u1"), ("type", "<u4"), ("points", "<u4"), ("xy", "<f8", (4,))])


def polygons(cells: Cells) -> pa.Array[Any]:
    """The outlines of cells as WKB polygons (longitude, latitude; closed; counterclockwise), in the order given.

    Args:
        cells: H3 cells, int64. A cell that crosses the antimeridian is not cut.
    """
    shapes: pa.Array[Any] = pa.array(vector.cells_to_wkb_polygons(np.asarray(cells).astype(np.uint64)))
    return shapes.cast(pa.binary())


def centres(cells: Cells) -> tuple[Floats, Floats]:
    """Latitudes and longitudes of the cells' centres in degrees, in the order given."""
    batch = pa.record_batch(vector.cells_to_coordinates(np.asarray(cells).astype(np.uint64)))
    return batch.column("lat").to_numpy(), batch.column("lng").to_numpy()


def lines(lon_a: Floats, lat_a: Floats, lon_b: Floats, lat_b: Floats) -> pa.Array[Any]:
    """WKB lines of two points, from a to b, in the order given; a and b may be the same point."""
    shapes = np.empty(len(lon_a), dtype=_LINE)
    shapes["order"], shapes["type"], shapes["points"] = 1, 2, 2
    for column, values in enumerate((lon_a, lat_a, lon_b, lat_b)):
        shapes["xy"][:, column] = values
    offsets = np.arange(len(shapes) + 1, dtype=np.int32) * _LINE.itemsize
    return pa.Array.from_buffers(pa.binary(), len(shapes), [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(shapes.tobytes())])


def bbox_of(cells: Cells) -> list[float]:
    """West, south, east and north of the cells' outlines, in degrees."""
    bounds = vector.cells_bounds(np.asarray(cells).astype(np.uint64))
    return [float(v) for v in bounds]


def metadata(kind: str, bbox: list[float]) -> bytes:
    """The "geo" metadata of a GeoParquet 1.1 file with one geometry column in OGC:CRS84 (the format's default).

    Args:
        kind: "Polygon" or "LineString".
        bbox: west, south, east, north.
    """
    column: dict[str, Any] = {"encoding": "WKB", "geometry_types": [kind], "bbox": bbox}
    if kind == "Polygon":
        column["orientation"] = "counterclockwise"
    return json.dumps({"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}, sort_keys=True).encode()


def check_metadata(raw: bytes | None, kind: str) -> str | None:
    """What is wrong with a file's "geo" metadata by the rules of GeoParquet 1.1, or None.

    Args:
        raw: value of the file's "geo" key.
        kind: the geometry type that the column must hold.

    Source:
        GeoParquet 1.1.0: required file keys version, primary_column, columns; required column keys encoding, geometry_types.
    """
    try:
        geo = json.loads(raw or b"")
        column = geo["columns"][geo["primary_column"]]
        west, south, east, north = (float(v) for v in column["bbox"])
    except (ValueError, KeyError, TypeError):
        return "the geo metadata can't be read"
    rules = {
        "the version is not 1.1.0": geo.get("version") == "1.1.0",
        "the geometry column is not the only one": list(geo["columns"]) == ["geometry"],
        "the encoding is not WKB": column.get("encoding") == "WKB",
        "the geometry type is not the table's": column.get("geometry_types") == [kind],
        "the coordinates are not in OGC:CRS84": "crs" not in column and column.get("edges", "planar") == "planar" and "epoch" not in column,
        "the bounding box is not one": -180 <= west <= east <= 180 and -90 <= south <= north <= 90,
        "a key is not known": set(geo) == {"version", "primary_column", "columns"}
        and set(column) <= {"encoding", "geometry_types", "bbox", "orientation", "edges"},
    }
    return next((text for text, kept in rules.items() if not kept), None)
