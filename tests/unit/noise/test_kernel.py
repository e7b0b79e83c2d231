"""The fast kernel agrees with the definition (`karney.draw`) word by word, says so when it can't tell, and holds no float."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit, types

from flockwise.noise import karney, kernel, rounded

TOP, HALF = 2**32 - 1, 2**31
PASS, FAIL = [HALF], [1, 2]  # exp(-1/2) comes out true, false
RARE_WORDS = [0, 1, 2, HALF - 1, HALF, HALF + 1, TOP - 1, TOP, 0x55555555, 0xAAAAAAAA]


def words(*parts: list[int]) -> np.ndarray:
    return np.array([w for part in parts for w in part], dtype=np.uint32)


def random_words(seed: str, count: int) -> np.ndarray:
    return np.frombuffer(hashlib.shake_256(seed.encode()).digest(4 * count), dtype="<u4").astype(np.uint32)


def by_definition(stream: np.ndarray, n: int, sigma: float) -> tuple[np.ndarray, int]:
    at = 0

    def take() -> int:
        nonlocal at
        at += 1
        return int(stream[at - 1])

    return np.array([karney.draw(take, *sigma.as_integer_ratio()) for _ in range(n)]), at


def by_kernel(stream: np.ndarray, n: int, sigma: float) -> tuple[np.ndarray, int, set[int]]:
    """`rounded._noisy` over words that are all there, with the reasons why the kernel stopped."""
    source, reasons, real = rounded._Stream(lambda count: b""), set(), kernel.add_draws
    out, done = np.zeros(n, dtype=np.int64), 0
    source.words = stream
    mantissa, shift = rounded._parts(sigma)
    while done < n:
        done, source.at, why = real(source.words, source.at, out, done, np.uint64(mantissa), np.uint64(min(shift, 58)))
        reasons.add(why)
        if why == kernel.RAN_OUT:
            raise AssertionError("too few words for this test")
        if why == kernel.UNDECIDED:
            out[done] = karney.draw(source.take, *sigma.as_integer_ratio())
            done += 1
    return out, source.at, reasons


@pytest.mark.parametrize("sigma", [1e-20, 0.3, 1.0, math.pi, 7116.803, 1e5, 1e12, 2.0**51, 1e15])
def test_the_same_words_give_the_same_draws(sigma: float):
    stream = random_words(f"even {sigma}", 60_000)
    expected, used = by_definition(stream, 2000, sigma)
    got, at, reasons = by_kernel(stream, 2000, sigma)
    assert (got == expected).all()
    assert at == used
    assert kernel.DONE in reasons


@pytest.mark.parametrize("sigma", [0.3, 1.0, 7116.803, 1e12, 2.0**51])
def test_the_same_words_give_the_same_draws_when_ties_are_common(sigma: float):
    # Half of the words come from ten values at the edges, so that comparisons tie all the time.
    noise = random_words(f"rare {sigma}", 400_000)
    rare = np.array(RARE_WORDS, dtype=np.uint32)[noise[:200_000] % 10]
    stream = np.where(noise[200_000:] % 2 == 0, rare, noise[:200_000]).astype(np.uint32)
    expected, used = by_definition(stream, 3000, sigma)
    got, at, reasons = by_kernel(stream, 3000, sigma)
    assert (got == expected).all()
    assert at == used
    assert kernel.UNDECIDED in reasons


def test_a_draw_whose_words_run_out_starts_again_with_the_same_words():
    stream = random_words("prefixes", 4000)
    expected, _ = by_definition(stream, 60, 100.0)
    mantissa, shift = rounded._parts(100.0)
    start = 0
    for value in expected:
        one, length = by_definition(stream[start:], 1, 100.0)
        assert one[0] == value
        for short in range(length):
            sums = np.zeros(1, dtype=np.int64)
            assert kernel.add_draws(stream[start : start + short].copy(), 0, sums, 0, np.uint64(mantissa), np.uint64(shift)) == (0, 0, kernel.RAN_OUT)
            assert sums[0] == 0
        sums = np.zeros(1, dtype=np.int64)
        assert kernel.add_draws(stream[start : start + length].copy(), 0, sums, 0, np.uint64(mantissa), np.uint64(shift)) == (1, length, kernel.DONE)
        assert sums[0] == value
        start += length


def test_each_step_says_when_it_can_not_tell():
    assert kernel._half(words([HALF]), 0) == (1, 1)
    assert kernel._half(words([HALF - 1, HALF]), 0) == (2, 0)
    assert kernel._half(words([9, 8, 9]), 0) == (3, 1)
    assert kernel._half(words([9, 9]), 0)[1] == kernel.UNDECIDED
    assert kernel._half(words([9]), 0)[1] == kernel._half(words([]), 0)[1] == kernel.RAN_OUT
    # k = 0: a second uniform v passes if 2 v < x. With x in (100, 101) / 2^32: v = 49 passes, 50 can't be told, 51 fails.
    assert kernel._bernoulli(words([100]), 0, 0, 100)[1] == kernel.UNDECIDED
    assert kernel._bernoulli(words([101]), 0, 0, 100) == (1, 1)
    assert kernel._bernoulli(words([99, 49, 99]), 0, 0, 100)[1] == kernel.UNDECIDED
    assert kernel._bernoulli(words([99, 49, 100]), 0, 0, 100) == (3, 0)
    assert kernel._bernoulli(words([99, 50]), 0, 0, 100)[1] == kernel.UNDECIDED
    assert kernel._bernoulli(words([99, 51]), 0, 0, 100) == (2, 1)
    for short in ([], [99], [99, 49]):
        assert kernel._bernoulli(words(short), 0, 0, 100)[1] == kernel.RAN_OUT
    # k is proposed as a run of passes and kept after k (k - 1) more of them.
    assert kernel._whole(words(FAIL), 0) == (2, 0)
    assert kernel._whole(words(PASS * 3, FAIL, PASS * 6), 0) == (11, 3)
    assert kernel._whole(words(PASS * 3, FAIL, PASS * 5, FAIL, PASS, FAIL), 0) == (15, 1)
    assert kernel._whole(words(PASS * 15, FAIL, PASS * 210), 0) == (227, 15)
    assert kernel._whole(words(PASS * 16, FAIL, PASS * 240), 0)[1] == kernel.UNDECIDED


def test_a_whole_part_beyond_the_kernel_is_drawn_by_definition():
    # k = 16, x = 1/2 and a little, 17 trials that end at once, the sign minus.
    stream = words(PASS * 16, FAIL, PASS * 240, [HALF, 7], [TOP] * 17, [1])
    source = rounded._noisy(np.zeros(1, dtype=np.int64), 1000.0, lambda count: (stream.tobytes() + bytes(4 * count))[: 4 * count] if count < 65536 else b"")
    assert source[0] == -16500


@given(st.integers(0, kernel.MOST), st.integers(0, 2**64 - 1), st.floats(2.0**-60, 2.0**51, exclude_max=True))
@settings(max_examples=2000, deadline=None)
def test_the_rounding_is_right_or_not_given(k: int, x: int, sigma: float):
    check_rounding(k, x, sigma)


@given(st.integers(0, kernel.MOST), st.floats(2.0**-3, 2.0**51, exclude_max=True), st.integers(-2, 2), st.integers(0, 2**60))
@settings(max_examples=2000, deadline=None)
def test_the_rounding_is_right_or_not_given_next_to_a_half(k: int, sigma: float, off: int, where: int):
    # x is put within two steps of a place where sigma (k + x) is a whole number and a half.
    low, high = math.ceil(Fraction(sigma) * k), math.floor(Fraction(sigma) * (k + 1))
    half = low + where % max(1, high - low) + Fraction(1, 2)
    x = math.floor((half / Fraction(sigma) - k) * 2**64) + off
    check_rounding(k, min(max(x, 0), 2**64 - 1), sigma)


def check_rounding(k: int, x: int, sigma: float) -> None:
    mantissa, shift = rounded._parts(sigma)
    assert Fraction(mantissa) / Fraction(2) ** shift == Fraction(sigma)
    assert mantissa < 2**53
    got = kernel._nearest(k, np.uint64(x), np.uint64(mantissa), np.uint64(min(shift, 58)))
    low, high = (Fraction(sigma) * (k + Fraction(x + step, 2**64)) + Fraction(1, 2) for step in (0, 1))
    # The number lies strictly between low and high, so a high that is whole itself is not reached.
    assert got == (math.floor(low) if high <= math.floor(low) + 1 else kernel.UNDECIDED)


@pytest.mark.parametrize(("value", "negative", "expected"), [(2**63 - 5, 0, 2**63 - 1), (-(2**63) + 5, 1, -(2**63)), (2**63 - 1, 1, 2**63 - 501)])
def test_sums_saturate(value: int, negative: int, expected: int):
    # k = 0, x = 1/2 and a little: the noise is 500 at sigma = 1000.
    sums = np.array([value], dtype=np.int64)
    mantissa, shift = rounded._parts(1000.0)
    kernel.add_draws(words(FAIL, [HALF, 7], [TOP], [negative]), 0, sums, 0, np.uint64(mantissa), np.uint64(shift))
    assert sums[0] == expected


def test_the_machine_code_has_no_floats():
    fresh = njit(nogil=True)(kernel.add_draws.py_func)
    fresh.compile((kernel.WORDS, types.int64, kernel.SUMS, types.int64, types.uint64, types.uint64))
    (code,) = fresh.inspect_llvm().values()
    assert "add" in code
    assert not any(word in code.split() for word in ("double", "float", "fadd", "fmul"))


def test_the_kernel_calls_nothing_outside_its_file():
    here = set(vars(kernel))
    for function in (kernel.add_draws, kernel._draw, kernel._whole, kernel._half, kernel._bernoulli, kernel._nearest, kernel._signed):
        names = set(function.py_func.__code__.co_names)
        assert names <= here | {"size", "uint64", "int64"}, names - here
