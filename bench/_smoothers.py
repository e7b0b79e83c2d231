"""Other estimates of noisy counts, to compare with: cells x hours with unit noise in, the same out."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["ebs", "fourier", "singular_values"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STRATUM = 64


def _strata(size: Floats) -> list[Ints]:
    """Return groups of about 64 cells of like size."""
    order = np.argsort(size, kind="stable")
    return [np.asarray(part, dtype=np.int64) for part in np.array_split(order, max(1, len(order) // STRATUM))]


def singular_values(z: Floats) -> Floats:
    """Return the optimal shrinkage of singular values for unit noise (Gavish and Donoho 2017)."""
    c, t = z.shape
    left, s, right = np.linalg.svd(z, full_matrices=False)
    inner = np.maximum((s**2 - c - t) ** 2 - 4 * c * t, 0.0)
    kept = np.where(s > math.sqrt(c) + math.sqrt(t), np.sqrt(inner) / np.maximum(s, 1e-9), 0.0)
    fitted: Floats = (left * kept) @ right
    return fitted


def fourier(z: Floats, size: Floats) -> Floats:
    """Return the empirical-Bayes shrinkage of every frequency by strata of size."""
    waves = np.fft.rfft(z, axis=1)
    power = np.abs(waves) ** 2 / z.shape[1]
    for group in _strata(size):
        waves[group] *= np.maximum(0.0, 1.0 - 1.0 / np.maximum(power[group].mean(0), 1e-9))
    fitted: Floats = np.fft.irfft(waves, z.shape[1], axis=1)
    return fitted


def ebs(z: Floats, groups: Ints, hours_per_day: int = 24) -> Floats:
    """Return the design notes' estimator: eigen-scores with a group effect, James-Stein of day, hour and day x hour, averaged with Fourier's."""
    c, t = z.shape
    energy, vectors = np.linalg.eigh(z.T @ z)
    k = max(1, int((energy > (math.sqrt(c) + math.sqrt(t)) ** 2).sum()))
    v = vectors[:, ::-1][:, :k].copy()
    v[:, 0] *= np.sign(v[:, 0].sum()) or 1.0
    a = z @ v
    n = np.maximum(a[:, 0], 0.0)
    fitted = a.copy()
    for j in range(1, k):
        prior = n * float(a[:, j] @ n) / max(float(n @ n), 1e-9)
        weight = np.bincount(groups, n**2)
        effect = np.bincount(groups, n * (a[:, j] - prior)) / np.maximum(weight, 1e-9)
        spread = max(0.0, float(((effect**2 - 1 / np.maximum(weight, 1e-9)) * weight**2).sum() / max(float((weight**2).sum()), 1e-9)))
        prior = prior + n * (effect * spread / (spread + 1 / np.maximum(weight, 1e-9)))[groups]
        rest = a[:, j] - prior
        for group in _strata(a[:, 0]):
            rest[group] *= max(0.0, 1.0 - 1.0 / max(float(np.mean(rest[group] ** 2)), 1e-9))
        fitted[:, j] = np.clip(prior + rest, a[:, j] - 2, a[:, j] + 2)
    left = (z - a @ v.T).reshape(c, -1, hours_per_day)
    level = left.mean((1, 2), keepdims=True)
    day, hour = left.mean(2, keepdims=True) - level, left.mean(1, keepdims=True) - level
    out = fitted @ v.T
    for part, size in ((day, left.shape[1] - 1), (hour, hours_per_day - 1), (left - level - day - hour, (left.shape[1] - 1) * (hours_per_day - 1))):
        own = np.broadcast_to(part, left.shape).reshape(c, t)
        out += own * np.maximum(0.0, 1.0 - (size - 2) / np.maximum((own**2).sum(1, keepdims=True), 1e-9))
    averaged: Floats = 0.5 * (out + fourier(z, a[:, 0]))
    return averaged
