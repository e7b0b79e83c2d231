"""Pings that nobody here made: a synthetic city, a bus, and operator events with injected errors."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from tests.conformance import reference
from tests.unit.store._made import SIMULATED, order, rows, store

from flockwise.base import clock

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(autouse=True)
def then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples are older than any store may be."""
    monkeypatch.setattr(clock, "now", lambda: datetime(2024, 1, 20, tzinfo=UTC))


NAMES = {"device": "uid", "device_type": "text", "time": "timestamp", "lat": "latitude", "lon": "longitude"}


def test_garden_city(tmp_path: Path) -> None:
    made = store(
        tmp_path,
        box=(-38.33, 36.65, -38.30, 36.69),
        window={"start": "2024-01-01", "days": 15},
        input=NAMES | {"time_format": "s"},
        cleaning={"greatest_accuracy_m": 200},
    )
    report = made.ingest([str(DATA / "garden_city")], order, SIMULATED)
    assert report.rows_read == 114_526
    assert report.rows_read == report.stored + report.duplicates + sum(report.refused.values())
    found = rows(made)
    given = pq.read_table(DATA / "garden_city" / "gc_pings_100dev_15d.parquet")
    assert len({r[:2] for r in found}) == len(set(given["uid"].to_pylist())) == 100
    kept = Counter(r[2] for r in found)
    assert all(given_count >= kept[t * 1_000_000] for t, given_count in Counter(given["timestamp"].to_pylist()).items())


def test_the_bus_from_its_gpx(tmp_path: Path) -> None:
    """GPX becomes CSV in four lines: position from the attributes of a point, time from its child."""
    space = {"g": "http://www.topografix.com/GPX/1/1"}
    points = ET.parse(DATA / "limerick_bus304" / "bus304.gpx").getroot().findall(".//g:trkpt", space)  # our own file
    texts = [[p.get("lat"), p.get("lon"), p.findtext("g:time", namespaces=space)] for p in points]
    lat, lon, time = (pa.array(c, pa.string()) for c in zip(*texts, strict=True))
    pacsv.write_csv(pa.table({"uid": pa.array(["bus-304"] * len(points)), "timestamp": time, "latitude": lat, "longitude": lon}), tmp_path / "bus.csv")
    made = store(
        tmp_path,
        box=(-8.8, 52.5, -8.4, 52.8),
        window={"start": "2019-02-18", "days": 1, "timezone": "Europe/Dublin"},
        input=NAMES | {"time_format": "iso8601"},
    )
    report = made.ingest([str(tmp_path / "bus.csv")], order, SIMULATED)
    assert report.stored + report.duplicates == report.rows_read == len(points) == 2144
    found = rows(made)
    assert len({r[:2] for r in found}) == 1
    by_time = sorted((r[2], r[4], r[5]) for r in found)
    assert by_time[0] == (1_550_475_950_000_000, 52_629_150, -8_661_750)


def test_operator_events_with_injected_errors(tmp_path: Path) -> None:
    """Their own columns serve as they are: an id of bytes, naive text times, float32 degrees."""
    made = store(
        tmp_path,
        box=(-3.8, 40.3, -3.6, 40.5),
        window={"start": "2023-01-07", "days": 5, "timezone": "Europe/Madrid"},
        input=NAMES | {"device": "user_id", "time_format": "iso8601", "time_zone": "Europe/Madrid", "accuracy": "loc_error"},
    )
    report = made.ingest([str(DATA / "multimno")], order, SIMULATED)
    table = pa.concat_tables([pq.read_table(p, partitioning=None) for p in sorted((DATA / "multimno").glob("day=*/*.parquet"))])
    zone = ZoneInfo("Europe/Madrid")
    expected: Counter[str] = Counter()
    kept = set()
    for user, time, lat, lon in zip(*(table[c].to_pylist() for c in ("user_id", "timestamp", "latitude", "longitude")), strict=True):
        if None in (user, time, lat, lon):
            expected["null"] += 1
        elif abs(lat) > 90 or abs(lon) > 180:
            expected["out_of_range"] += 1
        elif not 40.25 < lat < 40.55 or not -3.85 < lon < -3.55:
            expected["outside_region"] += 1
        else:
            instant = datetime.fromisoformat(time).replace(tzinfo=zone)
            if not datetime(2023, 1, 7, tzinfo=zone) <= instant < datetime(2023, 1, 12, tzinfo=zone):
                expected["outside_window"] += 1
            else:
                kept.add(
                    (user, *reference.coarse(int(instant.timestamp()) * 1_000_000, int(np.rint(float(lat) * 1e6)), int(np.rint(float(lon) * 1e6)), -1)[:3])
                )
    assert report.rows_read == 1823
    assert dict(report.refused) == dict(expected)
    assert report.refused["null"] == 594
    found = rows(made)
    assert sorted((r[2], r[4], r[5]) for r in found) == sorted(k[1:] for k in kept)
    assert len({r[:2] for r in found}) == len({k[0] for k in kept})
