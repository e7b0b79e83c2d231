"""A second look at the index, by the likelihood that the learnt prior gives to the noisy flows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flockwise.estimate._types import Floats
from flockwise.estimate.flow_index import DAMPING, Gravity
from flockwise.estimate.flow_posterior import KNOTS, STEP, Reader
from flockwise.estimate.flow_prior import Prior, likelihood

__all__ = ["refined"]

_SMOOTHING = 2.0
_STEEPEST = 3.0


def refined(index: Floats, own: Floats, prior: Prior, whitened: Sequence[Floats], gravity: Gravity) -> tuple[Floats, Floats]:
    """Return a better index: one scoring step of every effect, with the marginal likelihood of a noisy flow as a function of its index.

    The prior gives, stratum by stratum, the density of a noisy value. Its logarithm, differentiated from stratum to stratum, says which way each value would
    move its pair's index; the effects of cells and distances move by the sum of what their pairs say.

    Args:
        index: origins x destinations x slots.
        own: what each pair moved its own index by.
        prior: fitted prior, given index - own.
        whitened: flat arrays of noisy flows in noise units.
        gravity: the effects that made the index.

    Returns:
        Index and own part after the step.

    Privacy: reads noisy values only.

    Source: single-index models by maximum likelihood (Hardle, Hall and Ichimura 1993), with the empirical-Bayes marginal as the link.
    """
    strata = len(prior.weights)
    if strata < 3:
        return index, own
    flat = (index - own).ravel()
    members = np.bincount(prior.stratum, minlength=strata)
    centre = np.bincount(prior.stratum, flat, strata) / np.maximum(members, 1)
    place = np.arange(strata)
    near = np.exp(-0.5 * ((place[:, None] - place) / _SMOOTHING) ** 2)
    near /= near.sum(axis=1, keepdims=True)
    centre = near @ centre
    if np.min(-np.diff(centre)) <= 1e-9:
        return index, own
    dense = likelihood(KNOTS, prior.atoms, prior.width)
    other = dense if len(whitened) > 1 else np.ones((1, 1))
    marginal = np.maximum(dense @ np.tensordot(near, prior.weights, axes=(1, 0)) @ other.T, 1e-12)
    slope = np.clip(np.gradient(np.log(marginal), centre, axis=0), -_STEEPEST, _STEEPEST)
    chance = marginal / marginal.sum(axis=(1, 2), keepdims=True)
    slope -= (chance * slope).sum(axis=(1, 2), keepdims=True)
    information = (chance * slope**2).sum(axis=(1, 2))
    score = Reader(prior.stratum, KNOTS, STEP, whitened)(slope).reshape(index.shape)
    expected = information[prior.stratum].reshape(index.shape)
    # A step goes only part of the way, so part of what a pair had moved stays.
    return index + gravity.step(score, expected), (1.0 - DAMPING) * own + DAMPING * gravity.own(score, expected)
