"""The law of the exactly rounded Gaussian. Every statistical test here alarms falsely with probability at most 1e-6 (so the file: under 2e-5)."""

from __future__ import annotations

import hashlib
import math
import os

import numpy as np
import pytest
from scipy import stats

from flockwise import noise
from flockwise.errors import InternalError
from flockwise.noise import rounded

ALARM = 1e-6
SIGMAS = [0.05, 0.3, 1.0, 0.1 + 0.2 * 7, 2 / 3 * 10, 7116.803, 1e5, 1e12]


def draws(n: int, sigma: float, threads: int = 2) -> np.ndarray:
    return noise.add(np.zeros(n, dtype=np.int64), sigma, threads, kind="rounded")


def cells(sigma: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Cell edges halfway between whole numbers, symmetric, and the exact probability of each cell: 10 draws or more are expected in all of them."""
    quantiles = stats.norm.ppf(np.concatenate([np.linspace(0.5, 1, 101)[:-1], [1 - 200 / n, 1 - 20 / n]]))
    upper = np.unique(np.round(sigma * quantiles)) + 0.5
    upper = upper[stats.norm.sf(upper / sigma) * n >= 10]
    above = -np.diff(np.append(stats.norm.sf(upper / sigma), 0.0))
    middle = 1 - 2 * stats.norm.sf(upper[0] / sigma)
    return np.concatenate([-upper[::-1], upper]), np.concatenate([above[::-1], [middle], above])


@pytest.mark.rule(19)
@pytest.mark.parametrize("sigma", SIGMAS)
def test_chi_square_against_the_exact_law(sigma: float):
    n = 400_000
    drawn = draws(n, sigma)
    if sigma < 0.1:
        assert not drawn.any()  # 1/2 is ten sigma away: a false alarm once in 10^17 runs
        return
    edges, p = cells(sigma, n)
    observed = np.bincount(np.searchsorted(edges, drawn), minlength=len(p))
    assert stats.chisquare(observed, p * n).pvalue > ALARM


@pytest.mark.parametrize("sigma", [1.0, 7116.803])
def test_the_chi_square_sees_a_scale_that_is_two_percent_off(sigma: float):
    n = 400_000
    edges, p = cells(sigma, n)
    observed = np.bincount(np.searchsorted(edges, draws(n, 0.98 * sigma)), minlength=len(p))
    assert stats.chisquare(observed, p * n).pvalue < ALARM


@pytest.mark.rule(19)
@pytest.mark.parametrize("modulus", [2, 7, 256, 1000])
def test_the_last_digits_are_even_at_a_large_scale(modulus: int):
    # At sigma = 1e12 the law modulo 1,000 is uniform to far below 1e-100.
    observed = np.bincount(draws(200_000, 1e12) % modulus, minlength=modulus)
    assert stats.chisquare(observed).pvalue > ALARM


@pytest.mark.rule(19)
def test_kolmogorov_smirnov_at_a_large_fractional_scale():
    sigma, n = 98_765.4321, 400_000
    drawn = draws(n, sigma)
    # The steps of the rounded law are 4e-6 high here; KS at n = 400,000 sees 4e-3.
    assert stats.kstest(drawn, "norm", args=(0, sigma)).pvalue > ALARM
    assert stats.kstest(drawn / 2, "norm", args=(0, sigma)).pvalue < ALARM


def test_it_agrees_with_opendps_discrete_gaussian_at_a_large_scale():
    # At sigma = 5,000 the two laws' distribution functions differ by less than 1e-8.
    n, sigma = 40_000, 5000.0
    theirs = noise.add(np.zeros(n, dtype=np.int64), sigma, 2, kind="discrete")
    assert stats.ks_2samp(draws(n, sigma), theirs).pvalue > ALARM
    assert stats.ks_2samp(draws(n, 1.1 * sigma), theirs).pvalue < ALARM


def test_it_is_not_the_discrete_gaussian_at_a_small_scale():
    # P(0) is 0.9044 for round(0.3 Z) and 0.9923 for the discrete Gaussian.
    zeros = int((draws(20_000, 0.3) == 0).sum())
    assert stats.binomtest(zeros, 20_000, math.erf(0.5 / 0.3 / math.sqrt(2))).pvalue > ALARM
    assert stats.binomtest(zeros, 20_000, 1 / (1 + 2 * math.exp(-1 / 0.18))).pvalue < ALARM


def test_chunks_threads_and_calls_are_independent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rounded, "CHUNK", 100)
    a = draws(50_000, 50.0, threads=4).reshape(-1, 100).astype(float)
    b = draws(50_000, 50.0, threads=4).reshape(-1, 100).astype(float)
    assert len({tuple(row) for row in (*a, *b)}) == 2 * len(a)  # no chunk was drawn twice
    pairs = ((a[1:], a[:-1]), (a[:, 1:], a[:, :-1]), (a, b), (a[4:], a[:-4]), (a**2, b**2), (a[:, 1:] ** 2, a[:, :-1] ** 2))
    for x, y in pairs:
        r = np.corrcoef(x.ravel(), y.ravel())[0, 1]
        assert abs(r) * math.sqrt(x.size) < stats.norm.isf(ALARM / (2 * len(pairs)))


@pytest.mark.rule(19)
def test_random_bytes_come_from_the_operating_system_and_are_used_once(monkeypatch: pytest.MonkeyPatch):
    given: list[bytes] = []
    real = os.urandom

    def watched(count: int) -> bytes:
        given.append(real(count))
        return given[-1]

    monkeypatch.setattr(os, "urandom", watched)
    n = 3 * rounded.CHUNK
    first = draws(n, 1000.0)
    words = sum(map(len, given)) // 4
    assert 16 * n < words < 24 * n  # 18.5 words a draw, in expectation
    second = draws(n, 1000.0)
    assert (first != second).mean() > 0.9
    assert len(set(given)) == len(given)


def stream(seed: bytes):
    """Bytes that only depend on the seed and on how many were taken, for tests alone."""
    pool, at = hashlib.shake_256(seed).digest(4_000_000), 0

    def source(count: int) -> bytes:
        nonlocal at
        at += count
        assert at <= len(pool)
        return pool[at - count : at]

    return source


@pytest.mark.rule(19)
def test_the_bytes_decide_and_nothing_else_does(monkeypatch: pytest.MonkeyPatch):
    values = np.arange(3000, dtype=np.int64)
    once = rounded._noisy(values, 777.7, stream(b"a"))
    assert (once == rounded._noisy(values, 777.7, stream(b"a"))).all()
    assert (once != rounded._noisy(values, 777.7, stream(b"b"))).mean() > 0.9
    # Read in portions that end in the middle of a draw some 600 times: the same draws.
    monkeypatch.setattr(rounded, "_WORDS_A_DRAW", 0)
    assert (once == rounded._noisy(values, 777.7, stream(b"a"))).all()
    assert (values == np.arange(3000)).all()


def test_shape_type_and_input_are_kept():
    values = np.arange(24, dtype=np.int64).reshape(2, 3, 4)[:, ::-1]
    before = values.copy()
    values.flags.writeable = False
    seen: list[tuple[str, int, int]] = []
    out = noise.add(values, 0.5, threads=2, progress=lambda *x: seen.append(x), kind="rounded")
    assert out.shape == values.shape
    assert out.dtype == np.int64
    assert (values == before).all()
    assert abs(out - values).max() < 20
    assert seen[-1] == ("noise", 24, 24)
    assert noise.add(np.zeros((0, 5), dtype=np.int64), 1.0, kind="rounded").shape == (0, 5)


def test_every_value_gets_its_noise_at_its_own_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rounded, "CHUNK", 64)
    values = (np.arange(1000, dtype=np.int64) * 10**6).reshape(8, 125)
    assert abs(noise.add(values, 2.0, threads=4, kind="rounded") - values).max() < 100


@pytest.mark.rule(19)
@pytest.mark.parametrize("sigma", [1e6, 2.0**57, 2.0**70, 1e300])
def test_the_ends_of_int64_saturate_and_never_wrap(sigma: float):
    ends = np.array([2**63 - 1, -(2**63)] * 200, dtype=np.int64)
    out = noise.add(ends, sigma, kind="rounded").reshape(-1, 2)
    assert out[:, 0].max() == 2**63 - 1
    assert out[:, 1].min() == -(2**63)
    if sigma < 2.0**60:  # the noise is under 64 sigma, so a value that wrapped would lie far on the other side
        assert out[:, 0].min() > 0 > out[:, 1].max()
    if sigma == 1e300:
        assert set(np.unique(draws(200, sigma))) == {-(2**63), 2**63 - 1}


@pytest.mark.rule(19)
def test_values_beyond_floats_are_kept_to_the_unit():
    near = np.full(50, 2**62 + 1, dtype=np.int64)
    assert abs(noise.add(near, 3.0, kind="rounded") - near).max() < 100


@pytest.mark.parametrize("sigma", [5e-324, 1e-300, 1e-9])
def test_a_scale_near_zero_gives_no_noise_and_takes_no_time(sigma: float):
    assert not draws(1000, sigma).any()


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_bad_scales_draw_nothing(bad: float):
    with pytest.raises(InternalError):
        noise.add(np.zeros(3, dtype=np.int64), bad, kind="rounded")


def test_an_unknown_kind_and_floats_are_refused():
    with pytest.raises(InternalError) as got:
        noise.add(np.zeros(3, dtype=np.int64), 1.0, kind="laplace")  # type: ignore[arg-type]  # the refusal is the test
    assert got.value.code == "NOISE_BAD_KIND"
    with pytest.raises(InternalError):
        noise.add(np.zeros(3), 1.0, kind="rounded")  # type: ignore[arg-type]  # the refusal is the test


@pytest.mark.rule(19)
def test_guessing_from_a_noisy_value_wins_no_more_than_is_said_and_a_halved_scale_is_seen():
    # mu = 2: the best guess is "in" above the middle; the certificate's bound is Phi(1) = 84.1 in 100. 1e-6 is 4.9 standard deviations.
    n, sigma, bound = 400_000, 8.0, stats.norm.cdf(1)

    def right(scale: float) -> float:
        inside = noise.add(np.full(n, 16, dtype=np.int64), scale, kind="rounded")
        return float(((inside > 8).mean() + (inside == 8).mean() / 2 + (draws(n, scale) < 8).mean() + (draws(n, scale) == 8).mean() / 2) / 2)

    margin = 4.9 * math.sqrt(bound * (1 - bound) / (2 * n))
    assert bound - 0.01 < right(sigma) < bound + margin
    assert right(sigma / 2) > bound + 10 * margin
