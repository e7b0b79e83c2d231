"""A huge table of mostly empty rows: noise, threshold and sort, without writing the empty rows down. Proof: docs/claims/sparse-draw.md."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flockwise.errors import InternalError
from flockwise.noise.draw import add
from flockwise.noise.kinds import Kind
from flockwise.noise.tails import exactly, precisions, tail, working

if TYPE_CHECKING:
    import flint

__all__ = ["Printed", "draw_sparse", "reached"]

Ints = npt.NDArray[np.int64]

_LARGEST_SIZE = 1 << 62
_INT64_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Printed:
    """The rows of one table that reached the threshold, sorted, and nothing else.

    Args:
        keys: rising, distinct, int64.
        values: noisy values in grid units, one for each key, int64.
    """

    keys: Ints
    values: Ints


def draw_sparse(keys: Ints, sums: Ints, size: int, sigma: float, threshold: int, kind: Kind, threads: int = 1) -> Printed:
    """What is left of a table of `size` rows after noise on every row, a threshold and sorting; empty rows are never written down.

    Args:
        keys: rows whose exact sum is not zero, rising and distinct, from 0 to size - 1, int64. No nulls.
        sums: their exact sums in grid units, int64.
        size: rows of the public domain, M, at most 2^62.
        sigma: scale in grid units, above 0; the rational number that the float is.
        threshold: values at or above it are printed; grid units, 1 or more, a function of public facts.
        kind: law of the noise.
        threads: how many threads draw the noise of the rows that are given.

    Returns:
        Keys and noisy values, sorted by key. The law is that of noise on all `size` rows, then threshold, then sorting.

    Raises:
        InternalError: an argument out of range, or keys that are not rising. Nothing is drawn then.

    Privacy:
        Costs what the dense draw costs (zCDP or GDP of noise with this sigma on every row), which the caller charges first. Holds for functions of the
        result alone: nothing else may be computed from the same draw, and no other order or subset of the rows may be shown.

    Source:
        docs/claims/sparse-draw.md.

    Example:
        >>> pairs = np.array([3, 10**15], dtype=np.int64)
        >>> shown = draw_sparse(pairs, np.array([10**6, 10**6], dtype=np.int64), 10**18, 100.0, 900, "discrete")
        >>> np.isin(pairs, shown.keys).all(), bool((np.diff(shown.keys) > 0).all()), bool(shown.values.min() >= 900)
        (np.True_, True, True)
    """
    _check(keys, sums, size, sigma, threshold)
    some = reached(keys, add(sums, sigma, threads, kind=kind), threshold)
    law = _Exceeding(Fraction(sigma), threshold, kind)
    ranks = np.fromiter(law.ranks(size - len(keys)), dtype=np.int64)
    values = np.fromiter((min(law.value(), _INT64_MAX) for _ in ranks), dtype=np.int64, count=len(ranks))
    return _sorted(np.concatenate([some.keys, _skipping(keys, ranks)]), np.concatenate([some.values, values]))


def reached(keys: Ints, values: Ints, threshold: int) -> Printed:
    """The rows, rising by key, whose value is at or above the threshold."""
    some = values >= threshold
    return _sorted(keys[some], values[some])


def _check(keys: Ints, sums: Ints, size: int, sigma: float, threshold: int) -> None:
    fits = keys.dtype == sums.dtype == np.int64 and keys.ndim == 1 and keys.shape == sums.shape and 0 <= size <= _LARGEST_SIZE
    fits = fits and 0 < sigma < float("inf") and 1 <= threshold <= _INT64_MAX
    if not fits or (len(keys) and not (keys[0] >= 0 and keys[-1] < size and bool((np.diff(keys) > 0).all()))):
        raise InternalError(
            "NOISE_BAD_SPARSE",
            what="A sparse draw needs rising int64 keys below its size, int64 sums, a positive scale and a threshold from 1.",
            state="Nothing was drawn.",
        )


def _sorted(keys: Ints, values: Ints) -> Printed:
    # Indexing by an array copies: no hidden base keeps rows that were not printed, and the place in memory does not tell where a row came from.
    order = np.argsort(keys)
    out = Printed(keys[order], values[order])
    out.keys.setflags(write=False)
    out.values.setflags(write=False)
    return out


def _skipping(keys: Ints, ranks: Ints) -> Ints:
    """The key of the r-th row (from 0) that is not in `keys`: r plus the number of listed keys before it, in whole numbers."""
    empty_before = keys - np.arange(len(keys), dtype=np.int64)
    return ranks + np.searchsorted(empty_before, ranks, side="right")


class _Exceeding:
    """The empty rows that reach a threshold: which, and with what value. Every draw takes fresh digits of the system's generator."""

    def __init__(self, sigma: Fraction, threshold: int, kind: Kind) -> None:
        self._sigma, self._threshold, self._kind = sigma, threshold, kind

    def ranks(self, empty: int) -> Iterator[int]:
        """The successes among `empty` independent trials of chance P(X >= threshold), rising, by geometric gaps."""
        rank = -1
        while (gap := self._gap(empty - 1 - rank)) is not None:
            rank += 1 + gap
            yield rank

    def value(self) -> int:
        """X, given that X >= threshold: the largest k with P(X >= k) >= U P(X >= threshold), by bisection."""
        uniform = _Uniform()
        low, high = self._threshold, None
        step = 1 + int(self._sigma**2 / self._threshold)  # about the mean excess; any step gives the same k
        for bits in precisions():
            with working(bits):
                bar = uniform.ball(bits) * self._tail(self._threshold, bits)
                while high is None or high - low > 1:
                    middle = low + step if high is None else (low + high) // 2
                    chance = self._tail(middle, bits)
                    if chance > bar:
                        low, step = middle, 2 * step
                    elif chance < bar:
                        high = middle
                    else:
                        break
                else:
                    return low
        raise AssertionError  # precisions() raises first

    def _gap(self, room: int) -> int | None:
        """Failures before the next success, floor(log U / log(1 - p)); None if they fill the room."""
        uniform = _Uniform()
        for bits in precisions():
            with working(bits):
                gap = uniform.ball(bits).log() / (-self._tail(self._threshold, bits)).log1p()
                if gap >= room:
                    return None
                whole = gap.floor().unique_fmpz()
                if whole is not None and gap < room:
                    return int(whole)
        raise AssertionError  # precisions() raises first

    def _tail(self, k: int, bits: int) -> flint.arb:
        return tail(k, self._sigma, self._kind, bits)


class _Uniform:
    """A uniform real number between 0 and 1, of which only as many binary digits are drawn as decisions ask for."""

    def __init__(self) -> None:
        self._digits, self._bits = 0, 0

    def ball(self, bits: int) -> flint.arb:
        """All numbers that begin with the digits drawn so far, at least `bits` of them (a multiple of 8)."""
        more = bits - self._bits
        self._digits = (self._digits << more) | int.from_bytes(os.urandom(more // 8))
        self._bits = bits
        with working(bits):
            first = exactly(self._digits)
            return first.union(first + 1) / (1 << bits)
