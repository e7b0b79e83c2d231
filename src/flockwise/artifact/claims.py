"""Recomputes what a certificate claims, from its own figures: an account that shares no code with the one that made them."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from functools import lru_cache

__all__ = ["ACCOUNTS", "delta_of", "gives_epsilon", "guess_percent", "is_tight", "scale_covers"]

ACCOUNTS = {"rounded": "Gaussian differential privacy", "discrete": "zero-concentrated differential privacy"}
"""The definition under which each kind of noise is charged."""

_CONTEXT = Context(prec=60)
_SLACK = Decimal("1e-9")
_RHO_STEP, _EPSILON_STEP = Fraction(1, 10**12), Fraction(1, 10**9)


def delta_of(rho: Fraction, epsilon: Fraction, noise: str = "discrete") -> Decimal:
    """A delta at which `rho` gives `epsilon` under the account of a kind of noise."""
    return _delta_gdp(rho, epsilon) if noise == "rounded" else _delta_zcdp(rho, epsilon)


def _delta_gdp(rho: Fraction, epsilon: Fraction) -> Decimal:
    """The delta at epsilon of a Gaussian mechanism with mu^2 = 2 rho.

    Source:
        Balle and Wang 2018, Theorem 8: delta = Phi(-epsilon / mu + mu / 2) - e^epsilon Phi(-epsilon / mu - mu / 2).

    Example:
        >>> f"{_delta_gdp(Fraction(28014279, 10**9), Fraction(1)):.2e}"
        '1.00e-6'
    """
    c = _CONTEXT
    mu, e = c.sqrt(_decimal(2 * rho)), _decimal(epsilon)
    near, far = c.divide(e, mu), c.divide(mu, Decimal(2))
    return c.subtract(_upper_tail(c.subtract(near, far)), c.multiply(c.exp(e), _upper_tail(c.add(near, far))))


def _upper_tail(x: Decimal) -> Decimal:
    """P(Z > x) of a standard normal Z: 1/2 minus the density times x + x^3/3 + x^5/15 + ..., all terms of one sign; 100 digits for the loss at the end."""
    c = Context(prec=100 + int(abs(x)) ** 2)
    term, total, n = x, x, 1
    while abs(term) > abs(total) * Decimal(10) ** -c.prec:
        n += 2
        term = c.divide(c.multiply(term, c.multiply(x, x)), Decimal(n))
        total = c.add(total, term)
    pi = _pi(c.prec)
    density = c.divide(c.exp(c.divide(c.multiply(x, x), Decimal(-2))), c.sqrt(c.multiply(Decimal(2), pi)))
    return c.subtract(Decimal("0.5"), c.multiply(density, total))


@lru_cache
def _pi(digits: int) -> Decimal:
    """Machin's formula."""
    c = Context(prec=digits)

    def arctan_inverse(k: int) -> Decimal:
        power = total = c.divide(Decimal(1), Decimal(k))
        n, sign = 1, 1
        while abs(power) > Decimal(10) ** -(c.prec + 2):
            power = c.divide(power, Decimal(k * k))
            n, sign = n + 2, -sign
            total = c.add(total, c.divide(c.multiply(Decimal(sign), power), Decimal(n)))
        return total

    return c.multiply(Decimal(4), c.subtract(c.multiply(Decimal(4), arctan_inverse(5)), arctan_inverse(239)))


def _delta_zcdp(rho: Fraction, epsilon: Fraction) -> Decimal:
    """The least delta at which `rho` gives `epsilon`, to within the search for the best order.

    Every order alpha gives a valid delta; floats look for the best, 60 digits evaluate it.

    Source:
        Canonne, Kamath and Steinke 2020, Proposition 12: delta = inf over alpha > 1 of
        exp((alpha - 1)(alpha rho - epsilon)) / (alpha - 1) x (1 - 1/alpha)^alpha.

    Example:
        >>> f"{_delta_zcdp(Fraction(24355970359, 10**12), Fraction(1)):.3e}"
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


def gives_epsilon(rho: Fraction, epsilon: Fraction, delta: Fraction, noise: str = "discrete") -> bool:
    """Whether `rho` gives at most `epsilon` at `delta`, to a billionth of delta."""
    return delta_of(rho, epsilon, noise) <= _CONTEXT.multiply(_decimal(delta), Decimal(1) + _SLACK)


def is_tight(rho: Fraction, epsilon: Fraction, delta: Fraction, noise: str = "discrete") -> bool:
    """Whether an epsilon smaller by a thousandth would be too small: a certificate does not overstate what was charged either.

    The grids on which rho is rounded down (1e-12) and a derived epsilon up (1e-9) are allowed for.
    """
    return not gives_epsilon(rho + 2 * _RHO_STEP, epsilon * Fraction(999, 1000) - 2 * _EPSILON_STEP, delta, noise)


def scale_covers(sigma_grid: Fraction, bound: int, weight: int, rho: Fraction) -> bool:
    """Whether a block's noise is what the charge asks for: 2 rho W sigma^2 >= B, and not above it by more than a billionth."""
    have = 2 * rho * weight * sigma_grid**2
    return bound <= have <= bound * (1 + Fraction(1, 10**9))


def guess_percent(rho: Fraction, noise: str = "discrete") -> Decimal:
    """How often in 100 a guess of membership is right at most, rounded up to 0.1.

    Source:
        GDP (Dong, Roth and Su 2022): Phi(mu / 2), mu^2 = 2 rho. zCDP: 1/2 + 1/2 sqrt(rho / 2).
    """
    if noise == "rounded":
        value = 100 * (1 - _upper_tail(_CONTEXT.divide(_CONTEXT.sqrt(_decimal(2 * rho)), Decimal(2))))
    else:
        value = 50 * (1 + _CONTEXT.sqrt(_decimal(rho / 2)))
    return min(Decimal("100.0"), value.quantize(Decimal("0.1"), rounding=ROUND_CEILING))


def _decimal(value: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
