"""The loops of the index of places, compiled."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["COVERED", "NOTHING", "SIDE", "TILE", "inside", "look", "sweep", "touch"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

SIDE = 16
TILE = SIDE * SIDE
NOTHING, COVERED = -1, -2


@njit(nogil=True, cache=True)
def touch(spans: Ints, touched: npt.NDArray[np.bool_], columns: int) -> None:
    """Marks the blocks that hold pixels of the spans (first row, last row, first column, columns, columns round the globe)."""
    for k in range(len(spans)):
        low, high, left, wide, turn = spans[k]
        for r in range(low // SIDE, high // SIDE + 1) if low <= high else range(0):
            j = 0
            while j < wide:
                c = (left + j) % turn
                if c >= columns:
                    j += turn - c  # on to the first column
                    continue
                touched[r, c // SIDE] = True
                j += min(SIDE - c % SIDE, turn - c)


@njit(nogil=True, cache=True)
def _gap(x: float, y: float, z: float, ends: Floats, k: int) -> float:
    """Squared distance from a point to a piece."""
    ax, ay, az = ends[k, 0] - x, ends[k, 1] - y, ends[k, 2] - z
    bx, by, bz = ends[k, 3] - ends[k, 0], ends[k, 4] - ends[k, 1], ends[k, 5] - ends[k, 2]
    length = bx * bx + by * by + bz * bz
    if length > 0.0:
        t = min(max(-(ax * bx + ay * by + az * bz) / length, 0.0), 1.0)
        ax, ay, az = ax + t * bx, ay + t * by, az + t * bz
    return float(ax * ax + ay * ay + az * az)


@njit(nogil=True, cache=True)
def _enter(tile: int, pixel: int, part: int, sure: bool, tiles: Ints32, counts: Ints32, filled: Ints, entries: Ints32, timed: bool, filling: bool) -> None:
    """Notes that a part covers a pixel (sure) or may cover points of it."""
    if not filling:
        if sure and not timed:
            tiles[tile, pixel] = COVERED
        else:
            counts[tile, pixel] += 1
    elif tiles[tile, pixel] >= 0:
        at = tiles[tile, pixel]
        entries[filled[at]] = -1 - part if sure else part
        filled[at] += 1


@njit(nogil=True, cache=True)
def sweep(
    spans: Ints,
    spheres: Floats,
    reach: Floats,
    first: Ints,
    ends: Floats,
    up: Floats,
    out: Floats,
    cos: Floats,
    sin: Floats,
    radius: Floats,
    blocks: Ints32,
    tiles: Ints32,
    counts: Ints32,
    filled: Ints,
    entries: Ints32,
    timed: bool,
    filling: bool,
) -> None:
    """Sets every pixel against every part near it: covered, to be measured, or neither. Counts first, fills the lists in a second run."""
    for p in range(len(spans)):
        low, high, left, wide, turn = spans[p]
        sx, sy, sz, size = spheres[p]
        for r in range(low, high + 1):
            far, near = reach[p] + radius[r], reach[p] - radius[r]
            for j in range(wide):
                c = (left + j) % turn
                if c >= len(cos):
                    continue
                tile, pixel = blocks[r // SIDE, c // SIDE], (r % SIDE) * SIDE + c % SIDE
                if tiles[tile, pixel] == COVERED:
                    continue
                x, y, z = out[r] * cos[c], out[r] * sin[c], up[r]
                away = math.sqrt((x - sx) ** 2 + (y - sy) ** 2 + (z - sz) ** 2)
                if away - size > far:
                    continue
                sure = away + size <= near
                if not sure:
                    least = np.inf
                    for k in range(first[p], first[p + 1]):
                        least = min(least, _gap(x, y, z, ends, k))
                    least = math.sqrt(least)
                    if least > far:
                        continue
                    sure = least <= near
                _enter(tile, pixel, p, sure, tiles, counts, filled, entries, timed, filling)


@njit(nogil=True, cache=True)
def inside(
    spans: Ints,
    start: Ints,
    sides: Floats,
    part: Ints,
    corner: Floats,
    step: Floats,
    columns: int,
    blocks: Ints32,
    tiles: Ints32,
    counts: Ints32,
    filled: Ints,
    entries: Ints32,
    timed: bool,
    filling: bool,
) -> None:
    """Covers the pixels whose middle is inside a polygon (even-odd along each row)."""
    for q in range(len(spans)):
        low, high, left, wide, turn = spans[q]
        most = start[q + 1] - start[q]
        crossing = np.empty(most)
        middle = 0.0
        for k in range(start[q], start[q + 1]):
            middle += sides[k, 0] / most
        for r in range(low, high + 1):
            lat = corner[0] + step[0] * (r + 0.5)
            n = 0
            for k in range(start[q], start[q + 1]):
                if (sides[k, 1] > lat) != (sides[k, 3] > lat):
                    crossing[n] = sides[k, 0] + (lat - sides[k, 1]) * (sides[k, 2] - sides[k, 0]) / (sides[k, 3] - sides[k, 1])
                    n += 1
            if n == 0:
                continue
            row = np.sort(crossing[:n])
            for j in range(wide):
                c = (left + j) % turn
                if c >= blocks.shape[1] * SIDE:
                    continue
                lon = corner[1] + step[1] * (c + 0.5)
                lon = middle + (lon - middle + 180.0) % 360.0 - 180.0
                if np.searchsorted(row, lon) % 2 == 1:
                    tile = blocks[r // SIDE, c // SIDE]
                    if tile >= 0:
                        _enter(tile, (r % SIDE) * SIDE + c % SIDE, part[q], True, tiles, counts, filled, entries, timed, filling)


@njit(nogil=True, cache=True)
def look(
    lat: Ints32,
    lon: Ints32,
    t: Ints,
    south: int,
    west: int,
    high: int,
    wide: int,
    blocks: Ints32,
    tiles: Ints32,
    start: Ints,
    entries: Ints32,
    spheres: Floats,
    reach: Floats,
    times: Ints,
    first: Ints,
    ends: Floats,
    out: Bytes,
    value: int,
) -> None:
    """Writes `value` for the points that are covered and not yet marked."""
    rows, columns = blocks.shape[0] * SIDE, blocks.shape[1] * SIDE
    up, across, to_radians = 1.0 / high, 1.0 / wide, math.pi / 180e6
    for i in range(len(lat)):
        dx = np.int64(lon[i]) - west
        if dx < 0:
            dx += 360_000_000
        elif dx >= 360_000_000:
            dx -= 360_000_000
        dy = np.int64(lat[i]) - south
        r, c = np.int64(dy * up), np.int64(dx * across)
        if dy < 0 or r >= rows or c >= columns or out[i] != 0:
            continue
        tile = blocks[r // SIDE, c // SIDE]
        if tile < 0:
            continue
        code = tiles[tile, (r % SIDE) * SIDE + c % SIDE]
        if code == NOTHING:
            continue
        if code == COVERED:
            out[i] = value
            continue
        phi, lam = lat[i] * to_radians, lon[i] * to_radians
        s = math.sin(phi)
        normal = 6_378_137.0 / math.sqrt(1.0 - 6.69437999014e-3 * s * s)
        h = normal * math.cos(phi)
        x, y, z = h * math.cos(lam), h * math.sin(lam), normal * (1.0 - 6.69437999014e-3) * s
        for e in range(start[code], start[code + 1]):
            p = entries[e]
            sure = p < 0
            if sure:
                p = -1 - p
            if not times[p, 0] <= t[i] < times[p, 1]:
                continue
            hit = sure
            if not sure:
                b = reach[p]
                away = (x - spheres[p, 0]) ** 2 + (y - spheres[p, 1]) ** 2 + (z - spheres[p, 2]) ** 2
                if away > (b + spheres[p, 3]) ** 2:
                    continue
                if b > spheres[p, 3] and away <= (b - spheres[p, 3]) ** 2:
                    hit = True
                else:
                    for k in range(first[p], first[p + 1]):
                        if _gap(x, y, z, ends, k) <= b * b:
                            hit = True
                            break
            if hit:
                out[i] = value
                break
