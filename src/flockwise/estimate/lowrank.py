"""What cells share: a size per cell, and a few patterns over time that all cells mix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flockwise.estimate._types import Floats, Ints

__all__ = ["LowRank", "fit_low_rank", "posterior_sizes", "strata"]

_MOST_PATTERNS = 6
_STRATUM = 64
_SURE_SIZE = 9.0  # in noise units; from here on a size is left as it is
_PRIOR = np.concatenate([np.arange(0.0, 4.0, 0.125), np.arange(4.0, 14.0, 0.3125)])
_BINS = np.arange(-5.0, 12.0, 0.125)  # bins x prior points stay under the size at which linear algebra libraries start threads, which cost more here
_STEPS = 200


@dataclass(frozen=True)
class LowRank:
    """A low-rank fit in noise units: `fitted` and `left` are cells x slots, `size` a vector, `patterns` slots x patterns."""

    fitted: Floats
    left: Floats
    size: Floats
    patterns: Floats


def strata(size: Floats, wanted: int = _STRATUM) -> list[Ints]:
    """Return groups of cells of like size, about `wanted` each, smallest first."""
    order = np.argsort(size, kind="stable")
    return [np.asarray(part, dtype=np.int64) for part in np.array_split(order, max(1, len(order) // wanted))]


def posterior_sizes(scores: Floats) -> Floats:
    """Return the mean of each size given its score (size plus unit noise), under a prior learnt from all the scores.

    The prior is any distribution on sizes from 0 up, found by maximum likelihood on a grid (200 steps of EM, on scores counted into bins
    of 1/8 by linear weights, so that the result moves smoothly with the scores). Large scores are left alone.

    Source: Kiefer and Wolfowitz 1956; Jiang and Zhang 2009.
    """
    low = scores < _BINS[-1]
    if not low.any():
        return scores.copy()
    position = (np.clip(scores[low], _BINS[0], _BINS[-1] - 1e-9) - _BINS[0]) / (_BINS[1] - _BINS[0])
    left = position.astype(np.int64)
    share = position - left
    counts = np.bincount(left, 1.0 - share, len(_BINS)) + np.bincount(left + 1, share, len(_BINS))[: len(_BINS)]
    likelihood = np.exp(-0.5 * (_BINS[:, None] - _PRIOR) ** 2)
    prior = np.full(len(_PRIOR), 1.0 / len(_PRIOR))
    for _ in range(_STEPS):
        prior *= (counts / (likelihood @ prior)) @ likelihood
        prior /= prior.sum()
    mean = (likelihood @ (prior * _PRIOR)) / (likelihood @ prior)
    out = scores.copy()
    trust = np.clip((scores[low] - 5.0) / (_SURE_SIZE - 5.0), 0.0, 1.0)
    out[low] = trust * scores[low] + (1.0 - trust) * np.interp(scores[low], _BINS, mean)
    return out


def _patterns(values: Floats) -> tuple[Floats, Floats]:
    """Return the eigenvectors over time (columns) above the noise's edge, and their eigenvalues, largest first."""
    cells, slots = values.shape
    edge = (np.sqrt(cells) + np.sqrt(slots)) ** 2
    if cells >= slots:
        energy, vectors = np.linalg.eigh(values.T @ values)
    else:  # the smaller of the two Gram matrices has the same eigenvalues
        energy, vectors = np.linalg.eigh(values @ values.T)
    chosen = np.flatnonzero(energy > edge)[::-1][: _MOST_PATTERNS - 1]
    energy, vectors = energy[chosen], vectors[:, chosen]
    if cells < slots:
        vectors = (values.T @ vectors) / np.sqrt(energy)
    return vectors, energy


def _limited(fitted: Floats, scores: Floats, energy: float) -> Floats:
    """Scale a fit down where it claims more energy than the scores hold beyond their noise (matters for few cells)."""
    claimed = float(fitted @ scores)
    limited: Floats = fitted * min(1.0, energy / claimed) if claimed > 0 else fitted
    return limited


def fit_low_rank(values: Floats) -> LowRank:
    """Return sizes and common patterns of noisy values with unit noise.

    The first pattern is flat, so that a cell's score on it is its mean over time: no direction is learnt for it and its noise is exactly 1.
    The other patterns are eigenvectors above the edge (sqrt(C) + sqrt(T))^2. Their scores have more noise than 1, because the direction was
    fitted to the same noise: it is set so that the optimal singular-value shrinkage comes out on average. Each score is shrunk towards its size times
    the mean ratio, by strata of size.

    Args:
        values: cells x slots, noise of standard deviation 1.

    Source: Gavish and Donoho 2017 (the shrinkage); Efron and Morris 1973 (the strata). Differs: the flat pattern comes first, and the noise of the scores is
    set by the shrinkage; measured in docs/claims/estimates.md.
    """
    cells, slots = values.shape
    flat = np.full(slots, 1.0 / np.sqrt(slots))
    level = values @ flat
    size = _limited(posterior_sizes(level), level, max(0.0, float(level @ level) - cells))
    rest = values - level[:, None] * flat
    vectors, energy = _patterns(rest)
    signal = np.sqrt(np.maximum((energy - cells - slots) ** 2 - 4.0 * cells * slots, 0.0))
    noise = np.maximum(1.0, (energy - signal) / cells)
    scores = rest @ vectors
    fitted = np.empty_like(scores)
    positive = np.maximum(size, 0.0)
    weight = max(float(positive @ positive), 1e-12)
    groups = strata(size)
    for k in range(scores.shape[1]):
        score = scores[:, k]
        own = score - positive * (float(score @ positive) / weight)
        kept = np.zeros(cells)
        for group in groups:
            power = max(float(np.mean(own[group] ** 2)), 1e-12)
            kept[group] = own[group] * max(0.0, 1.0 - noise[k] / power)
        fitted[:, k] = _limited(score - own + kept, score, float(signal[k]))
    return LowRank(
        fitted=size[:, None] * flat + fitted @ vectors.T,
        left=rest - scores @ vectors.T,
        size=size,
        patterns=np.column_stack([flat, vectors]),
    )
