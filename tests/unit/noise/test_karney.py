"""The definition of a draw, with digits so short that every comparison ties often. False alarms: at most 1e-6 each."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy import stats

from flockwise.noise import karney

ALARM = 1e-6


def bits(width: int):
    """Random words of `width` bits."""
    pool, used = int.from_bytes(os.urandom(1 << 12)), 0

    def take() -> int:
        nonlocal pool, used
        if used + width > 8 << 12:
            pool, used = int.from_bytes(os.urandom(1 << 12)), 0
        used += width
        return pool >> (used - width) & (1 << width) - 1

    return take


@pytest.mark.rule(19)
@pytest.mark.parametrize("width", [1, 2, 5])
def test_the_law_is_the_same_however_short_the_digits(width: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(karney, "WIDTH", width)
    n, sigma, take = 20_000, 1.75, bits(width)
    drawn = np.array([karney.draw(take, 7, 4) for _ in range(n)])
    edges = np.arange(-5, 5) + 0.5
    p = np.diff(np.concatenate([[0.0], stats.norm.cdf(edges / sigma), [1.0]]))
    assert stats.chisquare(np.bincount(np.searchsorted(edges, drawn), minlength=len(p)), p * n).pvalue > ALARM


@pytest.mark.parametrize(("k", "x"), [(0, 0.25), (0, 0.9), (1, 0.5), (4, 0.75)])
def test_the_coin_of_a_given_x(k: int, x: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(karney, "WIDTH", 2)
    n, take = 20_000, bits(2)
    wins = 0
    for _ in range(n):
        known = karney.Uniform(take, value=int(x * 2**60), bits=60)  # known to 60 bits: the probability is that of x to 1e-18
        wins += karney._bernoulli(take, k, known)
    assert stats.binomtest(wins, n, np.exp(-x * (2 * k + x) / (2 * k + 2))).pvalue > ALARM


def test_the_coin_of_one_half(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(karney, "WIDTH", 1)
    n, take = 40_000, bits(1)
    assert stats.binomtest(sum(karney._half(take) for _ in range(n)), n, np.exp(-0.5)).pvalue > ALARM


@pytest.mark.rule(19)
def test_digits_are_read_on_until_the_rounding_is_decided():
    # k = 0 and x = 1/2 + y; sigma = 1 - 1/2^143, so that sigma x is above 1/2 if y is above 1/2^144, which the fifth digit of x tells.
    for fifth, expected in ((0, 0), (2**32 - 1, 1)):
        stream = iter([1, 2, 2**31, 0, 2**32 - 1, 0, 0, 0, fifth])
        assert karney.draw(lambda stream=stream: next(stream), 2**143 - 1, 2**143) == expected
        assert next(stream, None) is None
