"""One bad value refuses one row; a study that does not fit, or a file that changes, refuses the whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.store._made import SIMULATED, bytes_of, order, pings, rows, store, study, write

from flockwise import config
from flockwise.config import Study
from flockwise.errors import ConfigError, DataError, FlockwiseError, RuleError, StoreError
from flockwise.store import Store, keys

GOOD = "7,2026-03-02T08:15:00Z,40.7,-74.0,10,yes,2026-03-01T00:00:00Z"
MAPPING = {
    "time_format": "iso8601",
    "accuracy": "acc",
    "opt_out": "out",
    "consent": "since",
    "consent_basis": None,
}


def test_each_bad_value_refuses_its_row_alone(tmp_path: Path) -> None:
    good = GOOD.replace("yes", "no")
    bad = {
        good.replace("7,", ",", 1): "null",
        good.replace("7,", "seven,", 1): "bad_value",
        good.replace("7,", "7.0,", 1): "bad_value",
        good.replace("08:15", "25:15"): "bad_time",
        good.replace("00Z,40", "00,40"): "bad_time",
        good.replace("40.7", ""): "null",
        good.replace("40.7", "forty"): "bad_value",
        good.replace("40.7", "140.7"): "out_of_range",
        good.replace("40.7", "nan"): "out_of_range",
        good.replace("40.7,-74.0", "0,0"): "out_of_range",
        good.replace("03-02T08", "03-09T08"): "outside_window",
        good.replace("-74.0", "-70.0"): "outside_region",
        good.replace(",10,", ",500,"): "poor_accuracy",
        good.replace(",10,", ",-1,"): "poor_accuracy",
        good.replace(",10,", ",good,"): "bad_value",
        good.replace(",no,", ",perhaps,"): "bad_value",
        good.replace("03-01", "03-03"): "before_consent",
        good.rsplit(",", 1)[0] + ",": "no_consent",
        good.rsplit(",", 1)[0] + ",false": "no_consent",
        good.rsplit(",", 1)[0] + ",someday": "bad_value",
        good + ",one field too many": "malformed",
        "7,2026": "malformed",
        good.replace("08:15", "08:\x8115"): "bad_time",
    }
    assert len(bad) == 23
    lines = ["device_id,ts,lat,lon,acc,out,since", *bad, good, good.replace("08:15", "09:15")]
    (tmp_path / "a.csv").write_bytes("\n".join(lines).encode("latin-1"))
    made = store(tmp_path, input=MAPPING)
    report = made.ingest([str(tmp_path / "a.csv")], order, SIMULATED)
    assert report.stored == 2
    counted = {reason: list(bad.values()).count(reason) for reason in set(bad.values())}
    assert dict(report.refused) == counted
    assert list(report.refused)[:3] == ["malformed", "null", "bad_value"]
    assert report.rows_read == len(lines) - 1


def test_a_very_long_identifier_is_one_bad_value(tmp_path: Path) -> None:
    table = pings(3).set_column(0, "device_id", pa.array(["a" * 256, "b" * 257, "c" * 100_000]))
    made = store(tmp_path, input={"device_type": "text"})
    assert dict(made.ingest([write(table, tmp_path / "a.parquet")], order, SIMULATED).refused) == {"null": 1, "bad_value": 1}  # over 4,096 bytes: not read
    assert len(rows(made)) == 1


def test_times_beyond_64_bits_are_bad_times(tmp_path: Path) -> None:
    table = pings(4).set_column(1, "ts", pa.array([2**62, -(2**62), 10**18, 1_772_410_000]))
    made = store(tmp_path, input={"time_format": "s"})
    assert dict(made.ingest([write(table, tmp_path / "a.parquet")], order, SIMULATED).refused) == {"bad_time": 3}


Change = Callable[[Path], Study]
CHANGES: dict[str, Change] = {
    "[window] start": lambda f: study(f, window={"start": "2026-03-03"}),
    "[window] days": lambda f: study(f, window={"days": 3}),
    "[window] timezone": lambda f: study(f, window={"timezone": "Europe/Berlin"}),
    "[region]": lambda f: study(f, box=(-74.1, 40.6, -73.7, 40.9)),
    "[input] device_type": lambda f: study(f, input={"device_type": "text"}),
    "purpose": lambda f: study(f, purpose="transport-planning"),
    "[ledger] dataset": lambda f: study(f, dataset="another"),
    "[cleaning] greatest_accuracy_m": lambda f: study(f, cleaning={"greatest_accuracy_m": 300}),
    "resolution": lambda f: study(f, resolution=6),
}


@pytest.mark.parametrize("setting", CHANGES)
def test_a_changed_study_is_refused_by_name(setting: str, tmp_path: Path) -> None:
    store(tmp_path)
    with pytest.raises(StoreError, match="made for another") as caught:
        Store.open(CHANGES[setting](tmp_path))
    assert caught.value.code == "STORE_OTHER_STUDY"
    assert setting in caught.value.what
    assert "path" in caught.value.fix


def test_what_a_store_does_not_depend_on_may_change(tmp_path: Path) -> None:
    made = store(tmp_path)
    made.ingest([write(pings(20), tmp_path / "a.parquet")], order, SIMULATED)
    for other in (study(tmp_path, panel=9), study(tmp_path, cleaning={"greatest_accuracy_m": 50}), study(tmp_path, input={"time": "when"})):
        assert len(rows(Store.open(other))) == 20


def test_another_key_is_refused(tmp_path: Path) -> None:
    made = store(tmp_path)
    (tmp_path / "key").unlink()
    keys.create(tmp_path / "key")
    with pytest.raises(StoreError) as caught:
        Store.open(made._study)
    assert (caught.value.code, "[store] key" in caught.value.what) == ("STORE_OTHER_STUDY", True)


def refused(kind: type[FlockwiseError], call: Callable[[], Any]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return caught.value.code


def test_a_folder_that_can_not_become_a_store(tmp_path: Path) -> None:
    made = store(tmp_path)
    assert refused(StoreError, lambda: Store.create(made._study)) == "STORE_EXISTS"
    other = study(tmp_path / "b")
    keys.create(other.store.key)
    other.store.path.mkdir()
    (other.store.path / "holiday.jpg").write_bytes(b"x")
    assert refused(StoreError, lambda: Store.create(other)) == "STORE_NOT_EMPTY"
    text = other.model_dump_json().replace(json.dumps(str(other.store.key)), json.dumps(str(other.store.path / "key")))
    inside = config.Study.model_validate_json(text)
    assert refused(ConfigError, lambda: Store.create(inside)) == "STORE_KEY_INSIDE"


def test_a_store_that_others_may_read_is_refused(tmp_path: Path) -> None:
    made = store(tmp_path)
    (tmp_path / "store").chmod(0o750)
    assert refused(RuleError, lambda: Store.open(made._study)) == "STORE_MODE"


def test_a_store_that_is_not_there_or_damaged(tmp_path: Path) -> None:
    assert refused(StoreError, lambda: Store.open(study(tmp_path / "none"))) == "STORE_NOT_FOUND"
    made = store(tmp_path)
    made.ingest([write(pings(500), tmp_path / "a.parquet")], order, SIMULATED)
    file = next((tmp_path / "store" / "segments").rglob("0*.parquet"))
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 3] ^= 255
    file.write_bytes(whole)
    opened = Store.open(made._study)
    assert refused(StoreError, lambda: rows(opened)) == "STORE_DAMAGED"
    file.unlink()
    assert refused(StoreError, lambda: rows(opened)) == "STORE_DAMAGED"
    (tmp_path / "store" / "manifest.json").write_text("{}")
    assert refused(StoreError, lambda: Store.open(made._study)) == "STORE_DAMAGED"
    for other in (2, 99):
        (tmp_path / "store" / "manifest.json").write_text(f'{{"format": {other}}}')
        assert refused(StoreError, lambda: Store.open(made._study)) == "STORE_FORMAT"


def test_a_file_that_changes_while_it_is_read_stops_the_ingest(tmp_path: Path) -> None:
    made = store(tmp_path)
    source = write(pings(50), tmp_path / "a.parquet")
    before = bytes_of(tmp_path / "store")

    def touch(stage: str, at: int, total: int) -> None:
        if stage == "order" and at == 1:
            write(pings(60), tmp_path / "a.parquet")

    assert refused(DataError, lambda: made.ingest([source], order, SIMULATED, touch)) == "INGEST_FILE_CHANGED"
    assert bytes_of(tmp_path / "store") == before


def test_a_delivery_without_rows(tmp_path: Path) -> None:
    made = store(tmp_path)
    before = bytes_of(tmp_path / "store")
    source = write(pings(5).slice(0, 0), tmp_path / "in" / "a.parquet")
    assert refused(DataError, lambda: made.ingest([source], order, SIMULATED)) == "INGEST_NO_ROWS"
    assert bytes_of(tmp_path / "store") == before
    header = tmp_path / "header.csv"
    header.write_text("device_id,ts,lat,lon\n")
    text = Store.open(study(tmp_path, input={"time_format": "s"}))
    assert refused(DataError, lambda: text.ingest([str(header)], order, SIMULATED)) == "INGEST_NO_ROWS"
    write(pings(5), tmp_path / "in" / "b.parquet")
    assert made.ingest([str(tmp_path / "in")], order, SIMULATED).stored == 5


@pytest.mark.parametrize(
    ("address", "code"),
    [("nosuch://bucket/a.parquet", "INGEST_BAD_ADDRESS"), ("memory://none/a.parquet", "INGEST_NOT_FOUND"), ("memory://none/*.csv", "INGEST_NO_MATCH")],
)
def test_addresses_that_lead_nowhere(address: str, code: str, tmp_path: Path) -> None:
    made = store(tmp_path)
    assert refused(DataError, lambda: made.ingest([address], order, SIMULATED)) == code


def test_no_message_shows_the_password_of_an_address(tmp_path: Path) -> None:
    made = store(tmp_path)
    with pytest.raises(DataError) as caught:
        made.ingest(["nosuch://user:hunter2@host/a.parquet?token=hunter2"], order, SIMULATED)
    assert "hunter2" not in str(caught.value)


def test_no_message_shows_a_line_of_the_file(tmp_path: Path) -> None:
    made = store(tmp_path)
    (tmp_path / "a.csv").write_text("12345678,2026-03-02T08:15:00Z,40.7,-74.0\n87654321,2026-03-02T08:15:00Z,40.7,-74.0\n")
    with pytest.raises(DataError) as caught:
        made.ingest([str(tmp_path / "a.csv")], order, SIMULATED)
    assert caught.value.code == "INGEST_MISSING_COLUMN"
    assert "12345678" not in str(caught.value)


def test_an_ordering_that_loses_rows_is_our_bug_and_stores_nothing(tmp_path: Path) -> None:
    made = store(tmp_path)
    before = bytes_of(tmp_path / "store")

    def losing(table: pa.Table) -> tuple[pa.Table, dict[str, int]]:
        return table.slice(1), {"duplicate": 0}

    assert refused(FlockwiseError, lambda: made.ingest([write(pings(50), tmp_path / "a.parquet")], losing, SIMULATED)) == "INGEST_ORDER"
    assert bytes_of(tmp_path / "store") == before
    assert not list((tmp_path / "store" / "staging").iterdir())
