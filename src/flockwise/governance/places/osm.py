"""Sensitive places from OpenStreetMap files, read as a stream: nodes, ways, and areas of closed ways and multipolygon relations."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from flockwise.governance.places.shapes import Shapes
from flockwise.governance.places.tags import TagTable

__all__ = ["ENDINGS", "OsmError", "read_osm"]

ENDINGS = (".osm", ".osm.pbf", ".osm.gz", ".osm.bz2")
LARGE = 64 << 20  # larger files keep their nodes' positions in a temporary file instead of memory: public data
BATCH = 4096


class OsmError(Exception):
    """A file that libosmium can't read."""


def read_osm(path: Path, table: TagTable) -> Iterator[tuple[list[str], Shapes]]:
    """Batches of categories and geometries; a place of several categories comes once for each.

    An object that should be an area and can't be assembled comes as the lines and points that it consists of: its perimeter is then still known.
    """
    import osmium

    names: list[str] = []
    shapes: list[Any] = []

    def batch() -> tuple[list[str], Shapes]:
        out = np.empty(len(shapes), object)
        out[:] = shapes
        made = (names[:], out)
        names.clear()
        shapes.clear()
        return made

    try:
        for found, shape in _objects(osmium, path, table):
            names += found
            shapes += [shape] * len(found)
            if len(names) >= BATCH:
                yield batch()
    except (RuntimeError, ValueError, OSError, osmium.InvalidLocationError) as error:  # libosmium's errors; the last is a bare Exception
        raise OsmError(type(error).__name__) from error
    if names:
        yield batch()


def _objects(osmium: Any, path: Path, table: TagTable) -> Iterator[tuple[list[str], Any]]:
    factory = osmium.geom.WKBFactory()
    keys = osmium.filter.KeyFilter(*table.keys)
    relations: dict[int, tuple[list[str], list[tuple[str, int]]]] = {}
    for o in osmium.FileProcessor(str(path), osmium.osm.RELATION).with_filter(osmium.filter.KeyFilter(*table.keys)):
        if found := table.match(dict(o.tags)):
            relations[o.id] = (found, [(m.type, m.ref) for m in o.members])
    ways: dict[int, tuple[list[str], Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = "flex_mem" if path.stat().st_size < LARGE else f"sparse_file_array,{folder}/nodes"
        reader = osmium.FileProcessor(str(path)).with_locations(store).with_areas(osmium.filter.KeyFilter(*table.keys)).with_filter(keys)
        for o in reader:
            found = table.match(dict(o.tags))
            if not found:
                continue
            if o.is_node():
                yield found, shapely.Point(o.lon, o.lat)
            elif o.is_way():
                ways[o.id] = (found, _line(o))
            elif o.is_area():
                try:
                    shape = shapely.from_wkb(factory.create_multipolygon(o))
                except RuntimeError:
                    continue  # it comes as lines below
                (ways if o.from_way() else relations).pop(o.orig_id(), None)
                yield found, shape
    yield from ((found, line) for found, line in ways.values())
    if relations:
        yield from _members(osmium, path, relations)


def _members(osmium: Any, path: Path, relations: dict[int, tuple[list[str], list[tuple[str, int]]]]) -> Iterator[tuple[list[str], Any]]:
    """The ways and nodes of relations that are no areas."""
    wanted: dict[tuple[str, int], list[str]] = {}
    for found, members in relations.values():
        for member in members:
            wanted.setdefault(member, []).extend(found)
    ids = osmium.filter.IdFilter({ref for _, ref in wanted})
    seen = set()
    for o in osmium.FileProcessor(str(path)).with_locations().with_filter(ids):
        key = ("n" if o.is_node() else "w" if o.is_way() else "r", o.id)
        if key in wanted and key[0] != "r":
            seen.add(key)
            yield sorted(set(wanted[key])), shapely.Point(o.lon, o.lat) if o.is_node() else _line(o)
    for found, members in relations.values():
        if not any(member in seen for member in members):
            yield found, None  # nothing of it is in the file: it is counted as refused


def _line(way: Any) -> Any:
    at = [(n.lon, n.lat) for n in way.nodes if n.location.valid()]
    return None if not at else shapely.Point(at[0]) if len(at) == 1 else shapely.LineString(at)
