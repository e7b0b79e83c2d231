"""Made-up sensitive places and gatherings in a simulated world: a few hundred, of every category, spread over the land as the seed has it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import shapely

from flockwise.governance import places
from flockwise.simulate._settings import Settings

__all__ = ["gatherings", "sensitive_places"]

AREA_CUT = 0.035
"""Share of the land that the places cut out, about: enough to practise on, and most of every county stays."""
MOST_PLACES = 200
GATHERINGS = 6
SOURCE = "simulated: none of these places is real"
_KM = 1 / 111.2  # degrees of latitude
_STREAM_PLACES, _STREAM_GATHERINGS = 71, 72


def sensitive_places(features: list[dict[str, Any]], settings: Settings) -> places.Listing:
    """The list: points, lines and blocks, at least one of each category, made up from the seed. Nobody has reviewed it.

    Args:
        features: the counties, as GeoJSON features.
        settings: of the simulation.
    """
    table = places.read_tags()
    land = shapely.union_all([shapely.from_geojson(json.dumps(f["geometry"])) for f in features])
    km2 = land.area * np.cos(np.radians(land.centroid.y)) / _KM**2
    each = np.pi * (places.LEAST_BUFFER_M / 1000) ** 2
    n = int(np.clip(AREA_CUT * km2 / each, len(table.categories), MOST_PLACES))
    rng = np.random.default_rng([settings.seed, _STREAM_PLACES])
    at = _on_land(land, n, rng)
    shapes = np.array([_shape(lon, lat, rng) for lon, lat in at], object)
    named = [table.categories[i % len(table.categories)] for i in range(n)]
    mended, _ = places.mend(shapes)
    source = places.Source(SOURCE, hashlib.sha256(b"".join(shapely.to_wkb(mended))).hexdigest(), n, n, 0, 0)
    return places.Listing.of([c.name for c in named], [c.buffer_m for c in named], mended, [source], settings.start)


def gatherings(features: list[dict[str, Any]], settings: Settings) -> str:
    """The CSV file of made-up gatherings, in the afternoons of the window."""
    land = shapely.union_all([shapely.from_geojson(json.dumps(f["geometry"])) for f in features])
    rng = np.random.default_rng([settings.seed, _STREAM_GATHERINGS])
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["category", "lat", "lon", "from", "to"])
    zone = ZoneInfo(settings.timezone)
    for lon, lat in _on_land(land, GATHERINGS, rng):
        day = settings.start + timedelta(days=int(rng.integers(settings.days)))
        begin = datetime.combine(day, time(int(rng.integers(12, 19))), zone)
        end = begin + timedelta(hours=int(rng.integers(1, 4)))
        rows.writerow([str(rng.choice(["political", "social"])), f"{lat:.6f}", f"{lon:.6f}", begin.isoformat(), end.isoformat()])
    return out.getvalue()


def _on_land(land: Any, n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    west, south, east, north = land.bounds
    shapely.prepare(land)
    kept = np.empty((0, 2))
    while len(kept) < n:
        tried = rng.random((4 * n, 2)) * [east - west, north - south] + [west, south]
        kept = np.concatenate([kept, tried[shapely.contains_xy(land, tried[:, 0], tried[:, 1])]])
    return kept[:n]


def _shape(lon: float, lat: float, rng: np.random.Generator) -> Any:
    """A point, a block of 40 to 160 m, or a line of some 100 m."""
    half = float(rng.uniform(20, 80)) / 1000 * _KM
    wide = half / float(np.cos(np.radians(lat)))
    kind = int(rng.integers(3))
    if kind == 0:
        return shapely.Point(lon, lat)
    return shapely.box(lon - wide, lat - half, lon + wide, lat + half) if kind == 1 else shapely.LineString([(lon - wide, lat), (lon + wide, lat + half)])
