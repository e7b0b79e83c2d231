"""What is assumed of a panel, what is expected of its tables, and what both kinds of tables need to get from one to the other."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise import release
from flockwise.base.h3bits import parent
from flockwise.forecast.population import normals

__all__ = ["Expected", "Facts", "gathered", "noise", "noisy", "relative_error", "weight"]

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
        relative_error: sum of errors over sum of the truth, over the whole domain, the mean over releases; a pair that is not printed counts as nothing. None
            where it is not known.
        printed: rows with a figure; None where it is not known.
        rows: rows of the public domain.
        low: what the relative error stays under in one release of ten, by the luck of the noise. None where it is not known, as of presence.
        high: what it passes in one release of ten.
    """

    table: str
    level: int
    noise_sd: float
    relative_error: float | None
    printed: int | None
    rows: int
    low: float | None = None
    high: float | None = None


def weight(plan: release.Plan) -> float:
    """What a device counts for in the mean, in units of the greatest weight: 1 without weights. Their file is public."""
    weights = plan.study.area_weights
    return 1.0 if weights is None else float(weights.units.mean()) / release.GRID


def noisy(block: release.Block, truth: Floats, draw: int = 0) -> Ints:
    """Made-up figures of a block with made-up noise of its size, in grid units.

    Args:
        block: a block of a plan.
        truth: figures in its shape.
        draw: which noise.
    """
    found: Ints = np.round(truth * release.GRID + noise(block.name, truth.shape, draw) * block.sigma_units).astype(np.int64)
    return found


def noise(name: str, shape: tuple[int, ...], draw: int) -> Floats:
    """Made-up standard normal noise: the same for the same name and draw, so that plans can be compared.

    Args:
        name: what it is for.
        shape: of the array.
        draw: which. An odd one is the opposite of the one before: the mean of what comes of both depends less on luck.
    """
    size = prod(shape)
    mark = np.arange(size, dtype=np.uint64) + np.uint64((zlib.crc32(name.encode()) << 32) + draw // 2 * size)
    return normals(mark, 8).reshape(shape) * (1 - draw % 2 * 2)


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
