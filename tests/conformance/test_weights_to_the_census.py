"""A panel that covers half of its region half as well as the other half: the first release shows it, and weights from that release mend the second."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import h3
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from h3ronpy.vector import coordinates_to_cells

from flockwise import api, artifact
from flockwise.api.outcome import Outcome
from flockwise.census import nights
from flockwise.governance import places

Ints = npt.NDArray[np.int64]

START, DAYS, LEVEL, GREATEST = date(2026, 5, 4), 3, 5, 24
TABLES = f"""[[tables]]
kind = "presence"
resolution = {LEVEL}
coarser = [{LEVEL - 1}]
slot_minutes = 60
greatest_hold_min = 60
"""


@dataclass(frozen=True)
class Mended:
    """What the two studies published, and what is known of the people who were made up."""

    root: Path
    areas: Ints
    people: Ints
    west: npt.NDArray[np.bool_]
    first: Outcome

    def night(self, release: str) -> npt.NDArray[np.float64]:
        """Mean night presence of the areas as published, NaN where withheld."""
        found = nights(artifact.read(self.root / release))[LEVEL]
        at = dict(zip(found.cells.tolist(), found.devices.tolist(), strict=True))
        return np.array([at.get(a, np.nan) for a in self.areas.tolist()])


def homes(pings: pa.Table) -> tuple[Ints, Ints]:
    """Devices, and for each the area where it is most, nights above all."""
    pings = pings.select(["device_id", "ts", "lat", "lon"]).drop_null()
    lat, lon = pings["lat"].to_numpy(), pings["lon"].to_numpy()
    near = (np.abs(lat - 40.8) < 1.0) & (np.abs(lon + 73.9) < 1.0)
    local = (pc.cast(pings["ts"], pa.timestamp("s", tz="UTC"), safe=False).cast(pa.int64()).to_numpy()[near] - 4 * 3600) % 86_400
    device, lat, lon = pings["device_id"].to_numpy()[near], lat[near], lon[near]
    area = np.asarray(pa.array(coordinates_to_cells(lat, lon, LEVEL))).astype(np.int64)
    weight = np.where(local < 6 * 3600, 50, 1)
    order = np.lexsort((area, device))
    device, area, weight = device[order], area[order], weight[order]
    begins = np.flatnonzero(np.r_[True, (device[1:] != device[:-1]) | (area[1:] != area[:-1])])
    device, area, weight = device[begins], area[begins], np.add.reduceat(weight, begins)
    best = np.lexsort((-weight, device))
    one = np.flatnonzero(np.r_[True, device[best][1:] != device[best][:-1]])
    return device[best][one], area[best][one]


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Mended:
    root = tmp_path_factory.mktemp("census")
    api.simulate(root / "world", devices=30_000, start=START, days=DAYS, seed=8)
    pings = pq.read_table(root / "world" / "pings")
    device, home = homes(pings)
    areas, people = np.unique(home, return_counts=True)
    # Half of the devices that live in the west are left out before any ingest; everybody is in the census.
    lon = np.array([h3.cell_to_latlng(h3.int_to_str(int(a)))[1] for a in areas])
    by_lon = np.argsort(lon)
    west = np.zeros(len(areas), dtype=bool)
    west[by_lon[: int(np.searchsorted(np.cumsum(people[by_lon]), people.sum() / 2))]] = True
    left_out = device[west[np.searchsorted(areas, home)] & (np.random.default_rng(1).random(len(device)) < 0.5)]
    (root / "panel").mkdir()
    pq.write_table(
        pings.filter(pc.invert(pc.is_in(pings["device_id"], value_set=pa.array(left_out).cast(pings["device_id"].type)))), root / "panel" / "p.parquet"
    )
    with (root / "census.csv").open("w") as file:
        file.write("cell,people\n")
        file.writelines(f"{h3.int_to_str(int(a))},{n}\n" for a, n in zip(areas, people, strict=True))
    # The census is of everybody: here no place is cut, so that the panel differs from it by whom it holds alone.
    places.Listing.of([], [], np.array([], object), [], START).write(root / "places.parquet")
    study(root, "first", "")
    api.places_review(root / "first.toml", "a test", none_in_region=True)
    api.ingest(root / "first.toml", [str(root / "panel")])
    api.release(root / "first.toml", root / "first")
    made = api.weights(root / "first", root / "census.csv", root / "weights.csv", level=LEVEL, greatest=GREATEST)
    block = f'[weights]\nfile = "weights.csv"\ngreatest = {GREATEST}\notherwise = "1"\nsource = "{made.facts["source"]}"\n\n'
    study(root, "second", block)
    api.release(root / "second.toml", root / "second")
    return Mended(root, areas, people, west, made)


def study(root: Path, name: str, weights: str) -> None:
    """Writes a study of presence alone; both name one ledger and one store."""
    path = root / f"{name}.toml"
    world = root / "world"
    where = {
        "region": world / "region.geojson",
        "pings": world / "pings" / "part-000.parquet",
        "supplier": world / "supplier.toml",
        "places": root / "places.parquet",
    }
    if name == "first":
        api.init(path, name=name, start=START, days=DAYS, timezone="America/New_York", purpose="official-statistics", **where)
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"\[\[tables\]\].*", TABLES, text, count=1, flags=re.DOTALL)
        text = re.sub(r'^epsilon = "1"', 'epsilon = "2"', text, count=1, flags=re.MULTILINE)
    else:
        text = (root / "first.toml").read_text(encoding="utf-8").replace("[[tables]]", f"{weights}[[tables]]", 1).replace('name = "first"', 'name = "second"')
    path.write_text(text, encoding="utf-8")


@pytest.mark.rule(26)
def test_the_first_release_flags_the_skew(mended: Mended) -> None:

    assert mended.first.facts["skewed"] is True
    assert "skewed" in " ".join(mended.first.notes)
    east = {h3.int_to_str(int(a)) for a in mended.areas[~mended.west]}
    lowest = [row["area"] for row in mended.first.facts["lowest_coverage"]]
    assert sum(area in east for area in lowest) <= 1
    too_few = int(mended.first.facts["covered_too_little"].split()[0])
    assert too_few >= 2


@pytest.mark.rule(25)
def test_weighted_nights_are_the_census(mended: Mended) -> None:
    shown = np.isfinite(mended.night("second"))
    found, known = mended.night("second")[shown], mended.people[shown]
    assert known.sum() > 0.6 * mended.people.sum()
    west = mended.west[shown]
    for some in (west, ~west):
        assert abs(found[some].sum() / known[some].sum() - 1.0) < 0.12
    big = known > 1000
    assert big.sum() >= 5
    assert np.median(np.abs(found[big] / known[big] - 1.0)) < 0.15


def test_without_weights_the_west_is_half_of_what_it_should_be(mended: Mended) -> None:
    raw = mended.night("first")
    shown = np.isfinite(raw)
    west, east = (raw[shown & some].sum() / mended.people[shown & some].sum() for some in (mended.west, ~mended.west))
    assert 0.4 < west / east < 0.6


def test_both_releases_are_charged_to_one_ledger_and_the_weights_are_not(mended: Mended) -> None:
    told = api.ledger(mended.root / "second.toml").as_dict()
    assert [e["title"].split(",")[0] for e in told["entries"]] == ["first", "second"]
    assert api.verify(mended.root / "second")
    assert artifact.read(mended.root / "second").certificate.bounds.weights == mended.first.facts["source"]
