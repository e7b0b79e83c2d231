"""Points inside polygons, and points drawn around centres."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flockwise.simulate._jit import TOWNS, exponential, helper, kernel, normal, start, uniform
from flockwise.simulate._types import F64, I64, U64, whole

KM_PER_DEGREE = 111.32
TRIES = 40
ANY = whole(-1)  # any county


class Shapes(NamedTuple):
    """Polygons as flat arrays: polygon p has rings `rings[p]` to `rings[p + 1]`, ring r has points `points[r]` to `points[r + 1]`."""

    rings: I64
    points: I64
    x: F64
    y: F64
    box: F64  # west, south, east, north of each polygon


class Centres(NamedTuple):
    """Town centres: county c has centres `first[c]` to `first[c + 1]`; homes and jobs are cumulative shares within the county."""

    first: I64
    lat: F64
    lon: F64
    spread_km: F64
    homes: F64
    jobs: F64


class Land(NamedTuple):
    """Where people can be: the counties, without open water."""

    counties: Shapes
    water: Shapes
    centres: Centres


@helper
def inside(shapes: Shapes, polygon: int, lat: float, lon: float) -> bool:
    """Whether a point is in a polygon, by the even-odd rule over all its rings."""
    box = shapes.box
    if lon < box[polygon, 0] or lat < box[polygon, 1] or lon > box[polygon, 2] or lat > box[polygon, 3]:
        return False
    odd = False
    x, y, points = shapes.x, shapes.y, shapes.points  # taking an array out of a tuple costs an atomic count, so not in the loop
    for ring in range(shapes.rings[polygon], shapes.rings[polygon + 1]):
        low, high = points[ring], points[ring + 1]
        j = high - 1
        for i in range(low, high):
            yi, yj = y[i], y[j]
            if (yi > lat) != (yj > lat) and lon < (x[j] - x[i]) * (lat - yi) / (yj - yi) + x[i]:
                odd = not odd
            j = i
    return odd


@helper
def on_land(counties: Shapes, water: Shapes, county: int, lat: float, lon: float) -> bool:
    """Whether a point is in a county (in any, if county is ANY) and not in open water."""
    found = False
    first, last = (county, county + 1) if county >= 0 else (0, len(counties.box))
    for c in range(first, last):
        if inside(counties, c, lat, lon):
            found = True
            break
    if found:
        for w in range(len(water.box)):
            if inside(water, w, lat, lon):
                return False
    return found


@helper
def draw_near_centre(s: U64, land: Land, county: int, job: float) -> tuple[float, float]:
    """A home (job = 0) or a work place (1) in a county: a centre by its weight, a normal offset, one home in five further out."""
    counties, water, centres = land
    first, last = centres.first[county], centres.first[county + 1]
    share = centres.jobs if job > 0.0 else centres.homes
    centre = first
    for _ in range(TRIES):
        u = uniform(s)
        centre = first
        while centre < last - 1 and share[centre] < u:
            centre += 1
        spread = centres.spread_km[centre]
        u = uniform(s)
        if job > 0.0:
            spread *= 0.45 if u < 0.85 else 2.0
        elif u < 0.2:
            spread *= 2.6
        lat = centres.lat[centre] + normal(s, 0.0, spread) / KM_PER_DEGREE
        lon = centres.lon[centre] + normal(s, 0.0, spread) / (KM_PER_DEGREE * np.cos(np.radians(lat)))
        if on_land(counties, water, county, lat, lon):
            return lat, lon
    return centres.lat[centre], centres.lon[centre]


@helper
def draw_near_point(s: U64, land: Land, lat0: float, lon0: float, least_km: float, mean_km: float) -> tuple[float, float]:
    """A place at least `least_km` from a point, on land; the point itself if none is found."""
    counties, water, _ = land
    narrow = np.cos(np.radians(lat0))
    for _ in range(TRIES):
        distance = least_km + exponential(s, mean_km)
        angle = uniform(s) * 2.0 * np.pi
        lat = lat0 + distance * np.sin(angle) / KM_PER_DEGREE
        lon = lon0 + distance * np.cos(angle) / (KM_PER_DEGREE * narrow)
        if on_land(counties, water, ANY, lat, lon):
            return lat, lon
    return lat0, lon0


@kernel
def draw_towns(seed: np.uint64, shapes: Shapes, polygon: int, towns: F64) -> None:
    """Uniform points of a polygon (of its bounding box, should a thousand tries miss) as rows of `towns`, latitude first."""
    s = np.empty(1, np.uint64)
    start(s, seed, polygon, TOWNS)
    west, south, east, north = shapes.box[polygon]
    for i in range(len(towns)):
        for _ in range(1_000):
            towns[i, 0] = south + uniform(s) * (north - south)
            towns[i, 1] = west + uniform(s) * (east - west)
            if inside(shapes, polygon, towns[i, 0], towns[i, 1]):
                break


@helper
def distance_km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Distance on a flat map, good to a few in a thousand over 100 km."""
    dy = (lat_b - lat_a) * KM_PER_DEGREE
    dx = (lon_b - lon_a) * KM_PER_DEGREE * np.cos(np.radians(0.5 * (lat_a + lat_b)))
    return float(np.sqrt(dx * dx + dy * dy))


@helper
def draw_index(s: U64, cumulative: F64) -> int:
    """A position by cumulative shares."""
    u = uniform(s)
    low, high = 0, len(cumulative) - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > u:
            high = middle
        else:
            low = middle + 1
    return low
