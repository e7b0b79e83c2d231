"""The pings that bench/end_to_end.py runs on, the study that fits them, and samples of whole devices for tools that can't hold them all.

Two kinds of set are known by their columns:
standard   device_id, ts, lat, lon, accuracy: 40 made-up cities over western Europe, from 2026-03-02 UTC, seed 1.
simulated  what flockwise.simulate writes: greater New York, with refused rows, consents and opt-outs, from 2026-05-04.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

__all__ = ["Pings", "Sample", "find", "make", "relabelled", "sample", "write_study"]

STANDARD = {"device_id", "ts", "lat", "lon", "accuracy"}
SIMULATED = {"device_id", "ts", "lat", "lon", "accuracy_m", "consented_at", "opted_out"}
CITY_HALF_LAT, CITY_HALF_LON = 0.25, 0.375


@dataclass(frozen=True)
class Pings:
    """A set of pings on disk.

    Attributes:
        kind: "standard" or "simulated".
        folder: its Parquet files.
        region: GeoJSON mapping of the study's public region.
        rows: pings in all.
        start: first local day.
        timezone: IANA name.
        resolution: H3 resolution of the study's presence table unless another is asked for.
    """

    kind: str
    folder: Path
    region: dict[str, Any]
    rows: int
    start: date
    timezone: str
    resolution: int


@dataclass(frozen=True)
class Sample:
    """Some whole devices of a set: as Parquet in the set's own columns, and as usable pings in a numpy file for the peers."""

    parquet: Path
    arrays: Path
    devices: int
    rows: int
    usable: int


def find(folder: Path) -> Pings:
    """The set in a folder: one of Parquet files, or one that flockwise simulate wrote.

    Raises:
        SystemExit: it is neither.
    """
    inside = folder / "pings" if (folder / "pings").is_dir() else folder
    files = sorted(inside.glob("*.parquet"))
    if not files:
        raise SystemExit(f"{folder}: no Parquet files")
    names = set(pq.read_schema(files[0]).names)
    rows = sum(pq.read_metadata(f).num_rows for f in files)
    if names == STANDARD:
        return Pings("standard", inside, _cities(), rows, date(2026, 3, 2), "UTC", 5)
    region = inside.parent / "region.geojson"
    if names == SIMULATED and region.exists():
        return Pings("simulated", inside, json.loads(region.read_text()), rows, date(2026, 5, 4), "America/New_York", 7)
    raise SystemExit(f"{folder}: columns {sorted(names)} are those of neither set; see bench/_pings.py")


def make(folder: Path, devices: int, days: int) -> Pings:
    """A simulated set, shuffled within 25,000 devices and over 8 files, in a new folder."""
    from flockwise import simulate

    settings = simulate.Settings(devices=devices, start=date(2026, 5, 4), days=days, files=8, compression="zstd", chunk_devices=25_000)
    simulate.write(settings, folder)
    return find(folder)


def relabelled(pings: Pings, piece: int, folder: Path) -> Path:
    """The set once more with other identifiers, in a folder of its own: another population of the same habits."""
    folder.mkdir(parents=True)
    for file in sorted(pings.folder.glob("*.parquet")):
        source = pq.ParquetFile(file)
        with pq.ParquetWriter(folder / file.name, source.schema_arrow, compression="snappy", use_dictionary=False, write_statistics=False) as sink:
            for batch in source.iter_batches(1 << 20):
                place = batch.schema.get_field_index("device_id")
                ids = batch.column(place).cast(pa.int64(), safe=False)
                other = pc.bit_wise_xor(ids, pa.scalar(piece * 0x5851F42D4C957F2D & (1 << 62) - 1, pa.int64()))
                sink.write_batch(batch.set_column(place, batch.schema.field(place), other.cast(batch.schema.field(place).type, safe=False)))
    return folder


def _cities() -> dict[str, Any]:
    """A box around each of the standard set's cities. Their centres are the first draws of its generator; 99.0 % of its pings lie in the boxes."""
    rng = np.random.default_rng(1)
    centres = zip(rng.uniform(42, 54, 40), rng.uniform(-3, 16, 40), strict=True)
    boxes = []
    for lat, lon in centres:
        south, north, west, east = lat - CITY_HALF_LAT, lat + CITY_HALF_LAT, lon - CITY_HALF_LON, lon + CITY_HALF_LON
        boxes.append([[[west, south], [east, south], [east, north], [west, north], [west, south]]])
    return {"type": "MultiPolygon", "coordinates": boxes}


def write_study(pings: Pings, folder: Path, *, days: int, resolution: int, devices_bound: int, engine: str = "") -> Path:
    """A study of a set and the key it needs, in `folder`: presence by hour at `resolution` and one coarser, flows one and two coarser, in one slot.

    `engine` is the text of its section [engine].
    """
    from flockwise import api, config
    from flockwise.base import clock
    from flockwise.governance import places

    folder.mkdir(parents=True, exist_ok=True)
    region, study = folder / "region.geojson", folder / "study.toml"
    region.write_text(json.dumps(pings.region))
    (folder / "supplier.toml").write_text(config.supplier_of_simulation(pings.start, clock.today()))
    # init makes the key; its study is then replaced by one whose tables are those of this measurement.
    api.init(study, region=region, start=pings.start, days=days, timezone=pings.timezone, name="bench")
    extra = (
        'accuracy = "accuracy"\nconsent_basis = "made-up pings: nobody is behind them"'
        if pings.kind == "standard"
        else 'accuracy = "accuracy_m"\nconsent = "consented_at"\nopt_out = "opted_out"'
    )
    study.write_text(
        f"""name = "bench"
purpose = "transport-planning"
[supplier]
file = "supplier.toml"
[store]
path = "bench.store"
key = "bench.key"
retention_days = 365
[ledger]
path = "bench.ledger"
dataset = "bench"
lifetime_epsilon = "4"
[trail]
path = "bench.trail"
key = "bench.trail.key"
[region]
geojson = "region.geojson"
[places]
file = "places.parquet"
[window]
start = {pings.start.isoformat()}
days = {days}
timezone = "{pings.timezone}"
[input]
device = "device_id"
device_type = "integer"
time = "ts"
time_format = "timestamp"
lat = "lat"
lon = "lon"
{extra}
[stays]
radius_m = 100
least_duration_min = 5
greatest_gap_min = 15
[privacy]
unit = "device"
window = "whole"
epsilon = "1"
delta = "1e-{max(6, len(str(devices_bound - 1)) + 1)}"
panel_bound = {devices_bound}
[[tables]]
kind = "presence"
resolution = {resolution}
coarser = [{resolution - 1}]
slot_minutes = 60
weight = "3/4"
[[tables]]
kind = "flows"
resolution = {resolution - 1}
coarser = [{resolution - 2}]
weight = "1/4"
[engine]
{engine}
"""
    )
    # No place is cut: what a list of 100,000 places costs is measured by places.py.
    places.Listing.of([], [], np.array([], object), [], pings.start).write(folder / "places.parquet")
    api.places_review(study, "the bench", none_in_region=True)
    return study


def sample(pings: Pings, devices: int, days: int, folder: Path) -> Sample:
    """About `devices` whole devices, evenly spaced in the order of their identifiers.

    What the peers get holds no refused rows (nulls, out of range, outside the window), which they would fail on.
    """
    data = ds.dataset(pings.folder)
    every = np.unique(data.to_table(columns=["device_id"])["device_id"].drop_null().to_numpy())
    chosen = every[:: max(1, len(every) // devices)][:devices]
    table = data.to_table(filter=pc.field("device_id").isin(pa.array(chosen)))
    folder.mkdir(parents=True, exist_ok=True)
    parquet, arrays = folder / "sample.parquet", folder / "sample.npz"
    pq.write_table(table, parquet, compression="zstd")
    zone = ZoneInfo(pings.timezone)
    first = datetime(pings.start.year, pings.start.month, pings.start.day, tzinfo=zone).astimezone(UTC)
    start_us = int(first.timestamp()) * 1_000_000
    end_us = start_us + int(timedelta(days=days).total_seconds()) * 1_000_000
    good = table.select(["device_id", "ts", "lat", "lon"]).drop_null()
    t_us = good["ts"].cast(pa.int64()).to_numpy()
    lat, lon = good["lat"].to_numpy(), good["lon"].to_numpy()
    usable = (np.abs(lat) <= 90) & (np.abs(lon) <= 180) & (t_us >= start_us) & (t_us < end_us)
    np.savez(arrays, device=good["device_id"].to_numpy()[usable], t_us=t_us[usable], lat=lat[usable], lon=lon[usable])
    return Sample(parquet, arrays, len(chosen), table.num_rows, int(usable.sum()))
