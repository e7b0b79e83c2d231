"""Small worlds of flows with known truth: everyone's and heavy devices' noisy flows on nested levels."""

from __future__ import annotations

import numpy as np

from flockwise.estimate import FlowEstimate, NoisyFlowLevel

CHILDREN = 4


def make_flows(
    cells: int,
    slots: int,
    levels: int,
    seed: int,
    *,
    sigma: float = 5.0,
    size: float = 30.0,
    heavy: bool = False,
    margins: bool = True,
    totals: bool = False,
    ratio: float = 1.0,
    heavy_ratio: float = 1.0,
) -> tuple[list[NoisyFlowLevel], list[NoisyFlowLevel] | None, np.ndarray, list[np.ndarray]]:
    """Everyone's levels, heavy devices' levels, centroids, and the rescaled truth of every level. A gravity world: most pairs are empty."""
    rng = np.random.default_rng(seed)
    at = rng.uniform(-0.1, 0.1, (cells, 2)) + np.array([48.0, 2.0])
    pull = rng.normal(0, 1, cells)
    apart = np.hypot(*(at[:, None] - at).transpose(2, 0, 1))
    score = pull[:, None] + pull - 20 * apart + rng.gumbel(0, 0.5, (cells, cells))
    rate = np.where(score > np.quantile(score, 0.8), size * np.exp(score - np.quantile(score, 0.8)), 0.0)
    shrunk = rng.poisson(rate[:, :, None] * np.ones(slots) / slots).astype(float)
    part = rng.binomial(shrunk.astype(int), 0.3).astype(float) if heavy else np.zeros_like(shrunk)
    draw = rng.standard_normal
    everyone: list[NoisyFlowLevel] = []
    of_heavy: list[NoisyFlowLevel] = []
    truth = []
    for place in range(levels):
        parent = None if place == levels - 1 else np.arange(len(shrunk)) // CHILDREN
        shape = shrunk.shape[1:]
        truth.append(ratio * (shrunk - part) + heavy_ratio * part)
        for out, flows, total in ((everyone, shrunk, ratio * (shrunk - part)), (of_heavy, part, heavy_ratio * part)):
            extra: dict = {}
            if margins:
                extra |= {"departures": flows.sum(1) + sigma * draw(shape), "arrivals": flows.sum(0) + sigma * draw(shape), "margins_sigma": sigma}
            if totals:
                extra |= {"total_departures": total.sum(1) + sigma * draw(shape), "total_arrivals": total.sum(0) + sigma * draw(shape), "totals_sigma": sigma}
            out.append(NoisyFlowLevel(flows + sigma * draw(flows.shape), sigma, parent=parent, **extra))
        if parent is not None:
            shrunk, part = (summed(flows, parent) for flows in (shrunk, part))
    return everyone, of_heavy if heavy else None, at, truth


def summed(flows: np.ndarray, parent: np.ndarray) -> np.ndarray:
    out = np.zeros((parent.max() + 1, parent.max() + 1, flows.shape[2]))
    np.add.at(out, (parent[:, None], parent[None, :]), flows)
    return out


def assert_adds_up(estimate: FlowEstimate, levels: list[NoisyFlowLevel]) -> None:
    """Every sum that is promised, exactly; nothing negative; rows sorted; intervals in order; the grid kept."""
    for place, level in enumerate(levels):
        cells, slots = level.shape
        rows = estimate.pairs[place]
        key = (rows.slot * cells + rows.origin) * cells + rows.destination
        assert (np.diff(key) > 0).all()
        assert (rows.trips > 0).all()
        assert (rows.lower >= 0).all()
        assert (rows.lower <= rows.trips).all()
        assert (rows.trips <= rows.upper).all()
        assert (rows.unlisted >= 0).all()
        for values in (rows.trips, rows.unlisted):
            assert (values * 256 == np.round(values * 256)).all()
        for ends, cell in ((estimate.departures, rows.origin), (estimate.arrivals, rows.destination)):
            margin = ends[place]
            held = np.zeros((cells, slots))
            np.add.at(held, (cell, rows.slot), rows.trips)
            assert (held + margin.unlisted == margin.trips).all()
            assert (margin.unlisted >= 0).all()
            assert (margin.lower >= 0).all()
            assert (margin.lower <= margin.trips).all()
            assert (margin.trips <= margin.upper).all()
            if level.parent is not None:
                above = np.zeros_like(ends[place + 1].trips)
                np.add.at(above, level.parent, margin.trips)
                assert (above == ends[place + 1].trips).all()
        assert (estimate.departures[place].trips.sum(0) == estimate.arrivals[place].trips.sum(0)).all()
        if level.parent is not None:
            up, many = estimate.pairs[place + 1], levels[place + 1].shape[0]
            parents = (up.slot * many + up.origin) * many + up.destination
            wanted = (rows.slot * many + level.parent[rows.origin]) * many + level.parent[rows.destination]
            position = np.searchsorted(parents, wanted)
            assert (parents[np.minimum(position, len(parents) - 1)] == wanted).all()
            below = np.zeros(len(parents))
            np.add.at(below, position, rows.trips)
            assert (below + up.unlisted == up.trips).all()
        else:
            assert (rows.unlisted == rows.trips).all() or place > 0
