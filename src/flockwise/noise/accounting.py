"""Zero-concentrated budgets (rho), epsilon at a delta, and the scale of the noise: exact fractions in and out, floats rounded to the safe side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flockwise.errors import InternalError, RuleError
from flockwise.noise.library import opendp

__all__ = ["certify", "epsilon_of", "rho_for", "sigma_for"]

RHO_STEP = Fraction(1, 10**12)
EPSILON_STEP = Fraction(1, 10**9)
_LARGEST_RHO = Fraction(1000)


def rho_for(epsilon: Fraction, delta: Fraction) -> Fraction:
    """The largest rho, on a grid of 1e-12, whose conversion stays at or below `epsilon` at `delta`.

    Args:
        epsilon: above 0, exact.
        delta: above 0 and below 1, exact.

    Returns:
        rho of zero-concentrated differential privacy, exact.

    Raises:
        RuleError: no rho on the grid is small enough.

    Privacy:
        Conversion only. Every rounding is towards a smaller rho.

    Source:
        Canonne, Kamath and Steinke 2020, Proposition 12, as implemented by OpenDP (`make_zCDP_to_approxDP`).

    Example:
        >>> rho_for(Fraction(1), Fraction(1, 10**6))
        Fraction(24355970359, 1000000000000)
    """
    _check_delta(delta)
    if epsilon <= 0:
        raise InternalError("NOISE_BAD_EPSILON", what="epsilon must be above 0.")
    low, high = 0, 1
    while _epsilon(high * RHO_STEP, delta) <= epsilon:
        low, high = high, high * 2
        if high * RHO_STEP > _LARGEST_RHO:
            raise InternalError("NOISE_BAD_EPSILON", what="epsilon is too large to convert.")
    while high - low > 1:
        middle = (low + high) // 2
        if _epsilon(middle * RHO_STEP, delta) <= epsilon:
            low = middle
        else:
            high = middle
    if not low:
        raise RuleError(
            "PRIVACY_TOO_SMALL",
            what="epsilon and delta leave no budget at all.",
            got=f"epsilon {float(epsilon):.3g} at delta {float(delta):.3g}",
            state="Nothing was spent.",
            fix="Raise epsilon in [privacy].",
        )
    return low * RHO_STEP


def epsilon_of(rho: Fraction, delta: Fraction) -> Fraction:
    """The epsilon that `rho` gives at `delta`, rounded up to a grid of 1e-9.

    Args:
        rho: 0 or more, exact.
        delta: above 0 and below 1, exact.

    Source:
        Canonne, Kamath and Steinke 2020, Proposition 12, by OpenDP.

    Example:
        >>> epsilon_of(13 * Fraction(24355970359, 10**12), Fraction(1, 10**6)) < Fraction("4.04")
        True
    """
    _check_delta(delta)
    if rho < 0:
        raise InternalError("NOISE_BAD_RHO", what="rho must not be negative.")
    if rho == 0:
        return Fraction(0)
    return math.ceil(_epsilon(rho, delta) / EPSILON_STEP) * EPSILON_STEP


def sigma_for(bound: int, weight: int, rho: Fraction) -> float:
    """The smallest float at or above sqrt(bound / (2 rho weight)): the noise of one block in grid units.

    Args:
        bound: B of the joint clip, sum_b W_b |q_b|^2 <= B.
        weight: W_b of this block.
        rho: the whole release's charge.

    Privacy:
        With this scale in every block a person costs at most `rho` in exact arithmetic (see `certify`).

    Example:
        >>> sigma_for(8, 1, Fraction(1))
        2.0
    """
    if bound < 1 or weight < 1 or rho <= 0:
        raise InternalError("NOISE_BAD_SCALE", what="A block's weight, the bound and rho must be above 0.")
    target = Fraction(bound) / (2 * rho * weight)
    sigma = math.sqrt(target)
    while Fraction(sigma) ** 2 < target:
        sigma = math.nextafter(sigma, math.inf)
    while Fraction(below := math.nextafter(sigma, 0.0)) ** 2 >= target:
        sigma = below
    return sigma


def certify(bound: int, weights: Sequence[int], sigmas: Sequence[float], rho: Fraction) -> None:
    """Checks in exact arithmetic that no vector with sum_b W_b |q_b|^2 <= B costs more than `rho`, and that OpenDP's own account agrees.

    A person's cost is sum_b |q_b|^2 / (2 sigma_b^2), linear in the |q_b|^2, so its greatest value under the constraint is at a corner:
    max_b B / (2 sigma_b^2 W_b). Each sigma is taken as the rational number that the float is.

    Args:
        bound: B.
        weights: W_b of every block.
        sigmas: scale of every block, grid units.
        rho: the charge.

    Raises:
        InternalError: a block is too quiet for the charge. Nothing must be drawn then.
    """
    dp: Any = opendp()
    for weight, sigma in zip(weights, sigmas, strict=True):
        worst = Fraction(bound) / (2 * Fraction(sigma) ** 2 * weight)
        d_in = _root_above(Fraction(bound, weight))
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64")
        by_library = Fraction(dp.m.make_gaussian(*space, scale=sigma).map(d_in))
        if worst > rho or not worst <= by_library <= rho * (1 + Fraction(1, 10**9)):
            raise InternalError(
                "NOISE_NOT_CERTIFIED",
                what="The noise of a block is not enough for the charge.",
                state="Nothing was drawn.",
                fix="This is a bug of ours: please report it.",
            )


@lru_cache(maxsize=4096)
def _epsilon(rho: Fraction, delta: Fraction) -> Fraction:
    # d_in of a unit-scale Gaussian, rounded up, so that the library converts a rho that is not below ours; delta is rounded down.
    return Fraction(_curve().map(_root_above(2 * rho)).epsilon(_float_below(delta)))


@lru_cache(maxsize=1)
def _curve() -> Any:
    dp: Any = opendp()
    unit = dp.m.make_gaussian(dp.atom_domain(T="i64"), dp.absolute_distance(T="f64"), scale=1.0)
    return dp.c.make_zCDP_to_approxDP(unit)


def _root_above(square: Fraction) -> float:
    root = math.sqrt(square)
    while Fraction(root) ** 2 < square:
        root = math.nextafter(root, math.inf)
    return root


def _float_below(value: Fraction) -> float:
    near = float(value)
    return near if Fraction(near) <= value else math.nextafter(near, 0.0)


def _check_delta(delta: Fraction) -> None:
    if not 0 < delta < 1:
        raise InternalError("NOISE_BAD_DELTA", what="delta must be above 0 and below 1.")
