"""Outlines near a region: land, border lines and names, cut from the bundled TopoJSON.

Coordinates leave as whole numbers of 1e-4 degrees (about 10 m), far finer than the outlines themselves.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from flockwise import viewer

__all__ = ["Basemap", "Box", "Places", "basemap", "box_around"]

Floats = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]
_UNITED_STATES = "840"
_STEP = 1e-4


@dataclass(frozen=True)
class Basemap:
    """What is drawn under and over the cells: lists of flat [x0, y0, x1, y1, ...] in 1e-4 degrees."""

    land: list[list[int]]
    lines: dict[str, list[list[int]]]
    places: list[tuple[str, float, float, float]]


class Topology:
    """A TopoJSON file with quantised arcs."""

    def __init__(self, text: str) -> None:
        content: dict[str, Any] = json.loads(text)
        scale = np.array(content["transform"]["scale"])
        shift = np.array(content["transform"]["translate"])
        self.arcs: list[Floats] = [np.cumsum(np.array(arc), axis=0) * scale + shift for arc in content["arcs"]]
        self.objects: dict[str, list[dict[str, Any]]] = {name: value["geometries"] for name, value in content["objects"].items()}

    @cached_property
    def arc_boxes(self) -> Floats:
        """West, south, east, north of each arc."""
        return np.array([(*arc.min(axis=0), *arc.max(axis=0)) for arc in self.arcs])

    def polygons(self, geometry: dict[str, Any]) -> Iterator[list[list[int]]]:
        """The polygons of a geometry, as lists of rings of arc numbers."""
        if geometry["type"] == "Polygon":
            yield geometry["arcs"]
        elif geometry["type"] == "MultiPolygon":
            yield from geometry["arcs"]

    def ring(self, numbers: Iterable[int]) -> Floats:
        """A ring's vertices; arcs share their end points, a negative number is an arc backwards."""
        parts = [self.arcs[n] if n >= 0 else self.arcs[~n][::-1] for n in numbers]
        return np.concatenate([parts[0], *(part[1:] for part in parts[1:])])

    def meets(self, numbers: Iterable[int], box: Box) -> bool:
        """Whether the rectangle around a ring meets `box`."""
        boxes = self.arc_boxes[[n if n >= 0 else ~n for n in numbers]]
        return bool(boxes[:, 0].min() <= box[2] and boxes[:, 2].max() >= box[0] and boxes[:, 1].min() <= box[3] and boxes[:, 3].max() >= box[1])


@cache
def _topology(name: str) -> Topology:
    return Topology(viewer.outlines(name))


def box_around(lon: Floats, lat: Floats) -> Box:
    """The rectangle that the map may be moved in: it holds the whole region on a screen three times as wide as high, and on an upright one."""
    west, east, south, north = float(lon.min()), float(lon.max()), float(lat.min()), float(lat.max())
    width, height = east - west, north - south
    dx = max(1.2 * width, 2.6 * height / max(math.cos(math.radians((south + north) / 2)), 0.2), 0.3)
    dy = max(1.2 * height, width, 0.3)
    return max(west - dx, -180.0), max(south - dy, -85.0), min(east + dx, 180.0), min(north + dy, 85.0)


def basemap(box: Box) -> Basemap:
    """Land, borders and county names inside `box`."""
    counties, countries = _topology("counties"), _topology("countries")
    land: list[list[int]] = []
    lines: dict[str, list[list[int]]] = {"county": [], "state": [], "country": [], "coast": []}
    places: list[tuple[str, float, float, float]] = []
    borders: dict[int, int] = {}
    for country in countries.objects["countries"]:
        for polygon in countries.polygons(country):
            if countries.meets(polygon[0], box):
                _add(land, clip(countries.ring(polygon[0]), box), box)
                _count(borders, polygon)
    _add_lines(lines, countries, {n: "country" if times > 1 else "coast" for n, times in borders.items()}, box)
    uses: dict[int, int] = {}
    for county in counties.objects["counties"]:
        middles: list[tuple[float, float, float]] = []
        for polygon in counties.polygons(county):
            if counties.meets(polygon[0], box):
                _count(uses, polygon)
                middles.append(_middle(counties.ring(polygon[0])))
        if middles:
            places.append((str(county["properties"]["name"]), *max(middles, key=lambda middle: middle[2])))
    # The coast is that of Natural Earth; of the counties only what divides two of them is drawn.
    kinds = {n: "county" for n, times in uses.items() if times > 1}
    states: dict[int, int] = {}
    for state in counties.objects["states"]:
        for polygon in counties.polygons(state):
            _count(states, polygon)
    kinds.update({n: "state" for n, times in states.items() if times > 1 and n in kinds})
    _add_lines(lines, counties, kinds, box)
    return Basemap(land, lines, sorted(places))


def clip(ring: Floats, box: Box) -> Floats:
    """The part of a ring inside a rectangle (Sutherland and Hodgman 1974), possibly empty; edges may run along the rectangle."""
    for axis, limit, sign in ((0, box[0], 1), (0, box[2], -1), (1, box[1], 1), (1, box[3], -1)):
        if len(ring) == 0:
            return ring
        inside = sign * (ring[:, axis] - limit) >= 0
        if inside.all():
            continue
        out: list[Floats] = []
        for i in range(len(ring)):
            a, b = ring[i - 1], ring[i]
            if inside[i] != inside[i - 1]:
                out.append(a + (b - a) * (limit - a[axis]) / (b[axis] - a[axis]))
            if inside[i]:
                out.append(b)
        ring = np.array(out).reshape(-1, 2)
    return ring


class Places:
    """Names for points: the county (United States) or country that holds them, else the nearest county or country."""

    def __init__(self, box: Box) -> None:
        counties, countries = _topology("counties"), _topology("countries")
        states = {str(g["id"]): str(g["properties"]["name"]) for g in counties.objects["states"]}
        self.names: list[tuple[str, str]] = []
        self.rings: list[list[Floats]] = []
        for topology, key in ((counties, "counties"), (countries, "countries")):
            for shape in topology.objects[key]:
                if str(shape.get("id")) == _UNITED_STATES:
                    continue
                rings = [topology.ring(r) for p in topology.polygons(shape) if topology.meets(p[0], box) for r in p]
                if rings:
                    wider = states.get(str(shape["id"])[:2], "") if key == "counties" else ""
                    self.names.append((str(shape["properties"]["name"]), wider))
                    self.rings.append(rings)

    def of(self, lon: Floats, lat: Floats) -> list[tuple[str, str]]:
        """(name, wider name) for every point; ("", "") where there are no outlines at all."""
        if not self.names:
            return [("", "")] * len(lon)
        owner = np.full(len(lon), -1)
        for i, rings in enumerate(self.rings):
            odd = np.zeros(len(lon), dtype=bool)
            for ring in rings:
                odd ^= _inside(ring, lon, lat)
            owner[odd & (owner < 0)] = i
        lost = np.flatnonzero(owner < 0)
        if lost.size:
            gaps = np.array([min(_gaps(ring, lon[k], lat[k]) for ring in rings) for rings in self.rings for k in lost])
            owner[lost] = gaps.reshape(len(self.rings), lost.size).argmin(axis=0)
        return [self.names[int(i)] for i in owner]


def _gaps(ring: Floats, lon: float, lat: float) -> float:
    """Squared distance in degrees of latitude from a point to the nearest vertex of a ring."""
    east = (ring[:, 0] - lon) * math.cos(math.radians(lat))
    return float((east**2 + (ring[:, 1] - lat) ** 2).min())


def _inside(ring: Floats, lon: Floats, lat: Floats) -> npt.NDArray[np.bool_]:
    a, b = ring[:-1], ring[1:]
    # Only what passes the points' own band of latitude can be crossed.
    near = (np.maximum(a[:, 1], b[:, 1]) >= lat.min()) & (np.minimum(a[:, 1], b[:, 1]) <= lat.max())
    a, b = a[near], b[near]
    spans = (a[:, 1][None, :] > lat[:, None]) != (b[:, 1][None, :] > lat[:, None])
    rise = np.where(b[:, 1] == a[:, 1], 1.0, b[:, 1] - a[:, 1])
    cross = a[:, 0] + (lat[:, None] - a[:, 1]) * (b[:, 0] - a[:, 0]) / rise
    odd: npt.NDArray[np.bool_] = (np.count_nonzero(spans & (cross > lon[:, None]), axis=1) % 2).astype(bool)
    return odd


def _middle(ring: Floats) -> tuple[float, float, float]:
    """Centre of area and area (square degrees) of a ring."""
    x, y = ring[:-1, 0] - ring[0, 0], ring[:-1, 1] - ring[0, 1]
    u, v = np.roll(x, -1), np.roll(y, -1)
    cross = x * v - u * y
    area = float(cross.sum()) / 2
    if abs(area) < 1e-12:
        return float(ring[:, 0].mean()), float(ring[:, 1].mean()), 0.0
    return (
        round(float(((x + u) * cross).sum()) / (6 * area) + float(ring[0, 0]), 4),
        round(float(((y + v) * cross).sum()) / (6 * area) + float(ring[0, 1]), 4),
        round(abs(area), 6),
    )


def _count(uses: dict[int, int], polygon: list[list[int]]) -> None:
    for ring in polygon:
        for n in ring:
            uses[n if n >= 0 else ~n] = uses.get(n if n >= 0 else ~n, 0) + 1


def _flat(points: Floats, box: Box) -> list[int]:
    """Whole numbers, without the vertices that no screen can tell from the one before in a box as wide as this."""
    grid = np.rint(points / ((box[2] - box[0]) / 4000))
    kept = np.r_[True, (np.diff(grid, axis=0) != 0).any(axis=1)]
    kept[-1] = True
    whole = np.rint(points[kept] / _STEP).astype(np.int64)
    return [int(v) for v in whole.ravel()]


def _add(target: list[list[int]], ring: Floats, box: Box) -> None:
    flat = _flat(ring, box) if len(ring) >= 3 else []
    if len(flat) >= 6:
        target.append(flat)


def _add_lines(lines: dict[str, list[list[int]]], topology: Topology, kinds: dict[int, str], box: Box) -> None:
    for n in sorted(kinds):
        west, south, east, north = topology.arc_boxes[n]
        if west <= box[2] and east >= box[0] and south <= box[3] and north >= box[1]:
            lines[kinds[n]].append(_flat(topology.arcs[n], box))
