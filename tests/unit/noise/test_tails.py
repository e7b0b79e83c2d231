"""Tails and thresholds against sums in decimal arithmetic. Nothing here is random."""

from __future__ import annotations

import math
from decimal import localcontext
from fractions import Fraction

import pytest
from tests.unit.noise._exact import DIGITS, MARGIN, decimal, exact_tail, normal_tail

from flockwise import noise
from flockwise.errors import InternalError
from flockwise.noise import tails

KINDS = ("rounded", "discrete")
SIGMAS = (0.3, 0.7, 1.0, 2.0, 4.531, 5.0, 8.0, 58.7, 301.25)


def ends(ball: object) -> tuple[Fraction, Fraction]:
    return -tails.above(-ball), tails.above(ball)  # type: ignore[operator,arg-type]  # a ball of python-flint


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_enclosure_holds_the_brute_force_sum_and_is_narrow(sigma: float, kind: noise.Kind):
    for k in sorted({max(1, round(z * sigma)) for z in (0.01, 0.5, 1, 2.5, 4, 6, 9)}):
        truth = Fraction(exact_tail(k, sigma, kind))
        for bits in (64, 128):
            with tails.working(bits):
                low, high = ends(tails.tail(k, Fraction(sigma), kind, bits))
            # The decimal sums are good to 1e-50 relative to these tails; 128 bits are 1e-38.
            assert low - truth * Fraction(MARGIN) <= truth <= high + truth * Fraction(MARGIN), (k, bits)
            assert high - low < high * Fraction(1, 2 ** (bits - 4)), (k, bits)


@pytest.mark.parametrize("sigma", [5.0, 8.0, 20.0, 58.7])
@pytest.mark.parametrize("bits", [64, 256, 512])
def test_two_ways_to_the_discrete_sum_agree(sigma: float, bits: int):
    for k in (1, int(sigma), int(4 * sigma), int(12 * sigma)):
        with tails.working(bits):
            by_integral, by_terms = tails._euler_maclaurin(k, Fraction(sigma), bits), tails._term_by_term(k, Fraction(sigma), bits)
            assert by_integral is not None
            assert by_integral.overlaps(by_terms)
            assert min(by_integral.rel_accuracy_bits(), by_terms.rel_accuracy_bits()) > bits - 4


def test_small_scales_are_summed_term_by_term():
    with tails.working(64):
        assert tails._euler_maclaurin(1, Fraction(1, 2), 64) is None


def test_the_rest_of_the_series_is_bounded_by_what_is_added_for_it():
    """Euler-Maclaurin stopped early (few bits asked for) still encloses what many bits give."""
    for sigma, k in ((5.0, 1), (5.0, 17), (58.7, 200)):
        with tails.working(64):
            rough, fine = (tails._euler_maclaurin(k, Fraction(sigma), bits) for bits in (4, 64))
            assert rough.contains(fine.mid())
            assert rough.rel_accuracy_bits() < 40


def test_cramers_inequality_on_a_grid():
    """|He_n(u)| <= 1.09 sqrt(n!) exp(u^2 / 4), on which the rest's bound stands; both sides squared, He_n by its recurrence in fractions."""
    for u in (Fraction(i, 8) for i in range(100)):
        older, newer = Fraction(1), u
        for n in range(1, 60):
            assert float(newer**2 / math.factorial(n)) <= 1.09**2 * math.exp(float(u**2) / 2), (n, u)
            older, newer = newer, u * newer - n * older


def test_tail_above_is_above():
    for sigma in SIGMAS:
        for kind in KINDS:
            truth, bound = Fraction(exact_tail(4, sigma, kind)), tails.tail_above(4, Fraction(sigma), kind)
            assert truth * (1 - Fraction(MARGIN)) <= bound <= truth * (1 + Fraction(1, 2**58)), (sigma, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize(("size", "ghosts"), [(10, Fraction(2)), (1029**2, Fraction(30)), (5000**2, Fraction(1, 3)), (1 << 62, Fraction(30))])
def test_the_threshold_is_the_least(sigma: float, kind: noise.Kind, size: int, ghosts: Fraction):
    t = noise.least_threshold(sigma, size, ghosts, kind)
    assert size * exact_tail(t, sigma, kind) <= decimal(ghosts)
    assert t == 1 or size * exact_tail(t - 1, sigma, kind) > decimal(ghosts)


def test_the_known_multiples_of_sigma():
    """PRIVACY point 6: 4.03, 4.72 and 5.58 sigma for 30 ghosts among 1,029, 5,000 and 50,000 zones squared."""
    sigma = 58.7 * 256
    for zones, multiple in ((1029, 4.03), (5000, 4.72), (50_000, 5.58)):
        for kind in KINDS:
            assert round(noise.least_threshold(sigma, zones**2, Fraction(30), kind) / sigma, 2) == multiple


def test_what_the_naive_tails_miss():
    """docs/decisions/0008: at sigma 5 and 4 sigma, a continuous tail finds 32 % too few, `>` for `>=` 57 %."""
    truth = exact_tail(20, 5.0, "discrete")
    with localcontext() as context:
        context.prec = DIGITS
        continuous, strict = normal_tail(Fraction(4)) / truth, exact_tail(21, 5.0, "discrete") / truth
    assert round(100 * (1 - continuous)) == 32
    assert round(100 * (1 - strict)) == 57


def test_least_finds_the_first_that_holds():
    for first in (1, 2, 3, 7, 8, 9, 1000):
        assert tails.least(1, lambda k, first=first: k >= first) == first


def test_equal_numbers_are_not_guessed_about():
    with pytest.raises(InternalError, match="NOISE_UNDECIDED"):
        tails.decide(lambda _: tails.exactly(2).sqrt() ** 2, lambda _: tails.exactly(2))


@pytest.mark.parametrize(("sigma", "size", "ghosts"), [(0.0, 10, 1), (float("nan"), 10, 1), (float("inf"), 10, 1), (1.0, 0, 1), (1.0, 10, 0)])
def test_bad_thresholds(sigma: float, size: int, ghosts: int):
    with pytest.raises(InternalError, match="NOISE_BAD_THRESHOLD"):
        noise.least_threshold(sigma, size, Fraction(ghosts), "discrete")


@pytest.mark.parametrize(("k", "sigma"), [(0, 1), (-3, 1), (1, 0), (1, -1), ((1 << 20) + 1, 1)])
def test_tails_out_of_range(k: int, sigma: int):
    with pytest.raises(InternalError, match="NOISE_BAD_TAIL"):
        tails.tail(k, Fraction(sigma), "discrete", 64)
