"""The threshold below which a noisy value is not printed, from public sizes alone."""

from __future__ import annotations

import math
from statistics import NormalDist

from flockwise.errors import DataError

__all__ = ["ghost_threshold"]


def ghost_threshold(sigma: float, public_size: int, ghosts: float, *, grid: float = 0.0) -> float:
    """Return the least value to print, such that at most `ghosts` empty rows out of `public_size` are expected to reach it.

    Args:
        sigma: standard deviation of the noise, in published units.
        public_size: number of rows of the public domain, M; at least 1.
        ghosts: expected number of empty rows printed if every row were empty, g; above 0, at most M / 2.
        grid: step between possible noisy values, in published units; 0 for continuous noise. With a grid the threshold is a multiple of it, and printing
            is for values at or above it.

    Returns:
        t = sigma Phi^-1(1 - g/M), continuous; on a grid the smallest multiple k of the step with sigma Phi^-1(1 - g/M) + step/2 <= k.

    Raises:
        DataError: an argument out of range.

    Privacy: reads public sizes only; printing what reaches it is post-processing of noisy values.

    Source: docs/claims/threshold.md, where the half step is argued too.

    Example:
        >>> round(ghost_threshold(1.0, 1029**2, 30), 2)
        4.03
    """
    fits = sigma > 0 and math.isfinite(sigma) and public_size >= 1 and 0 < ghosts <= public_size / 2 and 0 <= grid < math.inf
    if not fits:
        raise DataError(
            "ESTIMATE_THRESHOLD",
            what="no threshold can be set for this table.",
            got=f"sigma {sigma!r}, size {public_size}, ghosts {ghosts!r}, grid {grid!r}",
            expected="sigma > 0, size >= 1, 0 < ghosts <= size / 2, grid >= 0",
            state="Nothing was released.",
            fix="Set the expected number of ghosts to at most half the number of rows.",
        )
    # The lower tail keeps its accuracy where 1 - g/M would round to 1.
    threshold = -sigma * NormalDist().inv_cdf(ghosts / public_size)
    if grid == 0.0:
        return threshold
    return math.ceil((threshold + grid / 2) / grid) * grid
