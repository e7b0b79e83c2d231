"""Tables whose keys are not public facts: only keys that are present get noise, and a threshold hides who was alone. Proof: docs/claims/fallback.md."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flockwise.errors import BudgetError, InternalError
from flockwise.noise.draw import add
from flockwise.noise.kinds import Kind
from flockwise.noise.sparse import Printed, reached
from flockwise.noise.tails import above, decide, exactly, least, tail, working

if TYPE_CHECKING:
    import flint

__all__ = ["Caps", "draw_fallback", "fallback_delta", "fallback_threshold"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Caps:
    """The most that one device adds to a table whose keys are not public; kept by the person stage before anything is summed.

    Args:
        keys: keys that it adds something to, L0; 1 or more.
        units: grid units that it adds to one key, L-infinity; 1 or more.
        squares: sum of the squares of what it adds, L2 squared; 1 or more.
    """

    keys: int
    units: int
    squares: int

    def __post_init__(self) -> None:
        if min(self.keys, self.units, self.squares) < 1:
            raise InternalError("NOISE_BAD_CAPS", what="Caps are whole numbers from 1.", state="Nothing was drawn.")

    @property
    def alone(self) -> int:
        """The largest sum that a key has if one device is alone in it."""
        return min(self.units, math.isqrt(self.squares))


def fallback_delta(caps: Caps, sigma: float, threshold: int, kind: Kind) -> Fraction:
    """The delta of printing keys that are not public: the chance that a key is printed in which one device is alone, at most.

    Args:
        caps: what one device adds at most.
        sigma: scale in grid units, above 0; the rational number that the float is.
        threshold: values at or above it are printed; above `caps.alone`.
        kind: law of the noise X.

    Returns:
        1 - (1 - P(X >= threshold - alone))^keys, rounded up by less than one part in 2^50.

    Raises:
        InternalError: an argument out of range.

    Privacy:
        To be charged on top of the delta at which the noise's rho is converted.

    Source:
        docs/claims/fallback.md; Rogers 2023 (arXiv:2309.09170) for the threshold on Gaussian noise.

    Example:
        >>> float(fallback_delta(Caps(keys=4, units=10, squares=400), 5.0, 40, "discrete"))
        6.852367274064593e-09
    """
    _check(caps, sigma, threshold)
    with working(64):
        return min(Fraction(1), above(_delta(caps, sigma, threshold, kind, 64)))


def fallback_threshold(caps: Caps, sigma: float, delta: Fraction, kind: Kind) -> int:
    """The smallest threshold whose delta is at most `delta`: every smaller one above `caps.alone` costs more.

    Args:
        caps: what one device adds at most.
        sigma: scale in grid units.
        delta: the part of delta set aside for this table, above 0 and below 1, exact.
        kind: law of the noise.

    Raises:
        InternalError: an argument out of range.

    Privacy:
        Reads public facts only.

    Example:
        >>> fallback_threshold(Caps(keys=4, units=10, squares=400), 5.0, Fraction(1, 10**7), "discrete")
        38
    """
    if not 0 < delta < 1:
        raise InternalError("NOISE_BAD_DELTA", what="delta must be above 0 and below 1.")
    first = caps.alone + 1
    _check(caps, sigma, first)
    return least(first, lambda t: decide(lambda bits: _delta(caps, sigma, t, kind, bits), lambda _: exactly(delta)))


def draw_fallback(keys: Ints, sums: Ints, caps: Caps, sigma: float, threshold: int, delta: Fraction, kind: Kind, threads: int = 1) -> Printed:
    """Noise on the keys that are present, then threshold, then sorting.

    Args:
        keys: rising and distinct, int64. No nulls.
        sums: exact sums in grid units, int64. Keys whose sum is zero are left out before noise.
        caps: what one device added at most.
        sigma: scale in grid units, above 0.
        threshold: values at or above it are printed; a function of public facts.
        delta: what was charged for this table besides rho.
        kind: law of the noise.
        threads: how many threads draw.

    Returns:
        Keys and noisy values, sorted by key.

    Raises:
        BudgetError: the threshold costs more than `delta`. Nothing is drawn then.
        InternalError: an argument out of range. Nothing is drawn then.

    Privacy:
        rho = caps.squares / (2 sigma^2) and `fallback_delta`, which the caller charges first. Holds for functions of the result alone.

    Source:
        docs/claims/fallback.md; the two steps are those of Wilson et al. 2020 (bounded contributions, then a threshold).

    Example:
        >>> caps = Caps(keys=2, units=256, squares=2 * 256**2)
        >>> keys, sums = np.array([7, 9], dtype=np.int64), np.array([256, 10**6], dtype=np.int64)
        >>> t = fallback_threshold(caps, 100.0, Fraction(1, 10**12), "rounded")
        >>> draw_fallback(keys, sums, caps, 100.0, t, Fraction(1, 10**12), "rounded").keys
        array([9])
    """
    _check(caps, sigma, threshold)
    rising = keys.dtype == sums.dtype == np.int64 and keys.ndim == 1 and keys.shape == sums.shape and bool((keys[1:] > keys[:-1]).all())
    if not rising:
        raise InternalError("NOISE_BAD_FALLBACK", what="The fallback needs rising int64 keys and int64 sums.", state="Nothing was drawn.")
    if fallback_delta(caps, sigma, threshold, kind) > delta:
        raise BudgetError(
            "BUDGET_DELTA_TOO_SMALL",
            what="The threshold of a table whose keys are not public costs more delta than was charged for it.",
            state="Nothing was drawn.",
            fix="Raise the threshold or the table's delta, or lower the caps on keys and units.",
        )
    present = _present(sums)
    return reached(keys[present], add(sums[present], sigma, threads, kind=kind), threshold)


def _present(sums: Ints) -> npt.NDArray[np.bool_]:
    # A key to which devices added nothing but zeros would be a key that no cap counted.
    return np.not_equal(sums, 0)


def _delta(caps: Caps, sigma: float, threshold: int, kind: Kind, bits: int) -> flint.arb:
    one = tail(threshold - caps.alone, Fraction(sigma), kind, bits)
    return -((-one).log1p() * caps.keys).expm1()


def _check(caps: Caps, sigma: float, threshold: int) -> None:
    if not 0 < sigma < float("inf") or not caps.alone < threshold < 1 << 63:
        raise InternalError(
            "NOISE_BAD_FALLBACK",
            what="The fallback needs a positive scale and a threshold above what one device adds to a key.",
            state="Nothing was drawn.",
        )
