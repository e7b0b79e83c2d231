"""The words of the certificate, with every figure against the design's."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from scipy.stats import norm

from flockwise import noise
from flockwise.errors import InternalError

MICRO = Fraction(1, 10**6)
RHO = noise.rho_for(Fraction(1), MICRO)


def test_the_designs_figures():
    # PRIVACY.md gives them rounded to nearest (55.5, 73.1, about 4.1); a certificate rounds up, to the weaker side.
    assert f"{100 * (0.5 + 0.5 * math.sqrt(RHO / 2)):.1f}" == "55.5"
    assert str(noise.guess_percent(RHO)) == "55.6"
    assert f"{100 * (math.e + 1e-6) / (1 + math.e):.1f}" == "73.1"
    assert str(noise.guess_percent_from_epsilon(Fraction(1), MICRO)) == "73.2"
    year = noise.year(RHO, MICRO, 13)
    assert year.rho == 13 * RHO
    assert math.ceil(10 * year.epsilon) / 10 == 4.1
    assert noise.windows_a_year(28) == 13


def test_the_certainty_from_an_unlucky_draw():
    loss = float(RHO) + 2 * math.sqrt(float(RHO) * math.log(1e6))
    assert float(noise.certainty_percent(RHO, MICRO)) == pytest.approx(100 / (1 + math.exp(-loss)), abs=0.1)
    assert float(noise.certainty_percent(RHO, MICRO)) >= 100 / (1 + math.exp(-loss))


def test_the_bounds_hold_for_the_continuous_gaussian_of_the_same_rho():
    # Its exact figures are smaller: Phi(mu / 2) for a guess, and a loss of mu^2 / 2 + mu z with probability 1 - Phi(z).
    mu = math.sqrt(2 * RHO)
    assert float(noise.guess_percent(RHO)) > 100 * norm.cdf(mu / 2)
    loss = mu**2 / 2 + mu * norm.isf(1e-6)
    assert float(noise.certainty_percent(RHO, MICRO)) > 100 / (1 + math.exp(-loss))


def test_sentences():
    text = noise.meaning(RHO, Fraction(1), MICRO, 13)
    whole = " ".join(text)
    for figure in ("right at most 55.6 times in 100", "50 by a coin", "73.2 times in 100", "more than 76.6 % certain with probability at most 1 in 1,000,000"):
        assert figure in whole
    assert "13 windows" in whole
    assert "epsilon 4.04 at delta" in whole
    assert "right at most 69.9 times in 100" in whole
    for times, shown in ((4, "2.12"), (9, "3.3"), (2, "1.46")):
        assert f"{float(noise.epsilon_of(times * RHO, MICRO)):.2f}".rstrip("0") <= shown
        assert shown in whole


@pytest.mark.parametrize("epsilon", ["1/3", "1/8", "2"])
def test_no_forbidden_words(epsilon: str):
    e = Fraction(epsilon)
    whole = " ".join([*noise.meaning(noise.rho_for(e, MICRO), e, MICRO, 52), *noise.limits()]).lower()
    for word in ("only with probability", "anonymous", "impossible", "cannot be identified", "no risk", "54.7", "66.5"):
        assert word not in whole
    assert f"epsilon {'1/3' if epsilon == '1/3' else float(e):{'' if epsilon == '1/3' else 'g'}} and delta" in whole


def test_figures_that_do_not_fit_are_refused():
    with pytest.raises(InternalError):
        noise.meaning(2 * RHO, Fraction(1), MICRO, 13)
    with pytest.raises(InternalError):
        noise.windows_a_year(0)
    with pytest.raises(InternalError):
        noise.certainty_percent(RHO, Fraction(1))


def test_large_charges_saturate():
    assert str(noise.guess_percent(Fraction(50))) == "100.0"
    assert float(noise.certainty_percent(Fraction(100), MICRO)) == 100.0
