"""Deliveries that are broken as a whole: each stops with its own clear error, and the store is as it was, byte for byte."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from tests.conftest import World

from flockwise.cli import main

Maker = Callable[[pa.Table, Path], Path]


def parquet(table: pa.Table, path: Path) -> Path:
    pq.write_table(table, path)
    return path


def corrupt(good: pa.Table, folder: Path) -> Path:
    path = parquet(good, folder / "corrupt.parquet")
    raw = bytearray(path.read_bytes())
    raw[4:400] = bytes(396)  # the first pages' headers; a flipped value inside a page can't be told from another value
    path.write_bytes(raw)
    return path


def cut_off(good: pa.Table, folder: Path) -> Path:
    path = parquet(good, folder / "cut.parquet")
    path.write_bytes(path.read_bytes()[:-2000])
    return path


def not_parquet(good: pa.Table, folder: Path) -> Path:
    path = folder / "text.parquet"
    path.write_text("this is not a table\n" * 50)
    return path


def cut_gzip(good: pa.Table, folder: Path) -> Path:
    plain = folder / "plain.csv"
    pacsv.write_csv(good, plain)
    path = folder / "cut.csv.gz"
    whole = gzip.compress(plain.read_bytes())
    path.write_bytes(whole[: len(whole) // 2])
    plain.unlink()
    return path


def not_gzip(good: pa.Table, folder: Path) -> Path:
    path = folder / "plain.csv.gz"
    pacsv.write_csv(good, path)
    return path


def missing_column(good: pa.Table, folder: Path) -> Path:
    return parquet(good.drop_columns(["lon"]), folder / "missing.parquet")


def double_column(good: pa.Table, folder: Path) -> Path:
    return parquet(good.append_column("lat", good["lat"]), folder / "double.parquet")


def wrong_type(good: pa.Table, folder: Path) -> Path:
    place = good.schema.get_field_index("lat")
    return parquet(good.set_column(place, "lat", pa.array([True] * len(good))), folder / "wrong.parquet")


def wrong_time(good: pa.Table, folder: Path) -> Path:
    place = good.schema.get_field_index("ts")
    return parquet(good.set_column(place, "ts", pc.cast(good["ts"], pa.date32(), safe=False)), folder / "dates.parquet")


def naive_time(good: pa.Table, folder: Path) -> Path:
    place = good.schema.get_field_index("ts")
    return parquet(good.set_column(place, "ts", good["ts"].cast(pa.timestamp("us"))), folder / "naive.parquet")


def empty_file(good: pa.Table, folder: Path) -> Path:
    path = folder / "empty.csv"
    path.touch()
    return path


def empty_folder(good: pa.Table, folder: Path) -> Path:
    path = folder / "nothing"
    path.mkdir()
    return path


def no_match(good: pa.Table, folder: Path) -> Path:
    return folder / "*.parquet"


def not_there(good: pa.Table, folder: Path) -> Path:
    return folder / "absent.parquet"


def unknown_format(good: pa.Table, folder: Path) -> Path:
    path = folder / "pings.xlsx"
    path.write_bytes(b"PK\x03\x04 a spreadsheet")
    return path


def bad_encoding(good: pa.Table, folder: Path) -> Path:
    path = folder / "utf16.csv"
    text = folder / "plain.csv"
    pacsv.write_csv(good, text)
    path.write_bytes(text.read_text().encode("utf-16"))
    text.unlink()
    return path


CASES: list[tuple[Maker, str]] = [
    (corrupt, "INGEST_BROKEN_FILE"),
    (cut_off, "INGEST_BROKEN_FILE"),
    (not_parquet, "INGEST_BROKEN_FILE"),
    (cut_gzip, "INGEST_BROKEN_FILE"),
    (not_gzip, "INGEST_BROKEN_FILE"),
    (missing_column, "INGEST_MISSING_COLUMN"),
    (double_column, "INGEST_DOUBLE_COLUMN"),
    (wrong_type, "INGEST_WRONG_TYPE"),
    (wrong_time, "INGEST_WRONG_TYPE"),
    (naive_time, "INGEST_NAIVE_TIME"),
    (empty_file, "INGEST_EMPTY_FILE"),
    (empty_folder, "INGEST_EMPTY_FOLDER"),
    (no_match, "INGEST_NO_MATCH"),
    (not_there, "INGEST_NOT_FOUND"),
    (unknown_format, "INGEST_UNKNOWN_FORMAT"),
    (bad_encoding, "INGEST_(BROKEN_FILE|MISSING_COLUMN)"),
]


def bytes_of(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "lock"}


@pytest.fixture(scope="module")
def good(small_world: World) -> pa.Table:
    return pq.read_table(small_world.pings / "part-000.parquet")


@pytest.mark.parametrize(("make", "code"), CASES, ids=[m.__name__ for m, _ in CASES])
def test_a_broken_file_stops_the_whole_delivery_and_loses_nothing(make: Maker, code: str, good: pa.Table, own_world: World, tmp_path: Path) -> None:
    folder = tmp_path / "delivery"
    folder.mkdir()
    fine = tmp_path / "fine.parquet"
    pq.write_table(good.slice(0, 100), fine)
    bad = make(good, folder)
    (store,) = own_world.root.glob("*.store")
    before = bytes_of(store)
    done = CliRunner().invoke(main, ["ingest", str(own_world.study), str(fine), str(bad), "--json"])
    assert done.exit_code == 4, done.output
    error = json.loads(done.stderr)["error"]
    assert re.fullmatch(code, error["code"])
    assert error["what"]
    assert error["state"] == "Nothing was stored."
    assert error["fix"]
    assert bytes_of(store) == before
    shown = json.dumps(error)
    assert not [x for x in map(str, good["device_id"].drop_null().to_pylist()[:2000]) if x in shown], "the message quotes a row"
    # The good part of the delivery can be taken in afterwards.
    again = CliRunner().invoke(main, ["ingest", str(own_world.study), str(fine)])
    assert again.exit_code == 0, again.output
