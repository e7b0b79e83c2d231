"""Which points lie within the buffer of a sensitive place: looked up in pixels, and measured only where a buffer's edge crosses one.

Distances are straight lines through space from the point to the pieces of a perimeter (`shapes`): within 0.06 m of the geodesic distance for every
buffer up to 20 km, at every latitude below 89 degrees, and across the antimeridian. The inside of a polygon needs no test of its own at the door:
a pixel reaches no further than half a buffer from its middle, so one whose middle is inside is covered as a whole, and any other point inside lies
within a buffer of the perimeter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flockwise.governance.places.extent import Extent
from flockwise.governance.places.kernels import FREE, FULL, HALF, WORDS, look, number, order
from flockwise.governance.places.pixels import Parts, discs, fill, insides, measure, spread, touch
from flockwise.governance.places.raster import COARSEST_M, Raster
from flockwise.governance.places.shapes import Shapes, earth_fixed, pieces_of, rings_of
from flockwise.governance.places.tags import LEAST_BUFFER_M

__all__ = ["PlaceIndex"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

PIECES_PER_PART = 8
PIXELS_M = (64, 96, 144, 216, 324, COARSEST_M)
MOST_TILES = 1_000_000  # 64 bytes each
MOST_TILES_EVER = 8_000_000  # pixels are numbered in 32 bits while the table is built


@dataclass(frozen=True, eq=False)
class PlaceIndex:
    """The lookup table of a list of places in a region. Make it with `PlaceIndex.build`. Public facts only.

    Args:
        corner: latitude and longitude of the raster's south-western corner, in millionths of a degree.
        step: height and width of a pixel, in millionths of a degree.
        blocks: int32 (rows, columns) of 16 by 16 pixels each: the number of a tile.
        tiles: uint64 (tiles, 8), the bits of `kernels.WORDS`; the first two stand for all tiles that are free and that are covered.
        before: int32 (tiles,), how many edge pixels earlier tiles hold.
        start: int32 (edge pixels + 1,) into `entries`.
        entries: int32, numbers of parts to measure; -1 - part where the part covers the whole pixel at its time.
        spheres: (parts, 6) in metres: centre of a sphere around each part, and squared: how near to it is surely within the buffer, how far surely not
            within it, and the buffer.
        times: int64 (parts, 2), UTC microseconds between which a part counts, the second left out; (0, 2) if all count always.
        first: int64 (parts + 1,) into `ends`.
        ends: (pieces, 6), both ends of each piece in metres.
    """

    corner: tuple[int, int]
    step: tuple[int, int]
    blocks: Ints32
    tiles: Words
    before: Ints32
    start: Ints32
    entries: Ints32
    spheres: Floats
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

        Memory: 64 bytes for each tile of about a square kilometre that an edge of a buffer crosses, and 8 for each of its pixels that one crosses.
        """
        buffers = np.asarray(buffers_m, np.float64)
        if len(buffers) and not buffers.min() >= LEAST_BUFFER_M:
            raise ValueError(f"a buffer is under {LEAST_BUFFER_M} m")
        pieces = pieces_of(shapes)
        ends = np.concatenate([earth_fixed(pieces.lon[:, k], pieces.lat[:, k]) for k in (0, 1)], axis=1)
        new = np.r_[True, pieces.line[1:] != pieces.line[:-1]] if len(pieces.line) else np.zeros(0, bool)
        along = np.arange(len(new)) - np.flatnonzero(new)[np.cumsum(new) - 1] if len(new) else np.zeros(0, np.int64)
        heads = np.flatnonzero(along % PIECES_PER_PART == 0)
        first = np.r_[heads, len(ends)].astype(np.int64)
        spheres, owner = _spheres(ends, heads, first), pieces.owner[heads]
        reach, rings = buffers[owner], rings_of(shapes)
        south, north = _between(pieces.lat, heads)
        low, high = _between(rings.sides[:, 1::2], rings.start[:-1])
        first_part = np.searchsorted(owner, rings.owner)
        raster = None
        # Few gatherings lie far apart: coarse pixels keep their table of blocks in a core's cache.
        for metres in PIXELS_M if times_us is None else (COARSEST_M,):
            raster = Raster.of(extent, metres)
            if raster is None:
                continue
            x, y, z, size = np.ascontiguousarray(spheres.T)
            grid, rows = raster.grid, raster.rows(south, north, reach)
            parts = Parts(np.degrees(np.arctan2(y, x)), np.hypot(x, y), z, size, reach, rows, first, ends)
            # From inside a polygon the perimeter is no further than half its height: of a low one the buffer covers the inside.
            tall = np.flatnonzero((high - low) * 111_700 / 2 > reach[first_part] - grid.radius.max())
            inside = np.empty((0, 4), np.int32)
            if len(tall):
                inside = insides(raster.rows(low, high, np.zeros(len(low))), rings.start, rings.sides, tall, first_part, raster.lat, grid)
            near, touched = discs(parts, grid, sure=False), np.zeros(raster.blocks, np.bool_)
            touch(near, touched)
            touch(inside, touched)
            if int(touched.sum()) <= MOST_TILES or metres == COARSEST_M:
                break
        if raster is None or int(touched.sum()) > MOST_TILES_EVER:
            raise ValueError("the places cover more than an index can hold")
        blocks = np.where(touched, np.cumsum(touched).reshape(touched.shape) + FULL, FREE).astype(np.int32)
        tiles = np.zeros((int(touched.sum()) + FULL + 1, WORDS), np.uint64)
        if times_us is None:
            fill(inside, blocks, tiles)
            fill(discs(parts, grid, sure=True), blocks, tiles)
        pairs = measure(near, parts, grid, blocks, tiles, timed=times_us is not None)
        if times_us is not None:
            pairs = np.concatenate([spread(inside, blocks), pairs])
        before = np.zeros(len(tiles) + 1, np.int32)
        pairs = pairs[: number(pairs, tiles, before)]
        start = np.zeros(int(before[-1]) + 1, np.int32)
        entries = order(pairs, start)
        blocks, tiles, before = _shrunk(blocks, tiles, before)
        sure = np.where(reach > size, (reach - size) ** 2, -1.0)
        bounds = np.stack([x, y, z, sure, (reach + size) ** 2, reach**2], axis=1)
        times = np.empty((0, 2), np.int64) if times_us is None else np.asarray(times_us, np.int64)[owner]
        return cls(raster.corner, raster.step, blocks, tiles, before, start, entries, bounds, times, first, ends)

    def mark(self, lat_e6: Ints32, lon_e6: Ints32, t_us: Ints, out: Bytes, value: int) -> None:
        """Writes `value` where a point at its instant lies within a buffer, and `out` is 0.

        Args:
            lat_e6: millionths of a degree.
            lon_e6: millionths of a degree, within +-180,000,000.
            t_us: UTC microseconds.
            out: written to.
            value: above 0.
        """
        if len(self.spheres):
            look(
                lat_e6, lon_e6, t_us, *self.corner, *self.step, self.blocks, self.tiles, self.before, self.start, self.entries,
                self.spheres, self.times, self.first, self.ends, out, value,
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


def _spheres(ends: Floats, heads: Ints, first: Ints) -> Floats:
    if not len(heads):
        return np.empty((0, 4))
    low = np.minimum(np.minimum.reduceat(ends[:, :3], heads), np.minimum.reduceat(ends[:, 3:], heads))
    high = np.maximum(np.maximum.reduceat(ends[:, :3], heads), np.maximum.reduceat(ends[:, 3:], heads))
    middle = (low + high) / 2
    of = np.repeat(np.arange(len(heads)), np.diff(first))
    away = np.maximum(np.linalg.norm(ends[:, :3] - middle[of], axis=1), np.linalg.norm(ends[:, 3:] - middle[of], axis=1))
    return np.concatenate([middle, np.maximum.reduceat(away, heads)[:, None]], axis=1)


def _between(lat: Floats, heads: Ints) -> tuple[Floats, Floats]:
    """Least and greatest latitude from each head to the next."""
    if not len(heads):
        return np.empty(0), np.empty(0)
    return np.minimum.reduceat(lat.min(axis=1), heads), np.maximum.reduceat(lat.max(axis=1), heads)


def _shrunk(blocks: Ints32, tiles: Words, before: Ints32) -> tuple[Ints32, Words, Ints32]:
    """The same without tiles that are free, or covered, as a whole: those are the first two for all blocks."""
    free, full = ~tiles.any(axis=1), (tiles[:, :HALF] == ~np.uint64(0)).all(axis=1)
    kept = ~(free | full)
    kept[[FREE, FULL]] = True
    to = np.where(kept, np.cumsum(kept) - 1, np.where(full, FULL, FREE)).astype(np.int32)
    tiles = tiles[kept]
    tiles[FULL, :HALF] = ~np.uint64(0)
    return to[blocks], tiles, before[:-1][kept]
