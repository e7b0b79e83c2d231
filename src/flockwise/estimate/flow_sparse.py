"""A finest level whose pairs are too many to be held: only those over a threshold are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flockwise.estimate._types import Floats, Ints
from flockwise.estimate.conditional import conditional_estimate
from flockwise.estimate.flow_posterior import Spread
from flockwise.estimate.flow_rescale import Ratios
from flockwise.estimate.flow_types import NoisyFlowLevel, SparsePairs
from flockwise.estimate.flow_view import measured_margin
from flockwise.estimate.margin_tree import Drawn

__all__ = ["SparseView", "zone_centroids"]

_COVERAGE = 0.9


@dataclass(frozen=True)
class SparseView:
    """Rows over the threshold, with conditional intervals, rescaled; no prior, and nothing is learnt from what is not listed.

    Attributes:
        shape: origins, destinations, slots.
        pairs: the rows.
        sigma: their noise in shrunk trips.
        ratio: trips to a shrunk trip.
        printed: positions of the rows, ascending.
    """

    shape: tuple[int, int, int]
    pairs: SparsePairs
    sigma: float
    ratio: Ratios
    printed: Ints
    order: Ints

    @classmethod
    def of(cls, level: NoisyFlowLevel, pairs: SparsePairs, ratio: Ratios) -> SparseView:
        """Return the view of a level."""
        shape = (pairs.cells, pairs.cells, pairs.slots)
        flat = np.ravel_multi_index((pairs.origin, pairs.destination, pairs.slot), shape)
        order = np.argsort(flat)
        return cls(shape, pairs, level.pairs_sigma, ratio, flat[order], order)

    def spread(self, rows: Ints) -> Spread:
        """Return estimates, intervals and variances in trips, for some of the printed positions.

        Source: docs/claims/intervals.md (conditional intervals), Lee, Sun, Sun and Taylor 2016.
        """
        picked = self.order[np.searchsorted(self.printed, rows)]
        found = conditional_estimate(self.pairs.values[picked], self.sigma, self.pairs.threshold, coverage=_COVERAGE)
        ends = self.pairs.origin[picked], self.pairs.destination[picked]
        scale = self.ratio.at(*ends)
        trips = found.value * scale
        return Spread(trips, found.lower * scale, found.upper * scale, (self.sigma * scale) ** 2).widened(trips * np.sqrt(self.ratio.variance_at(*ends)))

    def margins(self, bands: Sequence[NoisyFlowLevel]) -> tuple[Drawn, Drawn]:
        """Return departures and arrivals as measured; where they were not, only what is printed is known."""
        out = []
        for name in ("departures", "arrivals"):
            measured, noise = measured_margin(bands, [(self.ratio.origin if name == "departures" else self.ratio.destination)[:, None]], name)
            empty: Floats = np.zeros(noise.shape)
            out.append(Drawn(empty, empty, empty) if measured is None else Drawn(np.maximum(measured, 0.0), noise, empty))
        return out[0], out[1]


def zone_centroids(centroids: Floats, parent: Ints) -> Floats:
    """Return mean latitudes and longitudes of the children of every zone, degrees."""
    count = np.bincount(parent)
    return np.stack([np.bincount(parent, centroids[:, k]) / count for k in (0, 1)], axis=1)
