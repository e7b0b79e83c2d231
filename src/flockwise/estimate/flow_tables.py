"""Flow tables from noisy flows: which pairs are printed, how many trips, how sure, and sums that agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flockwise.estimate._types import Floats, Ints
from flockwise.estimate.flow_above import next_view
from flockwise.estimate.flow_index import Gravity, distance_rings
from flockwise.estimate.flow_posterior import Spread
from flockwise.estimate.flow_rescale import Ratios, Total, ratios, total_trips
from flockwise.estimate.flow_sparse import SparseView, zone_centroids
from flockwise.estimate.flow_types import GRID, FlowEstimate, FlowTable, NoisyFlowLevel, SparsePairs, check_flow_levels, refused
from flockwise.estimate.flow_view import View, first_view
from flockwise.estimate.margin_tree import settle_margins
from flockwise.estimate.pair_sums import Rows, agree

__all__ = ["GHOSTS", "estimate_flows"]

GHOSTS = 0.03
"""Mean chance of being empty, or too small to be told from empty, that the printed pairs may have."""


def estimate_flows(everyone: Sequence[NoisyFlowLevel], heavy: Sequence[NoisyFlowLevel] | None, centroids: Floats, *, ghosts: float = GHOSTS) -> FlowEstimate:
    """Return the printed pairs and the margins of every level, with intervals, and sums that agree exactly.

    For each level, finest first: an index of every pair (a gravity model at the finest level, the sums of what the finer level expects above it); a prior of
    true flows given the index, learnt from the noisy flows themselves; from it every pair's chance of being empty, median and interval. Printed are the pairs
    least likely to be empty, as many as keep the mean chance under `ghosts`. Shrunk trips become trips by ratios of noisy totals.

    Args:
        everyone: noisy flows of all devices, finest level first.
        heavy: the same of the devices whose norm is over the heavy edge, which are shrunk most and often move differently; None if not counted apart.
        centroids: cells of the finest level x (latitude, longitude), degrees, public.
        ghosts: share of printed pairs that may be empty in truth.

    Returns:
        Tables in trips, finest first. For every slot: a printed pair = its printed children + `unlisted`; a margin = its printed pairs + `unlisted`; margins
        add up over levels, and departures to arrivals. An interval is made to hold the rescaled shrunk flow (shrunk trips of light and of heavy devices, each
        times its ratio) for 9 of 10 printed pairs, ghosts counted as 0; see docs/claims/intervals.md.

    Raises:
        DataError: levels that do not fit together, or `ghosts` not between 0 and 0.5.

    Privacy: post-processing of noisy values, noise scales and public facts; charges nothing.

    Source: docs/decisions/0010-flows-by-empirical-bayes.md, docs/claims/consistency.md, docs/claims/rescale.md.
    """
    check_flow_levels(everyone, heavy)
    if centroids.shape != (everyone[0].shape[0], 2) or not np.isfinite(centroids).all():
        raise refused(f"centroids of shape {centroids.shape}", "latitude and longitude of every cell of the finest level")
    if not 0.0 < ghosts < 0.5:
        raise refused(f"ghosts {ghosts!r}", "a share between 0 and 0.5")
    bands = [[level] if heavy is None else [level, heavy[place]] for place, level in enumerate(everyone)]
    parents = [level.parent for level in everyone]
    ratio = ratios(everyone, heavy)
    total = total_trips(bands, ratio)
    views = _views(bands, parents, centroids, ratio, total, ghosts)
    tables, found = _rows(views, parents)
    whole = agree(tables)
    keys = [_unkeyed(rows.key, view.shape[0]) for rows, view in zip(tables, views, strict=True)]
    held = [_held(key, trips, view) for key, trips, view in zip(keys, whole, views, strict=True)]
    departures, arrivals = settle_margins(total.trips, [view.margins(b) for view, b in zip(views, bands, strict=True)], held, parents)
    pairs = [_table(found[k], keys[k], whole[k]) for k in range(len(views))]
    for k in range(1, len(views)):
        up = tables[k - 1].up
        if up is not None:
            np.subtract.at(pairs[k].unlisted, up, whole[k - 1] / GRID)
    return FlowEstimate(tuple(pairs), departures, arrivals)


def _views(
    bands: Sequence[Sequence[NoisyFlowLevel]],
    parents: Sequence[Ints | None],
    centroids: Floats,
    ratio: tuple[Ratios, ...],
    total: Total,
    ghosts: float,
) -> list[View | SparseView]:
    """Return every level, finest first, each seen through the one before."""
    views: list[View | SparseView] = []
    last: View | None = None
    for place, these in enumerate(bands):
        parent = parents[place - 1] if place else None
        if isinstance(these[0].pairs, SparsePairs):
            views.append(SparseView.of(these[0], these[0].pairs, ratio[0]))
            continue
        if parent is not None:
            centroids = zone_centroids(centroids, parent)
        if last is not None and parent is not None:
            above = these[0].parent
            zone = np.arange(len(centroids)) if above is None else above
            views[-1], last = next_view(these, last, parent, total, ghosts, distance_rings(centroids), zone)
        else:
            if parent is not None:
                ratio = tuple(r.raised(parent, (np.ones(len(parent)),) * 2) for r in ratio)
            gravity = Gravity(distance_rings(centroids), _zones([b[0] for b in bands[place:]]), these[0].shape[1])
            last = first_view(these, gravity, ratio, total, ghosts)
        views.append(last)
    return views


def _zones(levels: Sequence[NoisyFlowLevel]) -> list[Ints]:
    """Return the zone of every finest cell at each coarser level, coarsest first."""
    out: list[Ints] = []
    at = np.arange(levels[0].shape[0])
    for level in levels:
        if level.parent is not None:
            at = level.parent[at]
            out.insert(0, at)
    return out


def _keyed(origin: Ints, destination: Ints, slot: Ints, cells: int) -> Ints:
    return (slot * cells + origin) * cells + destination


def _unkeyed(key: Ints, cells: int) -> tuple[Ints, Ints, Ints]:
    return key // cells % cells, key % cells, key // (cells * cells)


def _rows(views: Sequence[View | SparseView], parents: Sequence[Ints | None]) -> tuple[list[Rows], list[Spread]]:
    """Return printed rows of every level; a pair is printed as well if one of its children is."""
    tables: list[Rows] = []
    spreads: list[Spread] = []
    above = np.zeros(0, dtype=np.int64)
    for place, (view, parent) in enumerate(zip(views, parents, strict=True)):
        cells = view.shape[0]
        origin, destination, slot = np.unravel_index(view.printed, view.shape)
        key = np.unique(np.concatenate([_keyed(origin, destination, slot, cells), above]))
        if tables:
            tables[-1].up = np.searchsorted(key, above)
        origin, destination, slot = _unkeyed(key, cells)
        if parent is not None:
            above = _keyed(parent[origin], parent[destination], slot, views[place + 1].shape[0])
        found = view.spread(np.ravel_multi_index((origin, destination, slot), view.shape))
        tables.append(Rows(key, found.median, found.variance, None))
        spreads.append(found)
    return tables, spreads


def _held(keys: tuple[Ints, Ints, Ints], whole: Ints, view: View | SparseView) -> tuple[Ints, Ints]:
    """Return sums of printed rows by origin and by destination, cells x slots."""
    origin, destination, slot = keys
    out = []
    for cell in (origin, destination):
        sums = np.zeros((view.shape[0], view.shape[2]), dtype=np.int64)
        np.add.at(sums, (cell, slot), whole)
        out.append(sums)
    return out[0], out[1]


def _table(found: Spread, keys: tuple[Ints, Ints, Ints], whole: Ints) -> FlowTable:
    trips = whole / GRID
    # Agreeing may have moved an estimate out of its interval.
    lower = np.minimum(np.floor(found.lower * GRID) / GRID, trips)
    upper = np.maximum(np.ceil(found.upper * GRID) / GRID, trips)
    return FlowTable(*keys, trips, lower, upper, trips.copy())
