"""Which points lie within the buffer of a sensitive place: looked up in pixels, and measured only where a buffer's edge crosses one.

Distances are straight lines through space from the point to the pieces of a perimeter (`shapes`): within 0.06 m of the geodesic distance for every
buffer up to 20 km, at every latitude below 89 degrees, and across the antimeridian. The inside of a polygon needs no test of its own at the door:
a pixel reaches no further than half a buffer from its middle, so one whose middle is inside is covered as a whole, and any other point inside lies
within a buffer of the perimeter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from flockwise.governance.places import kernels
from flockwise.governance.places.extent import Extent
from flockwise.governance.places.shapes import EQUATOR_M, SQUARED_ECCENTRICITY, Shapes, earth_fixed, pieces_of, rings_of
from flockwise.governance.places.tags import LEAST_BUFFER_M

__all__ = ["PlaceIndex"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

PIECES_PER_PART = 8
PIXELS_M = (64, 96, 144, 216, 324, 400)
MOST_BLOCKS = 16_000_000
MOST_TILES = 250_000  # a kilobyte each
MARGIN_M = 1.0


@dataclass(frozen=True, eq=False)
class PlaceIndex:
    """The lookup table of a list of places in a region. Make it with `PlaceIndex.build`. Public facts only.

    Args:
        corner: latitude and longitude of the raster's south-western corner, in millionths of a degree.
        step: height and width of a pixel, in millionths of a degree.
        blocks: int32 (rows, columns) of 16 by 16 pixels each: -1 nothing, or the number of a tile.
        tiles: int32 (tiles, 256): -1 nothing, -2 covered, or the number of a list of parts to measure.
        start: int64 (lists + 1,) into `entries`.
        entries: int32, numbers of parts; -1 - part where the part covers the whole pixel at its time.
        spheres: (parts, 4), centre and radius in metres around a part.
        reach: (parts,) buffer in metres.
        times: int64 (parts, 2), UTC microseconds between which a part counts, the second left out.
        first: int64 (parts + 1,) into `ends`.
        ends: (pieces, 6), both ends of each piece in metres.
    """

    corner: tuple[int, int]
    step: tuple[int, int]
    blocks: Ints32
    tiles: Ints32
    start: Ints
    entries: Ints32
    spheres: Floats
    reach: Floats
    times: Ints
    first: Ints
    ends: Floats

    @classmethod
    def build(cls, shapes: Shapes, buffers_m: npt.ArrayLike, extent: Extent, times_us: Ints | None = None) -> PlaceIndex:
        """The table for shapes and their buffers.

        Args:
            shapes: mended shapes (`shapes.mend`), none of them None.
            buffers_m: metres for each, 610 or more.
            extent: of the region; points outside it are said to be free.
            times_us: (n, 2) instants between which a shape counts, the second left out; None for always.

        Memory: a kilobyte a tile of about a square kilometre that a buffer touches, at most some 250 MB for up to 100,000 places.
        """
        buffers = np.asarray(buffers_m, np.float64)
        if len(buffers) and not buffers.min() >= LEAST_BUFFER_M:
            raise ValueError(f"a buffer is under {LEAST_BUFFER_M} m")
        timed = times_us is not None
        pieces = pieces_of(shapes)
        ends = np.concatenate([earth_fixed(pieces.lon[:, k], pieces.lat[:, k]) for k in (0, 1)], axis=1)
        new = np.r_[True, pieces.line[1:] != pieces.line[:-1]] if len(pieces.line) else np.zeros(0, bool)
        along = np.arange(len(new)) - np.flatnonzero(new)[np.cumsum(new) - 1] if len(new) else np.zeros(0, np.int64)
        heads = np.flatnonzero(along % PIECES_PER_PART == 0)
        first = np.r_[heads, len(ends)].astype(np.int64)
        spheres, boxes = _spheres(ends, heads, first), _boxes(pieces.lon, pieces.lat, heads)
        owner = pieces.owner[heads]
        reach = buffers[owner]
        times = (
            np.asarray(times_us, np.int64)[owner]
            if times_us is not None
            else np.tile(np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max]), (len(heads), 1))
        )
        rings = rings_of(shapes)
        first_part = np.searchsorted(owner, rings.owner).astype(np.int64)
        for metres in PIXELS_M:
            made = _Raster.of(extent, metres)
            if made is None:
                continue
            spans = made.spans(boxes, reach)
            insides = made.spans(_ring_boxes(rings.start, rings.sides), np.zeros(len(rings.owner)))
            touched = np.zeros(made.blocks, np.bool_)
            kernels.touch(spans, touched, made.columns)
            kernels.touch(insides, touched, made.columns)
            if int(touched.sum()) <= MOST_TILES or metres == PIXELS_M[-1]:
                break
        if made is None:
            raise ValueError("the region is larger than the globe")
        blocks = np.where(touched, np.cumsum(touched).reshape(touched.shape) - 1, -1).astype(np.int32)
        tiles = np.full((int(touched.sum()), kernels.TILE), kernels.NOTHING, np.int32)
        counts = np.zeros(tiles.shape, np.int32)
        grid = (made.up, made.out, made.cos, made.sin, made.radius)
        sides = (rings.start, rings.sides, first_part, np.array(made.corner) / 1e6, np.array(made.step) / 1e6, made.columns)
        kernels.inside(insides, *sides, blocks, tiles, counts, np.empty(0, np.int64), np.empty(0, np.int32), timed, False)
        kernels.sweep(spans, spheres, reach, first, ends, *grid, blocks, tiles, counts, np.empty(0, np.int64), np.empty(0, np.int32), timed, False)
        listed = (tiles == kernels.NOTHING) & (counts > 0)
        start = np.r_[0, np.cumsum(counts[listed])].astype(np.int64)
        tiles[listed] = np.arange(int(listed.sum()))
        entries, filled = np.zeros(int(start[-1]), np.int32), start[:-1].copy()
        kernels.inside(insides, *sides, blocks, tiles, counts, filled, entries, timed, True)
        kernels.sweep(spans, spheres, reach, first, ends, *grid, blocks, tiles, counts, filled, entries, timed, True)
        return cls(made.corner, made.step, blocks, tiles, start, entries, spheres, reach, times, first, ends)

    def mark(self, lat_e6: Ints32, lon_e6: Ints32, t_us: Ints, out: Bytes, value: int) -> None:
        """Writes `value` where a point at its instant lies within a buffer, and `out` is 0.

        Args:
            lat_e6: millionths of a degree.
            lon_e6: millionths of a degree, within +-180,000,000.
            t_us: UTC microseconds.
            out: written to.
            value: above 0.
        """
        if len(self.tiles):
            kernels.look(
                lat_e6, lon_e6, t_us, *self.corner, *self.step, self.blocks, self.tiles, self.start, self.entries,
                self.spheres, self.reach, self.times, self.first, self.ends, out, value,
            )  # fmt: skip

    def covers(self, lat_e6: Ints32, lon_e6: Ints32) -> npt.NDArray[np.bool_]:
        """Whether points lie within a buffer, for lists without times."""
        out = np.zeros(len(lat_e6), np.uint8)
        self.mark(lat_e6, lon_e6, np.zeros(len(lat_e6), np.int64), out, 1)
        return out.astype(np.bool_)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(v.nbytes for v in vars(self).values() if isinstance(v, np.ndarray))


@dataclass(frozen=True)
class _Raster:
    """The pixels over an extent."""

    corner: tuple[int, int]
    step: tuple[int, int]
    blocks: tuple[int, int]
    columns: int  # that go once round the globe, or more than there are
    up: Floats  # per row: metres towards the north pole
    out: Floats  # per row: metres from the axis
    radius: Floats  # per row: how far a pixel reaches from its middle, with a margin
    cos: Floats  # per column
    sin: Floats

    @classmethod
    def of(cls, extent: Extent, metres: int) -> _Raster | None:
        side = kernels.SIDE
        south, north = extent.south, extent.south + extent.height
        nearest = 0.0 if south <= 0 <= north else min(abs(south), abs(north))
        step = (math.floor(metres / 111_700 * 1e6), math.floor(min(metres / (111_320 * math.cos(math.radians(nearest))), 1.0) * 1e6))
        corner = (math.floor(south * 1e6), math.floor(extent.west * 1e6))
        rows, columns = math.ceil(extent.height * 1e6 / step[0]) + 2, math.ceil(min(extent.width * 1e6 + step[1], 360e6) / step[1])
        blocks = (-(-rows // side), -(-columns // side))
        if blocks[0] * blocks[1] > MOST_BLOCKS and metres != PIXELS_M[-1]:
            return None
        lat = (corner[0] + step[0] * (np.arange(blocks[0] * side) + 0.5)) / 1e6
        lon = np.radians((corner[1] + step[1] * (np.arange(blocks[1] * side) + 0.5)) / 1e6)
        half = (step[0] / 2e6, step[1] / 2e6)
        inner = np.radians(np.maximum(np.abs(lat) - half[0], 0.0))
        radius = np.hypot(111_700 * half[0], 111_330 * np.cos(np.minimum(inner, math.pi / 2)) * half[1]) + MARGIN_M
        phi = np.radians(lat)
        normal = EQUATOR_M / np.sqrt(1 - SQUARED_ECCENTRICITY * np.sin(phi) ** 2)
        return cls(corner, step, blocks, columns, normal * (1 - SQUARED_ECCENTRICITY) * np.sin(phi), normal * np.cos(phi), radius, np.cos(lon), np.sin(lon))

    def spans(self, boxes: Floats, reach: Floats) -> Ints:
        """First row, last row, first column and number of columns of the pixels that boxes and their buffers touch (columns wrap round the globe)."""
        far = reach + float(self.radius.max()) + MARGIN_M
        lat = far / 110_500
        outer = np.minimum(np.maximum(np.abs(boxes[:, 1]), np.abs(boxes[:, 3])) + lat, 89.9999)
        lon = lat / np.cos(np.radians(outer)) * 1.01
        rows = self.blocks[0] * kernels.SIDE
        low = np.floor(((boxes[:, 1] - lat) * 1e6 - self.corner[0]) / self.step[0])
        high = np.floor(((boxes[:, 3] + lat) * 1e6 - self.corner[0]) / self.step[0])
        turn = math.ceil(360e6 / self.step[1])
        wide = np.minimum(np.ceil((boxes[:, 2] - boxes[:, 0] + 2 * lon) * 1e6 / self.step[1]) + 2, turn)
        whole = (wide >= turn) | (outer > 89.9)
        left = np.floor((((boxes[:, 0] - lon) * 1e6 - self.corner[1]) % 360e6) / self.step[1]) - 1
        left, wide = np.where(whole, 0, left), np.where(whole, turn, wide)
        low, high = np.maximum(low, 0), np.minimum(high, rows - 1)
        return cast("Ints", np.stack([low, high, left, wide, np.full(len(low), turn)], axis=1).astype(np.int64))


def _spheres(ends: Floats, heads: Ints, first: Ints) -> Floats:
    if not len(heads):
        return np.empty((0, 4))
    low = np.minimum(np.minimum.reduceat(ends[:, :3], heads), np.minimum.reduceat(ends[:, 3:], heads))
    high = np.maximum(np.maximum.reduceat(ends[:, :3], heads), np.maximum.reduceat(ends[:, 3:], heads))
    middle = (low + high) / 2
    of = np.repeat(np.arange(len(heads)), np.diff(first))
    away = np.maximum(np.linalg.norm(ends[:, :3] - middle[of], axis=1), np.linalg.norm(ends[:, 3:] - middle[of], axis=1))
    return np.concatenate([middle, np.maximum.reduceat(away, heads)[:, None]], axis=1)


def _boxes(lon: Floats, lat: Floats, heads: Ints) -> Floats:
    if not len(heads):
        return np.empty((0, 4))
    west, east = np.minimum.reduceat(lon.min(axis=1), heads), np.maximum.reduceat(lon.max(axis=1), heads)
    return np.stack([west, np.minimum.reduceat(lat.min(axis=1), heads), east, np.maximum.reduceat(lat.max(axis=1), heads)], axis=1)


def _ring_boxes(start: Ints, sides: Floats) -> Floats:
    if len(start) < 2:
        return np.empty((0, 4))
    at = start[:-1]
    return np.stack(
        [
            np.minimum.reduceat(sides[:, 0], at),
            np.minimum.reduceat(sides[:, 1], at),
            np.maximum.reduceat(sides[:, 0], at),
            np.maximum.reduceat(sides[:, 1], at),
        ],
        axis=1,
    )
