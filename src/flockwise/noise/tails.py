"""The chance that noise reaches a number, as enclosures that can be made as narrow as a decision needs. Proof: docs/claims/sparse-draw.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

from flockwise.errors import InternalError
from flockwise.noise.kinds import Kind, check_kind
from flockwise.noise.library import arb, precision

if TYPE_CHECKING:
    import flint

__all__ = ["above", "decide", "exactly", "least", "least_threshold", "precisions", "tail", "tail_above", "working"]

_PRECISIONS = (64, 128, 256, 512, 1024)
_GUARD = 40
_FARTHEST = 1 << 20


def working(bits: int) -> AbstractContextManager[Any]:
    """Within the block balls are computed to somewhat more than `bits` bits.

    a < b, a <= b and their opposites are true only if they hold for all numbers in the two balls.
    """
    return precision(bits + _GUARD)


def precisions() -> Iterator[int]:
    """Bits to try one after the other until a decision is certain; an error after the last (on random digits: with a chance under 2^-900)."""
    yield from _PRECISIONS
    raise InternalError("NOISE_UNDECIDED", what="A decision stayed open at the highest precision.", state="Nothing was printed.")


def decide(left: Callable[[int], flint.arb], right: Callable[[int], flint.arb]) -> bool:
    """Whether left <= right, two real numbers given as enclosures at a number of bits. Numbers that are equal can't be decided and raise."""
    for bits in precisions():
        with working(bits):
            a, b = left(bits), right(bits)
            if a <= b:
                return True
            if a > b:
                return False
    raise AssertionError  # precisions() raises first


def least(start: int, holds: Callable[[int], bool]) -> int:
    """The smallest whole number from `start` on for which `holds`, which stays true once it is."""
    if holds(start):
        return start
    low, step = start, 1
    while not holds(low + step):
        low, step = low + step, 2 * step
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def least_threshold(sigma: float, size: int, ghosts: Fraction, kind: Kind) -> int:
    """The smallest whole t, 1 or more, with size x P(X >= t) <= ghosts: that many empty rows are expected to be printed at most.

    Args:
        sigma: scale in grid units, above 0; the rational number that the float is.
        size: rows of the public domain, M, 1 or more.
        ghosts: expected number of ghosts if every row were empty, above 0, exact.
        kind: law of the noise.

    Returns:
        t in grid units; values at or above it are printed.

    Raises:
        InternalError: an argument out of range.

    Privacy:
        Reads public sizes only.

    Source:
        docs/claims/sparse-draw.md.

    Example:
        >>> least_threshold(4.0, 1029**2, Fraction(30), "rounded"), least_threshold(4.0, 1029**2, Fraction(30), "discrete")
        (17, 17)
    """
    if not 0 < sigma < float("inf") or size < 1 or ghosts <= 0:
        raise InternalError("NOISE_BAD_THRESHOLD", what="A threshold needs a positive scale, size and number of ghosts.", state="Nothing was drawn.")
    scale, chance = Fraction(sigma), Fraction(ghosts) / size
    return least(1, lambda t: decide(lambda bits: tail(t, scale, kind, bits), lambda _: exactly(chance)))


def tail(k: int, sigma: Fraction, kind: Kind, bits: int) -> flint.arb:
    """Encloses P(X >= k).

    Args:
        k: grid units, 1 or more, at most 2^20 sigma.
        sigma: scale in grid units, exact.
        kind: law of X.
        bits: about how many leading bits of the result are wanted; whatever they are, what comes back is an enclosure.

    Raises:
        InternalError: k or sigma out of range.

    Source:
        docs/claims/sparse-draw.md. "rounded": erfc((k - 1/2) / (sigma sqrt 2)) / 2. "discrete": S(k) / (1 + 2 S(1)), S(k) the sum over j >= k of
        exp(-j^2 / (2 sigma^2)).

    Example:
        >>> for kind in ("rounded", "discrete"):
        ...     print(tail(8, Fraction(2), kind, 64).str(12, radius=False))
        8.84172852008e-5
        7.57073681044e-5
    """
    check_kind(kind)
    if sigma <= 0 or not 1 <= k <= _FARTHEST * sigma:
        raise InternalError("NOISE_BAD_TAIL", what="A tail begins between 1 and 2^20 sigma.", state="Nothing was drawn.")
    if kind == "discrete":
        return _discrete(k, sigma, bits)
    with working(bits):
        return (exactly((k - Fraction(1, 2)) / sigma) / exactly(2).sqrt()).erfc() / 2


def tail_above(k: int, sigma: Fraction, kind: Kind) -> Fraction:
    """A rational number at or above P(X >= k), by less than one part in 2^60.

    Example:
        >>> float(tail_above(8, Fraction(2), "discrete"))
        7.570736810437464e-05
    """
    with working(64):
        return above(tail(k, sigma, kind, 64))


def above(number: flint.arb) -> Fraction:
    """A rational number at or above every number in a ball: its upper end, rounded up to the digits in use."""
    mantissa, exponent = number.upper().man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def exactly(value: Fraction | int) -> flint.arb:
    """A rational number as a ball."""
    exact = Fraction(value)
    ball: flint.arb = arb(exact.numerator) / arb(exact.denominator)
    return ball


@lru_cache(maxsize=4096)
def _discrete(k: int, sigma: Fraction, bits: int) -> flint.arb:
    with working(bits):
        return _sum_from(k, sigma, bits) / (1 + 2 * _sum_from(1, sigma, bits))


@lru_cache(maxsize=64)
def _sum_from(k: int, sigma: Fraction, bits: int) -> flint.arb:
    by_integral = _euler_maclaurin(k, sigma, bits)
    return _term_by_term(k, sigma, bits) if by_integral is None else by_integral


def _euler_maclaurin(k: int, sigma: Fraction, bits: int) -> flint.arb | None:
    """S(k) from the integral, half of the first term and derivatives at k; None if the bound on what is left does not get small enough."""
    ball, z, scale = type(exactly(0)), exactly(k / sigma), exactly(1 / sigma)
    edge = (-z * z / 2).exp()
    total = (ball.pi() / 2).sqrt() * (z / exactly(2).sqrt()).erfc() / scale + edge / 2
    # |He_n(u)| <= 1.09 sqrt(n!) exp(u^2 / 4) (Cramer) bounds the integral of |derivative 2m| by the other factors of `rest`.
    beyond = exactly(Fraction(109, 100)) * ball.pi().sqrt() * (z / 2).erfc()
    even, odd, last = exactly(1), z, None  # He_{2m-2} and He_{2m-1} at z
    for m in count(1):
        factorial = ball.fac_ui(2 * m)
        factor = ball.bernoulli(2 * m) / factorial * scale ** (2 * m - 1)
        total += factor * odd * edge
        rest = abs(factor) * factorial.sqrt() * beyond
        if rest < total * exactly(Fraction(1, 1 << bits)):
            return _widened(total, rest)
        if last is not None and not rest < last:
            break
        last = rest
        even = z * odd - (2 * m - 1) * even
        odd = z * even - 2 * m * odd
    return None


def _term_by_term(k: int, sigma: Fraction, bits: int) -> flint.arb:
    """S(k) from its first terms; the ratio of neighbours falls, so what is left is below a geometric series."""
    rate = exactly(-1 / (2 * sigma**2))
    total, term = exactly(0), (rate * k * k).exp()
    for j in count(k):
        total += term
        term = (rate * (j + 1) ** 2).exp()
        rest = term / (1 - (rate * (2 * j + 3)).exp())
        if rest < total * exactly(Fraction(1, 1 << bits)):
            break
    return _widened(total, rest)


def _widened(middle: flint.arb, rest: flint.arb) -> flint.arb:
    return middle + (-rest).union(rest)
