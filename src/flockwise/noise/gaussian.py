"""Exact discrete Gaussian noise on integer arrays, drawn by OpenDP on several threads."""

from __future__ import annotations

from typing import Any

from flockwise.noise.chunks import Progress, Values, by_chunks, check
from flockwise.noise.library import opendp

__all__ = ["add"]

CHUNK = 4096


def add(values: Values, sigma: float, threads: int = 1, progress: Progress | None = None) -> Values:
    """The values plus independent discrete Gaussian noise, in a new array of the same shape.

    Args:
        values: exact sums in grid units, int64, any shape; never changed. No nulls.
        sigma: scale in grid units, above 0; the law is that of the rational number that the float is.
        threads: how many threads draw at once (OpenDP's calls release the interpreter lock).
        progress: called with ("noise", values done, values in all).

    Returns:
        int64 array: value + noise, saturated at the ends of int64.

    Raises:
        InternalError: the array is not int64 or sigma is not a positive number.

    Privacy:
        sum |q|^2 / (2 sigma^2) of zero-concentrated differential privacy for a person who adds q. The caller charges the ledger first.

    Source:
        Canonne, Kamath and Steinke 2020, Algorithm 3, by OpenDP (`make_gaussian` over i64 vectors, granularity 1).

    Example:
        >>> import numpy as np
        >>> add(np.zeros((2, 3), dtype=np.int64), 4.0).shape
        (2, 3)
    """
    check(values, sigma, threads)
    draw = _measurement(sigma)
    return by_chunks(values, CHUNK, lambda part: draw(part.tolist()), threads, progress)


def _measurement(sigma: float) -> Any:
    dp: Any = opendp()
    return dp.m.make_gaussian(dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64"), scale=sigma)
