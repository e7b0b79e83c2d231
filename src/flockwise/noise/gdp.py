"""Gaussian differential privacy, decided in enclosures: every figure is bracketed by Arb's ball arithmetic, and the safe end of the bracket counts.

mu enters as the exact rho = mu^2 / 2 of the ledger.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flockwise.noise.library import arb, precision

__all__ = ["certainty_above", "delta_at_most", "guess_above"]

_PRECISIONS = (128, 256, 512, 1024)


@lru_cache(maxsize=4096)
def delta_at_most(rho: Fraction, epsilon: Fraction, delta: Fraction) -> bool:
    """Whether mu-GDP is proved to give (epsilon, delta)-differential privacy: True only if the enclosure lies at or below delta.

    Args:
        rho: mu^2 / 2, above 0.
        epsilon: 0 or more.
        delta: above 0.

    Source:
        Balle and Wang 2018, Theorem 8; Dong, Roth and Su 2022, Corollary 2.13 of arXiv:1905.02383:
        delta(epsilon) = Phi(-epsilon / mu + mu / 2) - e^epsilon Phi(-epsilon / mu - mu / 2).

    Example:
        >>> delta_at_most(Fraction(28, 1000), Fraction(1), Fraction(1, 10**6)), delta_at_most(Fraction(29, 1000), Fraction(1), Fraction(1, 10**6))
        (True, False)
    """
    for bits in _PRECISIONS:
        with precision(bits):
            mu, e, d = (2 * _ball(rho)).sqrt(), _ball(epsilon), _ball(delta)
            spent = _phi(mu / 2 - e / mu) - e.exp() * _phi(-mu / 2 - e / mu)
            if spent <= d:
                return True
            if spent > d:
                return False
    return False


def guess_above(rho: Fraction, steps: int) -> Fraction:
    """Phi(mu / 2), rounded up to a multiple of 1 / steps: how often a guess of membership from even odds is right at most.

    Source:
        Dong, Roth and Su 2022: the two error rates of any test add up to at least min over a of a + G_mu(a) = 2 Phi(-mu / 2).
    """
    return _ceiling(lambda: _phi((2 * _ball(rho)).sqrt() / 2), steps)


def certainty_above(rho: Fraction, eta: Fraction, steps: int) -> Fraction:
    """The certainty eta / (eta + Phi(Phi^-1(eta) - mu)), rounded up to a multiple of 1 / steps.

    From even odds, the certainty that a device was in the data, given that it was (or was not, given that it was not), lies above this with probability at
    most eta, whatever is computed from the noisy values. It is a little above the continuous Gaussian's own 1 / (1 + exp(-mu^2 / 2 - mu z)), z the 1 - eta
    quantile: rounding and other post-processing may gather likelihood ratios, and the tail of a ratio is not safe from that (docs/claims).

    Args:
        rho: mu^2 / 2, 0 or more.
        eta: above 0 and below 1.
        steps: 1 / steps is the grid.
    """

    def certainty() -> Any:
        chance, mu = _ball(eta), (2 * _ball(rho)).sqrt()
        quantile = -(2 * chance).erfcinv() * arb(2).sqrt()
        return chance / (chance + _phi(quantile - mu))

    return _ceiling(certainty, steps)


def _ceiling(value: Callable[[], Any], steps: int) -> Fraction:
    """The end of the enclosure, rounded up: 128 bits leave it within 1e-30 of the value, so a step too many is as good as impossible, one too few is."""
    with precision(_PRECISIONS[0]):
        return min(Fraction(1), Fraction(math.ceil(_fraction_above(value()) * steps), steps))


def _phi(z: Any) -> Any:
    """The standard normal distribution function."""
    return (-z / arb(2).sqrt()).erfc() / 2


def _ball(value: Fraction) -> Any:
    return arb(value.numerator) / arb(value.denominator)


def _fraction_above(value: Any) -> Fraction:
    """The upper end of an enclosure, which is a binary fraction."""
    mantissa, exponent = value.upper().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
