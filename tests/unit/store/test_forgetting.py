"""Deletion lists: gone from every byte, never taken in again, in every window, and nobody learns who was found."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tests.unit.store._made import SIMULATED, content_of, order, pings, rows, store, study, write

from flockwise.base import clock
from flockwise.config import Study
from flockwise.errors import ConfigError, DataError, RuleError
from flockwise.store import Store, due, forget, keys, require_nothing_due
from flockwise.store.pseudonym import Pseudonyms
from flockwise.store.suppression import Suppression, folder_of

UUID = {"device_type": "uuid"}


def as_uuids(table: pa.Table) -> pa.Table:
    return table.set_column(0, "device_id", pa.array([str(uuid.UUID(int=i * 2**64 + i)) for i in table["device_id"].to_pylist()]))


def without(table: pa.Table, gone: list[Any]) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["device_id"], value_set=pa.array(gone, table["device_id"].type))))


def listed(path: Path, ids: list[Any], name: str = "id", **more: list[Any]) -> str:
    lines = [",".join([name, *more]), *(",".join(str(v) for v in line) for line in zip(ids, *more.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def base_of(of: Study, device: str) -> tuple[int, int]:
    """The base of a device, from its hash alone."""
    secret = Suppression.open(of, keys.load(of.store.key)).ring.window
    names = Pseudonyms(of.input.device_type, window=bytes(32), marks=bytes(32), dataset=secret)
    high, low = names.bases_of_hashes(np.frombuffer(hashlib.sha256(device.encode()).digest()[:16], np.uint8).reshape(1, 16))
    return int(high[0]), int(low[0])


def stored(made: Store) -> set[tuple[int, int]]:
    """The bases of all devices in the files themselves, whatever reading would leave out."""
    found = set()
    names = made._pseudonyms(made._ring)
    for held in content_of(made).values():
        if isinstance(held, dict):
            bases = names.to_bases(np.array(held["device_hi"], np.int64), np.array(held["device_lo"], np.int64))
            found |= set(zip(*(b.tolist() for b in bases), strict=True))
    return found


def raw(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".csv", ".geojson") and "delivery" not in path.parts:
            yield str(path.relative_to(folder)), path.read_bytes()


@pytest.mark.rule(6)
@pytest.mark.rule(7)
@pytest.mark.parametrize("kind", ["integer", "integer hashed", "uuid", "uuid hashed", "text", "text hashed"])
def test_a_list_removes_its_devices_from_every_file_and_bars_them(kind: str, tmp_path: Path) -> None:
    form = kind.split()[0]
    table = pings(400, devices=12)
    if form != "integer":
        table = as_uuids(table)
    made = store(tmp_path, input={"device_type": form})
    made.ingest([write(table.slice(0, 200), tmp_path / "delivery" / "a.parquet")], order, SIMULATED)
    made.ingest([write(table.slice(200), tmp_path / "delivery" / "b.parquet")], order, SIMULATED)
    devices = table["device_id"].unique().to_pylist()
    gone, absent = devices[:3], (str(uuid.uuid4()) if form != "integer" else 5)
    bases = {base_of(made._study, str(d)) for d in devices}
    assert stored(made) == bases
    entries = [*gone, absent]
    written = [sha(str(d)) for d in entries] if "hashed" in kind else [str(d).upper() if form == "uuid" else d for d in entries]
    facts = forget(made._study, listed(tmp_path / "list.csv", written), kind="hashed" if "hashed" in kind else "ids")
    assert facts["entries_of_the_list"] == 4
    assert facts["entries_that_are_no_identifier"] == 0
    again = Store.open(made._study)
    assert stored(again) == bases - {base_of(made._study, str(d)) for d in gone}
    assert len(rows(again)) == without(table, gone).num_rows
    report = again.ingest([write(pa.concat_tables([table, table.slice(0, 10)]), tmp_path / "delivery" / "c.parquet")], order, SIMULATED)
    assert report.refused["deleted"] == table.num_rows - without(table, gone).num_rows + (10 - without(table.slice(0, 10), gone).num_rows)
    assert stored(Store.open(made._study)) == bases - {base_of(made._study, str(d)) for d in gone}


@pytest.mark.rule(6)
def test_the_raw_bytes_hold_no_trace(tmp_path: Path) -> None:
    """Without keys: no identifier, hash, base, pseudonym or coordinate in any byte, before or after. With keys: see the test above."""
    table = as_uuids(pings(300, devices=8))
    made = store(tmp_path, input=UUID)
    made.ingest([write(table, tmp_path / "delivery" / "a.parquet")], order, SIMULATED)
    devices = table["device_id"].unique().to_pylist()
    before = rows(made)
    needles: list[bytes] = []
    for device in devices:
        needles += [device.encode(), uuid.UUID(device).bytes, sha(device).encode(), hashlib.sha256(device.encode()).digest()[:16]]
        high, low = base_of(made._study, device)
        needles += [high.to_bytes(8, "little", signed=True), high.to_bytes(8, "big", signed=True), low.to_bytes(8, "little", signed=True)]
    for row in before:
        needles += [row[0].to_bytes(8, "little", signed=True), row[1].to_bytes(8, "little", signed=True), row[2].to_bytes(8, "little", signed=True)]
        needles.append(row[4].to_bytes(4, "little", signed=True) + row[5].to_bytes(4, "little", signed=True))
    for _ in range(2):
        for name, content in raw(tmp_path):
            assert not [n for n in needles if n in content], name
        forget(made._study, listed(tmp_path / "list.csv", devices[:4]))
    names = [name for name, _ in raw(tmp_path)]
    assert any(n.endswith(".parquet") and "segments" in n for n in names)
    assert not any("000001/" in n for n in names)


def test_what_changes_does_not_say_whether_a_device_was_there(tmp_path: Path) -> None:
    told, names = [], []
    for case, which in (("present", 0), ("absent", None)):
        table = pings(3000, devices=200)  # every bucket has some
        made = store(tmp_path / case)
        made.ingest([write(table, tmp_path / case / "delivery" / "a.parquet")], order, SIMULATED)
        before, state = {n for n, _ in raw(tmp_path / case)}, Store.open(made._study).keyed_digest()
        device = table["device_id"].unique().to_pylist()[which] if which is not None else 123
        told.append(forget(made._study, listed(tmp_path / case / "list.csv", [device])))
        names.append((before, {n for n, _ in raw(tmp_path / case)}))
        assert Store.open(made._study).keyed_digest() != state
    assert told[0] == told[1]
    assert names[0] == names[1]


@pytest.mark.rule(6)
def test_the_list_holds_in_every_window_of_the_data_set(tmp_path: Path) -> None:
    table = pings(200, devices=5)
    first = store(tmp_path)
    first.ingest([write(table, tmp_path / "delivery" / "a.parquet")], order, SIMULATED)
    gone = table["device_id"].to_pylist()[0]
    forget(first._study, listed(tmp_path / "list.csv", [gone]))
    text = first._study.model_dump_json().replace(json.dumps(str(tmp_path / "store")), json.dumps(str(tmp_path / "second")))
    second = Store.create(Study.model_validate_json(text))
    report = second.ingest([str(tmp_path / "delivery" / "a.parquet")], order, SIMULATED)
    assert report.refused == {"deleted": table.num_rows - without(table, [gone]).num_rows}
    first = Store.open(first._study)
    assert not {r[:2] for r in rows(first)} & {r[:2] for r in rows(second)}  # and the two windows can't be linked
    assert sorted(r[2:] for r in rows(first)) == sorted(r[2:] for r in rows(second))


@pytest.mark.rule(3)
def test_an_opt_out_in_a_delivery_stops_use_at_once_and_waits_for_deletion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 6, 1, tzinfo=UTC))
    table = pings(200, devices=5).append_column("out", pa.array([False] * 200))
    made = store(tmp_path, input={"opt_out": "out"})
    made.ingest([write(table, tmp_path / "a.parquet")], order, SIMULATED)
    gone = table["device_id"].to_pylist()[0]
    flagged = table.filter(pc.equal(table["device_id"], gone)).slice(0, 1).set_column(4, "out", pa.array([True]))
    made.ingest([write(flagged, tmp_path / "b.parquet")], order, SIMULATED)
    made = Store.open(made._study)
    assert len(rows(made)) == without(table, [gone]).num_rows
    assert len(stored(made)) == 5
    assert next((d.what, d.by, d.overdue) for d in due(made._study)) == ("forget", date(2026, 7, 1), False)
    require_nothing_due(made._study)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 7, 2, tzinfo=UTC))
    with pytest.raises(RuleError) as caught:
        require_nothing_due(made._study)
    assert caught.value.code == "FORGET_OVERDUE"
    forget(made._study, None)
    require_nothing_due(made._study)
    assert len(stored(Store.open(made._study))) == 4


def test_a_store_that_was_opened_before_a_request_is_still_read(tmp_path: Path) -> None:
    """A release that began before it must neither stop nor call the list damaged: it reads what it was charged for, or notices the change."""
    made = store(tmp_path)
    made.ingest([write(pings(200, devices=8), tmp_path / "a.parquet")], order, SIMULATED)
    forget(made._study, listed(tmp_path / "first.csv", [1]))
    early = Store.open(made._study)
    made._list.refresh()
    made._list.add(made._list.bases(), date(2026, 6, 19), "list", always=True)
    assert sum(early.read(bucket).num_rows for bucket in early.buckets()) > 0
    assert Store.open(made._study).keyed_digest() != early.keyed_digest()


def test_requests_carry_the_day_on_which_they_were_received(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 6, 20, tzinfo=UTC))
    made = store(tmp_path)
    source = listed(tmp_path / "list.csv", [7, 8], received=["2026-06-10", "2026-06-01"])
    facts = forget(made._study, source)
    assert (facts["received"], facts["delete_by"]) == ("2026-06-01", "2026-07-01")
    assert "later than 15 days" in facts["use_stopped"]
    facts = forget(made._study, listed(tmp_path / "other.csv", [9]), received=date(2026, 6, 19))
    assert (facts["received"], facts["use_stopped"]) == ("2026-06-19", "2026-06-20")
    kept = json.loads((folder_of(made._study) / "list.json").read_text())
    assert [set(r) for r in kept["requests"]] == [{"number", "received", "listed", "kind"}] * 2


def test_lists_that_can_not_be_used_change_nothing(tmp_path: Path) -> None:
    made = store(tmp_path)
    bad = {
        "FORGET_COLUMN": [listed(tmp_path / "two.csv", [1], other=["x"]), listed(tmp_path / "bare.csv", [2], name="12345678")],
        "FORGET_UNREADABLE": [listed(tmp_path / "words.csv", ["one", "two"])],
        "FORGET_RECEIVED": [listed(tmp_path / "day.csv", [1], received=["soon"])],
        "INGEST_NOT_FOUND": [str(tmp_path / "none.csv")],
    }
    for code, sources in bad.items():
        for source in sources:
            with pytest.raises((ConfigError, DataError)) as caught:
                forget(made._study, source)
            assert caught.value.code == code
            assert "12345678" not in str(caught.value)
    assert Suppression.open(made._study, keys.load(made._study.store.key)).number == 0


def test_parquet_lists_and_unreadable_rows(tmp_path: Path) -> None:
    table = pings(100, devices=4)
    made = store(tmp_path)
    made.ingest([write(table, tmp_path / "delivery" / "a.parquet")], order, SIMULATED)
    gone = table["device_id"].to_pylist()[0]
    pq.write_table(pa.table({"maid": pa.array([gone, None, 5])}), tmp_path / "list.parquet")
    facts = forget(made._study, str(tmp_path / "list.parquet"))
    assert (facts["entries_of_the_list"], facts["entries_that_are_no_identifier"]) == (3, 1)
    assert len(rows(Store.open(made._study))) == without(table, [gone]).num_rows


def test_a_list_that_was_edited_or_lost_is_never_taken_for_an_empty_one(tmp_path: Path) -> None:
    made = store(tmp_path)
    forget(made._study, listed(tmp_path / "list.csv", [1, 2, 3]))
    folder = folder_of(study(tmp_path))
    text = (folder / "list.json").read_text()
    made.ingest([write(pings(20), tmp_path / "a.parquet")], order, SIMULATED)
    changes = (
        lambda: (folder / "list.json").write_text(text.replace('"files": 1', '"files": 0')),
        lambda: (folder / "000001.parquet").unlink(),
        lambda: shutil.rmtree(folder),
    )
    for change in changes:
        change()
        with pytest.raises(DataError) as caught:
            rows(Store.open(made._study))
        assert caught.value.code == "SUPPRESSION_DAMAGED"
        folder.mkdir(exist_ok=True)
        (folder / "list.json").write_text(text)
