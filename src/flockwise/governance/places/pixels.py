"""Which pixels a part of a perimeter covers, and which it may cover: compiled."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from flockwise.governance.places.kernels import HALF, SIDE, gap

__all__ = ["Grid", "Parts", "discs", "fill", "insides", "measure", "spread", "touch"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]


class Grid(NamedTuple):
    """Where the pixels are.

    Args:
        west: degrees, of the first column's western side.
        step: degrees, width of a pixel.
        up: per row of middles, metres towards the north pole.
        out: per row, metres from the axis.
        radius: per row, how far a pixel reaches from its middle, with a margin.
        cos: per column.
        sin: per column.
    """

    west: float
    step: float
    up: Floats
    out: Floats
    radius: Floats
    cos: Floats
    sin: Floats


class Parts(NamedTuple):
    """Some neighbouring pieces of a perimeter each, with a sphere around them.

    Args:
        lon: degrees of the sphere's centre.
        axis: metres from the Earth's axis to it.
        up: metres towards the north pole.
        size: metres, the sphere's radius.
        reach: metres, the buffer.
        rows: (parts, 2) first and last row that may be touched.
        first: (parts + 1,) into `ends`.
        ends: (pieces, 6) both ends of each piece in metres.
    """

    lon: Floats
    axis: Floats
    up: Floats
    size: Floats
    reach: Floats
    rows: Ints
    first: Ints
    ends: Floats


@njit(nogil=True, cache=True)
def _room(rows: Ints32, n: int, more: int) -> Ints32:
    """The array itself if it has room for more rows after n, or a larger copy."""
    if n + more <= len(rows):
        return rows
    out = np.empty((2 * n + more, rows.shape[1]), np.int32)
    out[:n] = rows[:n]
    return out


@njit(nogil=True, cache=True)
def _run(runs: Ints32, n: int, row: int, begin: float, width: float, part: int, grid: Grid) -> int:
    """Notes the columns of a row whose middles lie in an interval of degrees east of the first: (row, first, last, part). It may wrap: up to three runs."""
    columns = len(grid.cos)
    for turn in (-360.0, 0.0, 360.0):
        west = begin + turn
        if west + width < 0.0 or west > grid.step * columns:
            continue
        first = max(math.ceil(west / grid.step - 0.5), 0)
        last = min(math.floor((west + width) / grid.step - 0.5), columns - 1)
        if first <= last:
            runs[n, 0], runs[n, 1], runs[n, 2], runs[n, 3] = row, first, last, part
            n += 1
    return n


@njit(nogil=True, cache=True)
def discs(parts: Parts, grid: Grid, sure: bool) -> Ints32:
    """The pixels that lie within the buffer of each part's sphere as a whole (sure), or may hold a point within the buffer (not sure)."""
    runs, n = np.empty((0, 4), np.int32), 0
    for p in range(len(parts.lon)):
        runs = _room(runs, n, 3 * max(parts.rows[p, 1] + 1 - parts.rows[p, 0], 0))
        at, size = (parts.lon[p] - grid.west) % 360.0, -parts.size[p] if sure else parts.size[p]
        for r in range(parts.rows[p, 0], parts.rows[p, 1] + 1):
            away = parts.reach[p] + size + (-grid.radius[r] if sure else grid.radius[r])
            if away <= 0.0:
                continue
            # Two points at distances a and b from the axis, h apart along it, and an angle t around it: d^2 = h^2 + (a - b)^2 + 4 a b sin^2(t / 2).
            rest = away * away - (grid.up[r] - parts.up[p]) ** 2 - (grid.out[r] - parts.axis[p]) ** 2
            if rest < 0.0:
                continue
            rest /= max(4.0 * grid.out[r] * parts.axis[p], 1e-9)
            half = math.degrees(2.0 * math.asin(math.sqrt(rest))) if rest < 1.0 else 180.0
            n = _run(runs, n, r, at - half, 2.0 * half, p, grid)
    return runs[:n]


@njit(nogil=True, cache=True)
def insides(rows: Ints, start: Ints, sides: Floats, which: Ints, part: Ints, lat: Floats, grid: Grid) -> Ints32:
    """The pixels whose middle is inside one of the polygons `which` (even-odd along each row)."""
    runs, n = np.empty((0, 4), np.int32), 0
    for q in which:
        crossing = np.empty(start[q + 1] - start[q])
        for r in range(rows[q, 0], rows[q, 1] + 1):
            k = 0
            for s in range(start[q], start[q + 1]):
                if (sides[s, 1] > lat[r]) != (sides[s, 3] > lat[r]):
                    crossing[k] = sides[s, 0] + (lat[r] - sides[s, 1]) * (sides[s, 2] - sides[s, 0]) / (sides[s, 3] - sides[s, 1])
                    k += 1
            along = np.sort(crossing[:k])
            runs = _room(runs, n, 3 * k)
            for j in range(0, k - 1, 2):
                n = _run(runs, n, r, (along[j] - grid.west) % 360.0, along[j + 1] - along[j], part[q], grid)
    return runs[:n]


@njit(nogil=True, cache=True)
def touch(runs: Ints32, touched: npt.NDArray[np.bool_]) -> None:
    """Marks the blocks that hold pixels of the runs."""
    for k in range(len(runs)):
        for c in range(runs[k, 1] // SIDE, runs[k, 2] // SIDE + 1):
            touched[runs[k, 0] // SIDE, c] = True


@njit(nogil=True, cache=True)
def _bits(run: Ints32, c: int) -> np.uint64:
    """The pixels of a run in a column of blocks, as bits of its word in a tile."""
    low, high = max(run[1] - c * SIDE, 0), min(run[2] - c * SIDE, SIDE - 1)
    return ((np.uint64(2) << np.uint64(high)) - (np.uint64(1) << np.uint64(low))) << np.uint64(run[0] % HALF * SIDE)


@njit(nogil=True, cache=True)
def fill(runs: Ints32, blocks: Ints32, tiles: Words) -> None:
    """Marks the pixels of the runs as covered."""
    for k in range(len(runs)):
        r = runs[k, 0]
        for c in range(runs[k, 1] // SIDE, runs[k, 2] // SIDE + 1):
            tiles[blocks[r // SIDE, c], r % SIDE // HALF] |= _bits(runs[k], c)


@njit(nogil=True, cache=True)
def measure(runs: Ints32, parts: Parts, grid: Grid, blocks: Ints32, tiles: Words, timed: bool) -> Ints32:
    """Measures from the middle of each pixel to the part: covered, a pair of pixel and part that points are to be measured for, or neither.

    A pixel that a part covers at its time only is a pair with -1 - part.
    """
    pairs, n = np.empty((len(runs), 2), np.int32), 0
    for k in range(len(runs)):
        r, p = runs[k, 0], runs[k, 3]
        pairs = _room(pairs, n, runs[k, 2] - runs[k, 1] + 1)
        far, near = (parts.reach[p] + grid.radius[r]) ** 2, (parts.reach[p] - grid.radius[r]) ** 2
        for block in range(runs[k, 1] // SIDE, runs[k, 2] // SIDE + 1):
            tile, word = blocks[r // SIDE, block], r % SIDE // HALF
            free = _bits(runs[k], block) & ~tiles[tile, word]
            if not free:
                continue
            for c in range(max(runs[k, 1], block * SIDE), min(runs[k, 2], block * SIDE + SIDE - 1) + 1):
                pixel = r % SIDE * SIDE + c % SIDE
                bit = np.uint64(1) << np.uint64(pixel % 64)
                if not free & bit:
                    continue
                x, y, least = grid.out[r] * grid.cos[c], grid.out[r] * grid.sin[c], np.inf
                for e in range(parts.first[p], parts.first[p + 1]):
                    least = min(least, gap(x, y, grid.up[r], parts.ends, e))
                if least > far:
                    continue
                if least <= near and not timed:
                    tiles[tile, word] |= bit
                    continue
                pairs[n, 0], pairs[n, 1] = tile * SIDE * SIDE + pixel, p if least > near else -1 - p
                n += 1
    return pairs[:n]


@njit(nogil=True, cache=True)
def spread(runs: Ints32, blocks: Ints32) -> Ints32:
    """A pair of pixel and -1 - part for each pixel of the runs."""
    pairs, n = np.empty((0, 2), np.int32), 0
    for k in range(len(runs)):
        r = runs[k, 0]
        pairs = _room(pairs, n, runs[k, 2] - runs[k, 1] + 1)
        for c in range(runs[k, 1], runs[k, 2] + 1):
            pairs[n, 0], pairs[n, 1] = (blocks[r // SIDE, c // SIDE] * SIDE + r % SIDE) * SIDE + c % SIDE, -1 - runs[k, 3]
            n += 1
    return pairs[:n]
