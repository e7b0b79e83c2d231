"""The account that `verify` keeps of its own."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from flockwise import noise
from flockwise.artifact import claims


@pytest.mark.parametrize("kind", ["rounded", "discrete"])
@pytest.mark.parametrize("epsilon", ["2", "1", "1/2", "1/10", "1/100", "1/1000", "1/10000"])
@pytest.mark.parametrize("delta", ["1e-6", "1e-9", "1e-11"])
def test_what_noise_derives_passes(epsilon: str, delta: str, kind: noise.Kind):
    e, d = Fraction(epsilon), Fraction(delta)
    rho = noise.rho_for(e, d, kind)
    assert claims.gives_epsilon(rho, e, d, kind)
    assert claims.is_tight(rho, e, d, kind)
    for windows in (1, 13, 52, 365):
        year = noise.year(rho, d, windows, kind)
        assert claims.gives_epsilon(year.rho, year.epsilon, d, kind)
        assert claims.is_tight(year.rho, year.epsilon, d, kind)
        assert claims.guess_percent(year.rho, kind) == noise.guess_percent(year.rho, kind)


@pytest.mark.parametrize("kind", ["rounded", "discrete"])
def test_what_is_off_does_not(kind: noise.Kind):
    one, delta = Fraction(1), Fraction(1, 10**6)
    rho = noise.rho_for(one, delta, kind)
    assert not claims.gives_epsilon(rho, one * Fraction(9999, 10000), delta, kind)
    assert not claims.gives_epsilon(rho * Fraction(10001, 10000), one, delta, kind)
    assert not claims.is_tight(rho, one * Fraction(1002, 1000), delta, kind)
    assert claims.delta_of(rho, one, kind) <= Decimal("1e-6") * (1 + Decimal("1e-9"))


def test_one_account_does_not_stand_for_the_other():
    one, delta = Fraction(1), Fraction(1, 10**6)
    assert not claims.gives_epsilon(noise.rho_for(one, delta, "rounded"), one, delta, "discrete")
    assert not claims.is_tight(noise.rho_for(one, delta, "discrete"), one, delta, "rounded")


def test_scales():
    weight, bound, rho = 10**9, 1 << 56, Fraction(1, 41)
    sigma = Fraction(noise.sigma_for(bound, weight, rho))
    assert claims.scale_covers(sigma, bound, weight, rho)
    assert not claims.scale_covers(sigma * (1 - Fraction(1, 10**12)), bound, weight, rho)
    assert not claims.scale_covers(sigma * (1 + Fraction(1, 10**8)), bound, weight, rho)
