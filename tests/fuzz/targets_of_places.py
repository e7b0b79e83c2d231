"""Targets of the officer's files: sensitive places in every format, gatherings, and what is written about recipients and incidents."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import h3
from tests.fuzz.running import ends_well, folder
from tests.unit.trail._made import KEY
from tests.unit.trail._made import made as a_trail

from flockwise.base.region import Region
from flockwise.governance.places import Extent, Listing, build, read_tags
from flockwise.governance.places.gatherings import read_gatherings

__all__ = ["EXTENT", "PLACES", "TODAY"]

EXTENT = Extent.of(Region.from_cells(h3.grid_disk(h3.latlng_to_cell(40.7, -74.0, 7), 3), 7))
TODAY = date(2026, 5, 1)


def _built(name: str, content: bytes) -> str | None:
    with folder() as path:
        (path / name).write_bytes(content)

        def work() -> None:
            made = build([path / name], read_tags(), EXTENT, TODAY)
            made.write(path / "places.parquet")
            # What was written can be read, and is what was built.
            assert Listing.read(path / "places.parquet").digest == made.digest

        code = ends_well(work)
        assert {p.name for p in path.iterdir()} == ({name} if code else {name, "places.parquet"})
        return code


def places_geojson(content: bytes) -> str | None:
    """Places as GeoJSON, through GDAL."""
    return _built("places.geojson", content)


def places_gpkg(content: bytes) -> str | None:
    """Places as GeoPackage, which is an SQLite file, through GDAL."""
    return _built("places.gpkg", content)


def places_geoparquet(content: bytes) -> str | None:
    """Places as GeoParquet."""
    return _built("raw.parquet", content)


def osm(content: bytes) -> str | None:
    """An extract of OpenStreetMap."""
    return _built("extract.osm", content)


def osm_pbf(content: bytes) -> str | None:
    """The same in its binary form."""
    opened = set(Path("/proc/self/fd").iterdir())
    try:
        return _built("extract.osm.pbf", content)
    finally:
        # libosmium leaves a damaged file open: a build reads a few files, a long run thousands.
        for file in set(Path("/proc/self/fd").iterdir()) - opened:
            with suppress(OSError):
                if "extract.osm.pbf" in str(file.readlink()):
                    os.close(int(file.name))


def places_list(content: bytes) -> str | None:
    """The list that a study names."""
    with folder() as path:
        (path / "places.parquet").write_bytes(content)
        return ends_well(lambda: Listing.read(path / "places.parquet").counts)


def tags(content: bytes) -> str | None:
    """A file that adds to the table of tags."""
    with folder() as path:
        (path / "tags.toml").write_bytes(content)
        return ends_well(lambda: read_tags(path / "tags.toml").match({"amenity": "clinic", "a": "b;c"}))


def gatherings(content: bytes) -> str | None:
    """A list of gatherings."""
    with folder() as path:
        (path / "gatherings.csv").write_bytes(content)
        return ends_well(lambda: read_gatherings(path / "gatherings.csv", 120))


def recipient(content: bytes) -> str | None:
    """The name of a recipient and the words of an incident, which the trail keeps and the register prints."""
    text = content.decode("utf-8", "surrogateescape")
    with folder() as path:
        trail = a_trail(path / "trail")
        before = len(trail.events())
        codes = {
            ends_well(lambda: trail.append("recipient", {"release": "ab" * 32, "name": text, "purpose": "academic-research"}, KEY)),
            ends_well(lambda: trail.append("incident", {"kind": "loss", "what": text}, KEY)),
        }
        assert len(codes) == 1
        assert len(trail.events()) == before + 2 * (codes == {None})
        return codes.pop()


PLACES: dict[str, Callable[[bytes], str | None]] = {
    t.__name__: t for t in (places_geojson, places_gpkg, places_geoparquet, osm, osm_pbf, places_list, tags, gatherings, recipient)
}
