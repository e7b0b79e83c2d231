"""The words of the certificate, with every figure against the design's, for both kinds of noise."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from scipy.stats import norm

from flockwise import noise
from flockwise.errors import InternalError

MICRO = Fraction(1, 10**6)
KINDS: tuple[noise.Kind, ...] = ("rounded", "discrete")
RHO = {kind: noise.rho_for(Fraction(1), MICRO, kind) for kind in KINDS}


def test_the_designs_figures():
    # PRIVACY.md gives them rounded to nearest (55.5, 54.7, 66.5, 73.1, about 4.1); a certificate rounds up, to the weaker side.
    assert f"{100 * (0.5 + 0.5 * math.sqrt(RHO['discrete'] / 2)):.1f}" == "55.5"
    assert str(noise.guess_percent(RHO["discrete"], "discrete")) == "55.6"
    mu = math.sqrt(2 * RHO["rounded"])
    assert f"{100 * norm.cdf(mu / 2):.1f} {100 * norm.cdf(math.sqrt(13) * mu / 2):.1f}" == "54.7 66.5"
    assert str(noise.guess_percent(RHO["rounded"], "rounded")) == "54.8"
    assert str(noise.guess_percent(13 * RHO["rounded"], "rounded")) == "66.6"
    assert f"{100 * (math.e + 1e-6) / (1 + math.e):.1f}" == "73.1"
    assert str(noise.guess_percent_from_epsilon(Fraction(1), MICRO)) == "73.2"
    for kind in KINDS:
        year = noise.year(RHO[kind], MICRO, 13, kind)
        assert year.rho == 13 * RHO[kind]
        assert math.ceil(10 * year.epsilon) / 10 == 4.1
    assert noise.windows_a_year(28) == 13


def test_the_certainty_from_an_unlucky_draw():
    loss = float(RHO["discrete"]) + 2 * math.sqrt(float(RHO["discrete"]) * math.log(1e6))
    assert float(noise.certainty_percent(RHO["discrete"], MICRO, "discrete")) == pytest.approx(100 / (1 + math.exp(-loss)), abs=0.1)
    assert float(noise.certainty_percent(RHO["discrete"], MICRO, "discrete")) >= 100 / (1 + math.exp(-loss))
    mu = math.sqrt(2 * RHO["rounded"])
    exact = 100 * 1e-6 / (1e-6 + norm.cdf(norm.ppf(1e-6) - mu))
    assert exact <= float(noise.certainty_percent(RHO["rounded"], MICRO, "rounded")) <= exact + 0.1


@pytest.mark.parametrize("rho", [Fraction(1, 50), Fraction(1, 2)])
def test_zcdp_says_no_less_than_gdp_of_the_same_rho(rho: Fraction):
    # mu-GDP is mu^2/2-zCDP too, so its own bounds can't be the weaker ones.
    assert noise.guess_percent(rho, "discrete") > noise.guess_percent(rho, "rounded")
    assert noise.certainty_percent(rho, MICRO, "discrete") > noise.certainty_percent(rho, MICRO, "rounded")


SENTENCES = {
    "discrete": (
        "right at most 55.6 times in 100",
        "more than 76.6 % certain with probability at most 1 in 1,000,000",
        "epsilon 4.04 at delta",
        "right at most 69.9 times in 100",
    ),
    "rounded": (
        "right at most 54.8 times in 100",
        "more than 76.9 % certain with probability at most 1 in 1,000,000",
        "epsilon 4.09 at delta",
        "right at most 66.6 times in 100",
    ),
}
TIMES = {"discrete": ((4, "2.12"), (9, "3.3"), (2, "1.46")), "rounded": ((4, "2.13"), (9, "3.33"), (2, "1.46"))}


@pytest.mark.rule(18)
@pytest.mark.parametrize("kind", KINDS)
def test_sentences(kind: noise.Kind):
    rho = RHO[kind]
    whole = " ".join(noise.meaning(rho, Fraction(1), MICRO, 13, kind))
    for figure in (*SENTENCES[kind], "50 by a coin", "73.2 times in 100", "13 windows"):
        assert figure in whole
    for times, shown in TIMES[kind]:
        assert f"{float(noise.epsilon_of(times * rho, MICRO, kind)):.2f}".rstrip("0") <= shown
        assert shown in whole


@pytest.mark.rule(18)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epsilon", ["1/3", "1/8", "2"])
def test_no_forbidden_words(epsilon: str, kind: noise.Kind):
    e = Fraction(epsilon)
    whole = " ".join([*noise.meaning(noise.rho_for(e, MICRO, kind), e, MICRO, 52, kind), *noise.limits(kind)]).lower()
    for word in ("only with probability", "anonymous", "impossible", "cannot be identified", "no risk"):
        assert word not in whole
    assert f"epsilon {'1/3' if epsilon == '1/3' else float(e):{'' if epsilon == '1/3' else 'g'}} and delta" in whole


def test_the_figures_of_gdp_are_never_said_of_discrete_noise():
    whole = " ".join(noise.meaning(RHO["discrete"], Fraction(1), MICRO, 13, "discrete"))
    for figure in ("54.7", "54.8", "66.5", "66.6", "76.9"):
        assert figure not in whole
    with pytest.raises(InternalError):
        noise.meaning(RHO["rounded"], Fraction(1), MICRO, 13, "discrete")  # its rho gives more than epsilon 1 under zCDP


def test_the_limits_name_whose_random_numbers_are_trusted():
    assert "random numbers of the operating system" in " ".join(noise.limits("rounded"))
    assert "random numbers of the OpenDP library" in " ".join(noise.limits("discrete"))


@pytest.mark.parametrize("kind", KINDS)
def test_figures_that_do_not_fit_are_refused(kind: noise.Kind):
    with pytest.raises(InternalError):
        noise.meaning(2 * RHO[kind], Fraction(1), MICRO, 13, kind)
    with pytest.raises(InternalError):
        noise.windows_a_year(0)
    with pytest.raises(InternalError):
        noise.certainty_percent(RHO[kind], Fraction(1), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_large_charges_saturate(kind: noise.Kind):
    assert str(noise.guess_percent(Fraction(50), kind)) == "100.0"
    assert float(noise.certainty_percent(Fraction(100), MICRO, kind)) == 100.0
