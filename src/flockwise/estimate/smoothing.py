"""From noisy levels to smooth, non-negative, consistent ones: the deterministic map whose error the intervals measure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flockwise.estimate._types import Bools, Floats, NoisyLevel
from flockwise.estimate.events import rescue_events
from flockwise.estimate.lowrank import fit_low_rank
from flockwise.estimate.spectrum import shrink_spectrum
from flockwise.estimate.tree import families, own_weight, subtree_means, tree_means, tree_variances, variances

__all__ = ["Smoother", "denoise"]


def denoise(values: Floats, longest_event: int) -> tuple[Floats, Bools]:
    """Return the smooth estimate of values with unit noise, and where an event was put back (cells x slots both)."""
    shared = fit_low_rank(values)
    own = shrink_spectrum(shared.left, np.maximum(shared.size, 0.0), shared.patterns)
    return rescue_events(values, shared.fitted + own, longest_event)


class Smoother:
    """All that is public about a set of levels, and the estimate as a function of the noisy values alone.

    Args:
        levels: finest first.
        longest_event: in slots.
    """

    def __init__(self, levels: Sequence[NoisyLevel], longest_event: int) -> None:
        self.tree = families(levels)
        self.below = variances(levels, self.tree)
        self.spread = tree_variances(self.below, self.tree)
        self.weights = own_weight(levels, self.tree, self.below)
        self.sigmas = [level.sigma for level in levels]
        self.longest_event = longest_event

    def reference(self, noisy: Sequence[Floats]) -> list[Floats]:
        """Return the best linear unbiased values of each level, with variance `spread` a cell."""
        return tree_means(subtree_means(noisy, self.tree, self.weights), self.tree, self.below)

    def smooth(self, noisy: Sequence[Floats]) -> list[Floats]:
        """Return non-negative estimates in devices, children summing to parents, for every level.

        Each level is smoothed on its own from its unbiased values. Going up, a parent's estimate is averaged with its children's sum by the weights
        that are right for the unsmoothed noise. Where a child holds an event its sum counts alone: the same event must not be halved or counted twice.
        Going down, the children are moved to the nearest non-negative values with the parent's sum.
        """
        mixed: list[Floats] = []
        event = np.zeros((0, 0), dtype=np.bool_)
        for place, reference in enumerate(self.reference(noisy)):
            scale = np.sqrt(self.spread[place])[:, None]
            fitted, touched = denoise(reference / scale, self.longest_event)
            fitted *= scale
            if place:
                family = self.tree[place - 1]
                below = family.sums(event.astype(np.float64)) > 0
                weight = np.where(below, 0.0, self.weights[place - 1][:, None])
                fitted = weight * fitted + (1.0 - weight) * family.sums(mixed[-1])
                touched |= below
            mixed.append(fitted)
            event = touched
        totals = np.maximum(mixed[-1].sum(axis=0, keepdims=True), 0.0)
        out: list[Floats] = []
        for fitted, family in zip(reversed(mixed), reversed(self.tree), strict=True):
            totals = family.project(fitted, totals)
            out.append(totals)
        return out[::-1]
