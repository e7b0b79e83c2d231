"""A delivery of a million pings with every kind of trouble in known numbers: exactly the lawful ones reach the store, and the printed table says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import shapely
from click.testing import CliRunner
from tests.conformance import reference

from flockwise import api, config, trail
from flockwise.cli import main
from flockwise.governance.places import Listing, Source
from flockwise.store import Store, keys

SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_772_409_600 * SECOND  # 2026-03-02 00:00 UTC
DAYS = 2
BOX = (-74.1, 40.6, -73.8, 40.9)
EASTERN = -73.89
"""East of it lie the sensitive place and the gathering; rows that say nothing of them stay west."""
CLINIC, RALLY = (40.75, -73.83), (40.65, -73.83)
RALLY_US = (START + 12 * 3_600 * SECOND, START + 15 * 3_600 * SECOND)
MARGIN_US = 2 * 3_600 * SECOND
COLUMNS = ("device", "t", "lat", "lon", "acc", "agreed", "text", "for", "gone", "out")

STUDY = """
name = "Truth table"
purpose = "public-health"
store = { path = "pings.store", key = "pings.key", retention_days = 60 }
ledger = { path = "pings.ledger", dataset = "panel", lifetime_epsilon = "4" }
supplier = { file = "supplier.toml" }
places = { file = "places.parquet", gatherings = "gatherings.csv" }
trail = { path = "pings.trail", key = "pings.trail.key" }
region = { geojson = "region.geojson" }
window = { start = 2026-03-02, days = 2, timezone = "UTC" }
privacy = { unit = "device", window = "whole", epsilon = "1", delta = "1e-9", panel_bound = 20_000 }
tables = [{ kind = "presence", resolution = 7 }]

[input]
device = "device"
device_type = "integer"
time = "t"
time_format = "us"
lat = "lat"
lon = "lon"
accuracy = "acc"
consent = "agreed"
consent_text = "text"
purposes = "for"
withdrawn = "gone"
opt_out = "out"
"""

SUPPLIER = """
name = "Trouble Ltd"
address = "1 Test Street"
contact = "test@trouble.example"
collected = "app-sdk"
services = ["weather"]
ad_auctions = "no"
minors = "no"
retention_days = 90
consent = [
  { version = "A", text = "A text about public health statistics.", shown_from = 2025-01-01, shown_until = 2025-12-31, purposes = ["public-health"] },
  { version = "B", text = "A text about planning transport alone.", shown_from = 2026-01-01, purposes = ["transport-planning"] },
  { version = "C", text = "A text about health and planning both.", shown_from = 2026-02-01, purposes = ["public-health", "transport-planning"] },
]
withdrawal = { possible = "yes", how = "in the app" }
assessment = { on = 2026-01-15, assessor = "a test", evidence = ["this file"] }
contract = { reference = "T-1", ends = 2026-12-31 }
"""


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


AGREED_A, AGREED_C = instant("2025-06-01"), instant("2026-02-10")


@dataclass
class Delivery:
    """Blocks of rows, each of one kind of trouble and of devices of its own."""

    rng: np.random.Generator
    blocks: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    devices: int = 1_000_000_007

    def add(self, reason: str, n: int, change: Callable[[dict[str, Any]], None] | None = None, *, per_device: int = 50) -> dict[str, Any]:
        """N good rows of new devices, then changed into trouble."""
        rng = self.rng
        number = -(-n // per_device)
        ids = self.devices + np.arange(number) * 7919
        self.devices = int(ids[-1]) + 7919
        rows: dict[str, Any] = {
            "device": np.resize(ids, n),
            "t": START + rng.permutation(DAYS * 86_400 * 10)[:n].astype(np.int64) * (SECOND // 10),  # no two rows of a block share an instant
            "lat": np.round(rng.uniform(BOX[1] + 0.01, BOX[3] - 0.01, n), 6),
            "lon": np.round(rng.uniform(BOX[0] + 0.01, EASTERN, n), 6),
            "acc": rng.integers(3, 200, n).astype(float),
            "agreed": np.where(np.arange(n) % 2 == 0, AGREED_A, AGREED_C),
            "text": np.where(np.arange(n) % 2 == 0, "A", "C").astype(object),
            "for": np.where(np.arange(n) % 3 == 0, "public-health", "transport-planning; Public-Health").astype(object),
            "gone": np.zeros(n, np.int64),
            "out": np.zeros(n, bool),
            "null": dict[str, np.ndarray](),
        }
        if change is not None:
            change(rows)
        self.blocks.append((reason, rows))
        return rows

    def table(self) -> pa.Table:
        """All blocks, their rows shuffled together."""
        columns = {}
        for name in COLUMNS:
            values = np.concatenate([rows[name] for _, rows in self.blocks])
            nulls = np.concatenate([rows["null"].get(name, np.zeros(len(rows["t"]), bool)) for _, rows in self.blocks])
            columns[name] = pa.array(values, mask=nulls)
        table = pa.table(columns)
        return table.take(pa.array(self.rng.permutation(table.num_rows)))

    def counts(self) -> dict[str, int]:
        out: dict[str, int] = {}
        for reason, rows in self.blocks:
            out[reason] = out.get(reason, 0) + len(rows["t"])
        return out

    def lawful(self) -> np.ndarray:
        """Time, position and accuracy of the rows that may enter, as a store keeps them, sorted."""
        good = [rows for reason, rows in self.blocks if reason == "accepted"]
        columns = [np.concatenate([r[c] for r in good]) for c in ("t", "lat", "lon", "acc")]
        found = np.stack([columns[0], np.rint(columns[1] * 1e6), np.rint(columns[2] * 1e6), np.rint(columns[3] * 10)], axis=1).astype(np.int64)
        kept = np.array([reference.coarse(*row) for row in found.tolist()], np.int64)
        return kept[np.lexsort(kept.T[::-1])]


def put(**values: Any) -> Callable[[dict[str, Any]], None]:
    """Sets columns to one value."""

    def change(rows: dict[str, Any]) -> None:
        for name, value in values.items():
            rows[name] = np.full(len(rows["t"]), value, rows[name].dtype)

    return change


def empty(*names: str) -> Callable[[dict[str, Any]], None]:
    """Makes one of the columns null in each row, in turn."""

    def change(rows: dict[str, Any]) -> None:
        turn = np.arange(len(rows["t"])) % len(names)
        rows["null"] = {name: turn == k for k, name in enumerate(names)}

    return change


def both(*changes: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def change(rows: dict[str, Any]) -> None:
        for one in changes:
            one(rows)

    return change


def flag_one(column: str, value: Any, per_device: int = 50) -> Callable[[dict[str, Any]], None]:
    """Sets a column on one row of each device. np.resize deals devices in turn, so the first rows are one of each."""

    def change(rows: dict[str, Any]) -> None:
        rows[column][: -(-len(rows["t"]) // per_device)] = value

    return change


def shift(rows: dict[str, Any]) -> None:
    rows["t"] = np.where(np.arange(len(rows["t"])) % 2 == 0, rows["t"] - DAYS * DAY, rows["t"] + DAYS * DAY)


def later(rows: dict[str, Any]) -> None:
    rows["agreed"], rows["text"] = rows["t"] + SECOND, np.full(len(rows["t"]), "C", object)


def near(place: tuple[float, float], metres: float, times: tuple[int, int] | None = None) -> Callable[[dict[str, Any]], None]:
    """At a distance from a place, all round; if wanted within a stretch of time."""

    def change(rows: dict[str, Any]) -> None:
        n = len(rows["t"])
        angle = np.linspace(0, 2 * np.pi, n)
        rows["lat"] = np.round(place[0] + metres / 111_200 * np.sin(angle), 6)
        rows["lon"] = np.round(place[1] + metres / (111_200 * np.cos(np.radians(place[0]))) * np.cos(angle), 6)
        if times is not None:
            rows["t"] = times[0] + (np.arange(n) * ((times[1] - times[0]) // n)).astype(np.int64)

    return change


def far(rows: dict[str, Any]) -> None:
    rows["lat"] = rows["lat"] + 3.0


def nowhere(rows: dict[str, Any]) -> None:
    turn = np.arange(len(rows["t"])) % 4
    rows["lat"] = np.select([turn == 0, turn == 1, turn == 2], [91.5, 0.0, np.nan], rows["lat"])
    rows["lon"] = np.select([turn == 1, turn == 3], [0.0, -181.0], rows["lon"])


TROUBLES: list[tuple[str, int, Callable[[dict[str, Any]], None] | None]] = [
    ("null", 9_000, empty("device", "t", "lat", "lon")),
    ("out_of_range", 8_000, nowhere),
    ("outside_window", 30_000, shift),
    ("no_consent", 11_000, empty("agreed")),
    ("no_consent", 3_000, put(agreed=0)),
    ("no_consent", 7_000, put(agreed=instant("2024-12-31"), text="A")),  # before the first text was shown
    ("no_consent", 5_000, put(agreed=AGREED_C, text="A")),  # to a text that was not shown then
    ("no_consent", 4_000, put(text="Z")),  # to a text that the record does not know
    ("no_consent", 2_000, empty("text")),
    ("no_consent", 1_500, both(put(agreed=0, acc=9_999.0, out=True), far)),  # the first reason counts
    ("before_consent", 40_000, later),
    ("other_purpose", 12_000, put(**{"for": "transport-planning"})),
    ("other_purpose", 6_000, put(**{"for": "public-health-marketing|advertising"})),
    ("other_purpose", 3_000, empty("for")),
    ("other_purpose", 13_000, put(agreed=AGREED_C, text="B")),  # the text agreed to does not cover it
    ("other_purpose", 1_000, both(put(**{"for": "urban-planning", "gone": 1}), far)),
    ("withdrawn", 14_000, put(gone=instant("2026-03-10"))),
    ("withdrawn", 6_000, put(gone=1)),
    ("opted_out", 17_000, put(out=True)),
    ("outside_region", 21_000, far),
    ("sensitive_place", 12_000, near(CLINIC, 600.0)),
    ("sensitive_place", 6_000, near(CLINIC, 20.0)),
    ("sensitive_place", 1_000, both(near(CLINIC, 300.0), put(acc=5_000.0))),  # the first reason counts
    ("accepted", 5_000, near(CLINIC, 620.0)),
    ("gathering", 9_000, near(RALLY, 500.0, RALLY_US)),
    ("gathering", 2_000, near(RALLY, 500.0, (RALLY_US[1], RALLY_US[1] + MARGIN_US))),  # the hours after it
    ("accepted", 4_000, near(RALLY, 500.0, (RALLY_US[1] + MARGIN_US + SECOND, START + DAYS * DAY))),  # later
    ("accepted", 1_500, near(RALLY, 640.0, RALLY_US)),
    ("poor_accuracy", 16_000, put(acc=200.1)),
    ("poor_accuracy", 2_000, put(acc=-1.0)),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("flockwise.base.clock.now", lambda: datetime(2026, 3, 20, tzinfo=UTC))
    west, south, east, north = BOX
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    (tmp_path / "region.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "supplier.toml").write_text(SUPPLIER)
    keys.create(tmp_path / "pings.key")
    lat, lon = CLINIC
    source = Source("made up", "0" * 64, 1, 1, 0, 0)
    Listing.of(["medical"], [610], np.array([shapely.Point(lon, lat)], object), [source], date(2026, 3, 15)).write(tmp_path / "places.parquet")
    at = [datetime.fromtimestamp(t // SECOND, UTC).isoformat() for t in RALLY_US]
    (tmp_path / "gatherings.csv").write_text(f"category,lat,lon,from,to\npolitical,{RALLY[0]},{RALLY[1]},{at[0]},{at[1]}\n")
    trail.begin(config.load(tmp_path / "study.toml"))
    api.places_review(tmp_path / "study.toml", "a test")
    return tmp_path


def ingest(folder: Path, *sources: Path) -> dict[str, Any]:
    done = CliRunner().invoke(main, ["ingest", str(folder / "study.toml"), *map(str, sources), "--json"])
    return dict(json.loads(done.stdout if done.exit_code == 0 else done.stderr))


def stored(folder: Path) -> np.ndarray:
    vault = Store.open(config.load(folder / "study.toml"))
    table = pa.concat_tables([vault.read(b) for b in vault.buckets()])
    found = np.stack([table[c].to_numpy().astype(np.int64) for c in ("t_us", "lat_e6", "lon_e6", "accuracy_dm")], axis=1)
    return found[np.lexsort(found.T[::-1])]


def broken_csv(folder: Path, rng: np.random.Generator) -> tuple[Path, Delivery, dict[str, int]]:
    """A CSV file of good rows, and lines that can't be read, of each kind."""
    made = Delivery(rng, devices=5_000_000_029)
    made.add("accepted", 40_000)
    path = folder / "in" / "b.csv"
    pacsv.write_csv(made.table(), path)
    good = "77,1772500000000000,40.7,-74.0,10,1748736000000000,A,public-health,0,false"
    bad = {
        "bad_value": [
            good.replace(old, new, 1) for old, new in (("77", "7x7"), ("40.7", "north"), (",10,", ",ten,"), (",0,false", ",perhaps,false"), ("false", "maybe"))
        ],
        "bad_time": [good.replace("1772500000000000", t) for t in ("yesterday", "9e99")],
        "malformed": [good + ",surplus", good.rsplit(",", 2)[0]],
        "null": [good.replace("77", "", 1), good.replace("40.7", "")],
    }
    times = {"bad_value": 700, "bad_time": 900, "malformed": 1_100, "null": 300}
    with path.open("a", encoding="utf-8") as file:
        for reason, lines in bad.items():
            file.write(("\n".join(lines) + "\n") * times[reason])
    return path, made, {reason: len(lines) * times[reason] for reason, lines in bad.items()}


@pytest.mark.rule(2)
@pytest.mark.rule(3)
@pytest.mark.rule(4)
@pytest.mark.rule(5)
@pytest.mark.rule(6)
@pytest.mark.rule(9)
def test_a_million_pings_with_every_kind_of_trouble(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(20261124)
    made = Delivery(rng)
    for reason, n, change in TROUBLES:
        made.add(reason, n, change)
    # One row says that the device withdrew, or opted out; none of its other rows, which are good in themselves, may enter.
    made.add("withdrawn", 10_000, flag_one("gone", 1))
    made.add("opted_out", 12_000, flag_one("out", True))
    # Devices that were stored, asked to be deleted, and are delivered again.
    gone = made.add("deleted", 15_000)
    was = Delivery(rng, devices=7_000_000_003)
    was.blocks.append(("accepted", {name: values[:3_000] if name != "null" else {} for name, values in gone.items()}))
    (folder / "in").mkdir()
    pq.write_table(was.table(), folder / "in" / "earlier.parquet")
    assert ingest(folder, folder / "in" / "earlier.parquet")["stored"] == 3_000
    (folder / "deletions.csv").write_text("id\n" + "\n".join(str(d) for d in np.unique(gone["device"])) + "\n")
    api.forget(folder / "study.toml", str(folder / "deletions.csv"))
    assert len(stored(folder)) == 0

    total = 1_000_000 - 40_000
    made.add("accepted", total - sum(made.counts().values()))
    pq.write_table(made.table(), folder / "in" / "a.parquet")
    csv, second, lines = broken_csv(folder, rng)

    told = ingest(folder, folder / "in" / "a.parquet", csv)

    expected = made.counts()
    for reason, n in lines.items():
        expected[reason] = expected.get(reason, 0) + n
    lawful = expected.pop("accepted") + second.counts()["accepted"]
    assert told["refused"] == expected
    assert (told["rows_read"], told["stored"]) == (lawful + sum(expected.values()), lawful)
    both_files = np.concatenate([made.lawful(), second.lawful()])
    assert np.array_equal(stored(folder), both_files[np.lexsort(both_files.T[::-1])])

    # What comes from an ad auction, or from a supplier who is not in order any more, adds nothing at all.
    before = stored(folder)
    auction = Delivery(rng, devices=9_000_000_011)
    auction.add("accepted", 25_000)
    pq.write_table(auction.table().append_column("auction_id", pa.array(["x"] * 25_000)), folder / "in" / "c.parquet")
    assert ingest(folder, folder / "in" / "c.parquet")["error"]["code"] == "INGEST_AD_AUCTION"
    pq.write_table(auction.table(), folder / "in" / "d.parquet")
    (folder / "supplier.toml").write_text(SUPPLIER.replace('ad_auctions = "no"', 'ad_auctions = "unknown"'))
    assert ingest(folder, folder / "in" / "d.parquet")["error"]["code"] == "SUPPLIER_AMBIGUOUS"
    assert np.array_equal(stored(folder), before)
    waiting = json.loads(CliRunner().invoke(main, ["quarantine", str(folder / "study.toml"), "--json"]).stdout)["entries"]
    assert [(e["reasons"], e["state"]) for e in waiting] == [("INGEST_AD_AUCTION", "quarantined"), ("SUPPLIER_AMBIGUOUS", "quarantined")]

    # On the day on which the schedule ends nothing is taken in, and what was stored is purged.
    (folder / "supplier.toml").write_text(SUPPLIER)
    monkeypatch.setattr("flockwise.base.clock.now", lambda: datetime(2026, 5, 1, 23, 59, tzinfo=UTC))
    assert CliRunner().invoke(main, ["purge", str(folder / "study.toml"), "--json"]).exit_code != 0
    monkeypatch.setattr("flockwise.base.clock.now", lambda: datetime(2026, 5, 2, tzinfo=UTC))
    pq.write_table(auction.table().slice(5), folder / "in" / "e.parquet")
    assert ingest(folder, folder / "in" / "e.parquet")["error"]["code"] == "STORE_EXPIRED"
    assert CliRunner().invoke(main, ["purge", str(folder / "study.toml"), "--json"]).exit_code == 0
    assert not list((folder / "pings.store").rglob("*.parquet"))
