"""Tails of the two laws by brute force in decimal arithmetic: another way than the code's, and slow."""

from __future__ import annotations

from decimal import Decimal, getcontext, localcontext
from fractions import Fraction
from functools import lru_cache

DIGITS = 90
MARGIN = Decimal("1e-50")  # what the sums below may be off by, relative to the tails that are asked for


def decimal(value: Fraction | float | int) -> Decimal:
    exact = Fraction(value)
    return Decimal(exact.numerator) / Decimal(exact.denominator)


@lru_cache(maxsize=1000)
def weights(sigma: float) -> dict[int, Decimal]:
    """exp(-x^2 / (2 sigma^2)) for x from 0 on, as long as it is above 1e-80."""
    with localcontext() as context:
        context.prec = DIGITS
        out, x = {}, 0
        while (w := (-(x**2) / (2 * decimal(sigma) ** 2)).exp()) > Decimal("1e-80"):
            out[x] = w
            x += 1
        return out


@lru_cache(maxsize=1000)
def discrete_tail(k: int, sigma: float) -> Decimal:
    with localcontext() as context:
        context.prec = DIGITS
        w = weights(sigma)
        return sum((v for x, v in w.items() if x >= k), Decimal(0)) / (2 * sum(w.values()) - 1)


def pi() -> Decimal:
    """Machin's formula."""

    def arctan_of_inverse(n: int) -> Decimal:
        total, power, j = Decimal(0), Decimal(1) / n, 0
        while power > Decimal(10) ** -getcontext().prec:
            total += (-1) ** j * power / (2 * j + 1)
            power /= n * n
            j += 1
        return total

    return 4 * (4 * arctan_of_inverse(5) - arctan_of_inverse(239))


@lru_cache(maxsize=1000)
def normal_tail(z: Fraction) -> Decimal:
    """P(Z >= z) = 1/2 - integral from 0 to z of the density, by its power series, with digits for what cancels out."""
    with localcontext() as context:
        context.prec = DIGITS + int(z * z)
        x, total, j = decimal(z), Decimal(0), 0
        term = x
        while abs(term) > Decimal(10) ** -context.prec or j < abs(x) ** 2:
            total += term / (2 * j + 1)
            j += 1
            term = -term * x * x / (2 * j)
        return Decimal("0.5") - total / (2 * pi()).sqrt()


def rounded_tail(k: int, sigma: float) -> Decimal:
    return normal_tail((k - Fraction(1, 2)) / Fraction(sigma))


def exact_tail(k: int, sigma: float, kind: str) -> Decimal:
    """P(X >= k), for any k."""
    if k <= 0:
        return 1 - exact_tail(1 - k, sigma, kind)
    return discrete_tail(k, sigma) if kind == "discrete" else rounded_tail(k, sigma)
