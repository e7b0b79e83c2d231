"""Recomputes what a certificate claims, from its own figures: an account that shares no code with the one that made them."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction

__all__ = ["delta_of", "gives_epsilon", "guess_percent", "is_tight", "scale_covers"]

_CONTEXT = Context(prec=60)
_SLACK = Decimal("1e-9")
_RHO_STEP, _EPSILON_STEP = Fraction(1, 10**12), Fraction(1, 10**9)


def delta_of(rho: Fraction, epsilon: Fraction) -> Decimal:
    """A delta at which `rho` gives `epsilon`: the least one, to within the search for the best order.

    Every order alpha gives a valid delta; floats look for the best, 60 digits evaluate it.

    Source:
        Canonne, Kamath and Steinke 2020, Proposition 12: delta = inf over alpha > 1 of
        exp((alpha - 1)(alpha rho - epsilon)) / (alpha - 1) x (1 - 1/alpha)^alpha.

    Example:
        >>> f"{delta_of(Fraction(24355970359, 10**12), Fraction(1)):.3e}"
        '1.000e-6'
    """
    r, e = float(rho), float(epsilon)

    def log_delta(u: float) -> float:
        a = 1 + math.exp(u)
        return (a - 1) * (a * r - e) - u + a * math.log1p(-1 / a)

    low, high = -12.0, 30.0
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(120):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if log_delta(left) <= log_delta(right):
            high = right
        else:
            low = left
    c = _CONTEXT
    alpha = c.add(Decimal(1), Decimal(math.exp((low + high) / 2)))
    less = c.subtract(alpha, Decimal(1))
    first = c.multiply(less, c.subtract(c.multiply(alpha, _decimal(rho)), _decimal(epsilon)))
    last = c.multiply(alpha, c.subtract(c.ln(less), c.ln(alpha)))
    return c.exp(c.add(c.subtract(first, c.ln(less)), last))


def gives_epsilon(rho: Fraction, epsilon: Fraction, delta: Fraction) -> bool:
    """Whether `rho` gives at most `epsilon` at `delta`, to a billionth of delta."""
    return delta_of(rho, epsilon) <= _CONTEXT.multiply(_decimal(delta), Decimal(1) + _SLACK)


def is_tight(rho: Fraction, epsilon: Fraction, delta: Fraction) -> bool:
    """Whether an epsilon smaller by a thousandth would be too small: a certificate does not overstate what was charged either.

    The grids on which rho is rounded down (1e-12) and a derived epsilon up (1e-9) are allowed for.
    """
    return not gives_epsilon(rho + 2 * _RHO_STEP, epsilon * Fraction(999, 1000) - 2 * _EPSILON_STEP, delta)


def scale_covers(sigma_grid: Fraction, bound: int, weight: int, rho: Fraction) -> bool:
    """Whether a block's noise is what the charge asks for: 2 rho W sigma^2 >= B, and not above it by more than a billionth."""
    have = 2 * rho * weight * sigma_grid**2
    return bound <= have <= bound * (1 + Fraction(1, 10**9))


def guess_percent(rho: Fraction) -> Decimal:
    """100 (1/2 + 1/2 sqrt(rho / 2)), rounded up to 0.1: how often in 100 a guess of membership is right at most."""
    value = 50 * (1 + _CONTEXT.sqrt(_decimal(rho / 2)))
    return min(Decimal("100.0"), value.quantize(Decimal("0.1"), rounding=ROUND_CEILING))


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
