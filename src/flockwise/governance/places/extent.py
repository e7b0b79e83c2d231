"""The rectangle of longitudes and latitudes around a region, also across the antimeridian and around a pole."""

from __future__ import annotations

import math
from dataclasses import dataclass

import h3
import numpy as np
import numpy.typing as npt
from h3ronpy.vector import cells_to_coordinates

from flockwise.base.region import Region

__all__ = ["Extent"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Extent:
    """A rectangle in degrees: from `west` eastwards by `width`, from `south` northwards by `height`."""

    south: float
    west: float
    height: float
    width: float

    @classmethod
    def of(cls, region: Region) -> Extent:
        """The rectangle around all cells of a region, a little wider than needed.

        Example:
            >>> found = Extent.of(Region.from_cells(["872a1072bffffff"], 7))
            >>> 40 < found.south < 41, found.height < 0.1, found.width < 0.1
            (True, True, True)
        """
        at = cells_to_coordinates(region.cells.astype(np.uint64))
        lat, lon = np.asarray(at["lat"]), np.asarray(at["lng"])
        # The corners of the largest cells lie within 1.6 average sides of the centre.
        reach = math.degrees(1.6 * h3.average_hexagon_edge_length(region.resolution, "m") / 6_356_752)
        south, north = max(-90.0, float(lat.min()) - reach), min(90.0, float(lat.max()) + reach)
        if max(-south, north) > 89:
            return cls(south, -180.0, north - south, 360.0)
        reach /= math.cos(math.radians(max(-south, north)))
        lon = np.sort(lon)
        gaps = np.diff(np.r_[lon, lon[0] + 360])
        widest = int(gaps.argmax())
        width = 360 - float(gaps[widest]) + 2 * reach
        west = float(lon[(widest + 1) % len(lon)]) - reach
        return cls(south, -180.0, north - south, 360.0) if width >= 360 else cls(south, west, north - south, width)

    def meets(self, bounds: Floats, reach_m: Floats) -> npt.NDArray[np.bool_]:
        """Whether rectangles (n, 4: west, south, east, north in degrees) come within so many metres of this one, or a little more."""
        lat = reach_m / 110_500
        outer = np.minimum(np.maximum(np.abs(bounds[:, 1]), np.abs(bounds[:, 3])) + lat, 90.0)
        lon = np.minimum(lat / np.maximum(np.cos(np.radians(outer)), 1e-9) * 1.01, 180.0)
        near = (bounds[:, 1] - lat <= self.south + self.height) & (bounds[:, 3] + lat >= self.south)
        start = (bounds[:, 0] - lon - self.west) % 360.0
        met: npt.NDArray[np.bool_] = near & ((start <= self.width) | (start + (bounds[:, 2] - bounds[:, 0]) + 2 * lon >= 360.0))
        return met
