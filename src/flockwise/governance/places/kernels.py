"""What a point's pixel says of it, and measuring where the pixel does not know: compiled."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["FREE", "FULL", "HALF", "SIDE", "WORDS", "gap", "look", "number", "order"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

SIDE = 16
"""Pixels on a side of a tile."""
HALF, WORDS = 4, 8
"""A tile is one line of memory: four words with a bit a pixel that says covered, then four that say edge. Four rows of pixels are a word."""
FREE, FULL = 0, 1
"""Numbers of the tiles without any bit and with every bit of the first half."""
BATCH = 2048  # points whose lines of memory are asked for together


@njit(nogil=True, cache=True)
def gap(x: float, y: float, z: float, ends: Floats, k: int) -> float:
    """Squared distance from a point to a piece."""
    ax, ay, az = ends[k, 0] - x, ends[k, 1] - y, ends[k, 2] - z
    bx, by, bz = ends[k, 3] - ends[k, 0], ends[k, 4] - ends[k, 1], ends[k, 5] - ends[k, 2]
    length = bx * bx + by * by + bz * bz
    if length > 0.0:
        t = min(max(-(ax * bx + ay * by + az * bz) / length, 0.0), 1.0)
        ax, ay, az = ax + t * bx, ay + t * by, az + t * bz
    return float(ax * ax + ay * ay + az * az)


@njit(nogil=True, cache=True)
def _ones(word: np.uint64) -> np.int64:
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(nogil=True, cache=True)
def _place(tiles: Words, tile: int, pixel: int) -> np.int64:
    """How many edge pixels of a tile come before one."""
    word = pixel // 64
    found = _ones(tiles[tile, HALF + word] & ((np.uint64(1) << np.uint64(pixel % 64)) - np.uint64(1)))
    for w in range(HALF, HALF + word):
        found += _ones(tiles[tile, w])
    return found


@njit(nogil=True, cache=True)
def number(pairs: Ints32, tiles: Words, before: Ints32) -> int:
    """Marks the pixels of pairs as edges unless they are covered, forgets those pairs, and writes into `before` how many edges earlier tiles hold.

    Returns the number of pairs that are left; they come first, with the number of the edge in place of the pixel.
    """
    kept = 0
    for k in range(len(pairs)):
        tile, pixel = pairs[k, 0] // (SIDE * SIDE), pairs[k, 0] % (SIDE * SIDE)
        bit = np.uint64(1) << np.uint64(pixel % 64)
        if not tiles[tile, pixel // 64] & bit:
            tiles[tile, HALF + pixel // 64] |= bit
            pairs[kept, 0], pairs[kept, 1] = pairs[k, 0], pairs[k, 1]
            kept += 1
    edges = np.int64(0)
    for tile in range(len(tiles)):
        before[tile] = edges
        for w in range(HALF, WORDS):
            edges += _ones(tiles[tile, w])
    before[len(tiles)] = edges
    for k in range(kept):
        tile = pairs[k, 0] // (SIDE * SIDE)
        pairs[k, 0] = before[tile] + _place(tiles, tile, pairs[k, 0] % (SIDE * SIDE))
    return kept


@njit(nogil=True, cache=True)
def order(pairs: Ints32, start: Ints32) -> Ints32:
    """The parts of all edges, those of one edge in a row; `start` (edges + 1) comes in with zeros."""
    out = np.empty(len(pairs), np.int32)
    for k in range(len(pairs)):
        start[pairs[k, 0]] += 1
    for e in range(1, len(start)):
        start[e] += start[e - 1]
    for k in range(len(pairs) - 1, -1, -1):
        start[pairs[k, 0]] -= 1
        out[start[pairs[k, 0]]] = pairs[k, 1]
    return out


@njit(nogil=True, cache=True)
def _within(x: float, y: float, z: float, t: int, begin: int, end: int, entries: Ints32, spheres: Floats, times: Ints, first: Ints, ends: Floats) -> bool:
    """Whether a point lies within the buffer of one of the parts of an edge."""
    for e in range(begin, end):
        p = entries[e] if entries[e] >= 0 else -1 - entries[e]
        if len(times) and not times[p, 0] <= t < times[p, 1]:
            continue
        if entries[e] < 0:
            return True
        away = (x - spheres[p, 0]) ** 2 + (y - spheres[p, 1]) ** 2 + (z - spheres[p, 2]) ** 2
        if away > spheres[p, 4]:
            continue
        if away <= spheres[p, 3]:
            return True
        for k in range(first[p], first[p + 1]):
            if gap(x, y, z, ends, k) <= spheres[p, 5]:
                return True
    return False


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
    tiles: Words,
    before: Ints32,
    start: Ints32,
    entries: Ints32,
    spheres: Floats,
    times: Ints,
    first: Ints,
    ends: Floats,
    out: Bytes,
    value: int,
) -> None:
    """Writes `value` for the points that are covered and not yet marked.

    Rounds over a batch, each of which reads one table for all points and has no branch that depends on a point: so the memory for many points is on its
    way at the same time. Each round goes on with fewer points: those outside of free tiles, then those in edge pixels.
    """
    rows, columns = blocks.shape[0] * SIDE, blocks.shape[1] * SIDE
    up, across, to_radians = 1.0 / high, 1.0 / wide, math.pi / 180e6
    near, tile, pixel = np.empty(BATCH, np.int32), np.empty(BATCH, np.int32), np.empty(BATCH, np.int32)
    edge, begins, to, at = np.empty(BATCH, np.int32), np.empty(BATCH, np.int32), np.empty(BATCH, np.int32), np.empty((BATCH, 3))
    for begin in range(0, len(lat), BATCH):
        n = min(BATCH, len(lat) - begin)
        found = np.int64(0)
        for i in range(n):
            dx = np.int64(lon[begin + i]) - west
            dx += 360_000_000 if dx < 0 else 0
            dx -= 360_000_000 if dx >= 360_000_000 else 0
            dy = np.int64(lat[begin + i]) - south
            r, c = np.int64(dy * up), np.int64(dx * across)
            on = dy >= 0 and r < rows and c < columns
            row, column = np.uint64(r if on else 0), np.uint64(c if on else 0)  # unsigned: an index that can't be negative needs no test
            of = blocks[row // np.uint64(SIDE), column // np.uint64(SIDE)] if on else FREE
            near[found], tile[found] = i, of
            pixel[found] = row % np.uint64(SIDE) * np.uint64(SIDE) + column % np.uint64(SIDE)
            found += np.int64(of != FREE)
        edges = np.int64(0)
        for k in range(found):
            i, word, bit = begin + near[k], np.uint64(pixel[k]) // np.uint64(64), np.uint64(pixel[k]) % np.uint64(64)
            covered = (tiles[np.uint64(tile[k]), word] >> bit) & np.uint64(1)
            out[i] = out[i] if out[i] or not covered else value
            edge[edges] = k
            edges += np.int64((tiles[np.uint64(tile[k]), word + np.uint64(HALF)] >> bit) & np.uint64(1))
        left = 0
        for j in range(edges):
            k = edge[j]
            e = before[tile[k]] + _place(tiles, tile[k], pixel[k])
            if out[begin + near[k]] == 0:
                edge[left], begins[left], to[left] = near[k], start[e], start[e + 1]
                left += 1
        for k in range(left):
            e = entries[begins[k]]
            at[k, 0] = spheres[e if e >= 0 else -1 - e, 0]  # so that it is on its way
        for k in range(left):
            i = begin + edge[k]
            phi, lam = lat[i] * to_radians, lon[i] * to_radians
            s = math.sin(phi)
            normal = 6_378_137.0 / math.sqrt(1.0 - 6.69437999014e-3 * s * s)
            h = normal * math.cos(phi)
            at[k, 0], at[k, 1], at[k, 2] = h * math.cos(lam), h * math.sin(lam), normal * (1.0 - 6.69437999014e-3) * s
        for k in range(left):
            i = begin + edge[k]
            if _within(at[k, 0], at[k, 1], at[k, 2], t[i], begins[k], to[k], entries, spheres, times, first, ends):
                out[i] = value
