"""How far devices' flows are shrunk, and which devices are heavy: chosen from a noisy histogram of norms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from flockwise.errors import DataError
from flockwise.estimate._types import Floats

__all__ = ["FlowBounds", "choose_bounds", "norm_edges"]

_BOUND_AT, _HEAVY_AT = 0.5, 0.9


@dataclass(frozen=True)
class FlowBounds:
    """Norms in trips.

    Attributes:
        bound: devices with more are shrunk to it.
        heavy: devices with more are heavy, and counted a second time apart.
    """

    bound: float
    heavy: float


def norm_edges(most_trips: int) -> tuple[int, ...]:
    """Return squared norms between the bins of the histogram, in trips squared, ascending: whole numbers, each about 1.41 times the one before.

    Args:
        most_trips: public cap on the trips of a device, at least 1; no norm is greater.

    Example:
        >>> norm_edges(4)
        (1, 2, 3, 4, 6, 8, 12, 16)
    """
    if most_trips < 1:
        raise _refused(f"a cap of {most_trips} trips", "at least 1")
    count = math.ceil(2 * math.log2(most_trips**2)) + 1
    edges = sorted({1, most_trips**2, *(math.ceil(2 ** (k / 2) - 1e-9) for k in range(count))})
    return tuple(e for e in edges if e <= most_trips**2)


def choose_bounds(noisy: Floats, edges: Floats, sigma: float) -> FlowBounds:
    """Return the median norm as the bound, and the norm that nine devices in ten stay under as the edge of heavy devices.

    A low bound makes devices count alike, which gives the most signal for the noise; what it takes from heavy devices is put back by their own table. So the
    bound does not follow the size of the panel. Counts below the first and above the last that stands out of its noise count as 0, and so do negative ones.

    Args:
        noisy: noisy number of devices in each bin: bin k holds squared norms over edges[k] up to edges[k + 1]; the last bin is open.
        edges: ascending squares of norms, trips squared, the first 0; public.
        sigma: noise of every count, in devices.

    Returns:
        Bound and heavy edge, each the root of an edge; heavy >= bound >= the root of edges[1].

    Raises:
        DataError: a shape or a value that can't be.

    Privacy: reads a charged histogram and public edges only; charges nothing more.

    Source: docs/claims/private-clip.md; docs/decisions/0010-flows-by-empirical-bayes.md has the measured rule.

    Example:
        >>> import numpy as np
        >>> choose_bounds(np.array([600.0, 100.0, 300.0, 3.0, -5.0]), np.array([0.0, 1.0, 4.0, 9.0, 16.0]), sigma=5.0)
        FlowBounds(bound=1.0, heavy=3.0)
    """
    noisy, edges = np.asarray(noisy, dtype=np.float64), np.asarray(edges, dtype=np.float64)
    shapes = noisy.ndim == 1 and noisy.shape == edges.shape and len(edges) >= 2
    if not shapes or edges[0] != 0.0 or (np.diff(edges) <= 0).any() or not np.isfinite(noisy).all() or not sigma > 0.0:
        raise _refused(f"{noisy.shape} counts, {edges.shape} edges, sigma {sigma!r}", "one finite count an edge, edges ascending from 0, sigma > 0")
    counts = np.maximum(noisy, 0.0)
    seen = np.flatnonzero(counts > 3.0 * sigma)
    # Beyond the outermost count that stands out of its noise there is nothing to tell from noise.
    counts[: seen[0] if len(seen) else 0] = 0.0
    counts[(seen[-1] + 1 if len(seen) else 0) :] = 0.0
    if not len(seen):
        return FlowBounds(float(np.sqrt(edges[1])), float(np.sqrt(edges[1])))
    running = np.cumsum(counts) / counts.sum()
    upper = np.sqrt(np.append(edges[1:], edges[-1]))
    bound, heavy = (float(upper[np.argmax(running >= share - 1e-12)]) for share in (_BOUND_AT, _HEAVY_AT))
    return FlowBounds(bound, heavy)


def _refused(got: str, expected: str) -> DataError:
    return DataError(
        "ESTIMATE_BOUNDS",
        what="no bound can be chosen from this histogram.",
        got=got,
        expected=expected,
        state="Nothing was chosen.",
        fix="Pass the noisy histogram and its public edges as they were planned.",
    )
