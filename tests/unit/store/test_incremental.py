"""Daily deliveries: merged segments hold the same, corrections replace, readers keep what they read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.store._made import INPUT, SIMULATED, START_US, order, pings, rows, store, write

from flockwise.errors import DataError, StoreError
from flockwise.store import Store
from flockwise.store import store as storing
from flockwise.store.locking import locked

OPTING = {"opt_out": "out"}


def segments(vault: Store) -> list[Path]:
    return sorted((vault._root / "segments").iterdir())


def reopened(vault: Store) -> Store:
    return Store.open(vault._study)


def test_merging_keeps_the_rows_and_the_digest(tmp_path: Path) -> None:
    vault = store(tmp_path / "s")
    for n in range(11):
        vault.ingest([write(pings(300, devices=40, seed=n), tmp_path / f"{n}.parquet")], order, SIMULATED)
    before, digest = rows(vault), vault.keyed_digest()
    told: list[tuple[str, int, int]] = []
    vault.compact(order, lambda *step: told.append(step))
    assert told[-1][0] == "compact"
    assert told[-1][1] == told[-1][2]
    assert len(segments(vault)) == storing.NEWEST_APART + 1
    for held in (vault, reopened(vault)):
        assert rows(held) == before
        assert held.keyed_digest() == digest
    vault.compact(order)
    assert len(segments(vault)) == storing.NEWEST_APART + 1


def test_many_deliveries_are_merged_by_themselves_and_stay_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "MOST_SEGMENTS", 5)
    monkeypatch.setattr(storing, "NEWEST_APART", 2)
    vault, apart = store(tmp_path / "s"), store(tmp_path / "t")
    files = [write(pings(200, devices=30, seed=n), tmp_path / f"{n}.parquet") for n in range(9)]
    for file in files:
        vault.ingest([file], order, SIMULATED)
        assert len(segments(vault)) <= 5
    apart.ingest(files, order, SIMULATED)
    assert len(rows(vault)) == len(rows(apart))
    assert vault.ingest(files, order, SIMULATED).files_skipped == 9


def test_what_cannot_be_merged_does_not_undo_the_ingest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "MOST_SEGMENTS", 2)
    monkeypatch.setattr(storing, "NEWEST_APART", 1)
    vault = store(tmp_path / "s")
    real, broken = storing.merge, [True]

    def merge(*args: object) -> object:
        if broken[0]:
            raise OSError(28, "no space left")
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(storing, "merge", merge)
    for n in range(4):
        vault.ingest([write(pings(200, devices=30, seed=n), tmp_path / f"{n}.parquet")], order, SIMULATED)
    held = rows(vault)
    assert len(segments(vault)) == 4
    broken[0] = False
    vault.ingest([write(pings(200, devices=30, seed=3), tmp_path / "again.parquet")], order, SIMULATED)
    vault.ingest([write(pings(1, devices=1, seed=7), tmp_path / "one.parquet")], order, SIMULATED)
    assert len(segments(vault)) == 2
    assert set(held) <= set(rows(vault))


def test_a_reader_keeps_its_files_while_an_ingest_merges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "MOST_SEGMENTS", 3)
    monkeypatch.setattr(storing, "NEWEST_APART", 1)
    writer = store(tmp_path / "s")
    for n in range(3):
        writer.ingest([write(pings(200, devices=30, seed=n), tmp_path / f"{n}.parquet")], order, SIMULATED)
    with reopened(writer).reading() as reader:
        before = rows(reader)
        writer.ingest([write(pings(200, devices=30, seed=3), tmp_path / "3.parquet")], order, SIMULATED)
        assert len(segments(writer)) == 5  # the merged one is there, the three that it replaces still are
        assert rows(reader) == before
        assert len(rows(writer)) == 800
    writer.ingest([write(pings(200, devices=30, seed=4), tmp_path / "4.parquet")], order, SIMULATED)
    assert len(segments(writer)) == 3
    assert len(rows(writer)) == 1000


def test_a_correction_replaces_the_former_delivery_in_one_step(tmp_path: Path) -> None:
    vault, wanted = store(tmp_path / "s"), store(tmp_path / "t")
    kept, wrong = write(pings(300, seed=1), tmp_path / "kept.parquet"), write(pings(300, seed=2), tmp_path / "wrong.parquet")
    right = write(pings(250, seed=3), tmp_path / "right.parquet")
    vault.ingest([kept], order, SIMULATED)
    vault.ingest([wrong], order, SIMULATED)
    digest = vault.keyed_digest()
    report = vault.ingest([right], order, SIMULATED, replace=[wrong])
    assert report.stored == 250
    wanted.ingest([kept, right], order, SIMULATED)
    assert len(rows(vault)) == len(rows(wanted)) == 550
    assert {r[2:] for r in rows(vault)} == {r[2:] for r in rows(wanted)}
    assert {r[2:] for r in rows(reopened(vault))} == {r[2:] for r in rows(wanted)}
    assert vault.keyed_digest() != digest
    # It is as if the former had never come: it may come again, and can be replaced by what is there already.
    assert vault.ingest([wrong], order, SIMULATED).stored == 300
    assert vault.ingest([kept], order, SIMULATED, replace=[wrong]).files_skipped == 1
    assert len(rows(vault)) == 550


def test_only_whole_ingests_can_be_replaced_and_nothing_changes_otherwise(tmp_path: Path) -> None:
    vault = store(tmp_path / "s")
    together = [write(pings(100, seed=n), tmp_path / f"{n}.parquet") for n in range(2)]
    vault.ingest(together, order, SIMULATED)
    before, digest = rows(vault), vault.keyed_digest()
    new = write(pings(100, seed=5), tmp_path / "new.parquet")
    for former, code in (([together[0]], "INGEST_REPLACE_MIXED"), ([new], "INGEST_REPLACE_UNKNOWN")):
        with pytest.raises(DataError) as caught:
            vault.ingest([new], order, SIMULATED, replace=former)
        assert caught.value.code == code
        assert rows(vault) == before
        assert vault.keyed_digest() == digest == reopened(vault).keyed_digest()
    assert vault.ingest([new], order, SIMULATED, replace=together).stored == 100
    assert len(rows(vault)) == 100


def test_a_failed_correction_leaves_the_former_delivery(tmp_path: Path) -> None:
    vault = store(tmp_path / "s")
    wrong = write(pings(100, seed=1), tmp_path / "wrong.parquet")
    vault.ingest([wrong], order, SIMULATED)
    before = rows(vault)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError):
        vault.ingest([str(tmp_path / "broken.parquet")], order, SIMULATED, replace=[wrong])
    assert rows(vault) == before
    assert rows(reopened(vault)) == before


def test_an_opt_out_outlives_the_correction_of_its_delivery(tmp_path: Path) -> None:
    vault = store(tmp_path / "s", input=INPUT | OPTING)

    def delivery(name: str, out: list[bool]) -> str:
        table = pa.table(
            {
                "device_id": pa.array([11, 12, 13]),
                "ts": pa.array([START_US + 1, START_US + 2, START_US + 3], pa.timestamp("us", "UTC")),
                "lat": [40.7] * 3,
                "lon": [-74.0 + 0.001 * len(name)] * 3,
                "out": out,
            }
        )
        return write(table, tmp_path / f"{name}.parquet")

    first = delivery("a", [True, False, False])
    vault.ingest([first], order, SIMULATED)
    assert len(rows(vault)) == 2
    vault.ingest([delivery("bb", [False, False, False])], order, SIMULATED, replace=[first])
    assert len(rows(vault)) == 2


def test_a_correction_waits_for_nobody(tmp_path: Path) -> None:
    vault = store(tmp_path / "s")
    first = write(pings(100, seed=1), tmp_path / "first.parquet")
    vault.ingest([first], order, SIMULATED)
    with locked(vault._root), pytest.raises(StoreError) as caught:
        reopened(vault).ingest([write(pings(100, seed=2), tmp_path / "second.parquet")], order, SIMULATED, replace=[first])
    assert caught.value.code == "STORE_BUSY"
