"""The account that `verify` keeps of its own."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from flockwise import noise
from flockwise.artifact import claims


@pytest.mark.parametrize("epsilon", ["2", "1", "1/2", "1/10", "1/100", "1/1000", "1/10000"])
@pytest.mark.parametrize("delta", ["1e-6", "1e-9", "1e-11"])
def test_what_noise_derives_passes(epsilon: str, delta: str):
    e, d = Fraction(epsilon), Fraction(delta)
    rho = noise.rho_for(e, d)
    assert claims.gives_epsilon(rho, e, d)
    assert claims.is_tight(rho, e, d)
    for windows in (1, 13, 52, 365):
        year = noise.year(rho, d, windows)
        assert claims.gives_epsilon(year.rho, year.epsilon, d)
        assert claims.is_tight(year.rho, year.epsilon, d)
        assert claims.guess_percent(year.rho) == noise.guess_percent(year.rho)


def test_what_is_off_does_not():
    rho, one, delta = noise.rho_for(Fraction(1), Fraction(1, 10**6)), Fraction(1), Fraction(1, 10**6)
    assert not claims.gives_epsilon(rho, one * Fraction(9999, 10000), delta)
    assert not claims.gives_epsilon(rho * Fraction(10001, 10000), one, delta)
    assert not claims.is_tight(rho, one * Fraction(1002, 1000), delta)
    assert claims.delta_of(rho, one) <= Decimal("1e-6") * (1 + Decimal("1e-9"))


def test_scales():
    weight, bound, rho = 10**9, 1 << 56, Fraction(1, 41)
    sigma = Fraction(noise.sigma_for(bound, weight, rho))
    assert claims.scale_covers(sigma, bound, weight, rho)
    assert not claims.scale_covers(sigma * (1 - Fraction(1, 10**12)), bound, weight, rho)
    assert not claims.scale_covers(sigma * (1 + Fraction(1, 10**8)), bound, weight, rho)
