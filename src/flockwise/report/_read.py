"""The published folder, as arrays. Reads certificate.json and its Parquet files, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flockwise.errors import ArtifactError

__all__ = ["Artifact", "Flows", "Presence", "Zones", "read"]

LARGEST_TABLE = 1 << 27
"""Rows: a file of a few bytes can hold a billion."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ZONES = ("level", "cell", "parent", "lat", "lon", "area_cut", "geometry")
_PRESENCE = ("level", "cell", "slot_start", "devices", "lower", "upper", "status")
_TYPICAL_DAY = ("level", "cell", "slot", "slot_label", "devices", "lower", "upper", "status")
_FLOWS = ("level", "origin", "destination", "slot", "slot_label", "trips", "lower", "upper")


@dataclass(frozen=True)
class Zones:
    """The public cells of one level, in order of their text.

    Args:
        level: H3 resolution.
        cells: H3 indexes as text.
        parents: position in the next coarser level of the release, -1 where there is none.
        lat: degrees, centre.
        lon: degrees, centre.
        rings: one array of (longitude, latitude) vertices a cell, not closed.
        cut: about which share of each cell lies around sensitive places, where nobody is counted; 0 without a list.
    """

    level: int
    cells: list[str]
    parents: Ints
    lat: Floats
    lon: Floats
    rings: list[Floats]
    cut: Floats


@dataclass(frozen=True)
class Presence:
    """Present population of one level, or its typical day: cells x slots, NaN where withheld."""

    level: int
    devices: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class Flows:
    """The published pairs of one level; origin and destination are positions in its zones."""

    level: int
    origin: Ints
    destination: Ints
    slot: Ints
    trips: Floats
    lower: Floats
    upper: Floats


@dataclass(frozen=True)
class Artifact:
    """What the report shows.

    Args:
        certificate: certificate.json as it stands.
        zones: finest level first.
        presence: finest level first.
        flows: finest level first.
        slots: starts of the presence slots, UTC seconds, ascending.
        flow_slots: labels of the slots of the day by their number.
        typical_day: finest level first; none if the release has no typical day.
        day_slots: labels of its slots, in order.
    """

    certificate: Mapping[str, Any]
    zones: list[Zones]
    presence: list[Presence]
    flows: list[Flows]
    slots: Ints
    flow_slots: dict[int, str]
    typical_day: list[Presence] = field(default_factory=list)
    day_slots: list[str] = field(default_factory=list)


def read(folder: Path) -> Artifact:
    """The published folder `folder`, checked for shape.

    Raises:
        ArtifactError: a file is missing, can't be read, or does not have the columns or rows of format 1.
    """
    certificate = _certificate(folder / "certificate.json")
    zones = _zones(_table(folder / "zones.parquet", _ZONES))
    presence: list[Presence] = []
    slots: Ints = np.empty(0, dtype=np.int64)
    if (folder / "presence.parquet").exists():
        slots, presence = _presence(_table(folder / "presence.parquet", _PRESENCE), zones)
    day: list[Presence] = []
    day_slots: list[str] = []
    if presence and (folder / "typical_day.parquet").exists():
        day_slots, day = _typical_day(_table(folder / "typical_day.parquet", _TYPICAL_DAY), zones)
    flows: list[Flows] = []
    labels: dict[int, str] = {}
    if (folder / "flows.parquet").exists():
        flows, labels = _flows(_table(folder / "flows.parquet", _FLOWS), zones, certificate)
    if not presence and not flows:
        raise _broken("REPORT_NO_TABLE", folder, "no presence.parquet and no flows.parquet", "at least one table")
    return Artifact(certificate, zones, presence, flows, slots, labels, day, day_slots)


def _broken(code: str, path: Path, got: str, expected: str) -> ArtifactError:
    return ArtifactError(
        code,
        what=f"The report can't be made: {path.name} is not what a published folder holds.",
        got=got,
        expected=expected,
        state="No report was written; an earlier one is left as it was.",
        fix="Check the folder with `flockwise verify`, or publish it again.",
    )


def _certificate(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _broken("REPORT_BAD_CERTIFICATE", path, type(error).__name__, "a JSON object") from error
    if not isinstance(content, dict) or not isinstance(content.get("meaning"), list) or not isinstance(content.get("tables"), list):
        raise _broken("REPORT_BAD_CERTIFICATE", path, "an object without `meaning` and `tables`", "a certificate of format 1")
    return content


def _table(path: Path, columns: tuple[str, ...]) -> pa.Table:
    try:
        about = pq.read_metadata(path)
        if about.num_rows > LARGEST_TABLE:
            raise _broken("REPORT_TOO_LARGE", path, f"{about.num_rows:,} rows", f"at most {LARGEST_TABLE:,}")
        schema = about.schema.to_arrow_schema()
        missing = [name for name in columns if name not in schema.names]
        if missing:
            raise _broken("REPORT_MISSING_COLUMN", path, f"no column {', '.join(missing)}", ", ".join(columns))
        return pq.read_table(path, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        raise _broken("REPORT_UNREADABLE", path, type(error).__name__, "a Parquet file") from error


def _levels(table: pa.Table) -> list[int]:
    return sorted({int(v) for v in pc.unique(table["level"]).to_pylist() if v is not None}, reverse=True)


def _of_level(table: pa.Table, level: int) -> pa.Table:
    return table.filter(pc.equal(table["level"], pa.scalar(level, table["level"].type)))


def _ints(table: pa.Table, column: str) -> Ints:
    return np.asarray(table[column].combine_chunks().cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def _floats(table: pa.Table, column: str) -> Floats:
    return np.asarray(table[column].combine_chunks().cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _texts(table: pa.Table, column: str) -> list[str | None]:
    return list(table[column].to_pylist())


def _zones(table: pa.Table) -> list[Zones]:
    out: list[Zones] = []
    positions: dict[str, int] = {}
    for level in reversed(_levels(table)):
        rows = _of_level(table, level).sort_by("cell")
        cells = [str(cell) for cell in _texts(rows, "cell")]
        parents = np.array([positions.get(cell or "", -1) for cell in _texts(rows, "parent")], dtype=np.int64)
        rings = [_ring(blob or b"") for blob in rows["geometry"].to_pylist()]
        cut = np.clip(np.nan_to_num(_floats(rows, "area_cut")), 0.0, 1.0)
        out.append(Zones(level, cells, parents, _floats(rows, "lat"), _floats(rows, "lon"), rings, cut))
        positions = {cell: i for i, cell in enumerate(cells)}
    return out[::-1]


def _ring(blob: bytes) -> Floats:
    """The outer ring of a little-endian WKB polygon, without its closing vertex."""
    if len(blob) < 13 or blob[0] != 1 or int.from_bytes(blob[1:5], "little") != 3:
        raise _broken("REPORT_BAD_GEOMETRY", Path("zones.parquet"), "a geometry of another kind", "little-endian WKB polygons")
    count = int.from_bytes(blob[9:13], "little")
    return np.frombuffer(blob, dtype="<f8", count=2 * count, offset=13).reshape(count, 2)[:-1].astype(np.float64)


def _index(level: int, zones: list[Zones], path: str) -> dict[str, int]:
    for zone in zones:
        if zone.level == level:
            return {cell: i for i, cell in enumerate(zone.cells)}
    raise _broken("REPORT_UNKNOWN_LEVEL", Path(path), f"level {level}", "levels that zones.parquet lists")


def _positions(texts: list[str | None], index: dict[str, int], path: str) -> Ints:
    try:
        return np.array([index[text or ""] for text in texts], dtype=np.int64)
    except KeyError as error:
        raise _broken("REPORT_UNKNOWN_CELL", Path(path), "a cell that zones.parquet does not list", "cells of the region") from error


def _presence(table: pa.Table, zones: list[Zones]) -> tuple[Ints, list[Presence]]:
    starts = table["slot_start"].cast(pa.timestamp("s", "UTC")).cast(pa.int64())
    table = table.set_column(table.schema.get_field_index("slot_start"), "slot_start", starts)
    return _matrices(table, "slot_start", zones, "presence.parquet")


def _typical_day(table: pa.Table, zones: list[Zones]) -> tuple[list[str], list[Presence]]:
    slots, found = _matrices(table, "slot", zones, "typical_day.parquet")
    labels = dict(zip(_ints(table, "slot").tolist(), _texts(table, "slot_label"), strict=True))
    return [str(labels[slot]) for slot in slots.tolist()], found


def _matrices(table: pa.Table, column_of_slots: str, zones: list[Zones], path: str) -> tuple[Ints, list[Presence]]:
    """The slots of a table of cells by slots, ascending, and its figures by level."""
    slots = np.unique(_ints(table, column_of_slots))
    out: list[Presence] = []
    for level in _levels(table):
        rows = _of_level(table, level)
        dictionary = rows["cell"].combine_chunks().dictionary_encode()
        chunk = dictionary if isinstance(dictionary, pa.DictionaryArray) else dictionary.combine_chunks()
        index = _index(level, zones, path)
        known = _positions(list(chunk.dictionary.to_pylist()), index, path)
        cell = known[np.asarray(chunk.indices.to_numpy(zero_copy_only=False), dtype=np.int64)]
        slot = np.searchsorted(slots, _ints(rows, column_of_slots))
        shape = (len(index), len(slots))
        if rows.num_rows != shape[0] * shape[1] or np.unique(cell * shape[1] + slot).size != rows.num_rows:
            raise _broken("REPORT_MISSING_ROWS", Path(path), "a table with gaps", "one row for every cell and slot of a level")
        shown = np.array([status == "published" for status in rows["status"].cast(pa.string()).to_pylist()], dtype=np.bool_)
        matrices = []
        for column in ("devices", "lower", "upper"):
            matrix = np.full(shape, np.nan)
            matrix[cell, slot] = np.where(shown, _floats(rows, column), np.nan)
            matrices.append(matrix)
        out.append(Presence(level, *matrices))
    return slots, out


def _flows(table: pa.Table, zones: list[Zones], certificate: Mapping[str, Any]) -> tuple[list[Flows], dict[int, str]]:
    labels: dict[int, str] = {}
    for summary in certificate["tables"]:
        slots = summary.get("slots") if isinstance(summary, dict) else None
        if isinstance(slots, dict) and isinstance(slots.get("labels"), list):
            labels.update({i: str(label) for i, label in enumerate(slots["labels"])})
    for number, label in zip(_texts(table, "slot"), _texts(table, "slot_label"), strict=True):
        labels[int(number or 0)] = str(label)
    out: list[Flows] = []
    for level in _levels(table):
        rows = _of_level(table, level)
        index = _index(level, zones, "flows.parquet")
        ends = [_positions(_texts(rows, name), index, "flows.parquet") for name in ("origin", "destination")]
        out.append(Flows(level, ends[0], ends[1], _ints(rows, "slot"), *(_floats(rows, name) for name in ("trips", "lower", "upper"))))
    return out, dict(sorted(labels.items()))
