"""A coarser level of flows, seen through the sums of what the finer one expects; and what it tells about the finer one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flockwise.estimate._types import Floats, Ints
from flockwise.estimate.flow_effects import ByClass, ByRow, Told, by_class, fitted, updated
from flockwise.estimate.flow_rescale import Total, factors
from flockwise.estimate.flow_types import NoisyFlowLevel
from flockwise.estimate.flow_view import View, mean_ratio, settled, view_of
from flockwise.estimate.margin_tree import GROWTH, PAIRS_OFF, Drawn, drawn, usual

__all__ = ["next_view"]


def next_view(bands: Sequence[NoisyFlowLevel], finer: View, parent: Ints, total: Total, ghosts: float, rings: Ints, zone: Ints) -> tuple[View, View]:
    """Return the finer level, moved by what its errors are found to have in common, and the next coarser one.

    Args:
        bands: noisy flows of the coarser level.
        finer: the finer level.
        parent: of its cells.
        total: all trips.
        ghosts: share of printed pairs that may be empty.
        rings: classes of distance of the coarser level's cells.
        zone: of the coarser level's cells.

    Source: the posterior of sums whose errors are independent but for a few shared effects, level by level (a Kalman filter over the tree).
    """
    below, apart = _raised(finer.expected, parent), _raised(finer.apart, parent)
    ends = finer.expected.sum(axis=(1, 2)), finer.expected.sum(axis=(0, 2))
    ratio = tuple(r.raised(parent, ends) for r in finer.ratio)
    whitened = [(b.dense / b.pairs_sigma).ravel() for b in bands]
    seen = view_of(bands, whitened, np.log(np.maximum(below, 1e-9)), ratio, total, ghosts)
    cells = np.arange(seen.shape[0])
    flows = finer.flows()
    sums = [(_raised(t, parent), _raised(s, parent)) for t, s in zip(flows, finer.shrunk(flows), strict=True)]
    each = [mean_ratio(*both, r.at(cells[:, None], cells)[:, :, None]) for both, r in zip(sums, ratio, strict=True)]
    scales = [f * sigma for f, sigma in zip(factors(each), seen.sigmas, strict=True)]
    measured = sum((s * z.reshape(seen.shape) for s, z in zip(scales, whitened, strict=True)), np.zeros(seen.shape))
    noise = np.sqrt(sum(s**2 for s in scales) + np.zeros(seen.shape))
    often, place = usual(PAIRS_OFF, finer.above), _parents(finer.shape, parent)
    off, chance = measured - below, often * (apart + below)
    if finer.effects is None or finer.shared is None:
        of_pairs = by_class(finer.prior.stratum.reshape(finer.shape), finer.tilted(finer.variance), rings[np.ix_(parent, parent)], zone[parent])
        shared = of_pairs.summed(place, below.size)
        told = _told(finer, of_pairs, shared, total, below, chance) + Told.by(shared, off.ravel(), (noise**2 + chance).ravel())
        effects = fitted(told, of_pairs.counts)
        moved = np.maximum(finer.expected + of_pairs.moved(effects.mean).reshape(finer.shape), 0.0)
        finer = replace(finer, expected=moved, shared=of_pairs, effects=effects)
    else:
        shared = finer.shared.summed(place, below.size)
        effects = updated(finer.effects, Told.by(shared, off.ravel(), (noise**2 + chance).ravel()))
    below = np.maximum(below + shared.moved(effects.mean).reshape(below.shape), 0.0)
    unsure = shared.variance(effects.covariance).reshape(below.shape)
    between = drawn(below, apart, measured, noise, often, unsure, usual(GROWTH, finer.above), learnt=True)
    between = Drawn(settled(between.trips, between.deviation**2, total), between.deviation, between.keeps)
    return finer, replace(
        seen,
        expected=between.trips,
        variance=between.deviation**2,
        above=finer.above + 1,
        drawn=between,
        shared=shared.kept(between.keeps.ravel()),
        effects=effects,
        apart=(1.0 - between.keeps) * noise**2,
    )


def _told(finer: View, of_pairs: ByClass, shared: ByRow, total: Total, below: Floats, chance: Floats) -> Told:
    """Return what the noisy pairs of the finest level and all trips tell about effects."""
    usually = ByClass(of_pairs.classes, of_pairs.counts, finer.tilted(finer.usual_variance()))
    slots = below.shape[2]
    slot = np.broadcast_to(np.arange(slots), below.shape).ravel()
    missing, noise = total.trips - below.sum(axis=(0, 1)), total.variance + chance.sum(axis=(0, 1))
    return Told.by(usually, *finer.surprise()) + Told.by(shared.summed(slot, slots), missing, noise)


def _raised(values: Floats, parent: Ints) -> Floats:
    """Return sums over children at both ends."""
    order = np.argsort(parent, kind="stable")
    starts = np.searchsorted(parent[order], np.arange(int(parent.max()) + 1))
    summed: Floats = np.add.reduceat(np.add.reduceat(values[order][:, order], starts, axis=0), starts, axis=1)
    return summed


def _parents(shape: tuple[int, int, int], parent: Ints) -> Ints:
    """Return for each flat position the one of its parent in the next coarser level."""
    slots, zones = shape[2], int(parent.max()) + 1
    found: Ints = ((parent[:, None, None] * zones + parent[None, :, None]) * slots + np.arange(slots)).ravel()
    return found
