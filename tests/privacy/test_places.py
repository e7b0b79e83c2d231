"""Sensitive places at the door, and the attacks on them: differencing, stays and trips, stale lists."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from tests.unit.governance.places._geodesy import apart

from flockwise import api, config, engines, person
from flockwise.errors import FlockwiseError
from flockwise.governance.places import Listing, Source
from flockwise.governance.precision import MOVED_M
from flockwise.release.planning import make_plan
from flockwise.release.sums import all_levels
from flockwise.store import Store

HOME, CLINIC, WORK = (40.70, -74.00), (40.76, -73.95), (40.80, -73.88)
START = datetime(2026, 5, 4, 4, tzinfo=UTC)  # midnight in New York
BOX = (-74.1, 40.6, -73.8, 40.9)
FINE = '[[tables]]\nkind = "presence"\nresolution = 7\n[[tables]]\nkind = "flows"\nresolution = 7\ntrips_bound = 4\n'
COARSE = (
    '[[tables]]\nkind = "presence"\nresolution = 6\nslot_minutes = 30\n'
    '[[tables]]\nkind = "flows"\nresolution = 5\nslots = ["00:00", "12:00"]\ntrips_bound = 3\n'
)
Ping = tuple[str, datetime, float, float]


@pytest.fixture(autouse=True)
def a_day_in_may(monkeypatch: pytest.MonkeyPatch) -> None:
    set_day(monkeypatch, date(2026, 5, 10))


def make(folder: Path, tables: str = FINE, box: tuple[float, float, float, float] = BOX, *, gathering: bool = False) -> Path:
    folder.mkdir(parents=True)
    west, south, east, north = box
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    (folder / "region.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    study = folder / "study.toml"
    (folder / "supplier.toml").write_text(config.supplier_of_simulation(date(2026, 5, 4), date(2026, 5, 1)))
    api.init(study, name="test", region=folder / "region.geojson", start=date(2026, 5, 4), days=2, timezone="America/New_York", purpose="official-statistics")
    text = study.read_text()
    text = re.sub(r"\[input\].*?\[cleaning\]", "[input]\n" + INPUT + "\n[cleaning]", text, flags=re.DOTALL)
    text = re.sub(r"\[places\].*?\n\n", "", text, flags=re.DOTALL)
    text = text[: text.index("[[tables]]")] + tables + '[places]\nfile = "places.parquet"\n' + ('gatherings = "g.csv"\n' if gathering else "")
    study.write_text(text)
    lat, lon = CLINIC
    write_list(folder / "places.parquet", [shapely.box(lon - 0.001, lat - 0.001, lon + 0.001, lat + 0.001)])
    return study


INPUT = 'device = "id"\ndevice_type = "text"\ntime = "t"\ntime_format = "iso8601"\nlat = "lat"\nlon = "lon"\nconsent_basis = "made up for a test"\n'


def write_list(path: Path, shapes: list[Any]) -> None:
    reviews = Listing.read(path).reviews if path.exists() else ()
    made = Listing.of(["medical"] * len(shapes), [610] * len(shapes), np.array(shapes, object), [Source("a", "0" * 64, 1, 1, 0, 0)], date(2026, 5, 1))
    Listing(made.table, made.sources, made.built, reviews).write(path)


def days(device: str, stops: list[tuple[tuple[float, float], float, float]]) -> list[Ping]:
    """A ping every five minutes at each stop, from one hour to another."""
    return [(device, START + timedelta(hours=begin, minutes=5 * k), *at) for at, begin, end in stops for k in range(int((end - begin) * 12))]


def ingest(study: Path, *deliveries: list[Ping]) -> None:
    for i, pings in enumerate(deliveries):
        path = study.parent / f"pings-{i}.csv"
        with path.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "t", "lat", "lon"])
            rows.writerows([d, t.isoformat(), y, x] for d, t, y, x in pings)
        api.ingest(study, [str(path)])


def sums(study: Path) -> dict[str, Any]:
    """The exact sums of every table and level, before any noise."""
    loaded = config.load(study)
    plan = make_plan(loaded)
    return all_levels(plan, engines.LocalEngine(1).sum(Store.open(loaded), plan.rules()))


def stored(study: Path) -> np.ndarray[Any, Any]:
    vault = Store.open(config.load(study))
    tables = [vault.read(b) for b in vault.buckets()]
    return np.array([(y / 1e6, x / 1e6) for t in tables for y, x in zip(t["lat_e6"].to_pylist(), t["lon_e6"].to_pylist(), strict=True)]).reshape(-1, 2)


def others(n: int = 30) -> list[Ping]:
    rng = np.random.default_rng(3)
    out: list[Ping] = []
    for i in range(n):
        a, b = ((float(rng.uniform(40.62, 40.88)), float(rng.uniform(-74.08, -73.82))) for _ in range(2))
        out += days(f"other-{i}", [(a, 0, 8), (b, 9, 17), (a, 18, 24)])
    return out


@pytest.mark.rule(9)
def test_nothing_within_610_m_is_stored_and_what_is_further_is(tmp_path: Path) -> None:
    study = make(tmp_path / "s")
    api.places_review(study, "a test")
    rng = np.random.default_rng(1)
    lat, lon = CLINIC[0] + rng.uniform(-0.012, 0.012, 800), CLINIC[1] + rng.uniform(-0.015, 0.015, 800)
    ingest(study, [(f"d{i}", START + timedelta(minutes=i), float(y), float(x)) for i, (y, x) in enumerate(zip(lat, lon, strict=True))])

    def away(y: float, x: float) -> float:
        at = (min(max(y, CLINIC[0] - 0.001), CLINIC[0] + 0.001), min(max(x, CLINIC[1] - 0.001), CLINIC[1] + 0.001))
        return apart(y, x, *at)

    far = np.array([away(y, x) for y, x in zip(lat, lon, strict=True)])
    kept = stored(study)
    assert len(kept) == int((far > 610).sum())
    assert min(away(y, x) for y, x in kept) > 610 - MOVED_M
    assert 100 < len(kept) < 700


@pytest.mark.rule(11)
@pytest.mark.parametrize("tables", [FINE, COARSE])
@pytest.mark.parametrize("box", [BOX, (-74.0, 40.7, -73.9, 40.8)])
def test_someone_in_sensitive_places_alone_is_in_no_sum_of_any_study(tmp_path: Path, tables: str, box: tuple[float, float, float, float]) -> None:
    """The attack: two releases with other zones, tables or regions are set off against each other. What is not in any of them can't come out."""
    patient = days("patient", [((CLINIC[0] + dy, CLINIC[1] + dx), h, h + 1) for h, (dy, dx) in enumerate([(0, 0), (0.004, 0), (0, -0.005), (-0.004, 0.004)])])
    found = []
    for name, pings in (("with", others() + patient), ("without", others())):
        study = make(tmp_path / name, tables, box)
        api.places_review(study, "a test")
        ingest(study, pings)
        found.append(sums(study))
    assert found[0].keys() == found[1].keys()
    for name, exact in found[0].items():
        assert np.array_equal(exact, found[1][name]), name
        assert exact.any()


def test_what_is_published_of_the_cut_is_the_same_whoever_is_in_the_data(tmp_path: Path) -> None:
    """Shares are of area: no ping is counted for them, so that neighbours give the same bytes and nothing has to be charged."""
    someone = days("someone", [(HOME, 0, 8), (CLINIC, 9, 11), (WORK, 12, 17)])
    found = []
    for name, pings in (("with", others(5) + someone), ("without", others(5))):
        study = make(tmp_path / name)
        api.places_review(study, "a test")
        ingest(study, pings)
        api.release(study, tmp_path / name / "out")
        certificate = json.loads((tmp_path / name / "out" / "certificate.json").read_text())
        found.append((certificate["places"], (tmp_path / name / "out" / "zones.parquet").read_bytes()))
    assert found[0] == found[1]
    assert found[0][0]["area_cut"] > 0


@pytest.mark.rule(11)
def test_one_delivery_or_two_make_no_difference(tmp_path: Path) -> None:
    patient = days("patient", [(CLINIC, 0, 2), (HOME, 3, 6), (CLINIC, 7, 9)])
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    for study in (one, two):
        api.places_review(study, "a test")
    ingest(one, others() + patient)
    ingest(two, others() + patient[::2], patient[1::2])
    first, second = sums(one), sums(two)
    for name, exact in first.items():
        assert np.array_equal(exact, second[name]), name


@pytest.mark.rule(9)
def test_home_clinic_work_leaves_no_stay_and_no_end_of_a_trip_at_the_clinic(tmp_path: Path) -> None:
    study = make(tmp_path / "s")
    api.places_review(study, "a test")
    ingest(study, days("someone", [(HOME, 0, 8), (CLINIC, 9, 11), (WORK, 12, 17)]))
    plan, exact = make_plan(config.load(study)), sums(study)
    block = next(b for b in plan.blocks if b.kind == "flows")
    import h3

    at = [int(block.region.index_of([int(h3.latlng_to_cell(*p, block.level), 16)])[0]) for p in (HOME, CLINIC, WORK)]
    trips = np.asarray(exact[block.name]).reshape(block.shape).sum(axis=(0, 3))  # over bands and slots
    assert trips[at[0], at[2]] > 0
    assert trips.sum() == trips[at[0], at[2]]
    hours = next(b for b in plan.blocks if b.kind == "presence")
    assert np.asarray(exact[hours.name]).reshape(len(hours.region), -1)[at[1]].sum() == 0


@pytest.mark.rule(9)
def test_a_gathering_is_cut_while_it_lasts(tmp_path: Path) -> None:
    study = make(tmp_path / "s", gathering=True)
    begin = START + timedelta(hours=10)
    (study.parent / "g.csv").write_text(
        f"category,lat,lon,from,to\npolitical,{WORK[0]},{WORK[1]},{begin.isoformat()},{(begin + timedelta(hours=2)).isoformat()}\n"
    )
    api.places_review(study, "a test")
    ingest(study, days("someone", [(WORK, 0, 24)]))
    assert len(stored(study)) == (24 - 6) * 12  # two hours, and two before and after


def refused(work: Callable[[], object]) -> str:
    with pytest.raises(FlockwiseError) as caught:
        work()
    return caught.value.code


def set_day(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    monkeypatch.setattr("flockwise.base.clock.now", lambda: datetime(day.year, day.month, day.day, 12, tzinfo=UTC))


@pytest.mark.rule(10)
def test_a_stale_or_changed_list_blocks_ingest_and_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make(tmp_path / "s")
    out = tmp_path / "out"
    set_day(monkeypatch, date(2026, 5, 10))
    assert refused(lambda: ingest(study, others(3))) == "PLACES_UNREVIEWED"
    api.places_review(study, "a test")
    ingest(study, others(3))
    set_day(monkeypatch, date(2026, 8, 11))
    assert refused(lambda: api.release(study, out)) == "PLACES_STALE"
    assert refused(lambda: api.risk(study, out, epsilon="0.5")) == "PLACES_STALE"
    assert refused(lambda: api.ingest(study, [str(study.parent / "pings-0.csv")])) == "PLACES_STALE"
    api.places_review(study, "a test")
    lat, lon = CLINIC
    write_list(study.parent / "places.parquet", [shapely.Point(lon, lat), shapely.Point(WORK[1], WORK[0])])
    assert refused(lambda: api.release(study, out)) == "PLACES_UNREVIEWED"
    api.places_review(study, "a test")
    assert refused(lambda: api.release(study, out)) == "PLACES_NOT_APPLIED"
    assert refused(lambda: api.risk(study, out, epsilon="0.5")) == "PLACES_NOT_APPLIED"
    assert api.places_status(study).facts["applied_to_the_store"] == "no, due by 2026-08-13"
    ingest(study, others(4))
    set_day(monkeypatch, date(2026, 8, 14))
    assert refused(lambda: ingest(study, others(5))) == "PLACES_NOT_APPLIED"
    assert not out.exists()


@pytest.mark.rule(10)
def test_a_new_entry_purges_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_day(monkeypatch, date(2026, 5, 10))
    study = make(tmp_path / "s")
    api.places_review(study, "a test")
    ingest(study, others(8) + days("someone", [(HOME, 0, 4), (WORK, 5, 9)]), days("another", [(WORK, 0, 3)]))
    before = stored(study)
    lat, lon = CLINIC
    write_list(study.parent / "places.parquet", [shapely.Point(lon, lat), shapely.Point(WORK[1], WORK[0])])
    api.places_review(study, "a test")
    segments = study.parent / "test.store" / "segments"
    old = {p.name for p in segments.iterdir()}
    api.places_apply(study)
    assert not old & {p.name for p in segments.iterdir()}
    far = np.array([apart(y, x, *WORK) > 610 + MOVED_M for y, x in before])
    assert 0 < far.sum() < len(before)
    assert sorted(map(tuple, stored(study))) == sorted(map(tuple, before[far]))
    assert api.places_status(study).facts["applied_to_the_store"] == "yes"
    digest = Store.open(config.load(study)).content_digest()
    api.places_apply(study)
    assert Store.open(config.load(study)).content_digest() == digest
    # The same deliveries bring nothing back, and what is delivered anew is cut by the new list.
    ingest(study, others(8) + days("someone", [(HOME, 0, 4), (WORK, 5, 9)]), days("another", [(WORK, 0, 3)]), days("third", [(WORK, 4, 6)]))
    assert sorted(map(tuple, stored(study))) == sorted(map(tuple, before[far]))
    api.release(study, tmp_path / "out")
    certificate = json.loads((tmp_path / "out" / "certificate.json").read_text())["places"]
    assert (certificate["places"], certificate["reviewed"], list(certificate["by_category"])) == (2, "2026-05-10", ["medical"])
    assert 0.001 < certificate["area_cut"] < 0.02
    assert "sensitive" in (tmp_path / "out" / "README.txt").read_text().casefold()
    api.verify(tmp_path / "out")


@pytest.mark.rule(10)
def test_what_the_exact_position_and_instant_put_in_a_place_does_not_outlive_a_recut(tmp_path: Path) -> None:
    """Pings just inside the distance that rest just outside of it in the store; and pings of the second with which a gathering begins."""
    study = make(tmp_path / "s", gathering=True)
    nobody = "category,lat,lon,from,to\n"
    (study.parent / "g.csv").write_text(nobody)
    api.places_review(study, "a test")
    rng = np.random.default_rng(50)
    metres, turn = rng.uniform(595, 625, 3_000), rng.uniform(0, 2 * np.pi, 3_000)
    lat = np.round(WORK[0] + metres * np.sin(turn) / 111_050, 6)
    lon = np.round(WORK[1] + metres * np.cos(turn) / 84_390, 6)
    near = [("someone", START + timedelta(seconds=20 * i + 1, microseconds=300_000), float(lat[i]), float(lon[i])) for i in range(len(lat))]
    begin = START + timedelta(hours=30, seconds=7)
    early = [("another", begin - timedelta(hours=2) + timedelta(microseconds=u), *HOME) for u in (-1_500_000, -1, 0, 1, 400_000)]
    ingest(study, near, early)
    assert len(times(study)) == len(near) + 3  # three of the five lie in one second
    write_list(study.parent / "places.parquet", [shapely.Point(CLINIC[1], CLINIC[0]), shapely.Point(WORK[1], WORK[0])])
    (study.parent / "g.csv").write_text(nobody + f"political,{HOME[0]},{HOME[1]},{begin.isoformat()},{(begin + timedelta(hours=1)).isoformat()}\n")
    api.places_review(study, "a test")
    api.places_apply(study)
    left = times(study)
    exact = np.array([apart(y, x, *WORK) for _, _, y, x in near])
    within, beyond = (
        {int(t.timestamp()) for (_, t, _, _), chosen in zip(near, which, strict=True) if chosen} for which in (exact <= 609.9, exact > 610.1 + 2 * MOVED_M)
    )
    assert min(len(within), len(beyond)) > 500
    assert not left & within
    assert beyond <= left  # and no more is cut than the rounding may hide
    assert left - {int(t.timestamp()) for _, t, _, _ in near} == {int(t.timestamp()) for _, t, _, _ in early[:2]}


def times(study: Path) -> set[int]:
    vault = Store.open(config.load(study))
    return {t // 1_000_000 for b in vault.buckets() for t in vault.read(b)["t_us"].to_pylist()}


@pytest.mark.rule(10)
@pytest.mark.parametrize("step", ["_settle", "_move_in"])
def test_a_purge_that_is_cut_short_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    study = make(tmp_path / "s")
    api.places_review(study, "a test")
    ingest(study, days("someone", [(HOME, 0, 4), (WORK, 5, 9)]))
    before = stored(study)
    write_list(study.parent / "places.parquet", [shapely.Point(WORK[1], WORK[0])])
    api.places_review(study, "a test")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, step, killed)
        with pytest.raises(KeyboardInterrupt):
            api.places_apply(study)
    assert np.array_equal(stored(study), before)
    assert api.places_status(study).facts["applied_to_the_store"] != "yes"
    api.places_apply(study)
    assert len(stored(study)) == 48
    assert len(list((study.parent / "test.store" / "segments").iterdir())) == 1


def test_the_store_is_ordered_as_before(tmp_path: Path) -> None:
    """What passes the door is what it would be without a list: nothing else of a device changes."""
    study = make(tmp_path / "s")
    api.places_review(study, "a test")
    loaded = config.load(study)
    pings = days("someone", [(HOME, 0, 4)])
    ingest(study, pings)
    table = Store.open(loaded).read(next(b for b in Store.open(loaded).buckets() if Store.open(loaded).read(b).num_rows))
    assert table.num_rows == len(pings)
    assert partial(person.order, rules=person.rules_for(loaded))(table)[0].equals(table)
