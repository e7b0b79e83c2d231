"""Whether a release's figures add up: cells to their parents, pairs to theirs, and margins to pairs. Sums of trips are exact, to the last unit."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise.artifact.failures import fail
from flockwise.artifact.folder import Artifact
from flockwise.base import h3bits

__all__ = ["check_flow_sums", "check_margin_sums", "check_presence_sums"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ENDS = (("departures", "origin"), ("arrivals", "destination"))


def check_presence_sums(artifact: Artifact, kind: Literal["presence", "typical_day"] = "presence") -> str:
    """Presence, or its typical day, adds up to the next coarser level wherever the certificate promises it."""
    levels = artifact.certificate.levels(kind)
    promised = {t.level for t in artifact.certificate.tables if t.kind == kind and t.adds_up}
    table = artifact.table(kind, ["level", "cell", "devices"])
    slots = next(t.slots.count for t in artifact.certificate.tables if t.kind == kind)
    cells = h3bits.from_hex(str(c) for c in table.column("cell").to_pylist()[::slots])
    devices = _floats(table, "devices").reshape(-1, slots)
    of = table.column("level").to_numpy()[::slots]
    for fine, coarse in pairwise(levels):
        if fine not in promised:
            continue
        parents = np.searchsorted(cells[of == coarse], h3bits.parent(cells[of == fine], coarse))
        total = np.zeros_like(devices[of == coarse])
        np.add.at(total, parents, devices[of == fine])  # a withheld child is NaN and leaves its parent out of the check
        both = np.isfinite(total) & np.isfinite(devices[of == coarse])
        if not np.allclose(total[both], devices[of == coarse][both], rtol=1e-6, atol=1e-6):
            raise fail("ARTIFACT_SUMS", "Cells do not add up to their parents though the certificate says so.", f"{kind}, level {fine}")
    if promised - set(levels[:-1]):
        raise fail("ARTIFACT_SUMS", "A level without a coarser one can't add up to it.", "tables")
    return f"{kind} adds up to coarser levels wherever that is promised" if promised else f"{kind}: no sums over levels are promised"


def check_flow_sums(artifact: Artifact) -> str:
    """Every listed pair is the sum of the listed pairs of the next finer level and its unlisted rest, and no finer pair lacks its parent."""
    table = artifact.table("flows", ["level", "origin", "destination", "slot", "trips", "unlisted"])
    level, slot = (table.column(name).to_numpy().astype(np.int64) for name in ("level", "slot"))
    origin, destination = (h3bits.from_hex(str(c) for c in table.column(name).to_pylist()) for name in ("origin", "destination"))
    trips, unlisted = _floats(table, "trips"), _floats(table, "unlisted")
    _on_grid(artifact, trips, "flows, trips")
    levels = artifact.certificate.levels("flows")
    if np.isfinite(unlisted[level == levels[0]]).any():
        raise fail("ARTIFACT_SUMS", "The finest level has no unlisted rest.", "flows.parquet")
    for fine, coarse in pairwise(levels):
        low, high = np.flatnonzero(level == fine), np.flatnonzero(level == coarse)
        parents = (h3bits.parent(origin[low], coarse), h3bits.parent(destination[low], coarse), slot[low])
        total = _sums(trips[low], parents, (origin[high], destination[high], slot[high]), f"flows, level {fine}")
        _adds_up(total, unlisted[high], trips[high], f"flows, level {coarse}")
    return "flows: every listed pair is the exact sum of its listed pairs of the next finer level and its unlisted rest"


def check_margin_sums(artifact: Artifact) -> str:
    """Departures and arrivals are the exact sums of a cell's listed pairs and its unlisted rest, and cells add up to their parents."""
    flows = artifact.table("flows", ["level", "origin", "destination", "slot", "trips"])
    margins = artifact.table("margins", ["level", "cell", "slot", *(n for ends, _ in ENDS for n in (ends, f"{ends}_unlisted"))])
    of, slot = (margins.column(name).to_numpy().astype(np.int64) for name in ("level", "slot"))
    cell = h3bits.from_hex(str(c) for c in margins.column("cell").to_pylist())
    flow_level, flow_slot = (flows.column(name).to_numpy().astype(np.int64) for name in ("level", "slot"))
    trips = _floats(flows, "trips")
    levels = artifact.certificate.levels("margins")
    for ends, column in ENDS:
        value, unlisted = _floats(margins, ends), _floats(margins, f"{ends}_unlisted")
        end = h3bits.from_hex(str(c) for c in flows.column(column).to_pylist())
        _on_grid(artifact, value, f"margins, {ends}")
        total = _sums(trips, (flow_level, end, flow_slot), (of, cell, slot), f"margins, {ends}")
        _adds_up(total, unlisted, value, f"margins, {ends}")
        for fine, coarse in pairwise(levels):
            low, high = np.flatnonzero(of == fine), np.flatnonzero(of == coarse)
            found = _sums(value[low], (h3bits.parent(cell[low], coarse), slot[low]), (cell[high], slot[high]), f"margins, level {fine}")
            if not np.array_equal(found, value[high]):
                raise fail("ARTIFACT_SUMS", "Cells do not add up to their parents.", f"margins, {ends}, level {fine}")
    return "margins are the exact sums of listed pairs and an unlisted rest, and cells add up to their parents exactly"


def _sums(values: Floats, keys: tuple[Ints, ...], groups: tuple[Ints, ...], where: str) -> Floats:
    """The sum of the values whose keys are those of each group; values are on the grid, so float sums are exact."""
    order = np.lexsort(groups[::-1])
    sorted_groups = np.rec.fromarrays([g[order] for g in groups])
    wanted = np.rec.fromarrays(list(keys), dtype=sorted_groups.dtype)
    at = np.minimum(np.searchsorted(sorted_groups, wanted), max(len(order) - 1, 0))
    if len(wanted) and (not len(order) or not (sorted_groups[at] == wanted).all()):
        raise fail("ARTIFACT_SUMS", "A row's parent or cell is not there.", where)
    out = np.zeros(len(order))
    np.add.at(out, order[at], values)
    return out


def _adds_up(listed: Floats, unlisted: Floats, whole: Floats, where: str) -> None:
    if not (np.isfinite(unlisted).all() and (unlisted >= 0).all() and np.array_equal(listed + unlisted, whole)):
        raise fail("ARTIFACT_SUMS", "A figure is not the sum of its listed parts and a rest of at least nothing.", where)


def _on_grid(artifact: Artifact, values: Floats, where: str) -> None:
    units = values / artifact.certificate.bounds.scale * artifact.certificate.bounds.units
    if not (np.isfinite(units).all() and (units == np.rint(units)).all()):
        raise fail("ARTIFACT_VALUES", "A figure does not lie on the grid.", where)


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)
