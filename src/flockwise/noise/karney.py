"""One draw of round(sigma |Z|) with a sign, from random words, in integers of any length: the definition that the fast kernel has to agree with.

Z is standard normal (Karney 2016, Algorithm N). Uniform numbers are read digit by digit, only as far as a comparison needs, so that every decision is the
one that the infinitely long number would give. Nothing is a float.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["WIDTH", "draw"]

WIDTH = 32
"""Bits in a random word, which is a digit of a uniform number."""

Words = Callable[[], int]


@dataclass
class Uniform:
    """A number between 0 and 1 of which the first `bits` bits are known: it lies in (value, value + 1) / 2^bits."""

    words: Words
    value: int = 0
    bits: int = 0

    def extend(self) -> None:
        """Reads one more digit."""
        self.value = self.value << WIDTH | self.words()
        self.bits += WIDTH


def draw(words: Words, numerator: int, denominator: int) -> int:
    """One draw of round(sigma Z) for sigma = numerator / denominator; a tie has probability zero.

    Args:
        words: gives the next random word, uniform below 2^WIDTH, at every call. They are used in the order in which they come.
        numerator: above 0.
        denominator: above 0.

    Privacy:
        The law is exact for words that are independent and uniform (docs/claims/sampler.md). No float decides anything.

    Source:
        Karney 2016, "Sampling exactly from the normal distribution", ACM TOMS 42(1), Algorithms N, H and B. Step N7 is replaced by the rounding.

    Example:
        >>> words = iter([5, 9, 2**31, 7, 2**32 - 1, 1])
        >>> draw(lambda: next(words), 1000, 1)  # k = 0; x is a little above 1/2; the run x > u is empty; the sign is minus
        -500
    """
    while True:
        k = 0
        while _half(words):
            k += 1
        if not all(_half(words) for _ in range(k * (k - 1))):
            continue
        x = Uniform(words)
        x.extend()
        x.extend()
        if all(_bernoulli(words, k, x) for _ in range(k + 1)):
            break
    negative = words() & 1
    size = _round(k, x, numerator, denominator)
    return -size if negative else size


def _half(words: Words) -> bool:
    """True with probability exp(-1/2): the run 1/2 > u1 > u2 > ... has even length (von Neumann)."""
    last, even = _first(words), False
    if last.value >> (WIDTH - 1):
        return True
    while _below(u := _first(words), last):
        even, last = not even, u
    return even


def _bernoulli(words: Words, k: int, x: Uniform) -> bool:
    """True with probability exp(-x (2k + x) / (2k + 2)): a run x > u1 > u2 > ..., each step with a second uniform v < (2k + x) / (2k + 2), is even."""
    last, even = x, True
    while _below(u := _first(words), last) and _below_share(_first(words), k, x):
        even, last = not even, u
    return even


def _first(words: Words) -> Uniform:
    u = Uniform(words)
    u.extend()
    return u


def _below(u: Uniform, v: Uniform) -> bool:
    """Whether u < v."""
    while True:
        if (u.value + 1) << v.bits <= v.value << u.bits:
            return True
        if u.value << v.bits >= (v.value + 1) << u.bits:
            return False
        u.extend()
        v.extend()


def _below_share(v: Uniform, k: int, x: Uniform) -> bool:
    """Whether v (2k + 2) < 2k + x."""
    while True:
        low, high = v.value * (2 * k + 2) << x.bits, (v.value + 1) * (2 * k + 2) << x.bits
        if high <= (2 * k << x.bits) + x.value << v.bits:
            return True
        if low >= (2 * k << x.bits) + x.value + 1 << v.bits:
            return False
        v.extend()
        x.extend()


def _round(k: int, x: Uniform, numerator: int, denominator: int) -> int:
    """The whole number nearest to sigma (k + x)."""
    while True:
        one = denominator << x.bits
        low = numerator * ((k << x.bits) + x.value)
        nearest = (2 * low + one) // (2 * one)
        if 2 * (low + numerator) + one <= 2 * one * (nearest + 1):
            return nearest
        x.extend()
