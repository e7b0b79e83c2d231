"""Studies with a list of sensitive places, and a delivery with a ping at each of three places."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import shapely
from tests.unit.store._made import START_US, US, study, write

from flockwise.config import PlacesSpec, Study
from flockwise.governance import places
from flockwise.store import keys

CLINIC, HOME, MOSQUE = (40.75, -73.95), (40.70, -74.00), (40.80, -73.88)


def listed(folder: Path, at: list[tuple[float, float]]) -> Study:
    """A study with a reviewed list of these places."""
    made = study(folder).model_copy(update={"places": PlacesSpec(file=folder / "places.parquet")})
    if not made.store.key.exists():
        keys.create(made.store.key)
    shapes = shapely.points([lon for _, lon in at], [lat for lat, _ in at])
    places.Listing.of(["worship"] * len(at), [610] * len(at), shapes, [], date(2026, 3, 1)).write(folder / "places.parquet")
    places.review(made, "A. Officer", none_in_region=not at)
    return made


def delivery(path: Path) -> str:
    """One ping at each of the three places, of another device each time."""
    where = [CLINIC, HOME, MOSQUE]
    at = START_US + int.from_bytes(path.name.encode()[:2], "big") * US  # another content for each name
    table = {"device_id": [5, 6, 7], "ts": pa.array([at] * 3, pa.timestamp("us", "UTC")), "lat": [p[0] for p in where], "lon": [p[1] for p in where]}
    return write(pa.table(table), path)
