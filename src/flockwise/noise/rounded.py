"""An exactly rounded continuous Gaussian on integer arrays: round(value + sigma Z), with the operating system's randomness, on several threads."""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from flockwise.noise import karney
from flockwise.noise.chunks import Progress, Values, by_chunks, check

__all__ = ["add"]

CHUNK = 16384

_WORDS_A_DRAW, _WORDS_AT_LEAST = 19, 64
_LARGEST, _SMALLEST = 2**63 - 1, -(2**63)


def add(values: Values, sigma: float, threads: int = 1, progress: Progress | None = None) -> Values:
    """The values plus round(sigma Z), Z standard normal and drawn anew for each, in a new array of the same shape.

    Args:
        values: exact sums in grid units, int64, any shape; never changed. No nulls.
        sigma: scale in grid units, above 0; the law is that of the rational number that the float is.
        threads: how many threads draw at once (the kernel and the reading of random bytes release the interpreter lock).
        progress: called with ("noise", values done, values in all).

    Returns:
        int64 array: value + noise, saturated at the ends of int64.

    Raises:
        InternalError: the array is not int64 or sigma is not a positive number.

    Privacy:
        mu-GDP with mu^2 = sum |q|^2 / sigma^2 for a person who adds q: the values are integers, so this is the continuous Gaussian mechanism, rounded
        (docs/claims/sampler.md). In the ledger's unit that is rho = mu^2 / 2. The caller charges the ledger first.

    Source:
        Karney 2016, Algorithm N, with the rounding of sigma Z decided in integers.

    Example:
        >>> add(np.zeros((2, 3), dtype=np.int64), 4.0).shape
        (2, 3)
    """
    check(values, sigma, threads)
    return by_chunks(values, CHUNK, lambda part: _noisy(part, sigma, os.urandom), threads, progress)


class _Stream:
    """Random 32-bit words in the order in which they came, each used once. What is left when a draw can't be finished is kept in front of what follows."""

    def __init__(self, source: Callable[[int], bytes]) -> None:
        self._source = source
        self.words: npt.NDArray[np.uint32] = np.zeros(0, dtype=np.uint32)
        self.at = 0

    def more(self, count: int) -> None:
        """Reads `count` words and drops those that were used."""
        fresh = np.frombuffer(self._source(4 * count), dtype=np.uint32)
        self.words, self.at = np.concatenate([self.words[self.at :], fresh]), 0

    def take(self) -> int:
        """The next word."""
        if self.at == self.words.size:
            self.more(_WORDS_AT_LEAST)
        self.at += 1
        return int(self.words[self.at - 1])


def _noisy(values: Values, sigma: float, source: Callable[[int], bytes]) -> Values:
    """A noisy copy of a flat array. Every draw is a function of the words from its first one on; the kernel and `karney.draw` give the same."""
    from flockwise.noise import kernel  # numba takes a moment to load

    out, stream, done = values.copy(), _Stream(source), 0
    mantissa, shift = _parts(sigma)
    while True:
        why = kernel.UNDECIDED
        if shift > 0:
            done, stream.at, why = kernel.add_draws(stream.words, stream.at, out, done, np.uint64(mantissa), np.uint64(min(shift, 58)))
        if done == out.size:
            return out
        if why == kernel.RAN_OUT:
            stream.more(_WORDS_A_DRAW * (out.size - done) + _WORDS_AT_LEAST)
        else:
            noise = karney.draw(stream.take, *sigma.as_integer_ratio())
            out[done] = max(_SMALLEST, min(_LARGEST, int(out[done]) + noise))
            done += 1


def _parts(sigma: float) -> tuple[int, int]:
    """Integers with sigma = mantissa / 2^shift exactly and mantissa below 2^53.

    A shift above 58 may be given to the kernel as 58, a larger sigma: for the whole parts that it decides (up to 15), both leave sigma |Z| under 1/2.
    """
    fraction, exponent = math.frexp(sigma)
    return int(math.ldexp(fraction, 53)), 53 - exponent
