"""Deliveries that are not let in: nothing of them is read, the steward sees them, and a mended record is all it takes."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.governance._records import record
from tests.unit.store._made import SIMULATED, order, pings, study, write

from flockwise.config import Study, SupplierSpec
from flockwise.errors import RuleError
from flockwise.store import Store, keys, quarantine, reading
from flockwise.store.auctions import auction_columns


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flockwise.base.clock.now", lambda: datetime(2026, 6, 1, tzinfo=UTC))


def made(folder: Path, *changes: tuple[str, str]) -> Study:
    plain = study(folder, purpose="transport-planning")
    if not plain.store.key.exists():
        keys.create(plain.store.key)
    return plain.model_copy(update={"supplier": SupplierSpec(file=record(folder, *changes), grace_days=30)})


def take_in(of: Study, source: str) -> int:
    with quarantine.guard(of, [source]):
        there = (of.store.path / "manifest.json").exists()
        return (Store.open(of) if there else Store.create(of)).ingest([source], order, SIMULATED).stored
    raise AssertionError


@pytest.mark.rule(4)
def test_a_delivery_without_a_clear_record_is_noted_and_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(pings(50), tmp_path / "in" / "device-1234567890.parquet")
    of = made(tmp_path, ('ad_auctions = "no"', 'ad_auctions = "unknown"'))

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a row was read")

    with monkeypatch.context() as patched:
        patched.setattr(reading, "open_file", never)
        patched.setattr(pq, "ParquetFile", never)
        patched.setattr("flockwise.store.store.open_file", never)
        with pytest.raises(RuleError) as caught:
            take_in(of, source)

    assert caught.value.code == "SUPPLIER_AMBIGUOUS"
    assert "ad_auctions" in caught.value.what
    assert not of.store.path.exists()
    (entry,) = quarantine.entries(of)
    assert (entry.day, entry.files, entry.size, entry.reasons, entry.taken) == ("2026-06-01", 1, Path(source).stat().st_size, ("SUPPLIER_AMBIGUOUS",), "")
    assert entry.mark in caught.value.state
    kept = quarantine.place(of).read_bytes()
    assert b"1234567890" not in kept
    assert b"parquet" not in kept
    assert stat.S_IMODE(quarantine.place(of).stat().st_mode) == 0o600


@pytest.mark.rule(4)
def test_with_a_mended_record_the_same_delivery_is_taken_in_and_the_entry_says_so(tmp_path: Path) -> None:
    source = write(pings(50), tmp_path / "in" / "a.parquet")
    for _ in range(2):
        with pytest.raises(RuleError):
            take_in(made(tmp_path, ("on = 2026-05-01", "on = 2024-05-01")), source)
    other = write(pings(50, seed=1), tmp_path / "in" / "b.parquet")
    with pytest.raises(RuleError):
        take_in(made(tmp_path, ('minors = "no"', 'minors = "yes"')), other)

    of = made(tmp_path)
    assert take_in(of, source) == 50

    assert [(e.reasons, e.taken) for e in quarantine.entries(of)] == [
        (("SUPPLIER_LAPSED",), "2026-06-01"),
        (("SUPPLIER_LAPSED",), "2026-06-01"),
        (("SUPPLIER_MINORS",), ""),
    ]


def test_a_line_that_a_crash_cut_off_is_no_entry(tmp_path: Path) -> None:
    source = write(pings(5), tmp_path / "in" / "a.parquet")
    of = made(tmp_path, ('minors = "no"', 'minors = "yes"'))
    quarantine.place(of).write_bytes(b'\n{"day": "2026-05-30", "rea')
    with pytest.raises(RuleError):
        take_in(of, source)
    assert [e.day for e in quarantine.entries(of)] == ["2026-06-01"]


@pytest.mark.rule(5)
@pytest.mark.parametrize("column", ["auction_id", "imp.bidfloor", "SSP", "dsp_name", "bidRequest", "openrtb_version", "x.seatbid.0.adomain"])
def test_columns_of_an_ad_auction_keep_a_file_out(column: str, tmp_path: Path) -> None:
    of = made(tmp_path)
    table = pings(50).append_column(column, pa.array(["x"] * 50))
    for source in (write(table, tmp_path / "in" / "a.parquet"), str(tmp_path / "in" / "a.csv")):
        if source.endswith("csv"):
            Path(source).write_text(",".join(table.column_names) + "\n1,2026-03-02T00:00:00Z,40.7,-74.0,x\n")
        with pytest.raises(RuleError) as caught:
            take_in(of, source)
        assert caught.value.code == "INGEST_AD_AUCTION"
        assert column in caught.value.got
    assert [e.reasons for e in quarantine.entries(of)] == [("INGEST_AD_AUCTION",)] * 2
    assert take_in(of, write(pings(50), tmp_path / "b.parquet")) == 50


@pytest.mark.rule(5)
def test_columns_inside_structures_are_looked_at_and_ordinary_names_pass() -> None:
    inner = pa.struct([("geo", pa.string()), ("bid_floor", pa.float64())])
    schema = pa.schema([("ext", pa.list_(pa.struct([("imps", inner)]))), ("device_id", pa.int64())])
    assert auction_columns(schema) == ["bid_floor"]
    names = "device_id ad_id ts lat lon horizontal_accuracy publisher_id app_id ip_address user_agent speed altitude country tmax seat_id at temp"
    assert auction_columns(pa.schema([(name, pa.string()) for name in names.split()])) == []
