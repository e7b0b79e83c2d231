"""From noisy integers to the published tables: estimates, intervals and status, all of it post-processing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise import artifact, estimate
from flockwise.base.h3bits import parent, to_hex
from flockwise.release.plan import GRID, Block, Plan

__all__ = ["Shown", "build"]

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


def build(plan: Plan, noisy: Noisy) -> tuple[dict[str, pa.Table], dict[str, Shown]]:
    """The published tables, and a summary of each block.

    Args:
        plan: the plan.
        noisy: int64 noisy sums by block name, in grid units.

    Returns:
        Tables by name as `artifact.write` takes them, and summaries by block name.

    Privacy:
        Reads noisy values and public facts only.
    """
    regions = {b.level: b.region.cells for b in plan.blocks}
    tables = {"zones": artifact.zones(regions)}
    shown: dict[str, Shown] = {}
    for kind, make in (("presence", _presence), ("flows", _flows)):
        if plan.of(kind):
            tables[kind], more = make(plan, noisy)
            shown |= more
    return tables, shown


def _presence(plan: Plan, noisy: Noisy) -> tuple[pa.Table, dict[str, Shown]]:
    blocks = plan.of("presence")
    levels = [
        estimate.NoisyLevel(noisy[b.name] / GRID, b.sigma, None if up is None else up.region.index_of(parent(b.region.cells, up.level)))
        for b, up in zip(blocks, [*blocks[1:], None], strict=True)
    ]
    results = estimate.estimate_presence(levels, _calendar(plan))
    starts = _slot_starts(plan)
    parts: list[pa.Table] = []
    shown: dict[str, Shown] = {}
    for block, result in reversed(list(zip(blocks, results, strict=True))):
        cells, slots = block.shape
        hidden = ~result.published.ravel()
        columns = [np.repeat(np.int8(block.level), cells * slots), np.repeat(np.array(to_hex(block.region.cells), dtype=object), slots), np.tile(starts, cells)]
        figures = [pa.array(values.ravel(), mask=hidden) for values in (result.devices, result.lower, result.upper)]
        arrays = [*(pa.array(c) for c in columns), *figures, _status(~hidden), pa.array(result.unbiased.ravel())]
        parts.append(pa.table(dict(zip(_columns("presence"), arrays, strict=True))))
        summary = estimate.summarise_presence(result)
        shown[block.name] = Shown(summary.published, estimate.FEWEST_DEVICES, summary.typical_relative_error, adds_up=block is not blocks[-1])
    return pa.concat_tables(parts), shown


def _flows(plan: Plan, noisy: Noisy) -> tuple[pa.Table, dict[str, Shown]]:
    table = plan.study.flows
    parts: list[pa.Table] = []
    shown: dict[str, Shown] = {}
    labels = np.array(table.labels if table else (), dtype=object)
    for block in reversed(plan.of("flows")):
        threshold = flows_threshold(plan, block)
        (rows,) = estimate.flow_rows([estimate.NoisyFlows(noisy[block.name] / GRID, block.sigma, threshold)])
        names, count = np.array(to_hex(block.region.cells), dtype=object), len(rows.trips)
        columns = [np.full(count, block.level), names[rows.origin], names[rows.destination], rows.slot, labels[rows.slot], rows.trips, rows.lower, rows.upper]
        arrays = [pa.array(c, type=artifact.FLOWS.field(n).type) for c, n in zip(columns, _columns("flows"), strict=False)]
        parts.append(pa.table(dict(zip(_columns("flows"), [*arrays, _status(np.ones(count, dtype=bool))], strict=True))))
        shown[block.name] = Shown(count, threshold, estimate.summarise_flows(rows, block.size).typical_relative_error, adds_up=False)
    return pa.concat_tables(parts), shown


def flows_threshold(plan: Plan, block: Block) -> float:
    """The noisy threshold of a flows block in trips: from public sizes and the study's number of ghosts."""
    # In a small domain the study's number would print nearly everything: at most one empty row in a thousand is expected to be printed.
    ghosts = plan.study.flows.ghosts if plan.study.flows else 1
    return estimate.ghost_threshold(block.sigma, block.size, min(ghosts, block.size / 1000), grid=1 / GRID)


def _columns(kind: str) -> list[str]:
    schema = artifact.PRESENCE if kind == "presence" else artifact.FLOWS
    return [name for name in schema.names if name != "geometry"]


def _status(published: npt.NDArray[np.bool_]) -> pa.DictionaryArray[Any, Any]:
    return pa.DictionaryArray.from_arrays(np.where(published, 0, 1).astype(np.int32), pa.array(["published", "withheld"]))


def _slot_starts(plan: Plan) -> npt.NDArray[np.datetime64]:
    table = plan.study.presence
    slots = plan.study.time_window.slots(table.slot_minutes if table else 60)
    return (slots // 1_000_000).astype("datetime64[s]")


def _calendar(plan: Plan) -> estimate.Calendar:
    table, window = plan.study.presence, plan.study.time_window
    minutes = table.slot_minutes if table else 60
    slots = window.slots(minutes)
    instants, offsets = window.offsets
    return estimate.Calendar.from_local(slots + offsets[np.searchsorted(instants, slots, side="right") - 1], minutes)
