"""Budgets (rho), epsilon at a delta, and the scale of the noise: exact fractions in and out, floats rounded to the safe side.

The ledger's unit is rho for both kinds of noise. Discrete noise: rho of zero-concentrated differential privacy (zCDP). Rounded noise: rho = mu^2 / 2 of
Gaussian differential privacy (GDP), so that rho adds up, and so that rho of zCDP holds as well. The kinds differ in what epsilon a rho gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from flockwise.errors import InternalError, RuleError
from flockwise.noise import gdp, zcdp
from flockwise.noise.kinds import DEFAULT, Kind, check_kind

__all__ = ["certify", "epsilon_of", "rho_for", "sigma_for"]

RHO_STEP = Fraction(1, 10**12)
EPSILON_STEP = Fraction(1, 10**9)
_LARGEST_RHO = Fraction(1000)


def rho_for(epsilon: Fraction, delta: Fraction, kind: Kind = DEFAULT) -> Fraction:
    """The largest rho, on a grid of 1e-12, whose conversion stays at or below `epsilon` at `delta`.

    Args:
        epsilon: above 0, exact.
        delta: above 0 and below 1, exact.
        kind: how the noise is drawn.

    Returns:
        rho, exact: of zCDP for discrete noise, mu^2 / 2 of GDP for rounded noise.

    Raises:
        RuleError: no rho on the grid is small enough.

    Privacy:
        Conversion only. Every rounding is towards a smaller rho.

    Source:
        Discrete: Canonne, Kamath and Steinke 2020, Proposition 12, as implemented by OpenDP (`make_zCDP_to_approxDP`).
        Rounded: Balle and Wang 2018, Theorem 8 (Dong, Roth and Su 2022, Corollary 2.13), in Arb's enclosures.

    Example:
        >>> rho_for(Fraction(1), Fraction(1, 10**6), "discrete")
        Fraction(24355970359, 1000000000000)
        >>> rho_for(Fraction(1), Fraction(1, 10**6), "rounded")
        Fraction(3501810239, 125000000000)
    """
    _check_delta(delta)
    check_kind(kind)
    if epsilon <= 0:
        raise InternalError("NOISE_BAD_EPSILON", what="epsilon must be above 0.")
    if _gives(_LARGEST_RHO, epsilon, delta, kind):
        raise InternalError("NOISE_BAD_EPSILON", what="epsilon is too large to convert.")
    steps = _last(lambda step: _gives(step * RHO_STEP, epsilon, delta, kind), _near(epsilon, delta, kind))
    if not steps:
        raise RuleError(
            "PRIVACY_TOO_SMALL",
            what="epsilon and delta leave no budget at all.",
            got=f"epsilon {float(epsilon):.3g} at delta {float(delta):.3g}",
            state="Nothing was spent.",
            fix="Raise epsilon in [privacy].",
        )
    return steps * RHO_STEP


def epsilon_of(rho: Fraction, delta: Fraction, kind: Kind = DEFAULT) -> Fraction:
    """The epsilon that `rho` gives at `delta`, rounded up to a grid of 1e-9.

    Args:
        rho: 0 or more, exact. Of charges of both kinds: `kinds.total` tells the sum and the kind.
        delta: above 0 and below 1, exact.
        kind: how the noise was drawn.

    Source:
        As for `rho_for`.

    Example:
        >>> epsilon_of(13 * rho_for(Fraction(1), Fraction(1, 10**6), "discrete"), Fraction(1, 10**6), "discrete") < Fraction("4.04")
        True
        >>> epsilon_of(rho_for(Fraction(1), Fraction(1, 10**6), "rounded"), Fraction(1, 10**6), "rounded") == 1
        True
    """
    _check_delta(delta)
    check_kind(kind)
    if rho < 0:
        raise InternalError("NOISE_BAD_RHO", what="rho must not be negative.")
    if rho == 0:
        return Fraction(0)
    if kind == "discrete":
        return math.ceil(zcdp.epsilon(rho, delta) / EPSILON_STEP) * EPSILON_STEP
    if gdp.delta_at_most(rho, Fraction(0), delta):
        return Fraction(0)
    above = _last(lambda step: not gdp.delta_at_most(rho, step * EPSILON_STEP, delta))
    return (above + 1) * EPSILON_STEP


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


def certify(bound: int, weights: Sequence[int], sigmas: Sequence[float], rho: Fraction, kind: Kind = DEFAULT) -> None:
    """Checks in exact arithmetic that no vector with sum_b W_b |q_b|^2 <= B costs more than `rho`; for discrete noise OpenDP's own account has to agree.

    A person's cost is sum_b |q_b|^2 / (2 sigma_b^2) for either kind, linear in the |q_b|^2, so its greatest value under the constraint is at a corner:
    max_b B / (2 sigma_b^2 W_b). Each sigma is taken as the rational number that the float is.

    Args:
        bound: B.
        weights: W_b of every block.
        sigmas: scale of every block, grid units.
        rho: the charge.
        kind: how the noise will be drawn.

    Raises:
        InternalError: a block is too quiet for the charge, or a number is none that a bound or noise can have. Nothing must be drawn then.
    """
    check_kind(kind)
    # A negative weight would cost less than nothing, and no block at all would pass.
    sound = bound > 0 and rho > 0 and len(weights) == len(sigmas) > 0 and all(weight > 0 for weight in weights)
    if not sound or not all(0 < sigma < math.inf for sigma in sigmas):
        raise InternalError(
            "NOISE_BAD_SCALE", what="Bound, weights, scales and rho must be above 0 and finite, one scale a weight.", state="Nothing was drawn."
        )
    for weight, sigma in zip(weights, sigmas, strict=True):
        worst = Fraction(bound) / (2 * Fraction(sigma) ** 2 * weight)
        agreed = kind == "rounded" or worst <= zcdp.charge(sigma, Fraction(bound, weight)) <= rho * (1 + Fraction(1, 10**9))
        if worst > rho or not agreed:
            raise InternalError(
                "NOISE_NOT_CERTIFIED",
                what="The noise of a block is not enough for the charge.",
                state="Nothing was drawn.",
                fix="This is a bug of ours: please report it.",
            )


def _gives(rho: Fraction, epsilon: Fraction, delta: Fraction, kind: Kind) -> bool:
    return zcdp.epsilon(rho, delta) <= epsilon if kind == "discrete" else gdp.delta_at_most(rho, epsilon, delta)


def _near(epsilon: Fraction, delta: Fraction, kind: Kind) -> int:
    """A step where the search for rho may well begin: by a secant in sqrt(rho), in which epsilon is almost linear. It can only make the search longer."""
    if kind != "discrete":
        return 1
    wanted, spare = float(epsilon), -math.log(float(delta) or math.ulp(0.0))
    before, root = 0.0, math.sqrt(spare + wanted) - math.sqrt(spare)  # Bun and Steinke 2016: rho + 2 sqrt(rho log(1 / delta))
    value_before, step = 0.0, float(RHO_STEP)
    for _ in range(4):
        value = float(zcdp.epsilon(Fraction(root) ** 2, delta))
        if value == value_before:
            break
        before, value_before, root = root, value, root + (wanted - value) * (root - before) / (value - value_before)
        if not 0.0 < root * root < float(_LARGEST_RHO):
            return 1
    return max(1, int(root * root / step))


def _last(holds: Callable[[int], bool], near: int = 1) -> int:
    """The last step at which `holds`, which is true at 0 and false from some step on; looked for from `near` outwards."""
    low, high, reach = 0, near, 1
    if holds(near):
        low, high = near, near + 1
        while holds(high):
            reach *= 2
            low, high = high, near + reach
    else:
        while near - reach > 0 and not holds(near - reach):
            high, reach = near - reach, reach * 2
        low = max(0, near - reach)
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def _check_delta(delta: Fraction) -> None:
    if not 0 < delta < 1:
        raise InternalError("NOISE_BAD_DELTA", what="delta must be above 0 and below 1.")
