"""Fast H3 indexing for one region: a raster of pixels that lie inside one cell, half-space tests beside the edges, and H3 itself for the rest.

A side of an H3 cell is an arc of a great circle, so a point lies inside a cell exactly when it is on the inner side of six planes through the
centre of the Earth. Points closer than a few centimetres to a plane, and those near pentagons and cells with distorted corners, are left to
the H3 library, so that every answer equals its answer. It works on millionths of a degree: the position that is stored decides the cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import h3
import numpy as np
import numpy.typing as npt
from h3ronpy.vector import cells_to_coordinates, cells_to_wkb_polygons, coordinates_to_cells
from numba import njit

from flockwise.base.h3bits import resolution_of
from flockwise.base.region import Region

__all__ = ["CellGrid"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

PIXELS_PER_CELL = 128
MOST_PIXELS = 4_000_000
MOST_CELLS = 200_000
HIGHEST_LATITUDE = 80.0
POINT_MARGIN = 1e-8  # radians on the unit sphere, 6 cm on Earth; float rounding is a million times smaller
EARTH_KM = 6371.0088

UNSURE = -3
OUTSIDE = -1

_HEXAGON_WKB = 1 + 4 + 4 + 4 + 7 * 16


@dataclass(frozen=True, eq=False)
class CellGrid:
    """The lookup table of a region. Make it with `CellGrid.build`.

    Args:
        region: the cells that are looked for.
        raster: int32 (rows, columns): a position in the region, -1 outside, or -2 - k where the sides of candidate cell k must be tested; empty if
            every row goes to the H3 library.
        origin: latitude and longitude of the raster's corner, in millionths of a degree.
        step: height and width of a pixel, in millionths of a degree.
        planes: (candidates, 6, 3) inward normals of the sides.
        beyond: (candidates, 6) the candidate across each side, or -1.
        place: (candidates,) position in the region, or -1 for the ring around it.
    """

    region: Region
    raster: Ints32
    origin: tuple[int, int]
    step: tuple[int, int]
    planes: Floats
    beyond: Ints32
    place: Ints32

    @classmethod
    def build(cls, region: Region, most_pixels: int = MOST_PIXELS) -> CellGrid:
        """The table for a region. Regions that cross the antimeridian, come near a pole or are too sparse get an empty one (slower, same answers).

        Args:
            region: cells at one resolution.
            most_pixels: bound of the raster's size; a pixel takes 4 bytes.
        """
        exact = cls(region, np.empty((0, 0), np.int32), (0, 0), (1, 1), np.empty((0, 6, 3)), np.empty((0, 6), np.int32), np.empty(0, np.int32))
        if not 0 < len(region) <= MOST_CELLS or not most_pixels:
            return exact
        corners, _ = _corners(region.cells)
        lat, lon = corners[..., 0], corners[..., 1]
        south, north, west, east = (float(f(a)) for a, f in ((lat, np.min), (lat, np.max), (lon, np.min), (lon, np.max)))
        # A cell that crosses the antimeridian has corners near -180 and +180.
        if max(-south, north) > HIGHEST_LATITUDE or float((np.max(lon, axis=1) - np.min(lon, axis=1)).max()) > 180:
            return exact
        shape = _pixel(region.resolution, (south, north, west, east), most_pixels)
        if shape is None:
            return exact
        step, rows, columns = shape
        cells, planes, beyond, place, centres = _geometry(region)
        origin = (math.floor(south * 1e6) - step[0], math.floor(west * 1e6) - step[1])
        lat_lines = np.radians((origin[0] + step[0] * np.arange(rows + 1)) / 1e6)
        lon_lines = np.radians((origin[1] + step[1] * np.arange(columns + 1)) / 1e6)
        lat_mid, lon_mid = (lat_lines[1:] + lat_lines[:-1]) / 2, (lon_lines[1:] + lon_lines[:-1]) / 2
        middle = np.full((rows, columns), UNSURE, np.int32)
        _sow(middle, centres, np.array(origin), np.array(step))
        _spread(middle, lat_mid, lon_mid, planes, beyond)
        _leave_out(middle, np.array(origin), np.array(step), _boxes(cells))
        _finish(middle, lat_mid, lon_mid, cells, region.resolution)
        # The northern side of a pixel bulges from the great circle through its corners by at most width^2 / 16.
        margin = 10 * POINT_MARGIN + 1.1 * math.radians(step[1] / 1e6) ** 2 / 16
        _classify(middle, lat_lines, lon_lines, planes, place, margin)
        return cls(region, middle, origin, step, planes, beyond, place)

    def index(self, lat_e6: Ints32, lon_e6: Ints32) -> Ints32:
        """Position in the region of the cell that holds each point, or -1.

        Args:
            lat_e6: latitudes in millionths of a degree (WGS 84), within +-90,000,000.
            lon_e6: longitudes, within +-180,000,000.

        Returns:
            int32, in the order given; always what the H3 library says.
        """
        out = np.full(len(lat_e6), UNSURE, np.int32)
        if self.raster.size:
            _look(lat_e6, lon_e6, self.raster, np.array(self.origin), np.array(self.step), self.planes, self.beyond, self.place, out)
        rest = np.flatnonzero(out == UNSURE)
        if len(rest):
            out[rest] = self.region.index_of(_h3(lat_e6[rest] / 1e6, lon_e6[rest] / 1e6, self.region.resolution))
        return out


def _h3(lat: Floats, lon: Floats, resolution: int) -> Ints:
    return np.asarray(coordinates_to_cells(lat, lon, resolution)).view(np.int64)


def _corners(cells: Ints) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Corners of cells in degrees (latitude, longitude), shape (n, 6, 2), and which cells have exactly six: the others get corners of their box."""
    out = np.full((len(cells), 6, 2), np.nan)
    shapes = cells_to_wkb_polygons(cells.astype(np.uint64)).to_pylist()
    plain = np.array([len(s) == _HEXAGON_WKB for s in shapes])
    if plain.any():
        joined = np.frombuffer(b"".join(s for s in shapes if len(s) == _HEXAGON_WKB), np.uint8).reshape(-1, _HEXAGON_WKB)
        out[plain] = np.ascontiguousarray(joined[:, 13:]).view("<f8").reshape(-1, 7, 2)[:, :6, ::-1]
    for i in np.flatnonzero(~plain):  # pentagons and distorted cells: their extent is needed, their sides are not used
        ring = np.array(h3.cell_to_boundary(f"{int(cells[i]):x}"))
        out[i] = np.concatenate([ring.min(axis=0, keepdims=True), ring.max(axis=0, keepdims=True)])[[0, 1, 0, 1, 0, 1]]
    return out, plain


def _sphere(lat: Floats, lon: Floats) -> Floats:
    lat, lon = np.radians(lat), np.radians(lon)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def _pixel(resolution: int, box: tuple[float, float, float, float], most: int) -> tuple[tuple[int, int], int, int] | None:
    """Step of the raster in millionths of a degree, and its rows and columns, or None if the pixels would be too coarse to be of use."""
    south, north, west, east = box
    km = math.degrees(1) / EARTH_KM
    cell = h3.average_hexagon_area(resolution, "km^2") * km * km  # square degrees at the equator
    shrink = math.cos(math.radians(max(abs(south), abs(north))))
    area = max((north - south) * (east - west) * shrink, cell)
    per_cell = min(PIXELS_PER_CELL, 0.9 * most * cell / area)
    if per_cell < 16:
        return None
    side = math.sqrt(cell / per_cell) * 1e6
    step = (math.ceil(side), math.ceil(side / shrink))
    rows, columns = math.ceil((north - south) * 1e6 / step[0]) + 3, math.ceil((east - west) * 1e6 / step[1]) + 3
    return (step, rows, columns) if rows * columns <= 2 * most else None


def _geometry(region: Region) -> tuple[Ints, Floats, Ints32, Ints32, Ints32]:
    """The candidates (the region's cells and the ring around them): cells, planes, neighbours, positions, centres in millionths of a degree."""
    own = region.cells
    ring = np.setdiff1d(_across(own), own)
    cells = np.concatenate([own, ring])
    points = cells_to_coordinates(cells.astype(np.uint64))
    lat, lon = np.asarray(points["lat"]), np.asarray(points["lng"])
    corners, plain = _corners(cells)
    at = _sphere(corners[..., 0], corners[..., 1])
    planes = np.cross(at, np.roll(at, -1, axis=1))
    planes /= np.maximum(np.linalg.norm(planes, axis=-1, keepdims=True), 1e-300)
    planes[~plain] = 0.0  # every test of a cell that is no plain hexagon says "unsure"
    beyond = _find(cells, _across(cells))
    place = np.concatenate([np.arange(len(own)), np.full(len(ring), OUTSIDE)]).astype(np.int32)
    return cells, planes, beyond, place, np.rint(np.stack([lat, lon], axis=-1) * 1e6).astype(np.int32)


def _find(cells: Ints, wanted: Ints) -> Ints32:
    """Position of each wanted cell in `cells` (in any order), or -1."""
    order = np.argsort(cells)
    found = order[np.minimum(np.searchsorted(cells[order], wanted), len(cells) - 1)]
    return np.where(cells[found] == wanted, found, -1).astype(np.int32)


def _across(cells: Ints) -> Ints:
    """The cell across each of the six sides, shape (n, 6)."""
    corners, plain = _corners(cells)
    at = _sphere(corners[..., 0], corners[..., 1])
    points = cells_to_coordinates(cells.astype(np.uint64))
    centre = _sphere(np.asarray(points["lat"]), np.asarray(points["lng"]))[:, None, :]
    middle = (at + np.roll(at, -1, axis=1)) / 2
    out = middle + 0.2 * (middle - centre)
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    lat, lon = np.degrees(np.arcsin(out[..., 2])), np.degrees(np.arctan2(out[..., 1], out[..., 0]))
    found = _h3(lat.ravel(), lon.ravel(), int(resolution_of(cells[:1])[0])).reshape(-1, 6)
    for i in np.flatnonzero(~plain):
        around = [int(c, 16) for c in h3.grid_disk(f"{int(cells[i]):x}", 1)]
        found[i] = [*(c for c in around if c != cells[i]), *around][:6]
    return found


@njit(nogil=True, cache=True)
def _sow(middle: Ints32, centres: Ints32, origin: Ints, step: Ints) -> None:
    for k in range(len(centres)):
        r, c = (centres[k, 0] - origin[0]) // step[0], (centres[k, 1] - origin[1]) // step[1]
        if 0 <= r < middle.shape[0] and 0 <= c < middle.shape[1]:
            middle[r, c] = k


@njit(nogil=True, cache=True)
def _walk(x: float, y: float, z: float, k: int, planes: Floats, beyond: Ints32) -> int:
    """The candidate that holds a point, walking from candidate k across the side that it violates most; UNSURE close to a side or off the map."""
    for _ in range(64):
        least, side = 2.0, 0
        for e in range(6):
            d = planes[k, e, 0] * x + planes[k, e, 1] * y + planes[k, e, 2] * z
            if d < least:
                least, side = d, e
        if least > POINT_MARGIN:
            return k
        if least >= -POINT_MARGIN:
            return UNSURE
        k = beyond[k, side]
        if k < 0:
            return UNSURE
    return UNSURE


@njit(nogil=True, cache=True)
def _spread(middle: Ints32, lat: Floats, lon: Floats, planes: Floats, beyond: Ints32) -> None:
    """Finds the cell of every pixel's middle by walking from a neighbouring pixel; two passes, so that seeds reach both sides of them."""
    rows, columns = middle.shape
    cos_lon, sin_lon = np.cos(lon), np.sin(lon)
    for turn in range(2):
        for i in range(rows):
            r = i if turn == 0 else rows - 1 - i
            z, h = math.sin(lat[r]), math.cos(lat[r])
            below = r - 1 if turn == 0 else r + 1
            for j in range(columns):
                c = j if turn == 0 else columns - 1 - j
                left = c - 1 if turn == 0 else c + 1
                start = middle[r, c]
                if turn == 1 and start >= 0:
                    continue
                if start < 0 and 0 <= left < columns:
                    start = middle[r, left]
                if start < 0 and 0 <= below < rows:
                    start = middle[below, c]
                if start >= 0:
                    middle[r, c] = _walk(h * cos_lon[c], h * sin_lon[c], z, start, planes, beyond)


def _boxes(cells: Ints) -> Ints:
    """A box around each cell in millionths of a degree (south, north, west, east), shape (n, 4)."""
    corners, _ = _corners(cells)
    lat, lon = corners[..., 0], corners[..., 1]
    # The northern side of a box bulges from the great circle through its corners, by less than width^2 / 16; nothing else reaches out of the corners' box.
    bulge = np.degrees(np.radians(np.ptp(lon, axis=1)) ** 2 / 16)
    south, north = lat.min(axis=1) - bulge, lat.max(axis=1) + bulge
    return np.rint(1e6 * np.stack([south, north, lon.min(axis=1), lon.max(axis=1)], axis=-1)).astype(np.int64)


@njit(nogil=True, cache=True)
def _leave_out(middle: Ints32, origin: Ints, step: Ints, boxes: Ints) -> None:
    """Says OUTSIDE of the pixels that no walk has reached and that are more than a pixel away from the boxes of all candidates, without asking H3.

    Most of the raster of a region of many cities is such.
    """
    rows, columns = middle.shape
    near = np.zeros((rows, columns), np.bool_)
    for k in range(len(boxes)):
        first, last = (boxes[k, 0] - origin[0]) // step[0] - 1, (boxes[k, 1] - origin[0]) // step[0] + 2
        left, right = (boxes[k, 2] - origin[1]) // step[1] - 1, (boxes[k, 3] - origin[1]) // step[1] + 2
        near[max(0, first) : max(0, last), max(0, left) : max(0, right)] = True
    for r in range(rows):
        for c in range(columns):
            if middle[r, c] == UNSURE and not near[r, c]:
                middle[r, c] = OUTSIDE


def _finish(middle: Ints32, lat: Floats, lon: Floats, cells: Ints, resolution: int) -> None:
    """Asks the H3 library about the pixels that no walk has reached; OUTSIDE where no candidate holds the middle.

    A pixel's diagonal is shorter than a side, and two sides lie between the region and what is beyond the ring: such a pixel touches no cell of it.
    """
    r, c = np.nonzero(middle == UNSURE)
    if len(r):
        middle[r, c] = _find(cells, _h3(np.degrees(lat[r]), np.degrees(lon[c]), resolution))


@njit(nogil=True, cache=True)
def _classify(middle: Ints32, lat: Floats, lon: Floats, planes: Floats, place: Ints32, margin: float) -> None:
    """Turns the cell of a pixel's middle into the raster's code: sure if all four corners lie inside it by more than the margin."""
    rows, columns = middle.shape
    cos_lon, sin_lon = np.cos(lon), np.sin(lon)
    for r in range(rows):
        z0, h0, z1, h1 = math.sin(lat[r]), math.cos(lat[r]), math.sin(lat[r + 1]), math.cos(lat[r + 1])
        for c in range(columns):
            k = middle[r, c]
            if k < 0:
                continue
            sure = True
            for e in range(6):
                a, b, q = planes[k, e, 0], planes[k, e, 1], planes[k, e, 2]
                left, right = a * cos_lon[c] + b * sin_lon[c], a * cos_lon[c + 1] + b * sin_lon[c + 1]
                low, high = min(left, right), q
                if min(h0 * low + high * z0, h1 * low + high * z1) <= margin:
                    sure = False
                    break
            middle[r, c] = place[k] if sure else -2 - k


@njit(nogil=True, cache=True)
def _look(lat: Ints32, lon: Ints32, raster: Ints32, origin: Ints, step: Ints, planes: Floats, beyond: Ints32, place: Ints32, out: Ints32) -> None:
    rows, columns = raster.shape
    up, across = 1.0 / step[0], 1.0 / step[1]
    to_radians = math.pi / 180e6
    for i in range(len(lat)):
        y, x = (lat[i] - origin[0]) * up, (lon[i] - origin[1]) * across
        if y < 0 or x < 0 or y >= rows or x >= columns:
            out[i] = OUTSIDE
            continue
        code = raster[int(y), int(x)]
        if code >= OUTSIDE:
            out[i] = code
            continue
        phi, lam = lat[i] * to_radians, lon[i] * to_radians
        h = math.cos(phi)
        k = _walk(h * math.cos(lam), h * math.sin(lam), math.sin(phi), -2 - code, planes, beyond)
        out[i] = UNSURE if k < 0 else place[k]
