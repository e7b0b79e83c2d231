"""The row checks of `verify`: domain, order, nulls, values, geometry and counts of the published tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flockwise.artifact import geo
from flockwise.artifact.certificate import TableSummary
from flockwise.artifact.failures import fail
from flockwise.artifact.folder import Artifact
from flockwise.artifact.tables import GEOMETRY, SCHEMAS, Shapes, zones
from flockwise.base import h3bits

__all__ = ["check_estimates", "check_flows", "check_geometry", "check_levels", "check_margins", "check_metadata", "check_presence", "check_zones"]

Bools = npt.NDArray[np.bool_]


def check_metadata(artifact: Artifact) -> list[str]:
    """Columns, types and file metadata: exactly those of the format."""
    for kind in ("zones", *artifact.certificate.kinds()):
        try:
            file = pq.ParquetFile(artifact.path / f"{kind}.parquet")
            schema, raw = file.schema_arrow, dict(file.metadata.metadata or {})
        except (OSError, pa.ArrowException, ValueError) as error:
            raise fail("ARTIFACT_UNREADABLE", f"{kind}.parquet can't be read.", type(error).__name__) from error
        if not schema.remove_metadata().equals(SCHEMAS[kind], check_metadata=True):
            names = set(schema.names) ^ set(SCHEMAS[kind].names)
            raise fail("ARTIFACT_SCHEMA", f"{kind}.parquet does not have the published columns and types.", ", ".join(sorted(names)) or "types or order")
        if set(raw) != {b"geo", b"ARROW:schema"}:
            raise fail("ARTIFACT_SCHEMA", f"{kind}.parquet carries metadata that is not part of the format.")
        if wrong := geo.check_metadata(raw[b"geo"], GEOMETRY[kind]):
            raise fail("ARTIFACT_GEO", f"{kind}.parquet is not valid GeoParquet.", wrong)
    return ["every table has the published columns and types, and nothing else", "every table is valid GeoParquet 1.1 in OGC:CRS84"]


def check_zones(artifact: Artifact) -> list[str]:
    """The zones are the cells they say, once each, with their true parents, centres and outlines."""
    table, domain = artifact.zones, {d.level: d.cells for d in artifact.certificate.domain.levels}
    levels = table.column("level").to_numpy()
    try:
        cells = h3bits.from_hex(str(c) for c in table.column("cell").to_pylist())
    except (ValueError, OverflowError) as error:
        raise fail("ARTIFACT_ZONES", "A zone is not an H3 cell.") from error
    if sorted(domain) != [d.level for d in artifact.certificate.domain.levels] or set(domain) != {t.level for t in artifact.certificate.tables}:
        raise fail("ARTIFACT_ZONES", "The domain does not list the tables' levels.", "domain.levels")
    if any(int((levels == level).sum()) != count for level, count in domain.items()) or len(levels) != sum(domain.values()):
        raise fail("ARTIFACT_ZONES", "The zones are not as many as the certificate says.", "zones.parquet")
    if not (h3bits.resolution_of(cells) == levels).all() or not _rises(levels, cells):
        raise fail("ARTIFACT_ZONES", "The zones are not distinct cells of their levels in order.", "zones.parquet")
    # Region rule: the coarser levels are exactly the ancestors of the finest.
    finest = cells[levels == max(domain)]
    for level in domain:
        if not np.array_equal(np.unique(h3bits.parent(finest, level)), cells[levels == level]):
            raise fail("ARTIFACT_ZONES", "A coarser level is not the finest one's ancestors.", f"level {level}")
    cut, claimed = table.column("area_cut"), artifact.certificate.places
    shares = cut.to_numpy()
    if cut.null_count != (len(cut) if claimed is None else 0) or (claimed is not None and not ((shares >= 0) & (shares <= 1)).all()):
        raise fail("ARTIFACT_ZONES", "The zones' shares of area that is cut are not those of a list, or of none.", "zones.parquet")
    if claimed is not None and abs(float(shares[levels == max(domain)].mean()) - claimed.area_cut) > 1e-9:
        raise fail("ARTIFACT_ZONES", "The zones' shares of area that is cut do not come to the certificate's.", "zones.parquet")
    plain = zones({level: cells[levels == level] for level in domain}).drop_columns(["area_cut"])
    if not plain.equals(table.replace_schema_metadata(None).drop_columns(["area_cut"])):
        raise fail("ARTIFACT_ZONES", "A zone's parent, centre or outline is not that of its cell.", "zones.parquet")
    return ["the zones are distinct H3 cells with their true parents, centres and outlines"]


def check_presence(artifact: Artifact) -> list[str]:
    """Present population: every public cell and slot once, status and nulls, intervals, geometry, counts."""
    table = artifact.table("presence", [n for n in SCHEMAS["presence"].names if n != "geometry"])
    zone_levels = artifact.zones.column("level").to_numpy()
    summaries = [t for t in artifact.certificate.tables if t.kind == "presence"]
    starts = np.array([int(s.timestamp()) for s in artifact.certificate.slot_starts()], dtype=np.int64)
    # The rows must be exactly the product of cells and slots, level by level, coarsest first.
    where = Shapes(artifact.zones).position(table.column("cell"))
    used = np.isin(zone_levels, [t.level for t in summaries])
    wanted = np.repeat(np.flatnonzero(used), len(starts))
    if (
        len(table) != len(wanted)
        or not np.array_equal(where, wanted)
        or not np.array_equal(table.column("level").to_numpy(), zone_levels[wanted])
        or not np.array_equal(table.column("slot_start").cast(pa.int64()).to_numpy(), np.tile(1000 * starts, int(used.sum())))
    ):
        raise fail("ARTIFACT_DOMAIN", "The rows are not every public cell and slot, once each and in order.", "presence.parquet")
    published = check_estimates(table, "presence")
    unbiased = table.column("unbiased").to_numpy() / artifact.certificate.bounds.scale * artifact.certificate.bounds.units
    if not np.isfinite(unbiased).all() or not (unbiased == np.rint(unbiased)).all():
        raise fail("ARTIFACT_VALUES", "An unbiased value does not lie on the grid of the noise.", "presence.parquet")
    check_levels(summaries, table, published)
    check_geometry(artifact, "presence")
    return [
        "presence has every public cell and slot, once each and in order",
        "presence: withheld rows have no figure and published rows have all of them",
        "presence: lower <= devices <= upper, none negative, and unbiased values lie on the grid of the noise",
        "presence: outlines are those of the cells, counts are those of the certificate",
    ]


def check_flows(artifact: Artifact) -> list[str]:
    """Flows: distinct public pairs in order, no withheld ones, intervals, geometry, counts."""
    table = artifact.table("flows", [n for n in SCHEMAS["flows"].names if n != "geometry"])
    summaries = [t for t in artifact.certificate.tables if t.kind == "flows"]
    zone_levels = artifact.zones.column("level").to_numpy()
    level, slot = table.column("level").to_numpy(), table.column("slot").to_numpy()
    shapes = Shapes(artifact.zones)
    origin, destination = (shapes.position(table.column(c)) for c in ("origin", "destination"))
    if (
        min(origin.min(initial=0), destination.min(initial=0)) < 0
        or not np.isin(level, [t.level for t in summaries]).all()
        or not (np.array_equal(zone_levels[origin], level) and np.array_equal(zone_levels[destination], level))
        or not _rises(level, slot, origin, destination)
    ):
        raise fail("ARTIFACT_DOMAIN", "The rows are not distinct public pairs of cells in order.", "flows.parquet")
    labels = np.asarray(table.column("slot_label").to_pylist(), dtype=object)
    for t in summaries:
        rows = level == t.level
        names = np.asarray(t.slots.labels, dtype=object)
        if rows.any() and ((slot[rows] < 0).any() or (slot[rows] >= t.slots.count).any() or not (labels[rows] == names[slot[rows]]).all()):
            raise fail("ARTIFACT_DOMAIN", "A row's slot is not one of the certificate's.", t.name)
        if t.rows_public != int((zone_levels == t.level).sum()) ** 2 * t.slots.count:
            raise fail("ARTIFACT_COUNTS", "The public domain is not as large as the certificate says.", t.name)
        _check_counts(t, t.rows_public, int(rows.sum()))
    if not _published(table, "flows").all():
        raise fail("ARTIFACT_STATUS", "A withheld pair is listed.", "flows.parquet")
    value, lower, upper = (_floats(table, name) for name in ("trips", "lower", "upper"))
    if not (np.isfinite(value).all() and np.isfinite(lower).all() and np.isfinite(upper).all()):
        raise fail("ARTIFACT_STATUS", "A published row lacks a figure.", "flows.parquet")
    _check_order(lower, value, upper, "flows")
    check_geometry(artifact, "flows")
    return [
        "flows lists distinct public pairs in order, and no withheld one",
        "flows: lower <= trips <= upper, none negative or missing",
        "flows: lines join the centres of their cells, counts are those of the certificate",
    ]


def check_margins(artifact: Artifact) -> list[str]:
    """Margins: every public cell and slot of the day once, in order, intervals, geometry, counts."""
    table = artifact.table("margins", [n for n in SCHEMAS["margins"].names if n != "geometry"])
    zone_levels = artifact.zones.column("level").to_numpy()
    summaries = {t.level: t for t in artifact.certificate.tables if t.kind == "margins"}
    if set(summaries) != set(artifact.certificate.levels("flows")):
        raise fail("ARTIFACT_DOMAIN", "Margins and flows do not have the same levels.", "tables")
    where = Shapes(artifact.zones).position(table.column("cell"))
    slot, labels = table.column("slot").to_numpy(), np.asarray(table.column("slot_label").to_pylist(), dtype=object)
    wanted = [(np.flatnonzero(zone_levels == level), t) for level, t in sorted(summaries.items())]
    cells = np.concatenate([np.tile(rows, t.slots.count) for rows, t in wanted])
    slots = np.concatenate([np.repeat(np.arange(t.slots.count), len(rows)) for rows, t in wanted])
    names = np.concatenate([np.repeat(np.asarray(t.slots.labels, dtype=object), len(rows)) for rows, t in wanted])
    levels = zone_levels[cells]
    if not (
        np.array_equal(where, cells)
        and np.array_equal(slot, slots)
        and np.array_equal(table.column("level").to_numpy(), levels)
        and bool((labels == names).all())
    ):
        raise fail("ARTIFACT_DOMAIN", "The rows are not every public cell and slot of the day, once each and in order.", "margins.parquet")
    for ends in ("departures", "arrivals"):
        value, lower, upper = (_floats(table, name) for name in (ends, f"{ends}_lower", f"{ends}_upper"))
        if not (np.isfinite(value).all() and np.isfinite(lower).all() and np.isfinite(upper).all()):
            raise fail("ARTIFACT_STATUS", "A published row lacks a figure.", "margins.parquet")
        _check_order(lower, value, upper, "margins")
    for level, t in summaries.items():
        rows = int((levels == level).sum())
        _check_counts(t, rows, rows)
    check_geometry(artifact, "margins")
    return [
        "margins has every public cell and slot of the day, once each and in order",
        "margins: lower <= departures, arrivals <= upper, none negative or missing",
        "margins: outlines are those of the cells, counts are those of the certificate",
    ]


def check_estimates(table: pa.Table, kind: str) -> Bools:
    """Which rows are published: these have all figures, in order, and the others none."""
    published = _published(table, kind)
    value, lower, upper = (_floats(table, name) for name in ("devices", "lower", "upper"))
    for name, column in (("devices", value), ("lower", lower), ("upper", upper)):
        if not np.array_equal(np.isfinite(column), published):
            raise fail("ARTIFACT_STATUS", "A published row lacks a figure, or a withheld one has one.", f"{kind}.parquet, {name}")
    _check_order(lower[published], value[published], upper[published], kind)
    return published


def check_levels(summaries: list[TableSummary], table: pa.Table, published: Bools) -> None:
    """Every level's counts are the certificate's, and no published estimate lies below its threshold."""
    level, value = table.column("level").to_numpy(), _floats(table, "devices")
    for t in summaries:
        rows = level == t.level
        _check_counts(t, int(rows.sum()), int((rows & published).sum()))
        if (value[rows & published] < t.threshold).any():
            raise fail("ARTIFACT_VALUES", "A published figure lies below its threshold.", t.name)


def _check_counts(t: TableSummary, public: int, published: int) -> None:
    if (t.rows_public, t.published, t.withheld) != (public, published, public - published):
        raise fail("ARTIFACT_COUNTS", "The certificate counts other rows than the table has.", t.name)


def _check_order(lower: npt.NDArray[np.float64], value: npt.NDArray[np.float64], upper: npt.NDArray[np.float64], kind: str) -> None:
    if not ((lower >= 0).all() and (lower <= value).all() and (value <= upper).all()):
        raise fail("ARTIFACT_VALUES", "A figure is negative or lies outside its interval.", f"{kind}.parquet")


def check_geometry(artifact: Artifact, kind: str) -> None:
    """Every row's geometry is that of its cells."""
    shapes = Shapes(artifact.zones)
    columns = ["cell", "geometry"] if GEOMETRY[kind] == "Polygon" else ["origin", "destination", "geometry"]
    try:
        for part in _parts(artifact, kind, columns):
            same: Any = pc.equal(part.column("geometry"), shapes.of(kind, part))
            if not pc.all(same, min_count=0).as_py():
                raise fail("ARTIFACT_GEOMETRY", "A geometry is not that of the row's cells.", f"{kind}.parquet")
    except (OSError, pa.ArrowException, KeyError) as error:
        raise fail("ARTIFACT_UNREADABLE", f"{kind}.parquet can't be read.", type(error).__name__) from error


def _parts(artifact: Artifact, kind: str, columns: list[str]) -> Iterator[pa.Table]:
    for batch in pq.ParquetFile(artifact.path / f"{kind}.parquet").iter_batches(columns=columns):
        yield pa.Table.from_batches([batch])


def _published(table: pa.Table, kind: str) -> Bools:
    status: Any = table.column("status").cast(pa.string())
    published, withheld = (np.asarray(status.to_numpy() == word, dtype=np.bool_) for word in ("published", "withheld"))
    if not (published | withheld).all():
        raise fail("ARTIFACT_STATUS", "A status is not known.", f"{kind}.parquet")
    return published


def _floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)


def _rises(*keys: npt.NDArray[Any]) -> bool:
    """Whether rows rise strictly in the order of the keys."""
    if len(keys[0]) < 2:
        return True
    rises = np.zeros(len(keys[0]) - 1, dtype=np.bool_)
    for key in reversed(keys):
        rises = (key[1:] > key[:-1]) | ((key[1:] == key[:-1]) & rises)
    return bool(rises.all())
