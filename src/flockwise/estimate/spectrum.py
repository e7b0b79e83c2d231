"""What cells do not share: each frequency of what is left is kept as far as cells of like size show more power than noise has."""

from __future__ import annotations

import numpy as np

from flockwise.estimate._types import Floats
from flockwise.estimate.lowrank import strata

__all__ = ["shrink_spectrum"]

_SIGNIFICANT = 2.0  # standard errors of a mean power that are counted as noise, lest chance passes for signal
_POOLED = 448  # powers averaged into one: 64 cells x 7 frequencies


def _smooth(power: Floats, reach: int) -> Floats:
    """Return the moving mean over 2 reach + 1 frequencies, mirrored at both ends; frequency 0 is left out and kept."""
    out = power.copy()
    if len(power) > 2 and reach > 0:
        inner = np.pad(power[1:], reach, mode="symmetric")
        out[1:] = np.convolve(inner, np.full(2 * reach + 1, 1.0 / (2 * reach + 1)), mode="valid")
    return out


def shrink_spectrum(left: Floats, size: Floats, patterns: Floats) -> Floats:
    """Return the part of `left` that cells of like size share in power, frequency by frequency.

    Args:
        left: cells x slots in noise units, orthogonal to `patterns`.
        size: one number a cell; cells of like size are pooled.
        patterns: slots x patterns, orthonormal; the noise along them is gone from `left`, and is not counted.

    Source: empirical-Bayes (Wiener) shrinkage of Fourier coefficients; measured in docs/claims/estimates.md.
    """
    slots = left.shape[1]
    waves = np.fft.rfft(left, axis=1)
    power = np.abs(waves) ** 2 / slots
    gone = (np.abs(np.fft.rfft(patterns, axis=0)) ** 2).sum(axis=1) / slots
    noise = np.maximum(1.0 - gone, 1e-9)
    out = np.empty_like(waves)
    for group in strata(size):
        reach = min(max(3, _POOLED // (2 * len(group))), (power.shape[1] - 1) // 2)
        ratio = _smooth(power[group].mean(axis=0), reach) / _smooth(noise, reach)
        pooled = np.full(power.shape[1], len(group) * (2 * reach + 1.0))
        pooled[0] = len(group)
        keep = np.maximum(0.0, 1.0 - (1.0 + _SIGNIFICANT / np.sqrt(pooled)) / np.maximum(ratio, 1e-12))
        out[group] = waves[group] * keep
    fitted: Floats = np.fft.irfft(out, slots, axis=1)
    return fitted
