"""What true flows look like among pairs of like index, learnt from the noisy flows: nonparametric empirical Bayes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flockwise.estimate._types import Bools, Floats, Ints

__all__ = ["FAR", "ROUNDS", "Prior", "fit_prior", "likelihood"]

FAR = 12.0
"""Noise units up to which atoms and bins are fine. A value beyond is taken as it is: the prior has nothing to add to it."""
_SMALLEST_STRATUM, _LEAST_PART = 300, 20
_STRATA_PER_FOLD = 4.0
ROUNDS = 50
_BLUR = 0.05
_FINE = (0.0, 0.1, 0.18, 0.3, 0.5, 0.75)


@dataclass(frozen=True)
class Prior:
    """The fitted prior: in every stratum a probability for each combination of atoms.

    Attributes:
        stratum: for each value its stratum, flat.
        atoms: true flow in noise units, ascending from 0.
        width: standard deviation that stands for the gap between neighbouring atoms, in noise units.
        weights: strata x atoms x atoms (all devices, heavy devices); the last axis is 1 where heavy devices were not counted apart.
    """

    stratum: Ints
    atoms: Floats
    width: Floats
    weights: Floats


def likelihood(values: Floats, atoms: Floats, width: Floats) -> Floats:
    """Return the density of each value (noise units) under each atom: values x atoms."""
    spread = np.sqrt(1.0 + width**2)
    dense: Floats = np.exp(-0.5 * ((values[:, None] - atoms) / spread) ** 2) / spread
    return dense


def fit_prior(whitened: Sequence[Floats], index: Floats, scale: float = 1.0, *, rounds: int = ROUNDS, keep: Bools | None = None) -> Prior:
    """Return the prior of true flows, given the index, that explains the noisy ones.

    Args:
        whitened: flat arrays of noisy flows in noise units: of all devices, and of heavy devices if they were counted apart.
        index: flat; only its order matters.
        scale: noise of all devices' flows over that of heavy devices', which are a part of them.
        rounds: of EM; stopped early, it also smooths.
        keep: what to learn from; None for everything.

    Privacy: reads noisy values only.

    Source: Kiefer and Wolfowitz 1956 (nonparametric maximum likelihood), by EM on histograms, smoothed over strata and over atoms (Silverman et al. 1990).
    """
    stratum, strata = _strata(index)
    top = max(FAR, *(float(z.max()) for z in whitened))
    atoms, width = _atoms(top)
    edges = np.concatenate([np.arange(-5.0, FAR, 0.25), FAR * 1.15 ** np.arange(0, 2 + int(np.log(top / FAR) / np.log(1.15)))])
    middle = np.concatenate([[edges[0]], 0.5 * (edges[1:] + edges[:-1]), [edges[-1]]])
    apart = np.concatenate([[0.25], np.diff(edges), [1.0]])
    likely = np.exp(-0.5 * (middle[:, None] - atoms) ** 2 / (1.0 + apart[:, None] ** 2 / 12.0 + width**2)) / np.sqrt(
        1.0 + apart[:, None] ** 2 / 12.0 + width**2
    )
    bins, heavy = len(middle), len(whitened) > 1
    place = stratum * bins + np.searchsorted(edges, whitened[0])
    other = likely if heavy else np.ones((1, 1))
    if heavy:
        place = place * bins + np.searchsorted(edges, whitened[1])
    counts = np.bincount(place if keep is None else place[keep], minlength=strata * bins * len(other)).reshape(strata, bins, len(other)).astype(np.float64)
    near = np.exp(-0.5 * (np.arange(strata)[:, None] - np.arange(strata)) ** 2.0)
    counts = np.tensordot(near, counts, axes=(1, 0))
    possible = (atoms[None, :] <= atoms[:, None] * scale + 1e-9) if heavy else np.ones((len(atoms), 1), dtype=bool)
    weights = _start(counts.sum(axis=2), middle, atoms, possible)
    blur = _blur(len(atoms))
    blur_other = blur if heavy else np.ones((1, 1))
    for _ in range(rounds):
        expected = likely @ weights @ other.T
        weights = weights * (likely.T @ (counts / np.maximum(expected, 1e-300)) @ other)
        weights = np.where(possible, blur.T @ weights @ blur_other, 0.0)
        weights /= weights.sum(axis=(1, 2), keepdims=True)
    return Prior(stratum, atoms, width, weights)


def _strata(index: Floats) -> tuple[Ints, int]:
    """Return the stratum of each value by the rank of its index, highest first, and their number; sizes grow by a constant factor."""
    size = index.size
    smallest = max(1, min(_SMALLEST_STRATUM, size // _LEAST_PART))
    count = max(1, int(_STRATA_PER_FOLD * np.log(size / smallest)))
    ends = np.unique(np.round(np.geomspace(smallest, size, count)).astype(np.int64))
    # Equal indices share a stratum, so that the order of the input does not matter.
    bounds = np.partition(-index, ends[:-1] - 1)[ends[:-1] - 1] if len(ends) > 1 else np.array([])
    return np.searchsorted(bounds, -index, side="left"), len(ends)


def _atoms(top: float) -> tuple[Floats, Floats]:
    atoms = np.concatenate([_FINE, np.arange(1.0, FAR, 0.5), FAR * 1.25 ** np.arange(0, 2 + int(np.ceil(np.log(top / FAR) / np.log(1.25))))])
    return atoms, np.minimum(np.gradient(atoms), 0.5 * atoms) / np.sqrt(12.0)


def _start(counts: Floats, middle: Floats, atoms: Floats, possible: Bools) -> Floats:
    """Return the weights that EM starts from: as much mass above 0 as the mean noisy value of the stratum allows, spread evenly over atoms by 1 / size.

    What the noise can't tell apart stays as it was at the start. A flat start would claim a tenth of a noise unit for a million empty pairs.
    """
    mean = np.maximum(counts @ middle / np.maximum(counts.sum(axis=1), 1.0), 1e-4)
    shape = np.where(atoms > 0.0, 1.0 / np.maximum(atoms, 1e-9), 0.0)
    shape /= shape.sum()
    above = np.minimum(mean / (shape @ atoms), 0.9)
    each = shape[:, None] * possible / np.maximum(possible.sum(axis=1, keepdims=True), 1)
    weights: Floats = above[:, None, None] * each
    weights[:, 0, 0] += 1.0 - above
    return weights


def _blur(atoms: int) -> Floats:
    """Return the matrix that spreads a little weight to the neighbouring atoms; 0 is left alone."""
    out = np.eye(atoms)
    for k in range(1, atoms):
        out[k, k] -= _BLUR
        out[k, max(k - 1, 1)] += _BLUR / 2
        out[k, min(k + 1, atoms - 1)] += _BLUR / 2
    return out
