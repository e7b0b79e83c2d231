"""The fast half of the exactly rounded Gaussian: draws that the first digits decide, which is all but about one in a billion.

Every function here either gives what `karney.draw` gives from the same words or says that it can't tell. It never guesses. Integers only.
numba's cache looks at the file of the compiled function only, so the kernel calls nothing outside this one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit, types

__all__ = ["DONE", "RAN_OUT", "UNDECIDED", "add_draws"]

P = ParamSpec("P")
R = TypeVar("R")
Words = npt.NDArray[np.uint32]
Sums = npt.NDArray[np.int64]

DONE, RAN_OUT, UNDECIDED = 0, -1, -2
"""How a call ended: all draws made; the words ran out within a draw; the digits of a draw were too few."""

MOST = 15
"""The greatest whole part that the 128-bit arithmetic has room for; one above it comes up about once in 10^55 draws."""

LARGEST, SMALLEST = 2**63 - 1, -(2**63)
B0, B1, B32, FULL = np.uint64(0), np.uint64(1), np.uint64(32), np.uint64(2**32 - 1)
THREE: Any = types.UniTuple(types.int64, 3)  # type: ignore[no-untyped-call]  # numba has no types
WORDS, SUMS = types.Array(types.uint32, 1, "C", readonly=True), types.Array(types.int64, 1, "C")


def _inner(function: Callable[P, R]) -> Callable[P, R]:
    return cast("Callable[[Callable[P, R]], Callable[P, R]]", njit(nogil=True, fastmath=False))(function)


def _kernel(returns: Any, *takes: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    return cast("Callable[[Callable[P, R]], Callable[P, R]]", njit(returns(*takes), cache=True, nogil=True, fastmath=False))


@_inner
def _signed(word: np.uint32 | np.uint64) -> int:
    # numba would make a float of a signed and an unsigned number: every word becomes signed before it meets another number.
    return np.int64(word)  # type: ignore[return-value]  # an int to numba


@_inner
def _half(words: Words, at: int) -> tuple[int, int]:
    """The run 1/2 > u1 > u2 > ...: where the next word is, and 1 if the run's length is even, 0 if odd, or why that can't be told."""
    if at >= words.size:
        return at, RAN_OUT
    last = _signed(words[at])
    at += 1
    if last >= 1 << 31:
        return at, 1
    even = 0
    while True:
        if at >= words.size:
            return at, RAN_OUT
        u = _signed(words[at])
        at += 1
        if u > last:
            return at, even
        if u == last:
            return at, UNDECIDED
        last, even = u, 1 - even


@_inner
def _bernoulli(words: Words, at: int, k: int, x: int) -> tuple[int, int]:
    """The run x > u1 > u2 > ... with v < (2k + x) / (2k + 2) at every step; x is known to 32 bits here. The answer is as for `_half`."""
    sides, goal = 2 * k + 2, (2 * k << 32) + x
    last, even = x, 1
    while True:
        if at >= words.size:
            return at, RAN_OUT
        u = _signed(words[at])
        at += 1
        if u > last:
            return at, even
        if u == last:
            return at, UNDECIDED
        if at >= words.size:
            return at, RAN_OUT
        v = _signed(words[at]) * sides
        at += 1
        if v >= goal + 1:
            return at, even
        if v + sides > goal:
            return at, UNDECIDED
        last, even = u, 1 - even


@_inner
def _whole(words: Words, at: int) -> tuple[int, int]:
    """The whole part k of |Z|, proposed with probability in proportion to exp(-k^2 / 2): where the next word is, and k or why it can't be told."""
    while True:
        k = 0
        while True:
            at, went = _half(words, at)
            if went < 0:
                return at, went
            if went == 0:
                break
            k += 1
        left = k * (k - 1)
        while left > 0:
            at, went = _half(words, at)
            if went < 0:
                return at, went
            if went == 0:
                break
            left -= 1
        if left == 0:
            return at, k if k <= MOST else UNDECIDED


@_inner
def _nearest(k: int, x: np.uint64, mantissa: np.uint64, shift: np.uint64) -> int:
    """The whole number nearest to mantissa (k + x / 2^64) / 2^shift for all values that x may still take, or UNDECIDED; x is known to 64 bits here."""
    # 128 bits, high and low: mantissa (k 2^64 + x) from four products of halves, below 2^121; then + 1/2; what is under 2^(64 + shift) is the fraction.
    mh, ml, xh, xl = mantissa >> B32, mantissa & FULL, x >> B32, x & FULL
    low, one, two = ml * xl, mh * xl, ml * xh
    middle = (low >> B32) + (one & FULL) + (two & FULL)
    low = (middle << B32) | (low & FULL)
    high = mh * xh + (one >> B32) + (two >> B32) + (middle >> B32) + mantissa * np.uint64(k) + (B1 << (shift - B1))
    nearest = high >> shift
    last = low + mantissa
    rest = high - (nearest << shift) + (B1 if last < low else B0)
    if rest < B1 << shift or (rest == B1 << shift and last == B0):
        return _signed(nearest)
    return UNDECIDED


@_inner
def _draw(words: Words, at: int, mantissa: np.uint64, shift: np.uint64) -> tuple[int, int, int]:
    """One draw: where the next word is, the size of the noise or why it can't be told, and the sign."""
    while True:
        at, k = _whole(words, at)
        if k < 0:
            return at, k, 0
        if at + 2 > words.size:
            return at, RAN_OUT, 0
        first, second = words[at], words[at + 1]
        at += 2
        left = k + 1
        while left > 0:
            at, went = _bernoulli(words, at, k, _signed(first))
            if went < 0:
                return at, went, 0
            if went == 0:
                break
            left -= 1
        if left == 0:
            break
    if at >= words.size:
        return at, RAN_OUT, 0
    negative = _signed(words[at]) & 1
    return at + 1, _nearest(k, (np.uint64(first) << B32) | np.uint64(second), mantissa, shift), negative


@_kernel(THREE, WORDS, types.int64, SUMS, types.int64, types.uint64, types.uint64)
def add_draws(words: Words, at: int, sums: Sums, index: int, mantissa: np.uint64, shift: np.uint64) -> tuple[int, int, int]:
    """Adds round(sigma Z), a draw of its own each, to sums[index:], in place; sigma = mantissa / 2^shift.

    Args:
        words: random 32-bit words.
        at: the first word to use.
        sums: int64, saturating.
        index: the first sum that still needs its noise.
        mantissa: below 2^53.
        shift: 1 to 58.

    Returns:
        The index of the first sum without noise, the place of the first word that its draw has to use, and DONE, RAN_OUT or UNDECIDED.
    """
    while index < sums.size:
        after, size, negative = _draw(words, at, mantissa, shift)
        if size < 0:
            return index, at, size
        value = sums[index]
        if negative == 1:
            sums[index] = value - size if value >= SMALLEST + size else SMALLEST
        else:
            sums[index] = value + size if value <= LARGEST - size else LARGEST
        index, at = index + 1, after
    return index, at, DONE
