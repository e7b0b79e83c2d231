"""Builds a list of sensitive places from files: OpenStreetMap, GeoJSON, GeoPackage and GeoParquet."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from flockwise.errors import DataError
from flockwise.governance.places.extent import Extent
from flockwise.governance.places.listing import Listing, Source
from flockwise.governance.places.osm import ENDINGS, OsmError, read_osm
from flockwise.governance.places.shapes import Shapes, mend
from flockwise.governance.places.tags import GREATEST_BUFFER_M, TagTable

__all__ = ["build"]

BATCH = 1 << 14
_WORLD = ("EPSG:4326", "OGC:CRS84")
Batch = tuple[list[str], Any, Shapes]
"""Categories, buffers in metres or None, geometries."""


def build(paths: Sequence[Path], table: TagTable, extent: Extent, today: date) -> Listing:
    """A list of the places of all files that come near a region.

    Files are read in batches; what is kept in memory is what comes near the region. Geometries that can't be mended are counted (`Source.refused`):
    the officer has to see to them.

    Args:
        paths: .osm, .osm.pbf, .osm.gz, .osm.bz2 (by the tag table), .geojson, .json, .gpkg, .parquet (by a column "category", and if wanted "buffer_m").
        table: the categories.
        extent: of the region.
        today: the day of the build.

    Raises:
        DataError: PLACES_UNREADABLE, PLACES_NO_CATEGORY, PLACES_UNKNOWN_CATEGORY, PLACES_NOT_WGS84, PLACES_BUFFER.
    """
    names: list[str] = []
    reach: list[np.ndarray[Any, Any]] = []
    kept: list[Shapes] = []
    sources = []
    for path in paths:
        read = near = mends = refused = 0
        digest = _sha256(path)
        for categories, own, raw in _batches(path, table):
            shapes, mended = mend(raw)
            lost = shapely.is_missing(shapes)
            buffers = np.array([table[c].buffer_m for c in categories], np.int32)
            if own is not None:
                buffers = np.maximum(buffers, own)
            bounds = shapely.bounds(shapes)
            with np.errstate(invalid="ignore"):
                keep = ~lost & extent.meets(bounds, buffers.astype(np.float64))
            read, near, mends, refused = read + len(categories), near + int(keep.sum()), mends + mended, refused + int(lost.sum())
            names += [c for c, k in zip(categories, keep, strict=True) if k]
            reach.append(buffers[keep])
            kept.append(shapes[keep])
        sources.append(Source(path.name, digest, read, near, mends, refused))
    empty = np.array([], object)
    return Listing.of(names, np.concatenate(reach) if reach else np.array([], np.int32), np.concatenate(kept) if kept else empty, sources, today)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:  # a ValueError is of the path: it holds a zero byte
        _unreadable(path, type(error).__name__, error)


def _batches(path: Path, table: TagTable) -> Iterator[Batch]:
    name = path.name.casefold()
    if name.endswith(ENDINGS):
        try:
            for categories, shapes in read_osm(path, table):
                yield categories, None, shapes
        except OsmError as error:
            _unreadable(path, str(error), error)
        return
    readers = {".geojson": _ogr, ".json": _ogr, ".gpkg": _ogr, ".parquet": _parquet}
    reader = readers.get(path.suffix.casefold())
    if reader is None:
        _unreadable(path, f"the ending {path.suffix}"[:40], None)
    try:
        for batch, geometry in reader(path):
            yield _checked(batch, geometry, path, table)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, pa.ArrowException, sqlite3.Error, shapely.errors.ShapelyError) as error:
        _unreadable(path, type(error).__name__, error)


def _checked(batch: pa.RecordBatch, geometry: str, path: Path, table: TagTable) -> Batch:
    columns = batch.schema.names
    if "category" not in columns:
        raise DataError(
            "PLACES_NO_CATEGORY",
            what="A file of places does not say what its places are.",
            got=f"{path.name}: {', '.join(columns)[:120]}",
            expected='a column "category" with a name of docs/reference/sensitive-places.md',
            state="Nothing was written.",
            fix="Add the column, or give an OpenStreetMap file.",
        )
    categories = [str(v) for v in batch["category"].to_pylist()]
    unknown = sorted({c for c in categories if c not in table})
    if unknown:
        raise DataError(
            "PLACES_UNKNOWN_CATEGORY",
            what="A file of places has a category that is not known.",
            got=f"{path.name}: {', '.join(repr(u[:40]) for u in unknown[:5])}",
            expected=", ".join(c.name for c in table.categories),
            state="Nothing was written.",
            fix="Correct the column, or add the category in the file named by [places] tags.",
        )
    own = None
    if "buffer_m" in columns:
        own = np.nan_to_num(batch["buffer_m"].cast(pa.float64()).to_numpy(zero_copy_only=False), nan=0.0, posinf=np.inf)
        if (own > GREATEST_BUFFER_M).any() or (own < 0).any():
            raise DataError(
                "PLACES_BUFFER",
                what="A place has a buffer that is out of range.",
                got=path.name,
                expected=f"0 to {GREATEST_BUFFER_M} m; a buffer narrower than the category's changes nothing",
                state="Nothing was written.",
                fix="Correct the column buffer_m.",
            )
        own = np.ceil(own).astype(np.int32)
    raw = batch[geometry].to_numpy(zero_copy_only=False)
    return categories, own, shapely.from_wkb(raw, on_invalid="ignore")


def _ogr(path: Path) -> Iterator[tuple[pa.RecordBatch, str]]:
    """GeoJSON and GeoPackage, through GDAL; the first bytes decide, so that no other of its formats can be reached through a file's name."""
    import pyogrio
    import pyogrio.raw

    with path.open("rb") as file:
        head = file.read(512)
    if path.suffix.casefold() == ".gpkg":
        if not head.startswith(b"SQLite format 3\0"):
            raise ValueError("not a GeoPackage")
        _only_tables(path)
    elif not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        raise ValueError("not GeoJSON")
    local = path.resolve()
    if len(pyogrio.list_layers(local)) != 1:
        raise ValueError("more than one layer")
    with pyogrio.raw.open_arrow(local, batch_size=BATCH, use_pyarrow=True) as (meta, reader):
        if meta["crs"] not in _WORLD:
            _other_system(path, str(meta["crs"]))
        for batch in reader:
            yield batch, meta["geometry_name"] or "wkb_geometry"


def _only_tables(path: Path) -> None:
    """Refuses a GeoPackage with a view: a query of somebody else, which may never end, would run when it is read."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as file:
        if file.execute("SELECT 1 FROM sqlite_master WHERE type = 'view'").fetchone():
            raise ValueError("a view")


def _parquet(path: Path) -> Iterator[tuple[pa.RecordBatch, str]]:
    with pq.ParquetFile(path) as file:
        geo = json.loads((file.schema_arrow.metadata or {})[b"geo"])
        name = str(geo["primary_column"])
        column = geo["columns"][name]
        if column["encoding"] != "WKB":
            raise ValueError("not WKB")
        system = column.get("crs", {"id": {"authority": "OGC", "code": "CRS84"}})
        known = system and f"{system['id']['authority']}:{system['id']['code']}"
        if known not in _WORLD:
            _other_system(path, str(known))
        wanted = [c for c in file.schema_arrow.names if c in ("category", "buffer_m", name)]
        for batch in file.iter_batches(BATCH, columns=wanted):
            yield batch, name


def _other_system(path: Path, got: str) -> NoReturn:
    raise DataError(
        "PLACES_NOT_WGS84",
        what="A file of places is not in longitude and latitude.",
        got=f"{path.name}: {got[:60]}",
        expected="WGS 84 (EPSG:4326 or OGC:CRS84)",
        state="Nothing was written.",
        fix="Transform it, for example with ogr2ogr -t_srs EPSG:4326.",
    )


def _unreadable(path: Path, got: str, error: Exception | None) -> NoReturn:
    raise DataError(
        "PLACES_UNREADABLE",
        what="A file of places can't be read.",
        got=f"{path}: {got}",
        expected=".osm, .osm.pbf, .osm.gz, .osm.bz2, .geojson, .json, .gpkg (one layer) or .parquet (GeoParquet, WKB)",
        state="Nothing was written.",
        fix="Correct the path or the file.",
    ) from error
