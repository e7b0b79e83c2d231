"""Gaussian differential privacy: the conversion against an account of its own in 80 digits, and what post-processing does to a tail."""

from __future__ import annotations

import math
from decimal import Context, Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from flockwise import noise
from flockwise.errors import InternalError, RuleError
from flockwise.noise import gdp
from flockwise.noise.accounting import EPSILON_STEP, RHO_STEP

C = Context(prec=250)
MICRO = Fraction(1, 10**6)
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211706798214808651328230664709")


def dec(x: Fraction) -> Decimal:
    return C.divide(Decimal(x.numerator), Decimal(x.denominator))


def phi(z: Decimal) -> Decimal:
    """The normal distribution function by its series of positive terms (Marsaglia 2004); good to 100 digits for |z| up to 16."""
    total = term = z.copy_abs()  # plain abs and minus would round to 28 digits
    n = 1
    while term > Decimal("1e-130"):
        n += 2
        term = C.divide(C.multiply(term, C.multiply(z, z)), Decimal(n))
        total = C.add(total, term)
    half = C.multiply(total, C.divide(C.exp(C.divide(C.multiply(z, z), Decimal(-2))), C.sqrt(C.multiply(Decimal(2), PI))))
    return C.add(Decimal("0.5"), half if z > 0 else half.copy_negate())


def delta(rho: Fraction, epsilon: Fraction) -> Decimal:
    mu, e = C.sqrt(dec(2 * rho)), dec(epsilon)
    left, right = C.subtract(C.divide(mu, Decimal(2)), C.divide(e, mu)), C.subtract(C.divide(mu, Decimal(-2)), C.divide(e, mu))
    return C.subtract(phi(left), C.multiply(C.exp(e), phi(right)))


def test_the_account_of_its_own_is_sound():
    assert float(phi(Decimal("1.5"))) == pytest.approx(norm.cdf(1.5), rel=1e-14)
    assert float(phi(Decimal(-8))) == pytest.approx(norm.cdf(-8), rel=1e-12)


@pytest.mark.parametrize(("epsilon", "scale"), [(1, "4.2247"), (2, "2.2305")])
def test_the_designs_figures(epsilon: int, scale: str):
    rho = noise.rho_for(Fraction(epsilon), MICRO, "rounded")
    assert f"{1 / math.sqrt(2 * rho):.4f}" == scale
    assert noise.rho_for(Fraction(epsilon), MICRO, "discrete") < rho


@pytest.mark.parametrize("epsilon", ["1/10", "1/3", "1", "2", "4", "10"])
@pytest.mark.parametrize("at", ["1e-6", "1e-9", "1/30000000"])
def test_rho_is_valid_and_the_largest_on_its_grid(epsilon: str, at: str):
    e, d = Fraction(epsilon), Fraction(at)
    rho = noise.rho_for(e, d, "rounded")
    assert rho / RHO_STEP == rho // RHO_STEP
    assert delta(rho, e) <= dec(d) < delta(rho + RHO_STEP, e)


@given(st.fractions(Fraction(1, 10**4), 10, max_denominator=10**9), st.integers(6, 12))
@settings(max_examples=60, deadline=None)
def test_epsilon_is_the_smallest_on_its_grid(rho: Fraction, digits: int):
    d = Fraction(1, 10**digits)
    epsilon = noise.epsilon_of(rho, d, "rounded")
    assert epsilon / EPSILON_STEP == epsilon // EPSILON_STEP
    assert delta(rho, epsilon) <= dec(d) < delta(rho, epsilon - EPSILON_STEP)
    assert epsilon <= noise.epsilon_of(rho, d, "discrete")  # the same rho gives less under GDP


@pytest.mark.parametrize("epsilon", ["1/10", "1", "2"])
def test_back_and_forth(epsilon: str):
    assert noise.epsilon_of(noise.rho_for(Fraction(epsilon), MICRO, "rounded"), MICRO, "rounded") == Fraction(epsilon)


def test_extremes():
    assert noise.epsilon_of(Fraction(0), MICRO, "rounded") == 0
    assert noise.epsilon_of(Fraction(1, 10**13), MICRO, "rounded") == 0  # 2 Phi(mu / 2) - 1 = 1.8e-7 is below delta
    assert noise.epsilon_of(Fraction(900), MICRO, "rounded") > 900
    with pytest.raises(InternalError):
        noise.rho_for(Fraction(10**6), MICRO, "rounded")
    with pytest.raises(RuleError) as got:
        noise.rho_for(Fraction(1, 10**9), Fraction(1, 10**12), "rounded")
    assert got.value.code == "PRIVACY_TOO_SMALL"


def test_what_can_not_be_told_apart_is_refused(monkeypatch: pytest.MonkeyPatch):
    rho = noise.rho_for(Fraction(1), MICRO, "rounded")
    gdp.delta_at_most.cache_clear()
    monkeypatch.setattr(gdp, "_PRECISIONS", (4, 8))
    assert not gdp.delta_at_most(rho, Fraction(1), MICRO)
    gdp.delta_at_most.cache_clear()


@pytest.mark.parametrize("rho", ["0", "1/50", "3501810239/125000000000", "1/2", "5"])
def test_guess_and_certainty_are_rounded_up_by_less_than_a_step(rho: str):
    r = Fraction(rho)
    mu = math.sqrt(2 * r)
    for found, exact in (
        (gdp.guess_above(r, 1000), norm.cdf(mu / 2)),
        (gdp.certainty_above(r, MICRO, 1000), 1e-6 / (1e-6 + norm.cdf(norm.ppf(1e-6) - mu))),
    ):
        assert exact - 1e-9 <= float(found) < exact + 0.001 + 1e-9


@pytest.mark.parametrize("eta", ["1e-6", "1e-3", "1/10"])
@pytest.mark.parametrize("mu", [0.2367, 1.0, 3.0])
def test_attack_a_threshold_beats_the_tail_of_the_continuous_loss_but_not_ours(eta: str, mu: float):
    # Publish only whether a noisy value is above c, where a device moves it by mu (sigma = 1) and goes above c with probability eta.
    e, rho = Fraction(eta), Fraction(mu) ** 2 / 2
    c = mu + norm.isf(float(e))
    certain = norm.sf(c - mu) / (norm.sf(c - mu) + norm.sf(c))
    of_the_continuous_loss = 1 / (1 + math.exp(-(mu**2) / 2 - mu * norm.isf(float(e))))
    ours = gdp.certainty_above(rho, e, 10**9)
    assert (1 - of_the_continuous_loss) > 1.02 * (1 - certain)
    assert certain == pytest.approx(float(ours), abs=2e-9)
    # A coarser secret: above a lower threshold more often, and less certain.
    for lower in (0.1, 0.5, 1.0):
        assert norm.sf(c - lower - mu) / (norm.sf(c - lower - mu) + norm.sf(c - lower)) < ours


def test_certify_rounded_noise_to_the_last_float():
    rho, bound, weights = noise.rho_for(Fraction(1), MICRO, "rounded"), 1 << 56, [10**9, 123_456_789]
    sigmas = [noise.sigma_for(bound, w, rho) for w in weights]
    noise.certify(bound, weights, sigmas, rho, "rounded")
    for bad in ([math.nextafter(sigmas[0], 0), sigmas[1]], [sigmas[0], sigmas[1] / 2]):
        with pytest.raises(InternalError) as got:
            noise.certify(bound, weights, bad, rho, "rounded")
        assert got.value.state == "Nothing was drawn."
