"""The counties, the commuting table and the places that the package carries."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np

from flockwise.errors import ConfigError
from flockwise.simulate._geometry import Centres, Land, Shapes, draw_towns
from flockwise.simulate._types import F64, I64


class Popular(NamedTuple):
    """Places that many people visit; the first is the stadium of the event."""

    lat: F64
    lon: F64
    spread_km: F64
    weight: F64


@dataclass(frozen=True)
class Geography:
    """The chosen counties, in the order of their GEOIDs.

    Args:
        geoids: census GEOIDs.
        names: names of the counties.
        population: residents of each county.
        commuters: the real table, home county x work county.
        land: polygons and town centres.
        popular: places that many people visit.
        features: the counties as GeoJSON features.
    """

    geoids: tuple[str, ...]
    names: tuple[str, ...]
    population: F64
    commuters: F64
    land: Land
    popular: Popular
    features: list[dict[str, Any]]


def load(counties: tuple[str, ...], seed: int) -> Geography:
    """The geography of a choice of counties.

    Raises:
        ConfigError: a county is not one of New York State's.
    """
    known = _counties()
    unknown = sorted(set(counties) - set(known))
    if unknown:
        raise ConfigError(
            "SIMULATE_COUNTY",
            what="A county is not in the commuting table.",
            got=", ".join(unknown[:5]),
            expected="census GEOIDs of New York State, such as 36061",
            state="Nothing was written.",
            fix="Choose from the counties of New York State.",
        )
    geoids = tuple(sorted(counties))
    polygons = [_rings(known[g]["geometry"]) for g in geoids]
    shapes = _flat(polygons)
    population = np.array([float(known[g]["population"]) for g in geoids])
    position = {g: i for i, g in enumerate(geoids)}
    commuters = np.zeros((len(geoids), len(geoids)))
    for origin, destination, flow in _flows():
        if origin in position and destination in position:
            commuters[position[origin], position[destination]] += flow
    centres, popular = _places(geoids, shapes, population, seed)
    water = [_rings(f["geometry"]) for f in json.loads(_text("water.geojson"))["features"]]
    return Geography(
        geoids,
        tuple(str(known[g]["name"]) for g in geoids),
        population,
        commuters,
        Land(shapes, _flat(water), centres),
        popular,
        [{"type": "Feature", "properties": {"name": known[g]["name"], "GEOID": g}, "geometry": known[g]["geometry"]} for g in geoids],
    )


def _text(name: str) -> str:
    data = resources.files("flockwise.simulate").joinpath("data", name).read_bytes()
    return (gzip.decompress(data) if name.endswith(".gz") else data).decode()


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(_text(name))))


@cache
def _counties() -> dict[str, dict[str, Any]]:
    names = {row["geoid"]: row["name"] for row in _rows("counties.csv")}
    found = {}
    for feature in json.loads(_text("NY_counties_2011.geojson.gz"))["features"]:
        geoid = feature["properties"]["tile_id"]
        found[geoid] = {"name": names[geoid], "population": feature["properties"]["population"], "geometry": feature["geometry"]}
    return found


@cache
def _flows() -> list[tuple[str, str, float]]:
    return [(row["origin"], row["destination"], float(row["flow"])) for row in _rows("NY_commuting_flows_2011.csv.gz")]


def _rings(geometry: dict[str, Any]) -> list[F64]:
    polygons = geometry["coordinates"] if geometry["type"] == "MultiPolygon" else [geometry["coordinates"]]
    return [np.asarray(ring, dtype=np.float64) for polygon in polygons for ring in polygon]


def _flat(polygons: list[list[F64]]) -> Shapes:
    rings = [ring for polygon in polygons for ring in polygon]
    every = np.concatenate(rings)
    box = np.array([[*np.concatenate(p).min(0), *np.concatenate(p).max(0)] for p in polygons])
    return Shapes(
        np.cumsum([0, *map(len, polygons)], dtype=np.int64),
        np.cumsum([0, *map(len, rings)], dtype=np.int64),
        np.ascontiguousarray(every[:, 0]),
        np.ascontiguousarray(every[:, 1]),
        box,
    )


def _places(geoids: tuple[str, ...], shapes: Shapes, population: F64, seed: int) -> tuple[Centres, Popular]:
    """Centres and popular places: by hand where the package knows the county, from the seed elsewhere."""
    table = [row for row in _rows("places.csv") if row["geoid"] in geoids]
    first, centres, popular = [0], [], []
    for i, geoid in enumerate(geoids):
        mine = [_numbers(row) for row in table if row["geoid"] == geoid and row["kind"] == "centre"]
        mine = mine or _seeded_centres(shapes, i, float(population[i]), seed)
        block = np.array(mine)
        block[:, 3:] = np.cumsum(block[:, 3:] / block[:, 3:].sum(0), axis=0)
        centres.append(block)
        first.append(first[-1] + len(block))
        spots = sorted((row["kind"] != "stadium", _numbers(row)) for row in table if row["geoid"] == geoid and row["kind"] != "centre")
        if not spots:
            spots = [(True, [*mine[0][:2], 0.3, float(population[i]) / 250_000, 0.0])]
        popular += [(kind, -population[i], numbers) for kind, numbers in spots]
    popular.sort(key=lambda spot: (spot[0], spot[1]))
    every = np.concatenate(centres)
    spot_table = np.array([numbers for _, _, numbers in popular])
    columns = [np.ascontiguousarray(every[:, k]) for k in range(5)]
    return (
        Centres(np.array(first, dtype=np.int64), *columns),
        Popular(*(np.ascontiguousarray(spot_table[:, k]) for k in range(4))),
    )


def _numbers(row: dict[str, str]) -> list[float]:
    return [float(row[k]) for k in ("lat", "lon", "spread_km", "homes", "jobs")]


def _seeded_centres(shapes: Shapes, county: int, population: float, seed: int) -> list[list[float]]:
    """A mixture of towns for a county: more with more people, a few of them with most of the homes and nearly all jobs."""
    towns = np.empty((int(np.clip(3 + population / 40_000, 3, 14)), 2))
    draw_towns(np.uint64(seed), shapes, county, towns)
    return [[*map(float, town), 1.8 / rank**0.2, 1.0 / rank**0.8, 1.0 / rank**1.6] for rank, town in enumerate(towns, 1)]


def correlation(a: F64 | I64, b: F64 | I64) -> float:
    """Pearson's correlation of two tables, cell by cell; not a number if either is constant."""
    x, y = np.asarray(a, dtype=np.float64).ravel(), np.asarray(b, dtype=np.float64).ravel()
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / scale if scale > 0 else float("nan")
