"""What the errors of expected flows have in common, learnt from everything that was measured.

The prior of a stratum is learnt from its noisy flows alone, and where flows are far below the noise they hardly tell its mean: the many small pairs of a
coarse pair are then all expected too low, or too high. What a stratum, a distance or a zone is off by is taken to scale the prior's chances of a flow, which
moves a posterior mean by its variance over the size of such flows. Each of these effects has a normal prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flockwise.estimate._types import Floats, Ints

__all__ = ["ByClass", "ByRow", "Effects", "Told", "by_class", "fitted", "updated"]

_STRATA_TOGETHER, _RINGS_TOGETHER = 2, 4
_LEVEL, _STEP = 2.0, 0.6
"""Spread of the effects of strata, and of the step from one to the next: they lie in the order of the index, and neighbours are alike."""
_USUAL, _WORTH = 0.15, 4.0
"""Usual spread of other effects, and how many effects of a group that counts for: their spread is learnt."""
_ROUNDS = 6


@dataclass(frozen=True)
class Effects:
    """All effects, one group after another, relative to the chance of a flow; normal.

    Attributes:
        mean: vector.
        covariance: effects x effects.
    """

    mean: Floats
    covariance: Floats


@dataclass(frozen=True)
class ByRow:
    """How each row's flow moves with the effects.

    Attributes:
        design: rows x effects.
    """

    design: Floats

    def moved(self, by: Floats) -> Floats:
        """Return by how much each row moves for these effects."""
        return self.design @ by

    def variance(self, covariance: Floats) -> Floats:
        """Return the variance of each row's flow that comes from unsure effects."""
        found: Floats = np.maximum(np.einsum("re,re->r", self.design @ covariance, self.design), 0.0)
        return found

    def kept(self, part: Floats) -> ByRow:
        """Return the same where each row moves by a part of it only."""
        return ByRow(self.design * part[:, None])

    def summed(self, place: Ints, rows: int) -> ByRow:
        """Return the same for sums of rows, by the place that each goes to."""
        out = np.zeros((rows, self.design.shape[1]))
        np.add.at(out, place, self.design)
        return ByRow(out)


@dataclass(frozen=True)
class ByClass:
    """The same where a row belongs to one class of each group and moves by `tilt` for each of their effects.

    Attributes:
        classes: of every row, one vector a group, counted on from group to group.
        counts: classes of each group.
        tilt: of every row.
    """

    classes: tuple[Ints, ...]
    counts: tuple[int, ...]
    tilt: Floats

    def moved(self, by: Floats) -> Floats:
        """Return by how much each row moves for these effects."""
        return self.tilt * sum((by[c] for c in self.classes), np.zeros(len(self.tilt)))

    def summed(self, place: Ints, rows: int) -> ByRow:
        """Return the same for sums of rows, by the place that each goes to."""
        effects = sum(self.counts)
        flat = np.zeros(rows * effects)
        for c in self.classes:
            flat += np.bincount(place * effects + c, self.tilt, rows * effects)
        return ByRow(flat.reshape(rows, effects))


def by_class(stratum: Ints, tilt: Floats, rings: Ints, zone: Ints) -> ByClass:
    """Return the classes of pairs: by stratum of the index, by distance, by zone of origin and of destination.

    Args:
        stratum: origins x destinations x slots.
        tilt: same shape.
        rings: origins x destinations, class of distance.
        zone: of every cell.
    """
    groups = [stratum // _STRATA_TOGETHER, rings[:, :, None] // _RINGS_TOGETHER, zone[:, None, None], zone[None, :, None]]
    counts = tuple(int(g.max()) + 1 for g in groups)
    starts = np.cumsum([0, *counts])
    return ByClass(tuple(np.broadcast_to(g + s, stratum.shape).ravel() for g, s in zip(groups, starts, strict=False)), counts, tilt.ravel())


@dataclass(frozen=True)
class Told:
    """What measurements tell about effects: information and score, which add up."""

    known: Floats
    score: Floats

    @classmethod
    def by(cls, shared: ByClass | ByRow, off: Floats, noise: Floats) -> Told:
        """Return what rows tell that are off by `off` from what was expected, with the variance `noise` if there were no effects; both flat."""
        if isinstance(shared, ByRow):
            return cls(shared.design.T @ (shared.design / noise[:, None]), shared.design.T @ (off / noise))
        size, weight = sum(shared.counts), shared.tilt / noise
        known, score = np.zeros((size, size)), np.zeros(size)
        for a in shared.classes:
            score += np.bincount(a, weight * off, size)
            for b in shared.classes:
                known += np.bincount(a * size + b, weight * shared.tilt, size**2).reshape(size, size)
        return cls(known, score)

    def __add__(self, other: Told) -> Told:
        return Told(self.known + other.known, self.score + other.score)


def fitted(told: Told, counts: Sequence[int]) -> Effects:
    """Return the effects given what was measured; the first group is that of strata.

    Privacy: reads noisy values only.

    Source: exponential tilting (Efron 1981); random effects by EM (Laird and Ware 1982).
    """
    strata, group = counts[0], np.repeat(np.arange(len(counts)), counts)
    spread = np.full(len(counts), _USUAL**2)
    spread[0] = _LEVEL**2
    steps = np.diff(np.eye(strata), axis=0)
    for left in range(_ROUNDS, -1, -1):
        prior = np.diag(1.0 / spread[group])
        prior[:strata, :strata] += steps.T @ steps / _STEP**2
        covariance = _inverse(told.known + prior)
        mean: Floats = covariance @ told.score
        if left:
            learnt = np.bincount(group, mean**2 + np.diag(covariance))
            spread[1:] = ((learnt + _WORTH * _USUAL**2) / (np.array(counts) + _WORTH))[1:]
    return Effects(mean, covariance)


def updated(effects: Effects, told: Told) -> Effects:
    """Return what is new about the effects given further measurements of what is left with the effects as they were."""
    covariance = _inverse(_inverse(effects.covariance) + told.known)
    return Effects(covariance @ told.score, covariance)


def _inverse(matrix: Floats) -> Floats:
    try:
        found: Floats = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    except np.linalg.LinAlgError:
        # An effect that is known to the last bit, of values trillions of times their noise.
        found = np.asarray(np.linalg.pinv(matrix, hermitian=True), dtype=np.float64)
    return found
