"""The error to expect of each table and level: the real noise and the real estimators, on a population made of public facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise import artifact, noise, release
from flockwise.base.h3bits import parent
from flockwise.forecast import population

__all__ = ["Expected", "Facts", "expected"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

_THREADS = 2


@dataclass(frozen=True)
class Facts:
    """What is assumed of the panel. Public: none of it may be looked up in the data.

    Attributes:
        devices: how many devices take part.
        seen: share of the slots in which a device is seen.
        trips: trips a device and day that the pings show.
    """

    devices: int
    seen: float
    trips: float


@dataclass(frozen=True)
class Expected:
    """What a table at a level is expected to be like.

    Attributes:
        table: "presence", "flows" or "margins".
        level: H3 resolution.
        noise_sd: standard deviation of the noise, devices or trips.
        relative_error: sum of errors over sum of the truth, over the whole domain; a pair that is not printed counts as nothing.
        printed: rows with a figure.
        rows: rows of the public domain.
    """

    table: str
    level: int
    noise_sd: float
    relative_error: float
    printed: int
    rows: int


def expected(plan: release.Plan, facts: Facts) -> list[Expected]:
    """The expected error of every table and level of a plan.

    Args:
        plan: a plan; if its contribution bound is open, it is chosen as its private clip would on the assumed panel.
        facts: what is assumed of the panel.

    Privacy:
        Reads public facts only; no data, no ledger. The noise is drawn as for a release, but on made-up figures.
    """
    out: list[Expected] = []
    if plan.of("presence"):
        out += _presence(plan, facts)
    if plan.of("flows"):
        out += _flows(plan, facts)
    return out


def _presence(plan: release.Plan, facts: Facts) -> list[Expected]:
    blocks = plan.of("presence")
    finest = population.presence(blocks[0].region.cells, release.calendar(plan), facts.devices * facts.seen)
    truth = {b.level: _gathered(finest, blocks[0], b, (0,)) for b in blocks}
    found = release.presence_estimates(plan, {b.name: _drawn(plan, truth[b.level], b) for b in blocks})
    return [
        Expected("presence", b.level, b.sigma, _error(e.devices, truth[b.level]), int(e.published.sum()), b.size) for b, e in zip(blocks, found, strict=True)
    ]


def _flows(plan: release.Plan, facts: Facts) -> list[Expected]:
    table = plan.study.flows
    slots = len(table.slots) if table else 1
    counts, share = population.trip_counts(facts.trips * plan.study.window.days)
    norms = population.norms(counts)
    if plan.clip is not None and not plan.settled:
        bins = np.bincount(np.searchsorted(np.array(plan.clip.edges), norms**2), share, len(plan.clip.edges) + 1) * facts.devices
        plan = release.settled(plan, {release.NORMS: np.round(bins * release.GRID).astype(np.int64)})
    pairs, heavy = plan.of("flows"), norms**2 > (plan.heavy_edge or np.inf)
    # A heavy device fills two bands under one bound, so it is shrunk to the norm over the root of 2.
    bound = np.where(heavy, (plan.trips_bound or 1.0) / np.sqrt(2.0), plan.trips_bound or 1.0)
    kept = np.minimum(1.0, bound / norms) * counts * share
    lat, lon = artifact.centres(pairs[0].region.cells)
    trips = facts.devices * float((counts * share).sum())
    truth = population.pairs(pairs[0].region.cells, lat, lon, slots, trips)
    bands = [(1.0, kept.sum() / (counts * share).sum())]
    if plan.heavy_edge is not None:
        bands.append(((counts * share)[heavy].sum() / (counts * share).sum(), kept[heavy].sum() / (counts * share).sum()))
    drawn: dict[str, Ints] = {}
    for block in plan.blocks:
        if block.kind == "presence":
            continue
        exact = _gathered(truth, pairs[0], block, (0, 1))
        if block.kind != "flows":
            exact = exact.sum(axis=1 if block.kind.endswith("departures") else 0)
        parts = [exact * (whole if block.kind.startswith("total_") else shrunk) for whole, shrunk in bands[: block.shape[0]]]
        drawn[block.name] = _drawn(plan, np.stack(parts), block)
    found = release.flow_estimate(plan, drawn)
    out = []
    for block, rows, departures, arrivals in zip(pairs, found.pairs, found.departures, found.arrivals, strict=True):
        exact = _gathered(truth, pairs[0], block, (0, 1))
        printed = np.zeros(exact.shape)
        printed[rows.origin, rows.destination, rows.slot] = rows.trips
        out.append(Expected("flows", block.level, block.sigma, _error(printed, exact), len(rows.trips), exact.size))
        ends = np.concatenate([departures.trips, arrivals.trips])
        of = np.concatenate([exact.sum(axis=1), exact.sum(axis=0)])
        margins = next(b for b in plan.of("departures") if b.level == block.level)
        out.append(Expected("margins", block.level, margins.sigma, _error(ends, of), ends.size // 2, ends.size // 2))
    return sorted(out, key=lambda e: e.table)


def _drawn(plan: release.Plan, truth: Floats, block: release.Block) -> Ints:
    return noise.add(np.round(truth * release.GRID).astype(np.int64), block.sigma_units, _THREADS, kind=plan.noise_kind)


def _gathered(finest: Floats, base: release.Block, block: release.Block, axes: tuple[int, ...]) -> Floats:
    """Sums at a block's level."""
    if block.level == base.level:
        return finest
    index = block.region.index_of(parent(base.region.cells, block.level))
    for axis in axes:
        moved = np.moveaxis(finest, axis, 0)
        out = np.zeros((len(block.region), *moved.shape[1:]))
        np.add.at(out, index, moved)
        finest = np.moveaxis(out, 0, axis)
    return finest


def _error(found: Floats, truth: Floats) -> float:
    return float(np.abs(found - truth).sum() / truth.sum())
