"""What to expect of flows: the assumed trips, shrunk as the contribution bounds would shrink them, with noise, estimated as for a release."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise import artifact, estimate, release
from flockwise.forecast import population
from flockwise.forecast.facts import Expected, Facts, gathered, noisy, relative_error, weight
from flockwise.forecast.luck import Luck, luck

__all__ = ["flows"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


def flows(plan: release.Plan, facts: Facts) -> list[Expected]:
    """Pairs and margins at every level. Of a level so fine that only what passes a threshold is ever drawn, the noise alone is told.

    Args:
        plan: a plan with flows; if its contribution bound is open, it is chosen as its private clip would on the assumed panel.
        facts: what is assumed of the panel.
    """
    scale, table = plan.study.scale, plan.study.flows
    dense = [b for b in plan.of("flows") if not b.sparse]
    unknown = [Expected("flows", b.level, b.sigma * scale, None, None, b.size) for b in plan.of("flows") if b.sparse]
    if table is None or unknown:
        return unknown + [Expected("flows", b.level, b.sigma * scale, None, None, b.size) for b in dense]
    counts, share = population.trip_counts(facts.trips * plan.study.window.days)
    norms = population.norms(counts) * weight(plan)
    plan = _settled(plan, norms, np.where(counts > 0, share, 0.0) * facts.devices)
    base = dense[0]
    lat, lon = artifact.centres(base.region.cells)
    trips = facts.devices * float((counts * share).sum()) * weight(plan)
    truth = population.pairs(base.region.cells, lat, lon, population.slot_shares(np.array(table.starts_min)), trips)
    exact = _exact(plan, facts, truth, counts * share, norms)
    drawn = {b.name: noisy(b, exact[b.name]) for b in plan.blocks if b.name in exact}
    # The totals' noise is left to luck, over which the error is a mean.
    drawn |= {name: np.round(values * release.GRID).astype(np.int64) for name, values in exact.items() if name.startswith("total_")}
    found, lucky = release.flow_estimate(plan, drawn), luck(plan, exact, drawn)
    return [row for place, block in enumerate(dense) for row in _rows(plan, block, gathered(truth, base, block, (0, 1)), found, place, lucky)]


def _settled(plan: release.Plan, norms: Floats, devices: Floats) -> release.Plan:
    """The plan with the bound that its private clip would choose, were there no noise on the histogram."""
    if plan.clip is None or plan.settled:
        return plan
    edges = np.array(plan.clip.edges)
    bins = np.bincount(np.searchsorted(edges, norms**2), devices, len(edges) + 1)
    return release.settled(plan, {release.NORMS: np.round(bins * release.GRID).astype(np.int64)})


def _exact(plan: release.Plan, facts: Facts, truth: Floats, trips: Floats, norms: Floats) -> dict[str, Floats]:
    """Figures by block, in trips: what devices of each number of trips keep of them is the same share of every pair."""
    base, heavy = plan.of("flows")[0], norms**2 > (plan.heavy_edge or np.inf)
    kept = _kept(plan, facts, norms, heavy) * trips
    out: dict[str, Floats] = {}
    for block in plan.blocks:
        if block.kind == "presence":
            continue
        whole = gathered(truth, base, block, (0, 1))
        if block.kind != "flows":
            whole = whole.sum(axis=1 if block.kind.endswith("departures") else 0)
        # Shrunk flows of everybody, and of heavy devices once more. Totals count each device in one band, and few pass their cap.
        bands = (trips[~heavy].sum(), trips[heavy].sum()) if block.kind.startswith("total_") else (kept.sum(), kept[heavy].sum())
        out[block.name] = np.stack([whole * (band / trips.sum()) for band in bands[: block.shape[0]]])
    return out


def _kept(plan: release.Plan, facts: Facts, norms: Floats, heavy: Bools) -> Floats:
    """The share of its trips that a device keeps under the joint bound: what its presence leaves is for its flows, half of it if it fills two bands."""
    left = float(plan.groups["shapes"].bound)
    for block in plan.of("presence"):
        left -= block.weight * release.GRID**2 * block.shape[1] * facts.seen * weight(plan) ** 2
    each = sum(b.weight for kind in ("flows", "departures", "arrivals") for b in plan.of(kind)) * release.GRID**2
    found: Floats = np.minimum(1.0, np.sqrt(left / each / np.where(heavy, 2.0, 1.0)) / np.maximum(norms, 1e-9))
    return found


def _rows(plan: release.Plan, block: release.Block, exact: Floats, found: estimate.FlowEstimate, place: int, lucky: Luck) -> list[Expected]:
    scale, pairs = plan.study.scale, found.pairs[place]
    true = exact[pairs.origin, pairs.destination, pairs.slot]
    not_printed = exact.sum() - true.sum()
    of_pairs = np.array([np.abs(factor * pairs.trips - true).sum() + not_printed for factor in lucky.pairs]) / exact.sum()
    ends = np.concatenate([found.departures[place].trips, found.arrivals[place].trips])
    of = np.concatenate([exact.sum(axis=1), exact.sum(axis=0)])
    of_ends = np.array([relative_error(factor * ends, of) for factor in lucky.margins])
    margins = next(b for b in plan.of("departures") if b.level == block.level)
    shown = int(found.departures[place].published.sum()) + int(found.arrivals[place].published.sum())
    return [
        _expected("flows", block, block.sigma * scale, of_pairs, len(pairs.trips), exact.size),
        _expected("margins", block, margins.sigma * scale, of_ends, shown, ends.size),
    ]


def _expected(table: str, block: release.Block, noise_sd: float, errors: Floats, printed: int, rows: int) -> Expected:
    low, high = np.quantile(errors, [0.1, 0.9])
    return Expected(table, block.level, noise_sd, float(errors.mean()), printed, rows, float(low), float(high))
