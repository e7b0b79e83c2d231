"""The published tables: their schemas, and Parquet files whose bytes depend on nothing but the content and the library's version."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flockwise.artifact import geo
from flockwise.base import h3bits
from flockwise.errors import InternalError

__all__ = ["FLOWS", "MARGINS", "PRESENCE", "SCHEMAS", "TYPICAL_DAY", "ZONES", "Shapes", "write_parquet", "zones"]

_STATUS = pa.dictionary(pa.int32(), pa.string())


def _schema(*fields: tuple[str, pa.DataType, bool]) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=nullable) for name, kind, nullable in fields])


ZONES = _schema(
    ("level", pa.int8(), False),
    ("cell", pa.string(), False),
    ("parent", pa.string(), True),
    ("lat", pa.float64(), False),
    ("lon", pa.float64(), False),
    ("area_cut", pa.float64(), True),
    ("geometry", pa.binary(), False),
)
"""zones.parquet: every public cell of every level, sorted by (level, cell). parent: at the next coarser level of the release; null at the coarsest.

area_cut: about which share of the cell lies in sensitive places and their buffers, from where no ping is stored (a public fact); null without a list."""

PRESENCE = _schema(
    ("level", pa.int8(), False),
    ("cell", pa.string(), False),
    ("slot_start", pa.timestamp("ms", tz="UTC"), False),
    ("devices", pa.float64(), True),
    ("lower", pa.float64(), True),
    ("upper", pa.float64(), True),
    ("status", _STATUS, False),
    ("unbiased", pa.float64(), False),
    ("geometry", pa.binary(), False),
)
"""presence.parquet: one row for every public cell and slot, sorted by (level, cell, slot_start). Withheld: devices, lower and upper are null.

slot_start falls on whole seconds; Parquet has no coarser unit than milliseconds."""

TYPICAL_DAY = _schema(
    ("level", pa.int8(), False),
    ("cell", pa.string(), False),
    ("slot", pa.int16(), False),
    ("slot_label", pa.string(), False),
    ("days", pa.int16(), False),
    ("devices", pa.float64(), True),
    ("lower", pa.float64(), True),
    ("upper", pa.float64(), True),
    ("status", _STATUS, False),
    ("unbiased", pa.float64(), False),
    ("geometry", pa.binary(), False),
)
"""typical_day.parquet: the mean over the days of the window of every public cell and slot of the local day, sorted by (level, cell, slot).

days: over how many slots of the window the mean is taken; a change of the clock takes one from an hour, or gives it one. unbiased is the mean of the
unbiased values of presence.parquet, and devices that of the estimates, to 1/128 of a device for each of the release's finest cells in the row's cell."""

FLOWS = _schema(
    ("level", pa.int8(), False),
    ("origin", pa.string(), False),
    ("destination", pa.string(), False),
    ("slot", pa.int16(), False),
    ("slot_label", pa.string(), False),
    ("trips", pa.float64(), False),
    ("lower", pa.float64(), False),
    ("upper", pa.float64(), False),
    ("unlisted", pa.float64(), True),
    ("status", _STATUS, False),
    ("geometry", pa.binary(), False),
)
"""flows.parquet: the pairs that are printed, sorted by (level, slot, origin, destination). Others are never listed.

trips = the sum of the listed pairs of the next finer level between the two zones + unlisted, exactly; null at the finest level."""

MARGINS = _schema(
    ("level", pa.int8(), False),
    ("cell", pa.string(), False),
    ("slot", pa.int16(), False),
    ("slot_label", pa.string(), False),
    *((name, pa.float64(), False) for ends in ("departures", "arrivals") for name in (ends, f"{ends}_lower", f"{ends}_upper", f"{ends}_unlisted")),
    ("geometry", pa.binary(), False),
)
"""margins.parquet: trips that leave and reach every public cell in each slot of the day, sorted by (level, slot, cell).

departures = the sum of the cell's listed pairs + departures_unlisted, exactly, and likewise arrivals; both add up over the cells of a parent."""

SCHEMAS = {"zones": ZONES, "presence": PRESENCE, "typical_day": TYPICAL_DAY, "flows": FLOWS, "margins": MARGINS}
GEOMETRY = {"zones": "Polygon", "presence": "Polygon", "typical_day": "Polygon", "flows": "LineString", "margins": "Polygon"}
_REPEATED = ("level", "cell", "parent", "slot_start", "status", "origin", "destination", "slot", "slot_label", "days")
ROW_GROUP = 1 << 17


def zones(levels: Mapping[int, npt.NDArray[np.int64]], area_cut: Mapping[int, npt.NDArray[np.float64]] | None = None) -> pa.Table:
    """The zones table of a release.

    Args:
        levels: for each H3 resolution that any table uses, its public cells (int64, sorted, distinct).
        area_cut: for each of them, the share of each cell that sensitive places cut out; None without a list.

    Returns:
        ZONES, sorted by (level, cell).
    """
    parts = []
    order = sorted(levels)
    for position, level in enumerate(order):
        cells = np.asarray(levels[level], dtype=np.int64)
        lat, lon = geo.centres(cells)
        parents = h3bits.to_hex(h3bits.parent(cells, order[position - 1])) if position else [None] * len(cells)
        cut = [None] * len(cells) if area_cut is None else area_cut[level]
        columns: list[Any] = [np.full(len(cells), level, np.int8), h3bits.to_hex(cells), parents, lat, lon, cut, geo.polygons(cells)]
        arrays = [pa.array(c, type=f.type) if not isinstance(c, pa.Array) else c for c, f in zip(columns, ZONES, strict=True)]
        parts.append(pa.Table.from_arrays(arrays, schema=ZONES))
    return pa.concat_tables(parts).combine_chunks()


class Shapes:
    """Geometry of the rows of a release, looked up in its zones.

    Args:
        zones: the zones table.
    """

    def __init__(self, zones: pa.Table) -> None:
        self._cells: Any = zones.column("cell").combine_chunks()
        self._polygons: Any = zones.column("geometry").combine_chunks()
        self._lat = zones.column("lat").to_numpy()
        self._lon = zones.column("lon").to_numpy()

    def position(self, cells: pa.Array[Any] | pa.ChunkedArray[Any]) -> npt.NDArray[np.int64]:
        """Row of each cell in the zones table, -1 where there is none."""
        found: Any = pc.index_in(cells, value_set=self._cells)
        found = pc.fill_null(found, -1)
        return np.asarray(found.to_numpy(), dtype=np.int64)

    def of(self, kind: str, table: pa.Table) -> pa.Array[Any]:
        """The geometry column of a table's rows (cells: polygons; pairs: lines between centres).

        Raises:
            KeyError: a row's cell is not in the zones.
        """
        columns = ("cell",) if GEOMETRY[kind] == "Polygon" else ("origin", "destination")
        where = [self.position(table.column(c)) for c in columns]
        if any(w.size and w.min() < 0 for w in where):
            raise KeyError(kind)
        if GEOMETRY[kind] == "Polygon":
            taken: pa.Array[Any] = self._polygons.take(pa.array(where[0]))
            return taken
        a, b = where
        return geo.lines(self._lon[a], self._lat[a], self._lon[b], self._lat[b])

    @cached_property
    def bbox(self) -> list[float]:
        """West, south, east and north of all zones: a public fact, the same in every file."""
        return geo.bbox_of(h3bits.from_hex(self._cells.to_pylist()))


def plain(kind: str, table: pa.Table) -> pa.Table:
    """The table without geometry, cast to its schema.

    Raises:
        InternalError: a column is missing, unknown, of the wrong type or null where it must not be.
    """
    schema = SCHEMAS[kind].remove(SCHEMAS[kind].get_field_index("geometry"))
    unknown = set(table.column_names) ^ set(schema.names) - {"geometry"}
    if unknown - {"geometry"}:
        raise InternalError("ARTIFACT_BAD_TABLE", what=f"The {kind} table does not have the published columns.", got=", ".join(sorted(unknown)))
    try:
        out = table.select(schema.names)
        if "status" in schema.names:
            # Encoded anew: the dictionary's order and the rows' chunks must not reach the published bytes.
            at = out.column_names.index("status")
            out = out.set_column(at, "status", out.column("status").cast(pa.string()).combine_chunks().dictionary_encode())
        out = out.cast(schema).combine_chunks()
        out.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise InternalError("ARTIFACT_BAD_TABLE", what=f"The {kind} table does not have the published types.", got=type(error).__name__) from error
    if any(out.column(f.name).null_count for f in schema if not f.nullable):
        raise InternalError("ARTIFACT_BAD_TABLE", what=f"The {kind} table has nulls where there must be none.")
    return out


def write_parquet(path: Path, kind: str, table: pa.Table, shapes: Shapes) -> None:
    """Writes one table with its geometry as GeoParquet 1.1.

    Args:
        path: the file to make.
        kind: which table, by its name in `SCHEMAS`.
        table: rows in their published order; a geometry column is made anew (zones: kept).
        shapes: the release's geometry.
    """
    body = table.select(ZONES.names).cast(ZONES) if kind == "zones" else plain(kind, table)
    schema = SCHEMAS[kind].with_metadata({b"geo": geo.metadata(GEOMETRY[kind], shapes.bbox)})
    repeated: Any = [*(c for c in _REPEATED if c in schema.names), *(["geometry"] if kind != "flows" else [])]
    # Everything that has a default is named: a new default of the library must not change published bytes.
    with pq.ParquetWriter(
        path, schema, version="2.6", compression="zstd", compression_level=6, data_page_version="1.0", data_page_size=1 << 20,
        use_dictionary=repeated, dictionary_pagesize_limit=1 << 24, write_statistics=[c for c in schema.names if c != "geometry"], write_batch_size=1024,
        store_schema=True, write_page_index=False, write_page_checksum=True, sorting_columns=None,
    ) as writer:  # fmt: skip
        for start in range(0, max(len(body), 1), ROW_GROUP):
            part = body.slice(start, ROW_GROUP)
            if kind != "zones":
                part = part.append_column(schema.field("geometry"), shapes.of(kind, part))
            writer.write_table(part.cast(schema), row_group_size=ROW_GROUP)
