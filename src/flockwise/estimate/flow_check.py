"""Whether what the prior says of heavy devices' flows is true, judged by noisy flows that the prior has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from flockwise.estimate._types import Bools, Floats, Ints
from flockwise.estimate.flow_posterior import Correction, Spread, posterior, spread
from flockwise.estimate.flow_prior import FAR, Prior, fit_prior

__all__ = ["FEWEST", "Checked", "checked"]

FOLDS = 4
FEWEST = 100
"""Values from which on a prior can do without a fold."""
_EDGES = np.array([3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 25.0, 50.0, np.inf])
"""Bins of everyone's noisy flow, in noise units. Its noise is not that of heavy devices' flow, so that a bin does not choose among the latter."""
_CHUNK = 512
_OWN = 0.05
_UNSURE = np.array([0.35, 0.35, 0.35, 0.35, 0.4, 0.6, 0.8, 0.8])
"""By how much the variance of a bin is usually off, relative to it: what the check is weighed against. Large flows are few, and learnt from few."""
_ADDED = np.array([0.0, 0.0, 0.0, 0.2, 0.5, 0.9, 1.4, 1.4])
"""How many standard errors of what the check could not tell are added: a prior learnt from few flows claims too much, never too little."""
_POOLED = np.array([0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 0.75, 0.75])
"""How much of the mean variance of its bin a flow takes instead of its own: a prior that few flows have made is sharp here and flat there by chance."""


@dataclass(frozen=True)
class Checked:
    """Priors that have not seen the flows they are used for, and how far to trust them.

    Attributes:
        priors: one for each fold, learnt from the other folds.
        size: logarithm of everyone's noisy flow in the middle of each bin.
        move: how far heavy devices' posterior mean moves to the noisy value, 0 to 1; by bin.
        widen: variance of heavy devices' flow after that, over the posterior's; by bin.
        usual: mean posterior variance of heavy devices' flow in noise units squared; by bin.
        pooled: how much of it takes the place of a flow's own; by bin.
    """

    priors: tuple[Prior, ...]
    size: Floats
    move: Floats
    widen: Floats
    usual: Floats
    pooled: Floats

    def spread(self, whitened: Sequence[Floats], rows: Ints, scales: Sequence[Floats], to_zero: Bools, *, tail: Floats) -> Spread:
        """Return medians, intervals and variances for some rows, each by the prior that has not seen it."""
        out = np.empty((4, len(rows)))
        for fold, prior in enumerate(self.priors):
            some = np.flatnonzero(rows % FOLDS == fold)
            size = np.log(np.maximum(whitened[0][rows[some]], 1.0))
            trust = Correction(*(np.interp(size, self.size, by) for by in (self.move, self.widen, self.usual, self.pooled)))
            found = spread(
                prior,
                whitened,
                rows[some],
                [s[some] for s in scales],
                tail=tail[some],
                to_zero=to_zero[some],
                correction=trust,
            )
            out[:, some] = found.median, found.lower, found.upper, found.variance
        return Spread(*out)


def checked(whitened: Sequence[Floats], index: Floats, scale: float, own: Prior) -> Checked:
    """Return the priors of the folds, and what Stein's unbiased risk estimate says of heavy devices' posterior means.

    With noise of 1, an estimate m of a flow from its noisy value z has the mean squared error E (m - z)^2 - 1 + 2 m', and m' is the posterior variance
    (Tweedie). That holds for a prior learnt from other values, whether the prior is right or not; if it is right, the risk is the posterior variance.

    Args:
        whitened: flat arrays of noisy flows in noise units: of all devices, and of heavy devices.
        index: flat.
        scale: noise of all devices' flows over that of heavy devices'.
        own: the prior learnt from all of them; it has a small part in every other, so that a flow that is like none of the others is not taken for 0.

    Privacy: reads noisy values only.

    Source: Stein 1981; Efron 2011 (Tweedie's formula).
    """
    fold = np.arange(index.size) % FOLDS
    # The fits know nothing of each other, and numpy holds no lock.
    with ThreadPoolExecutor(2, "flockwise-folds") as pool:
        others = list(pool.map(lambda k: fit_prior(whitened, index, scale, keep=fold != k), range(FOLDS)))
    priors = tuple(replace(prior, weights=(1.0 - _OWN) * prior.weights + _OWN * own.weights) for prior in others)
    seen = np.flatnonzero((whitened[0] > _EDGES[0]) & (whitened[1] <= FAR - 1.0))
    moments = np.empty((2, len(seen)))
    for k, prior in enumerate(priors):
        mine = np.flatnonzero(seen % FOLDS == k)
        for start in range(0, len(mine), _CHUNK):
            some = mine[start : start + _CHUNK]
            rows = seen[some]
            moments[:, some] = posterior(prior, [z[rows] for z in whitened], prior.stratum[rows])[1][1]
    place = np.searchsorted(_EDGES, whitened[0][seen], side="right") - 1
    bins = len(_EDGES) - 1
    # Neighbouring bins lend each other their rows.
    near = np.exp(-0.5 * (np.arange(bins)[:, None] - np.arange(bins)) ** 2.0)

    def pooled(values: Floats) -> Floats:
        found: Floats = near @ np.bincount(place, values, bins)
        return found

    count = np.maximum(pooled(np.ones(len(seen))), 1e-9)
    apart = (moments[0] - whitened[1][seen]) ** 2
    off, claimed = pooled(apart) / count, np.maximum(pooled(moments[1]) / count, 1e-3)
    each = apart - 1.0 + 2.0 * moments[1]
    risk = pooled(each) / count
    chance = np.sqrt(np.maximum(near**2 @ np.bincount(place, (each - risk[place]) ** 2, bins), 1e-9)) / count
    move = np.clip((risk - claimed - chance) / np.maximum(off, 1e-9), 0.0, 1.0)
    # The squared error of m + move (z - m).
    left = np.maximum(risk + 2.0 * move * (claimed - risk) + move**2 * off, 0.0)
    sure = (chance / claimed) ** 2
    weight = _UNSURE**2 / (_UNSURE**2 + sure)
    widen = 1.0 + (left / claimed - 1.0) * weight + _ADDED * np.sqrt(weight * sure)
    middle = np.log(np.concatenate([np.sqrt(_EDGES[:-2] * _EDGES[1:-1]), [2.0 * _EDGES[-2]]]))
    return Checked(priors, middle, move, widen, claimed, _POOLED)
