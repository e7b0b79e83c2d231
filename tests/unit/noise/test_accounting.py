"""The zCDP conversion and scales, against an account of their own in 60 digits and against the design's figures. GDP is in test_gdp.py."""

from __future__ import annotations

import math
from decimal import Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from flockwise import noise
from flockwise.errors import InternalError, RuleError
from flockwise.noise.accounting import RHO_STEP

C = Context(prec=60)
MICRO = Fraction(1, 10**6)


def dec(x: Fraction) -> Decimal:
    return C.divide(Decimal(x.numerator), Decimal(x.denominator))


def cks_delta(rho: Fraction, epsilon: Fraction) -> Decimal:
    """Canonne, Kamath and Steinke 2020, Proposition 12: the order found in floats, the value in 60 digits (every order is valid)."""
    r, e = float(rho), float(epsilon)
    found = minimize_scalar(
        lambda u: (a := 1 + math.exp(u)) and (a - 1) * (a * r - e) - u + a * math.log1p(-1 / a), bounds=(-8, 25), method="bounded", options={"xatol": 1e-13}
    )
    a = C.add(Decimal(1), Decimal(math.exp(found.x)))
    less = C.subtract(a, Decimal(1))
    value = C.multiply(less, C.subtract(C.multiply(a, dec(rho)), dec(epsilon)))
    value = C.add(C.subtract(value, C.ln(less)), C.multiply(a, C.ln(C.divide(less, a))))
    return C.exp(value)


def test_the_designs_figure():
    rho = noise.rho_for(Fraction(1), MICRO, "discrete")
    assert f"{1 / math.sqrt(2 * rho):.3f}" == "4.531"


@pytest.mark.parametrize("epsilon", ["1/100", "1/3", "1", "2", "4", "10"])
@pytest.mark.parametrize("delta", ["1e-6", "1e-9", "1/30000000"])
def test_rho_is_valid_and_the_largest_on_its_grid(epsilon: str, delta: str):
    e, d = Fraction(epsilon), Fraction(delta)
    rho = noise.rho_for(e, d, "discrete")
    slack = Decimal(1) + Decimal("1e-9")
    assert cks_delta(rho, e) <= dec(d) * slack
    assert cks_delta(rho * (1 + Fraction(1, 10**6)) + 2 * RHO_STEP, e) > dec(d)
    assert rho / RHO_STEP == rho // RHO_STEP


@given(st.fractions(Fraction(1, 10**6), 20, max_denominator=10**9), st.integers(6, 12))
@settings(max_examples=60, deadline=None)
def test_epsilon_is_rounded_up_and_agrees(rho: Fraction, digits: int):
    delta = Fraction(1, 10**digits)
    epsilon = noise.epsilon_of(rho, delta, "discrete")
    assert cks_delta(rho, epsilon) <= dec(delta) * (Decimal(1) + Decimal("1e-9"))
    assert cks_delta(rho, epsilon - Fraction(1, 10**6)) > dec(delta)
    assert float(epsilon) < float(rho) + 2 * math.sqrt(float(rho) * math.log(1 / float(delta)))  # better than Bun and Steinke's form


@pytest.mark.parametrize("epsilon", ["1/10", "1", "2"])
def test_back_and_forth(epsilon: str):
    assert noise.epsilon_of(noise.rho_for(Fraction(epsilon), MICRO, "discrete"), MICRO, "discrete") <= Fraction(epsilon) + Fraction(1, 10**9)


def test_no_rho_and_bad_input():
    assert noise.epsilon_of(Fraction(0), MICRO, "discrete") == 0
    with pytest.raises(RuleError) as got:
        noise.rho_for(Fraction(1, 10**9), Fraction(1, 10**12), "discrete")
    assert got.value.code == "PRIVACY_TOO_SMALL"
    for call in (
        lambda: noise.rho_for(Fraction(0), MICRO, "discrete"),
        lambda: noise.rho_for(Fraction(1), Fraction(0), "discrete"),
        lambda: noise.rho_for(Fraction(10**6), MICRO, "discrete"),
        lambda: noise.epsilon_of(Fraction(-1), MICRO, "discrete"),
        lambda: noise.sigma_for(1, 0, Fraction(1)),
    ):
        with pytest.raises(InternalError):
            call()


@given(st.integers(1 << 40, 1 << 60), st.integers(1, 1 << 40), st.fractions(Fraction(1, 10**6), 50))
@settings(max_examples=200, deadline=None)
def test_sigma_is_the_smallest_float_that_is_enough(bound: int, weight: int, rho: Fraction):
    sigma = noise.sigma_for(bound, weight, rho)
    assert 2 * rho * weight * Fraction(sigma) ** 2 >= bound
    assert 2 * rho * weight * Fraction(math.nextafter(sigma, 0)) ** 2 < bound


@pytest.mark.parametrize("kind", ["rounded", "discrete"])
@pytest.mark.parametrize(
    ("bound", "weights", "sigmas"),
    [(8, [1], [s]) for s in (0.0, -2.0, math.nan, math.inf, -math.inf)]
    + [(8, [w], [4.0]) for w in (0, -1)]
    + [(0, [1], [4.0]), (-8, [1], [4.0]), (8, [], []), (8, [1, 1], [4.0]), (8, [1], [4.0, 4.0])],
)
def test_certify_refuses_what_is_no_scale_in_our_own_words(kind, bound, weights, sigmas):
    with pytest.raises(InternalError) as got:
        noise.certify(bound, weights, sigmas, Fraction(1), kind)
    assert (got.value.code, got.value.state) == ("NOISE_BAD_SCALE", "Nothing was drawn.")


def test_certify_catches_one_ulp_and_a_halved_sigma():
    rho, bound, weights = noise.rho_for(Fraction(1), MICRO, "discrete"), 1 << 56, [10**9, 123_456_789]
    sigmas = [noise.sigma_for(bound, w, rho) for w in weights]
    noise.certify(bound, weights, sigmas, rho, "discrete")
    for bad in ([math.nextafter(sigmas[0], 0), sigmas[1]], [sigmas[0], sigmas[1] / 2]):
        with pytest.raises(InternalError) as got:
            noise.certify(bound, weights, bad, rho, "discrete")
        assert got.value.state == "Nothing was drawn."
