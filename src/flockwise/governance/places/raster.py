"""The pixels over an extent, and which of their rows a box touches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flockwise.governance.places.extent import Extent
from flockwise.governance.places.kernels import SIDE
from flockwise.governance.places.pixels import Grid
from flockwise.governance.places.shapes import earth_fixed

__all__ = ["COARSEST_M", "MARGIN_M", "Raster"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

COARSEST_M = 400
MOST_BLOCKS = 16_000_000
MARGIN_M = 1.0


@dataclass(frozen=True, eq=False)
class Raster:
    """Pixels of one size in degrees.

    Args:
        corner: latitude and longitude of the south-western corner, in millionths of a degree.
        step: height and width of a pixel, in millionths of a degree.
        blocks: rows and columns of blocks of 16 by 16 pixels.
        lat: degrees of each row's middle.
        grid: for the kernels.
    """

    corner: tuple[int, int]
    step: tuple[int, int]
    blocks: tuple[int, int]
    lat: Floats
    grid: Grid

    @classmethod
    def of(cls, extent: Extent, metres: int) -> Raster | None:
        """Pixels of about so many metres; None if that would be too many."""
        south, north = extent.south, extent.south + extent.height
        nearest = 0.0 if south <= 0 <= north else min(abs(south), abs(north))
        step = (math.floor(metres / 111_700 * 1e6), math.floor(min(metres / (111_320 * math.cos(math.radians(nearest))), 1.0) * 1e6))
        corner = (math.floor(south * 1e6), math.floor(extent.west * 1e6))
        rows, columns = math.ceil(extent.height * 1e6 / step[0]) + 2, math.ceil(min(extent.width * 1e6 + step[1], 360e6) / step[1])
        blocks = (-(-rows // SIDE), -(-columns // SIDE))
        if blocks[0] * blocks[1] > MOST_BLOCKS and metres != COARSEST_M:
            return None
        lat = np.asarray(corner[0] + step[0] * (np.arange(blocks[0] * SIDE) + 0.5), np.float64) / 1e6
        lon = np.radians((corner[1] + step[1] * (np.arange(blocks[1] * SIDE) + 0.5)) / 1e6)
        half = (step[0] / 2e6, step[1] / 2e6)
        inner = np.radians(np.maximum(np.abs(lat) - half[0], 0.0))
        radius = np.hypot(111_700 * half[0], 111_330 * np.cos(np.minimum(inner, math.pi / 2)) * half[1]) + MARGIN_M
        out, _, up = earth_fixed(np.zeros_like(lat), lat).T
        return cls(corner, step, blocks, lat, Grid(corner[1] / 1e6, step[1] / 1e6, *map(np.ascontiguousarray, (up, out, radius, np.cos(lon), np.sin(lon)))))

    def rows(self, south: Floats, north: Floats, reach: Floats) -> Ints:
        """First and last row, (n, 2), that come within so many metres of latitudes."""
        lat = (reach + float(self.grid.radius.max()) + MARGIN_M) / 110_500
        low = np.floor(((south - lat) * 1e6 - self.corner[0]) / self.step[0])
        high = np.floor(((north + lat) * 1e6 - self.corner[0]) / self.step[0])
        return np.stack([np.maximum(low, 0), np.minimum(high, len(self.lat) - 1)], axis=1).astype(np.int64)
