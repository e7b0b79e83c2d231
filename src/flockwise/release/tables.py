"""From noisy integers to the published tables: estimates, intervals and status, all of it post-processing."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise import artifact, estimate
from flockwise.base.h3bits import parent, to_hex
from flockwise.release.plan import GRID, Block, Plan

__all__ = ["Shown", "build", "calendar", "flow_estimate", "noisy_flows", "presence_estimates", "typical_slots"]

Noisy = Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Shown:
    """What came of one block.

    Attributes:
        published: rows with a figure.
        threshold: below it nothing is printed, in published units.
        typical_relative_error: a summary of intervals and figures as printed; None if nothing is.
        adds_up: whether figures add up to the next coarser level's.
    """

    published: int
    threshold: float
    typical_relative_error: float | None
    adds_up: bool


def build(plan: Plan, noisy: Noisy, cut: Mapping[int, npt.NDArray[np.float64]] | None = None) -> tuple[dict[str, pa.Table], dict[str, Shown]]:
    """The published tables, and a summary of each block.

    Args:
        plan: the plan.
        noisy: int64 noisy sums by block name, in grid units.
        cut: by level, the share of each cell that sensitive places cut out (public); None if the study names no list.

    Returns:
        Tables by name as `artifact.write` takes them, and summaries by block name.

    Privacy:
        Reads noisy values and public facts only.
    """
    regions = {b.level: b.region.cells for b in plan.blocks}
    tables = {"zones": artifact.zones(regions, cut)}
    shown: dict[str, Shown] = {}
    # Presence and flows know nothing of each other, and both spend their time in numpy.
    with ThreadPoolExecutor(2, "flockwise-tables") as pool:
        parts = [pool.submit(work, plan, noisy) for kind, work in (("presence", _presence), ("flows", _flows)) if plan.of(kind)]
        for part in parts:
            made, more = part.result()
            tables |= made
            shown |= more
    return tables, shown


def presence_estimates(plan: Plan, noisy: Noisy) -> list[estimate.LevelEstimate]:
    """Present population of every level, finest first.

    Privacy:
        Post-processing of noisy values.
    """
    return estimate.estimate_presence(_presence_levels(plan, noisy), calendar(plan))


def _presence_levels(plan: Plan, noisy: Noisy) -> list[estimate.NoisyLevel]:
    blocks = plan.of("presence")
    return [
        estimate.NoisyLevel(noisy[b.name] / GRID, b.sigma, None if up is None else up.region.index_of(parent(b.region.cells, up.level)))
        for b, up in zip(blocks, [*blocks[1:], None], strict=True)
    ]


def _presence(plan: Plan, noisy: Noisy) -> tuple[dict[str, pa.Table], dict[str, Shown]]:
    """The tables presence and, where the window has one, typical_day."""
    slots = {"slot_start": _slot_starts(plan)}
    places = typical_slots(plan)
    if places is None:
        return _estimates("presence", plan, presence_estimates(plan, noisy), slots)
    hours, day = estimate.hours_and_day(_presence_levels(plan, noisy), calendar(plan))
    found = _estimates("presence", plan, hours, slots)
    of_day = {"slot": np.arange(len(places[1])), "slot_label": np.array(places[1], dtype=object), "days": np.bincount(places[0])}
    more = _estimates("typical_day", plan, day, of_day)
    return found[0] | more[0], found[1] | more[1]


def _estimates(
    kind: str, plan: Plan, results: list[estimate.LevelEstimate], slots: Mapping[str, npt.NDArray[Any]]
) -> tuple[dict[str, pa.Table], dict[str, Shown]]:
    """A table of cells by slots, coarsest level first; `slots` are the columns that say which slot a row is of."""
    blocks, schema, scale = plan.of("presence"), artifact.SCHEMAS[kind], plan.study.scale
    parts: list[pa.Table] = []
    shown: dict[str, Shown] = {}
    for block, result in reversed(list(zip(blocks, results, strict=True))):
        cells, count = result.devices.shape
        hidden = ~result.published.ravel()
        columns: dict[str, Any] = {"level": np.full(cells * count, block.level), "cell": np.repeat(np.array(to_hex(block.region.cells), dtype=object), count)}
        columns |= {name: np.tile(values, cells) for name, values in slots.items()}
        columns |= {name: np.ma.masked_array(getattr(result, name).ravel() * scale, mask=hidden) for name in ("devices", "lower", "upper")}
        columns["unbiased"] = result.unbiased.ravel() * scale
        arrays = {name: _array(values, schema.field(name).type) for name, values in columns.items()}
        parts.append(pa.table({**arrays, "status": _status(~hidden)}))
        summary = estimate.summarise_presence(result)
        key = f"{kind}-{block.level}"
        shown[key] = Shown(summary.published, estimate.FEWEST_DEVICES * scale, summary.typical_relative_error, adds_up=block is not blocks[-1])
    return {kind: pa.concat_tables(parts)}, shown


def flow_estimate(plan: Plan, noisy: Noisy) -> estimate.FlowEstimate:
    """Pairs and margins of every level, finest first.

    Privacy:
        Post-processing of noisy values.
    """
    bands = [noisy_flows(plan, noisy, band) for band in range(plan.of("flows")[0].shape[0])]
    lat, lon = artifact.centres(plan.of("flows")[0].region.cells)
    return estimate.estimate_flows(bands[0], bands[1] if len(bands) > 1 else None, np.stack([lat, lon], axis=1))


def noisy_flows(plan: Plan, noisy: Noisy, band: int) -> list[estimate.NoisyFlowLevel]:
    """The noisy flows of one band (everybody's, or heavy devices'), finest level first, in trips."""
    pairs = plan.of("flows")
    out = []
    for block, up in zip(pairs, [*pairs[1:], None], strict=True):
        at = {b.kind: b for b in plan.blocks if b.level == block.level}
        departures, arrivals, total_departures, total_arrivals = (
            None if kind not in at else noisy[at[kind].name][band] / GRID for kind in ("departures", "arrivals", "total_departures", "total_arrivals")
        )
        out.append(
            estimate.NoisyFlowLevel(
                pairs=_sparse_pairs(plan, block, noisy) if block.sparse else noisy[block.name][band] / GRID,
                pairs_sigma=block.sigma,
                departures=departures,
                arrivals=arrivals,
                margins_sigma=at["departures"].sigma,
                total_departures=total_departures,
                total_arrivals=total_arrivals,
                totals_sigma=at["total_departures"].sigma if "total_departures" in at else 0.0,
                parent=None if up is None else up.region.index_of(parent(block.region.cells, up.level)),
            )
        )
    return out


def _sparse_pairs(plan: Plan, block: Block, noisy: Noisy) -> estimate.SparsePairs:
    key, cells, slots = noisy[f"{block.name}.key"], block.shape[2], block.shape[3]
    pair = key // slots
    threshold = block.threshold(plan.study.flows.ghosts if plan.study.flows else 1, plan.noise_kind)
    return estimate.SparsePairs(pair // cells, pair % cells, key % slots, noisy[f"{block.name}.value"] / GRID, threshold / GRID, cells, slots)


def _flows(plan: Plan, noisy: Noisy) -> tuple[dict[str, pa.Table], dict[str, Shown]]:
    """The tables flows and margins."""
    table, scale = plan.study.flows, plan.study.scale
    labels = np.array(table.labels if table else (), dtype=object)
    found = flow_estimate(plan, noisy)
    pairs: list[pa.Table] = []
    margins: list[pa.Table] = []
    shown: dict[str, Shown] = {}
    levels = list(zip(plan.of("flows"), found.pairs, found.departures, found.arrivals, strict=True))
    for block, rows, departures, arrivals in reversed(levels):
        names, finest = np.array(to_hex(block.region.cells), dtype=object), block is levels[0][0]
        count = len(rows.trips)
        columns: dict[str, Any] = {
            "level": np.full(count, block.level),
            "origin": names[rows.origin],
            "destination": names[rows.destination],
            "slot": rows.slot,
            "slot_label": labels[rows.slot],
            "trips": rows.trips * scale,
            "lower": rows.lower * scale,
            "upper": rows.upper * scale,
            "unlisted": np.ma.masked_array(rows.unlisted * scale, mask=np.full(count, finest)),
        }
        arrays = {name: _array(values, artifact.FLOWS.field(name).type) for name, values in columns.items()}
        pairs.append(pa.table({**arrays, "status": _status(np.ones(count, dtype=bool))}))
        error = estimate.typical_relative_error(rows.trips, rows.lower, rows.upper)
        shown[block.name] = Shown(count, float(rows.trips.min(initial=np.inf)) * scale if count else 0.0, error, adds_up=True)
        margins.append(_margin_rows(block, names, labels, departures, arrivals, scale))
        ends = [np.concatenate([getattr(end, name).ravel() for end in (departures, arrivals)]) for name in ("trips", "lower", "upper")]
        shown[f"margins-{block.level}"] = Shown(departures.trips.size, 0.0, estimate.typical_relative_error(*ends), adds_up=True)
    return {"flows": pa.concat_tables(pairs), "margins": pa.concat_tables(margins)}, shown


def _margin_rows(block: Block, names: Any, labels: Any, departures: estimate.MarginTable, arrivals: estimate.MarginTable, scale: int) -> pa.Table:
    """Rows by slot and cell."""
    cells, slots = departures.trips.shape
    columns: dict[str, Any] = {
        "level": np.full(cells * slots, block.level),
        "cell": np.tile(names, slots),
        "slot": np.repeat(np.arange(slots), cells),
        "slot_label": np.repeat(labels, cells),
    }
    for ends, table in (("departures", departures), ("arrivals", arrivals)):
        for suffix, values in (("", table.trips), ("_lower", table.lower), ("_upper", table.upper), ("_unlisted", table.unlisted)):
            columns[ends + suffix] = values.T.ravel() * scale
    return pa.table({name: _array(values, artifact.MARGINS.field(name).type) for name, values in columns.items()})


def _array(values: Any, kind: pa.DataType) -> pa.Array[Any]:
    hidden = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    out: pa.Array[Any] = pa.array(np.asarray(values), type=kind, mask=hidden)
    return out


def _status(published: npt.NDArray[np.bool_]) -> pa.DictionaryArray[Any, Any]:
    return pa.DictionaryArray.from_arrays(np.where(published, 0, 1).astype(np.int32), pa.array(["published", "withheld"]))


def _slot_starts(plan: Plan) -> npt.NDArray[np.datetime64]:
    table = plan.study.presence
    slots = plan.study.time_window.slots(table.slot_minutes if table else 60)
    return (slots // 1_000_000).astype("datetime64[s]")


def typical_slots(plan: Plan) -> tuple[npt.NDArray[np.int64], tuple[str, ...]] | None:
    """Place in the local day of every slot of presence, and the places' names; None where the release has no typical day. Public facts."""
    table = plan.study.presence
    return None if table is None else plan.study.time_window.slots_of_day(table.slot_minutes)


def calendar(plan: Plan) -> estimate.Calendar:
    """Day and slot of the day of every slot of presence: public facts."""
    table, window = plan.study.presence, plan.study.time_window
    minutes = table.slot_minutes if table else 60
    slots = window.slots(minutes)
    instants, offsets = window.offsets
    return estimate.Calendar.from_local(slots + offsets[np.searchsorted(instants, slots, side="right") - 1], minutes)
