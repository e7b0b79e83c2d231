"""Exact discrete Gaussian noise on integer arrays, drawn by OpenDP on several threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import numpy.typing as npt

from flockwise.errors import InternalError
from flockwise.noise.library import opendp

__all__ = ["add"]

Values = npt.NDArray[np.int64]

CHUNK = 4096


def add(values: Values, sigma: float, threads: int = 1, progress: Callable[[str, int, int], None] | None = None) -> Values:
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
        >>> add(np.zeros((2, 3), dtype=np.int64), 4.0).shape
        (2, 3)
    """
    if values.dtype != np.int64 or not 0 < sigma < float("inf") or threads < 1:
        raise InternalError("NOISE_BAD_INPUT", what="Noise goes on int64 arrays, with a positive scale.", state="Nothing was drawn.")
    flat = np.ascontiguousarray(values).reshape(-1)
    out = np.empty_like(flat)
    draw = _measurement(sigma)

    def work(start: int) -> int:
        part = flat[start : start + CHUNK]
        out[start : start + CHUNK] = draw(part.tolist())
        return len(part)

    done = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="flockwise-noise") as pool:
        waiting: set[Future[int]] = {pool.submit(work, start) for start in range(0, len(flat), CHUNK)}
        try:
            while waiting:
                ready, waiting = wait(waiting, return_when=FIRST_EXCEPTION, timeout=0.2)
                done += sum(future.result() for future in ready)
                if progress is not None and ready:
                    progress("noise", done, len(flat))
        finally:
            for future in waiting:
                future.cancel()
    return out.reshape(values.shape)


def _measurement(sigma: float) -> Any:
    dp: Any = opendp()
    return dp.m.make_gaussian(dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T="f64"), scale=sigma)
