"""What cells share: a size per cell, and a few patterns over time that all cells mix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flockwise.estimate._types import Floats
from flockwise.estimate.curves import fit_curve, signal_curve

__all__ = ["LowRank", "fit_low_rank", "posterior_sizes"]

_MOST_PATTERNS = 6
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


def _common(scores: Floats, size: Floats, weight: Floats) -> Floats:
    """Return the scores that cells would have if all had one ratio of score to size; a ratio for each column."""
    ratio = (weight * scores).T @ size / np.maximum(weight.T @ size**2, 1e-12)
    return np.outer(size, ratio)


def fit_low_rank(values: Floats) -> LowRank:
    """Return sizes and common patterns of noisy values with unit noise.

    The first pattern is flat, so that a cell's score on it is its mean over time: no direction is learnt for it and its noise is exactly 1.
    The other patterns are eigenvectors above the edge (sqrt(C) + sqrt(T))^2. Their scores have more noise than 1, because the direction was
    fitted to the same noise: it is set so that the optimal singular-value shrinkage comes out on average. Each score is shrunk towards its size times
    the mean ratio, as far as cells of its size are known to depart from it.

    Args:
        values: cells x slots, noise of standard deviation 1.

    Source: Gavish and Donoho 2017 (the singular values); Efron and Morris 1973 (the scores). Differs: the flat pattern comes first, and the noise of
    the scores is set by the shrinkage; measured in docs/claims/estimates.md.
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
    positive = np.maximum(size, 0.0)
    rough = (scores - _common(scores, positive, np.ones(scores.shape))) ** 2 - noise
    common = _common(scores, positive, 1.0 / (noise + fit_curve(rough, positive, noise)))
    own = signal_curve((scores - common) ** 2, positive, noise, np.ones(len(noise)))
    fitted = common + (scores - common) * own / (own + noise)
    for k in range(scores.shape[1]):
        fitted[:, k] = _limited(fitted[:, k], scores[:, k], float(signal[k]))
    return LowRank(
        fitted=size[:, None] * flat + fitted @ vectors.T,
        left=rest - scores @ vectors.T,
        size=size,
        patterns=np.column_stack([flat, vectors]),
    )
