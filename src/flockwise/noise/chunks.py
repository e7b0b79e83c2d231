"""Noise for a whole array: pieces of it go to a pool of threads, each piece drawn on its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

import numpy as np
import numpy.typing as npt

from flockwise.errors import InternalError

__all__ = ["Progress", "Values", "by_chunks", "check"]

Values = npt.NDArray[np.int64]
Progress = Callable[[str, int, int], None]


def check(values: Values, sigma: float, threads: int) -> None:
    """Refuses what no noise can be added to.

    Raises:
        InternalError: the array is not int64, sigma is not a positive number, or there is no thread.
    """
    if values.dtype != np.int64 or not 0 < sigma < float("inf") or threads < 1:
        raise InternalError("NOISE_BAD_INPUT", what="Noise goes on int64 arrays, with a positive scale.", state="Nothing was drawn.")


def by_chunks(values: Values, chunk: int, draw: Callable[[Values], Values], threads: int, progress: Progress | None) -> Values:
    """What `draw` makes of every piece of `chunk` values, put together in the shape of the whole.

    Args:
        values: int64, any shape; never changed.
        chunk: values in a piece; the last piece may be shorter.
        draw: gives a noisy array for a piece that it must not change. It runs in several threads at once.
        threads: how many.
        progress: called with ("noise", values done, values in all).

    Raises:
        Exception: the first that `draw` raises; pieces that have not begun are dropped.
    """
    flat = np.ascontiguousarray(values).reshape(-1)
    out = np.empty_like(flat)

    def work(start: int) -> int:
        part = flat[start : start + chunk]
        out[start : start + chunk] = draw(part)
        return len(part)

    done = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="flockwise-noise") as pool:
        waiting: set[Future[int]] = {pool.submit(work, start) for start in range(0, len(flat), chunk)}
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
