"""What cells do not share: each frequency of what is left is kept as far as cells of like size show more power than noise has."""

from __future__ import annotations

import numpy as np

from flockwise.estimate._types import Floats
from flockwise.estimate.curves import signal_curve

__all__ = ["shrink_spectrum"]

_REACH = 3  # neighbouring frequencies on either side whose power is pooled


def shrink_spectrum(left: Floats, size: Floats, patterns: Floats) -> Floats:
    """Return the part of `left` whose power exceeds the noise's, frequency by frequency, as a curve in the cell's size.

    Args:
        left: cells x slots in noise units, orthogonal to `patterns`.
        size: one number a cell, at least 0.
        patterns: slots x patterns, orthonormal; the noise along them is gone from `left`, and is not counted.

    Source: empirical-Bayes (Wiener) shrinkage of Fourier coefficients; measured in docs/claims/estimates.md.
    """
    slots = left.shape[1]
    waves = np.fft.rfft(left, axis=1)
    power = np.abs(waves) ** 2 / slots
    gone = (np.abs(np.fft.rfft(patterns, axis=0)) ** 2).sum(axis=1) / slots
    noise = np.maximum(1.0 - gone, 1e-9)
    # Frequency 0, which is the level, is pooled with no other.
    place = np.arange(len(noise))
    low, high = np.maximum(place - _REACH, 1), np.minimum(place + _REACH, len(noise) - 1) + 1
    low[0], high[0] = 0, 1
    sums = np.pad(np.cumsum(np.vstack([noise, power]), axis=1), ((0, 0), (1, 0)))
    pooled = (sums[:, high] - sums[:, low]) / (high - low)
    seen = np.maximum(pooled[0], 1e-9)
    signal = signal_curve(np.maximum(pooled[1:], 0.0), size, seen, 2.0 * (high - low))
    fitted: Floats = np.fft.irfft(waves * (signal / (signal + seen)), slots, axis=1)
    return fitted
