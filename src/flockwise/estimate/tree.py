"""Sums, noise-weighted means and projections over a hierarchy of cells."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from flockwise.estimate._types import Floats, Ints, NoisyLevel

__all__ = ["Family", "families", "own_weight", "subtree_means", "tree_means", "tree_variances", "variances"]


class Family:
    """The children of every parent, laid out once so that sums and projections are whole-array operations.

    Args:
        parent: for each child the row of its parent; every parent has a child.
        parents: number of parents.
    """

    def __init__(self, parent: Ints, parents: int) -> None:
        self.parent = parent
        self.order = np.argsort(parent, kind="stable")
        self.sizes = np.bincount(parent, minlength=parents)
        self.starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        # A rectangle parents x most children: row of the child, or -1.
        self.place = np.full((parents, int(self.sizes.max())), -1, dtype=np.int64)
        column = np.arange(len(parent)) - np.repeat(self.starts, self.sizes)
        self.place[parent[self.order], column] = self.order

    def sums(self, values: Floats) -> Floats:
        """Return the sums of the children's rows, parents x the rest."""
        total: Floats = np.add.reduceat(values[self.order], self.starts, axis=0)
        return total

    def project(self, values: Floats, totals: Floats) -> Floats:
        """Return the nearest non-negative values whose sums over children are `totals`.

        Args:
            values: children x slots.
            totals: parents x slots, at least 0.

        Source: Duchi et al. 2008, projection onto the simplex by sorting; here for all parents and slots at once.
        """
        rows = np.where(self.place[:, :, None] >= 0, values[self.place], -np.inf)
        ranked = -np.sort(-rows, axis=1)
        known = np.isfinite(ranked)
        excess = np.cumsum(np.where(known, ranked, 0.0), axis=1) - totals[:, None, :]
        level = excess / np.arange(1, rows.shape[1] + 1)[None, :, None]
        kept = np.maximum((known & (ranked > level)).sum(axis=1, keepdims=True), 1)
        shift = np.take_along_axis(level, kept - 1, axis=1)
        fitted = np.maximum(rows - shift, 0.0)
        out = np.empty_like(values)
        real = self.place >= 0
        out[self.place[real]] = fitted[real]
        return out


def families(levels: Sequence[NoisyLevel]) -> list[Family]:
    """Return one family between each level and the next, and at last one of the coarsest cells under a single root."""
    out = [Family(level.parent, len(above.noisy)) for level, above in itertools.pairwise(levels) if level.parent is not None]
    out.append(Family(np.zeros(len(levels[-1].noisy), dtype=np.int64), 1))
    return out


def variances(levels: Sequence[NoisyLevel], tree: Sequence[Family]) -> list[Floats]:
    """Return, per level, the noise variance of each cell's `subtree_means`, a vector over cells."""
    out = [np.full(len(levels[0].noisy), levels[0].sigma ** 2)]
    for level, family in zip(levels[1:], tree, strict=False):
        below = family.sums(out[-1])
        own = level.sigma**2
        out.append(own * below / (own + below))
    return out


def own_weight(levels: Sequence[NoisyLevel], tree: Sequence[Family], spread: Sequence[Floats]) -> list[Floats]:
    """Return, per level above the finest, each parent's weight of its own value against its children's sum (a vector)."""
    out = []
    for place, level in enumerate(levels[1:]):
        below = tree[place].sums(spread[place])
        out.append(below / (below + level.sigma**2))
    return out


def subtree_means(noisy: Sequence[Floats], tree: Sequence[Family], weights: Sequence[Floats]) -> list[Floats]:
    """Return, per level, the best linear unbiased value of each cell from itself and all that lies under it.

    Source: Hay et al. 2010, the upward pass, with unequal variances and any number of children.
    """
    out = [noisy[0]]
    for place, own in enumerate(noisy[1:]):
        weight = weights[place][:, None]
        out.append(weight * own + (1.0 - weight) * tree[place].sums(out[-1]))
    return out


def tree_means(means: Sequence[Floats], tree: Sequence[Family], spread: Sequence[Floats]) -> list[Floats]:
    """Return, per level, the best linear unbiased value of each cell from the whole tree.

    Args:
        means: `subtree_means`.
        tree: the families.
        spread: variances of `means`, a vector a level.

    Source: Hay et al. 2010, the downward pass, with unequal variances: what a parent's best value has more than its children's sum is shared out by variance.
    """
    out = list(means)
    for place in range(len(means) - 2, -1, -1):
        family = tree[place]
        more = out[place + 1] - family.sums(means[place])
        out[place] = means[place] + (spread[place] / family.sums(spread[place])[family.parent])[:, None] * more[family.parent]
    return out


def tree_variances(spread: Sequence[Floats], tree: Sequence[Family]) -> list[Floats]:
    """Return, per level, the noise variance of each cell's `tree_means`, from that of its `subtree_means`."""
    out = list(spread)
    for place in range(len(spread) - 2, -1, -1):
        parent, own = tree[place].parent, spread[place]
        share = own / tree[place].sums(own)[parent]
        out[place] = own * (1.0 - share) + share**2 * out[place + 1][parent]
    return out
