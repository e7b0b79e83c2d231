"""What the simulator writes: the same bytes for a seed, county flows as in the real table, a truth that agrees with the pings."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace
from datetime import date
from pathlib import Path

import h3
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from flockwise import simulate
from flockwise.base.region import Region
from flockwise.errors import ConfigError
from flockwise.governance.places import Listing

SMALL = simulate.Settings(devices=600, days=2, seed=3, files=3, chunk_devices=150, pings_per_device_week=140)
CLEAN = replace(SMALL, no_consent_share=0, late_consent_share=0, opted_out_share=0, bad_row_share=0, duplicate_share=0)


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, simulate.Summary]:
    folder = tmp_path_factory.mktemp("small") / "out"
    return folder, simulate.write(SMALL, folder)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, simulate.Summary]:
    """Many devices over a whole week, with few pings: for the truth."""
    folder = tmp_path_factory.mktemp("full") / "out"
    return folder, simulate.write(simulate.Settings(devices=20_000, pings_per_device_week=7, files=2), folder)


def test_files_and_columns(small: tuple[Path, simulate.Summary]) -> None:
    folder, told = small
    assert sorted(digests(folder)) == [
        "gatherings.csv",
        "pings/part-000.parquet",
        "pings/part-001.parquet",
        "pings/part-002.parquet",
        "places.parquet",
        "region.geojson",
        "supplier.toml",
        "truth/README.txt",
        "truth/county_flows.parquet",
        "truth/flows.parquet",
        "truth/presence.parquet",
    ]
    pings = pq.read_table(folder / "pings")
    time = pa.timestamp("us", tz="UTC")
    kinds = [pa.int64(), time, pa.float64(), pa.float64(), pa.float32(), time, pa.bool_()]
    assert pings.schema.names == ["device_id", "ts", "lat", "lon", "accuracy_m", "consented_at", "opted_out"]
    assert pings.schema.types == kinds
    assert pings.num_rows == told.pings
    presence = pq.read_table(folder / "truth" / "presence.parquet").schema
    assert (presence.names, presence.types) == (["cell", "slot_start", "devices"], [pa.int64(), time, pa.int64()])
    flows = pq.read_table(folder / "truth" / "flows.parquet").schema
    assert (flows.names, flows.types) == (["origin", "destination", "slot_start_hour", "trips"], [pa.int64(), pa.int64(), pa.int8(), pa.int64()])


def test_the_list_of_places_says_that_it_is_simulated(small: tuple[Path, simulate.Summary]) -> None:
    listing = Listing.read(small[0] / "places.parquet")
    (source,) = listing.sources
    assert (source.name, source.kept, source.refused) == ("simulated: none of these places is real", listing.table.num_rows, 0)


def test_same_seed_same_bytes_whatever_the_threads(small: tuple[Path, simulate.Summary], tmp_path: Path) -> None:
    for threads in (1, 3):
        simulate.write(replace(SMALL, threads=threads), tmp_path / str(threads))
        assert digests(tmp_path / str(threads)) == digests(small[0])


def test_another_seed_gives_other_people(small: tuple[Path, simulate.Summary], tmp_path: Path) -> None:
    simulate.write(replace(SMALL, seed=4), tmp_path / "other")
    ours, theirs = digests(small[0]), digests(tmp_path / "other")
    assert {name for name in ours if ours[name] == theirs[name]} == {"region.geojson", "supplier.toml"}


def test_a_device_does_not_depend_on_its_chunk(tmp_path: Path) -> None:
    rows = []
    for size in (97, 600):
        simulate.write(replace(CLEAN, chunk_devices=size), tmp_path / str(size))
        rows.append(pq.read_table(tmp_path / str(size) / "pings").sort_by([("device_id", "ascending"), ("ts", "ascending"), ("lat", "ascending")]))
    assert rows[0].equals(rows[1])


def test_county_flows_follow_the_real_table(full: tuple[Path, simulate.Summary]) -> None:
    folder, told = full
    assert told.county_correlation > 0.95
    flows = pq.read_table(folder / "truth" / "county_flows.parquet")
    assert flows.num_rows == 64
    # 62 % of 20,000 devices commute and 97 % are counted: 12,028, sd 69; false alarm under 1 in 10,000 at 5 sd
    assert abs(pc.sum(flows["devices"]).as_py() - 0.62 * told.devices_counted) < 350


def test_any_choice_of_counties_works(tmp_path: Path) -> None:
    told = simulate.write(replace(SMALL, devices=3_000, counties=("36029", "36063", "36013")), tmp_path / "west")
    assert told.county_correlation > 0.95
    region = Region.from_geojson(tmp_path / "west" / "region.geojson", 7)
    cells = pq.read_table(tmp_path / "west" / "truth" / "presence.parquet")["cell"].to_numpy()
    assert np.isin(cells, region.cells).all()


def test_every_counted_device_is_in_one_cell_in_every_hour(full: tuple[Path, simulate.Summary]) -> None:
    folder, told = full
    presence = pq.read_table(folder / "truth" / "presence.parquet")
    by_slot = presence.group_by("slot_start").aggregate([("devices", "sum")])
    assert by_slot.num_rows == 168
    assert set(by_slot["devices_sum"].to_pylist()) == {told.devices_counted}
    region = Region.from_geojson(folder / "region.geojson", 7)
    assert 600 <= len(region.cells) <= 1000
    assert np.isin(presence["cell"].to_numpy(), region.cells).all()
    assert presence.equals(presence.sort_by([("cell", "ascending"), ("slot_start", "ascending")]))


def test_trips_come_and_go_alike(full: tuple[Path, simulate.Summary]) -> None:
    folder, told = full
    flows = pq.read_table(folder / "truth" / "flows.parquet")
    trips = flows["trips"].to_numpy()
    cells = np.unique(np.r_[flows["origin"].to_numpy(), flows["destination"].to_numpy()])
    out = np.bincount(np.searchsorted(cells, flows["origin"].to_numpy()), trips, len(cells))
    back = np.bincount(np.searchsorted(cells, flows["destination"].to_numpy()), trips, len(cells))
    assert np.abs(out - back).sum() < 0.03 * trips.sum()
    assert 2 < trips.sum() / told.devices_counted / 7 < 6
    assert {h3.get_resolution(h3.int_to_str(int(c))) for c in cells[:5]} == {7}


def test_a_stadium_fills_on_saturday_evening(full: tuple[Path, simulate.Summary]) -> None:
    presence = pq.read_table(full[0] / "truth" / "presence.parquet")
    stadium = presence.filter(pc.equal(presence["cell"], h3.str_to_int(h3.latlng_to_cell(40.7571, -73.8458, 7))))
    local = [t.astimezone(simulate.Settings().window.zone) for t in stadium["slot_start"].to_pylist()]
    at = {(t.weekday(), t.hour): n for t, n in zip(local, stadium["devices"].to_pylist(), strict=True)}
    usual = np.mean([at[day, 20] for day in range(5)])
    assert min(at[5, 19], at[5, 20], at[5, 21]) > 2.5 * usual
    assert at[5, 15] < 1.8 * usual
    assert at[5, 23] < 1.8 * usual


def test_offices_fill_by_day(full: tuple[Path, simulate.Summary]) -> None:
    presence = pq.read_table(full[0] / "truth" / "presence.parquet")
    midtown = presence.filter(pc.equal(presence["cell"], h3.str_to_int(h3.latlng_to_cell(40.7549, -73.98, 7))))["devices"].to_numpy()
    assert midtown[24 + 13] > 2.5 * midtown[24 + 3]
    assert midtown[6 * 24 + 11] < midtown[24 + 11]


def test_truth_agrees_with_dense_pings(tmp_path: Path) -> None:
    """An oracle of its own: of people who are pinged every minute or so, the cell with most pings in the hour."""
    settings = replace(CLEAN, devices=250, days=1, pings_per_device_week=20_000, event=False)
    simulate.write(settings, tmp_path / "out")
    pings = pq.read_table(tmp_path / "out" / "pings")
    hour = (pings["ts"].cast(pa.int64()).to_numpy() - settings.window.start_us) // 3_600_000_000
    _, device = np.unique(pings["device_id"].to_numpy(), return_inverse=True)
    cell = np.array([h3.str_to_int(h3.latlng_to_cell(a, b, 7)) for a, b in zip(pings["lat"].to_pylist(), pings["lon"].to_pylist(), strict=True)])
    cells, place = np.unique(cell, return_inverse=True)
    key, seen = np.unique((device * 24 + hour) * len(cells) + place, return_counts=True)
    order = np.lexsort((-seen, key // len(cells)))
    _, first = np.unique(key[order] // len(cells), return_index=True)
    best = key[order][first]
    found = np.bincount(best % len(cells) * 24 + best // len(cells) % 24, minlength=len(cells) * 24).reshape(len(cells), 24)

    presence = pq.read_table(tmp_path / "out" / "truth" / "presence.parquet")
    truth = np.zeros((len(cells), 24))
    known = np.isin(presence["cell"].to_numpy(), cells)
    slot = (presence["slot_start"].cast(pa.int64()).to_numpy() - settings.window.start_us) // 3_600_000_000
    truth[np.searchsorted(cells, presence["cell"].to_numpy()[known]), slot[known]] = presence["devices"].to_numpy()[known]
    # outages leave some hours without a ping; homes beside a cell's edge and ties in the hour of a trip make the rest
    assert np.abs(truth - found).sum() < 0.12 * truth.sum()


def test_clean_rows_are_clean_and_slow_enough(tmp_path: Path) -> None:
    told = simulate.write(replace(CLEAN, pings_per_device_week=1_000), tmp_path / "out")
    assert (sum(told.bad_rows.values()), told.duplicate_rows, told.devices_counted) == (0, 0, 600)
    pings = pq.read_table(tmp_path / "out" / "pings").sort_by([("device_id", "ascending"), ("ts", "ascending")])
    assert all(column.null_count == 0 for column in pings.columns)
    window = SMALL.window
    t = pings["ts"].cast(pa.int64()).to_numpy()
    assert window.start_us <= t.min()
    assert t.max() < window.end_us
    lat, lon = pings["lat"].to_numpy(), pings["lon"].to_numpy()
    same = np.diff(pings["device_id"].to_numpy()) == 0
    seconds = np.diff(t) / 1e6
    metres = np.hypot(np.diff(lat) * 111_320, np.diff(lon) * 111_320 * np.cos(np.radians(lat[1:])))
    watched = same & (seconds > 60)
    # noise in position apart, nobody is faster than a car on a motorway
    assert np.quantile(metres[watched] / seconds[watched], 0.999) < 35
    assert (pings["accuracy_m"].to_numpy() >= 3).all()


def test_shares_of_flaws(small: tuple[Path, simulate.Summary], tmp_path: Path) -> None:
    told = simulate.write(
        replace(SMALL, bad_row_share=0.2, duplicate_share=0.1, no_consent_share=0.3, late_consent_share=0.2, opted_out_share=0.25), tmp_path / "out"
    )
    pings = pq.read_table(tmp_path / "out" / "pings")
    n = told.pings
    assert 0.16 < sum(told.bad_rows.values()) / n < 0.22
    assert 0.08 < told.duplicate_rows / n < 0.1
    assert min(told.bad_rows.values()) > 0.012 * n
    assert pings["device_id"].null_count >= told.bad_rows["null_device"]
    assert pings["ts"].null_count >= told.bad_rows["null_time"]
    assert pings["lat"].null_count >= told.bad_rows["null_place"]
    assert pings["lat"].null_count == pings["lon"].null_count
    assert pc.sum(pc.equal(pings["lat"], 0.0)).as_py() >= told.bad_rows["zero_island"]
    devices = pings.group_by("device_id").aggregate([("consented_at", "min"), ("opted_out", "max"), ("opted_out", "min")]).drop_null()
    late = pc.sum(pc.greater_equal(devices["consented_at_min"], pa.scalar(SMALL.window.start_us, pa.timestamp("us", tz="UTC")))).as_py()
    assert 0.18 < late / devices.num_rows < 0.4  # 0.2 of 0.7; 5 sd of 420 devices are 0.11
    assert devices["opted_out_max"].equals(devices["opted_out_min"])
    assert told.devices_counted < 0.7 * 600


def test_rows_are_dealt_to_all_files_and_shuffled(small: tuple[Path, simulate.Summary]) -> None:
    parts = [pq.read_table(p)["device_id"] for p in sorted((small[0] / "pings").iterdir())]
    devices = [set(part.to_pylist()) for part in parts]
    assert len(set.intersection(*devices)) > 500
    assert (np.diff(parts[0].drop_null().to_numpy()) == 0).mean() < 0.05
    assert max(map(len, parts)) - min(map(len, parts)) <= 4


def test_memory_does_not_grow_with_the_devices(tmp_path: Path) -> None:
    peaks = []
    settings = replace(SMALL, chunk_devices=300, threads=2)
    simulate.write(settings, tmp_path / "warm")
    for devices in (1_500, 6_000):
        tracemalloc.start()
        simulate.write(replace(settings, devices=devices), tmp_path / str(devices))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0] + 2**20


def test_a_change_of_clocks(tmp_path: Path) -> None:
    settings = replace(SMALL, start=date(2026, 3, 7), days=2)
    told = simulate.write(settings, tmp_path / "out")
    by_slot = pq.read_table(tmp_path / "out" / "truth" / "presence.parquet").group_by("slot_start").aggregate([("devices", "sum")])
    assert by_slot.num_rows == 47
    assert set(by_slot["devices_sum"].to_pylist()) == {told.devices_counted}


def test_progress_counts_devices(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    simulate.write(SMALL, tmp_path / "out", progress=lambda done, all_: seen.append((done, all_)))
    assert seen == [(150, 600), (300, 600), (450, 600), (600, 600)]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, all_: int) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        simulate.write(replace(SMALL, threads=2), tmp_path / "out", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(ConfigError) as refused:
        simulate.write(SMALL, tmp_path / "out")
    assert refused.value.code == "SIMULATE_FOLDER"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


def test_the_note_says_what_it_is(small: tuple[Path, simulate.Summary]) -> None:
    note = (small[0] / "truth" / "README.txt").read_text()
    assert "SIMULATED" in note
    assert "Westchester (36119)" in note


def test_summary_speaks_json(small: tuple[Path, simulate.Summary], tmp_path: Path) -> None:
    assert small[1].as_dict()["pings"] == small[1].pings
    one = simulate.write(replace(SMALL, devices=50, counties=("36061",)), tmp_path / "one")
    assert one.as_dict()["county_correlation"] is None
