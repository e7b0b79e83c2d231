"""What is assumed of a panel, what is expected of its tables, and what both kinds of tables need to get from one to the other."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise import release
from flockwise.base.h3bits import parent
from flockwise.forecast.population import normals

__all__ = ["Expected", "Facts", "gathered", "noisy", "relative_error", "weight"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Facts:
    """What is assumed of the panel. Public: none of it may be looked up in the data.

    Attributes:
        devices: how many devices take part.
        seen: share of the slots in which a device is seen.
        trips: trips a device and day that the pings show.
    """

    devices: int
    seen: float
    trips: float


@dataclass(frozen=True)
class Expected:
    """What a table at a level is expected to be like.

    Attributes:
        table: "presence", "typical_day", "flows" or "margins".
        level: H3 resolution.
        noise_sd: standard deviation of the noise, in published units.
        relative_error: sum of errors over sum of the truth, over the whole domain; a pair that is not printed counts as nothing. None where it is not known.
        printed: rows with a figure; None where it is not known.
        rows: rows of the public domain.
    """

    table: str
    level: int
    noise_sd: float
    relative_error: float | None
    printed: int | None
    rows: int


def weight(plan: release.Plan) -> float:
    """What a device counts for in the mean, in units of the greatest weight: 1 without weights. Their file is public."""
    weights = plan.study.area_weights
    return 1.0 if weights is None else float(weights.units.mean()) / release.GRID


def noisy(block: release.Block, truth: Floats, sign: int = 1) -> Ints:
    """Made-up figures of a block with made-up noise of its size, in grid units: the same numbers for the same block, so that plans can be compared.

    Args:
        block: a block of a plan.
        truth: figures in its shape.
        sign: 1, or -1 for the opposite noise: the mean of what comes of both depends less on the one draw.
    """
    mark = np.arange(truth.size, dtype=np.uint64) + np.uint64(zlib.crc32(block.name.encode()) << 32)
    noise = normals(mark, 8).reshape(truth.shape) * (sign * block.sigma_units)
    found: Ints = np.round(truth * release.GRID + noise).astype(np.int64)
    return found


def gathered(finest: Floats, base: release.Block, block: release.Block, axes: tuple[int, ...]) -> Floats:
    """Sums of a block's level from those of `base`, a finer one or the same."""
    if block.level == base.level:
        return finest
    index = block.region.index_of(parent(base.region.cells, block.level))
    for axis in axes:
        moved = np.moveaxis(finest, axis, 0)
        out = np.zeros((len(block.region), *moved.shape[1:]))
        np.add.at(out, index, moved)
        finest = np.moveaxis(out, 0, axis)
    return finest


def relative_error(found: Floats, truth: Floats) -> float:
    """Sum of absolute errors over the sum of the truth."""
    return float(np.abs(found - truth).sum() / truth.sum())
