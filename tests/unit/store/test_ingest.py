"""What a store holds after ingests: the same content in every format, repeats, opt-outs, bounds."""

from __future__ import annotations

import gzip
import stat
import threading
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from tests.unit.store._made import SIMULATED, START_US, US, by_base, bytes_of, content_of, order, pings, rows, share_list, store, study, twin, write

from flockwise.base.schemas import STORED_PINGS
from flockwise.errors import StoreError
from flockwise.store import IngestReport, Store, capping, settling
from flockwise.store import spill as spilling


def as_csv(table: pa.Table, path: Path) -> str:
    """A CSV file, compressed as its name says."""
    with pa.OSFile(str(path), "wb") as raw:
        kind = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix)
        with pa.CompressedOutputStream(raw, kind) if kind else raw as out:
            pacsv.write_csv(table, out)
    return str(path)


def times(table: pa.Table, form: str) -> pa.Table:
    """The table with its times in another form."""
    us = table["ts"].cast(pa.int64()).to_numpy()
    zoned = np.datetime_as_string(us.astype("M8[us]"), unit="s")
    made: dict[str, Any] = {
        "s": us // US,
        "ms": us // 1000,
        "us": us,
        "float s": us / US,
        "iso Z": np.char.add(zoned, "Z"),
        "iso offset": np.char.add(np.datetime_as_string((us + 7_200 * US).astype("M8[us]"), unit="s"), "+02:00"),
        "iso naive": zoned,
        "naive timestamp": us.astype("M8[us]"),
        "ns": pa.array(us * 1000, pa.timestamp("ns", "UTC")),
        "ms timestamp": pa.array(us // 1000, pa.timestamp("ms", "Europe/Berlin")),
        "s timestamp": pa.array(us // US, pa.timestamp("s", "UTC")),
        "timestamp": table["ts"],
    }
    return table.set_column(1, "ts", pa.array(made[form]) if not isinstance(made[form], pa.ChunkedArray) else made[form])


FORMS = {
    "s": "s",
    "ms": "ms",
    "us": "us",
    "float s": "s",
    "iso Z": "iso8601",
    "iso offset": "iso8601",
    "iso naive": "iso8601",
    "naive timestamp": "timestamp",
    "ns": "timestamp",
    "ms timestamp": "timestamp",
    "s timestamp": "timestamp",
    "timestamp": "timestamp",
}


def ids(table: pa.Table, kind: str) -> pa.Table:
    raw = table["device_id"].to_pylist()
    made = {
        "integer": pa.array(raw, pa.int64()),
        "integer text": pa.array([str(i) for i in raw]),
        "text": pa.array([f"phone-{i}" for i in raw]),
        "large text": pa.array([f"phone-{i}" for i in raw], pa.large_string()),
        "dictionary": pa.array([f"phone-{i}" for i in raw]).dictionary_encode(),
        "uuid": pa.array([str(uuid.UUID(int=i)) for i in raw]),
        "uuid capitals": pa.array([f"{{{str(uuid.UUID(int=i)).upper()}}}" for i in raw]),
        "uuid bytes": pa.array([uuid.UUID(int=i).bytes for i in raw], pa.binary(16)),
        "uuid type": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(int=i).bytes for i in raw], pa.binary(16))),
    }
    return table.set_column(0, "device_id", made[kind])


def ingested(folder: Path, source: str, **parts: Any) -> tuple[list[tuple[int, ...]], IngestReport]:
    made = store(folder, **parts)
    report = made.ingest([source], order, SIMULATED)
    return by_base(made), report


def segments_of(made: Store) -> dict[str, object]:
    """The rows of every file of a store, in their order, by name."""
    return {name: held for name, held in content_of(made).items() if name != "manifest"}


@pytest.fixture
def shared(tmp_path: Path) -> Store:
    """One key and list for every store of a test, so that their bases compare."""
    return store(tmp_path / "shared")


@pytest.fixture
def sharing(shared: Store, tmp_path: Path) -> Any:
    """Ingests into a new store with the shared key and list."""
    count = [0]

    def run(source: str, **parts: Any) -> tuple[list[tuple[int, ...]], IngestReport]:
        count[0] += 1
        folder = tmp_path / f"store{count[0]}"
        share_list(shared, folder)
        return ingested(folder, source, **parts)

    return run


@pytest.mark.parametrize(
    ("form", "suffix"),
    [(form, suffix) for form, kind in FORMS.items() for suffix in ("parquet", "csv", "csv.gz", "csv.zst") if suffix == "parquet" or kind != "timestamp"],
)
def test_every_format_and_form_of_time_gives_the_same_store(form: str, suffix: str, sharing: Any, tmp_path: Path) -> None:
    table = pings(300)
    expected, _ = sharing(write(table, tmp_path / "plain.parquet"))
    path = tmp_path / f"given.{suffix}"
    given = times(table, form)
    source = write(given, path) if suffix == "parquet" else as_csv(given, path)
    zone = "UTC" if "naive" in form else None
    found, report = sharing(source, input={"time_format": FORMS[form], "time_zone": zone})
    assert found == expected
    assert report.stored == 300


@pytest.mark.parametrize("suffix", ["parquet", "csv.gz"])
@pytest.mark.parametrize(
    "kinds",
    [("integer", "integer text"), ("text", "large text", "dictionary"), ("uuid", "uuid capitals", "uuid bytes", "uuid type")],
)
def test_every_form_of_identifier_gives_the_same_store(kinds: tuple[str, ...], suffix: str, sharing: Any, tmp_path: Path) -> None:
    table = times(pings(200), "s")
    mapping = {"device_type": kinds[0], "time_format": "s"}
    expected, report = sharing(write(ids(table, kinds[0]), tmp_path / "plain.parquet"), input=mapping)
    assert report.stored == 200
    for i, kind in enumerate(kinds):
        if suffix != "parquet" and kind.startswith(("uuid b", "uuid t")):
            continue
        given = ids(table, kind)
        if suffix != "parquet" and kind == "dictionary":
            given = ids(table, "text")
        path = tmp_path / f"given{i}.{suffix}"
        found, _ = sharing(write(given, path) if suffix == "parquet" else as_csv(given, path), input=mapping)
        assert found == expected


def test_consent_and_opt_out_in_every_form(sharing: Any, tmp_path: Path) -> None:
    table = pings(400)
    table = table.set_column(0, "device_id", pa.array(range(10**9, 10**9 + 400)))
    rng = np.random.default_rng(1)
    us = table["ts"].cast(pa.int64()).to_numpy()
    given = us + rng.integers(-5, 6, 400) * 3600 * US
    none = rng.random(400) < 0.2
    out = rng.random(400) < 0.1
    stamps = pa.array(given, pa.timestamp("us", "UTC"), mask=none)
    texts = pa.array(np.char.add(np.datetime_as_string(given.astype("M8[us]"), unit="s"), "Z"), mask=none)
    seconds = pa.array(given // US, mask=none)
    base = times(table, "s")
    results = []
    for name, consent, opted in (
        ("a.parquet", stamps, pa.array(out)),
        ("b.csv", seconds, pa.array(np.where(out, "Yes", "no"))),
        ("c.parquet", seconds, pa.array(out.astype(np.int8))),
        ("d.parquet", texts, pa.array(out)),
    ):
        form = "iso8601" if name == "d.parquet" else "s"
        shown = times(table, "iso Z") if form == "iso8601" else base
        full = shown.append_column("agreed", consent).append_column("out", opted)
        path = tmp_path / name
        source = as_csv(full, path) if name.endswith("csv") else write(full, path)
        mapping = {"time_format": form, "consent": "agreed", "opt_out": "out", "consent_basis": None}
        results.append(sharing(source, input=mapping))
    assert {(r[1].stored, tuple(r[1].refused.items())) for r in results} == {(results[0][1].stored, tuple(results[0][1].refused.items()))}
    assert all(r[0] == results[0][0] for r in results)
    refused = results[0][1].refused
    assert refused["no_consent"] == none.sum()
    assert refused["before_consent"] == (~none & (given > us)).sum()
    # A device that opted out on any row contributes nothing.
    ids = table["device_id"].to_numpy()
    gone = np.isin(ids, ids[out])
    assert refused["opted_out"] == (~none & (given <= us) & gone).sum()


def test_true_or_false_as_consent(sharing: Any, tmp_path: Path) -> None:
    table = pings(6).append_column("ok", pa.array([True, False, None, True, True, False]))
    mapping = {"consent": "ok", "consent_basis": None}
    _, report = sharing(write(table, tmp_path / "a.parquet"), input=mapping)
    assert (report.stored, dict(report.refused)) == (3, {"no_consent": 3})
    text = times(table, "iso Z").set_column(4, "ok", pa.array(["true", "0", "", "1", "YES", "perhaps"]))
    _, report = sharing(as_csv(text, tmp_path / "a.csv"), input=mapping | {"time_format": "iso8601"})
    assert (report.stored, dict(report.refused)) == (3, {"bad_value": 1, "no_consent": 2})


@pytest.mark.rule(3)
def test_an_opt_out_on_any_row_takes_all_rows_of_the_device(tmp_path: Path) -> None:
    table = pings(300, devices=10)
    device = table["device_id"].to_pylist()
    chosen = device[17]
    times_us = table["ts"].cast(pa.int64()).to_pylist()
    times_us[17] = 5  # the row itself is refused for another reason
    flags = [i == 17 for i in range(300)]
    table = table.set_column(1, "ts", pa.array(times_us, pa.timestamp("us", "UTC"))).append_column("out", pa.array(flags))
    made = store(tmp_path, input={"opt_out": "out"})
    report = made.ingest([write(table, tmp_path / "a.parquet")], order, SIMULATED)
    assert dict(report.refused) == {"outside_window": 1, "opted_out": device.count(chosen) - 1}
    assert len(rows(made)) == 300 - device.count(chosen)


@pytest.mark.rule(3)
def test_an_opt_out_reaches_earlier_and_later_deliveries(tmp_path: Path) -> None:
    table = pings(90, devices=3).append_column("out", pa.array([False] * 90))
    chosen = table["device_id"][0].as_py()
    mine = table["device_id"].to_pylist().count(chosen)
    made = store(tmp_path, input={"opt_out": "out"})
    made.ingest([write(table, tmp_path / "a.parquet")], order, SIMULATED)
    before = made.content_digest()
    assert len(rows(made)) == 90
    flag = pa.table({"device_id": [chosen], "ts": pa.array([None], table.schema.field("ts").type), "lat": [None], "lon": [None], "out": [True]})
    flag = flag.cast(table.schema)
    report = made.ingest([write(flag, tmp_path / "b.parquet")], order, SIMULATED)
    assert (report.stored, dict(report.refused)) == (0, {"null": 1})
    assert len(rows(made)) == 90 - mine
    assert made.content_digest() != before
    again = pings(90, devices=3, seed=0).append_column("out", pa.array([None] * 90, pa.bool_()))
    report = made.ingest([write(again.slice(0, 50), tmp_path / "c.parquet")], order, SIMULATED)
    assert report.refused["opted_out"] == again["device_id"].to_pylist()[:50].count(chosen)
    assert len({r[:2] for r in rows(Store.open(made._study))}) == 2


def test_the_nil_uuid_is_an_opt_out_of_its_row_alone(tmp_path: Path) -> None:
    table = ids(pings(4, devices=4), "uuid").to_pydict()
    table["device_id"][1] = "00000000-0000-0000-0000-000000000000"
    made = store(tmp_path, input={"device_type": "uuid"})
    report = made.ingest([write(pa.table(table), tmp_path / "a.parquet")], order, SIMULATED)
    assert (report.stored, dict(report.refused)) == (3, {"opted_out": 1})
    text = store(tmp_path / "t", input={"device_type": "text"})
    assert dict(text.ingest([str(tmp_path / "a.parquet")], order, SIMULATED).refused) == {"opted_out": 1}


def test_the_same_content_again_adds_nothing(tmp_path: Path) -> None:
    made = store(tmp_path)
    table = pings(200)
    first = write(table, tmp_path / "in" / "a.parquet")
    made.ingest([first], order, SIMULATED)
    before, digest = bytes_of(tmp_path / "store"), made.content_digest()
    (tmp_path / "in" / "renamed.parquet").write_bytes(Path(first).read_bytes())
    report = made.ingest([str(tmp_path / "in"), first], order, SIMULATED)
    assert (report.files, report.files_skipped, report.rows_read) == (0, 2, 0)
    assert bytes_of(tmp_path / "store") == before
    assert Store.open(made._study).content_digest() == digest


def test_the_same_content_twice_in_one_delivery_counts_once(tmp_path: Path) -> None:
    made = store(tmp_path)
    first = write(pings(200), tmp_path / "in" / "a.parquet")
    (tmp_path / "in" / "b.parquet").write_bytes(Path(first).read_bytes())
    report = made.ingest([str(tmp_path / "in")], order, SIMULATED)
    assert (report.files, report.files_skipped, report.stored) == (1, 1, 200)


def test_a_corrected_mapping_reads_the_same_file_again(tmp_path: Path) -> None:
    table = times(pings(50), "ms")
    source = write(table, tmp_path / "a.parquet")
    wrong = store(tmp_path, input={"time_format": "s"})
    assert wrong.ingest([source], order, SIMULATED).stored == 0
    right = Store.open(study(tmp_path, input={"time_format": "ms"}))
    assert right.ingest([source], order, SIMULATED).stored == 50


def test_repeated_rows_are_counted_and_dropped(tmp_path: Path) -> None:
    table = pings(100)
    made = store(tmp_path)
    report = made.ingest([write(pa.concat_tables([table, table.slice(0, 30)]), tmp_path / "a.parquet")], order, SIMULATED)
    assert (report.rows_read, report.stored, report.duplicates) == (130, 100, 30)


def test_rows_delivered_again_in_other_content_are_read_again_and_merge_to_the_same(tmp_path: Path) -> None:
    table = pings(100)
    made = store(tmp_path)
    made.ingest([write(table, tmp_path / "a.parquet")], order, SIMULATED)
    once = rows(made)
    made.ingest([write(table.slice(0, 60), tmp_path / "b.parquet")], order, SIMULATED)
    merged = [order(made.read(b))[0] for b in made.buckets()]
    assert sum(t.num_rows for t in merged) == len(once) == 100


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_store_does_not_depend_on_threads_files_or_order_of_rows(threads: int, shared: Store, tmp_path: Path) -> None:
    table = pings(5000)
    whole = twin(shared, tmp_path / "whole")
    whole.ingest([write(table, tmp_path / "whole.parquet")], order, SIMULATED)
    shuffled = table.take(pa.array(np.random.default_rng(threads).permutation(5000)))
    for i in range(5):
        write(shuffled.slice(i * 1000, 1000), tmp_path / "parts" / f"{i}.parquet")
    made = twin(shared, tmp_path / "own")
    made.ingest([str(tmp_path / "parts")], order, SIMULATED, threads=threads)
    assert rows(made) == rows(whole)
    assert segments_of(made) == segments_of(whole)


def test_spilled_and_compacted_buckets_hold_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pings(40_000, devices=50)
    source = write(pa.concat_tables([table, table.slice(0, 10_000)]), tmp_path / "a.parquet")
    wide = store(tmp_path / "wide")
    narrow = twin(wide, tmp_path / "narrow")
    wide.ingest([source], order, SIMULATED)
    written: list[int] = []
    real = spilling.Spill.__init__
    ordered = settling.Settling.ordered

    def shrink(self: settling.Settling, rows: spilling.Parts, suppressed: Any, most_rows: int, counts: Any) -> Any:
        written.append(sum(part.on_disk for part in rows.parts))
        return ordered(self, rows, suppressed, 900, counts)

    monkeypatch.setattr(spilling.Spill, "__init__", lambda self, folder, worker, buckets, budget, seal: real(self, folder, worker, buckets, 1, seal))
    monkeypatch.setattr(settling.Settling, "ordered", shrink)
    report = narrow.ingest([source], order, SIMULATED)
    assert sum(written) >= 4
    assert (report.stored, report.duplicates) == (40_000, 10_000)
    assert segments_of(narrow) == segments_of(wide)


def test_one_device_is_capped_in_total_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capping, "GREATEST_PINGS", 40)
    table = pings(300, devices=3)
    made = store(tmp_path)
    report = made.ingest([write(table, tmp_path / "a.parquet")], order, SIMULATED)
    assert (report.stored, report.capped) == (120, 180)
    times_us = table["ts"].cast(pa.int64()).to_numpy()
    first = sorted(t for d in set(table["device_id"].to_pylist()) for t in np.sort(times_us[table["device_id"].to_numpy() == d])[:40].tolist())
    assert sorted(r[2] for r in rows(made)) == first


def test_a_flood_in_pieces_leaves_what_is_left_of_it_in_one_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capping, "GREATEST_PINGS", 40)
    # Three devices of 3,000 rows each in some twenty pieces; some times many times over, at the cap's edge too.
    table = pings(9000, devices=3)
    stamps = table["ts"].cast(pa.int64()).to_numpy()
    table = table.set_column(1, "ts", pa.array(stamps - stamps % (3600 * US), pa.timestamp("us", "UTC")))
    source = write(table, tmp_path / "a.parquet")
    wide = store(tmp_path / "wide")
    narrow = twin(wide, tmp_path / "narrow")
    whole = wide.ingest([source], order, SIMULATED)
    ordered, late = settling.Settling.ordered, [0]

    def shrink(self: settling.Settling, rows: spilling.Parts, suppressed: Any, most_rows: int, counts: Any) -> Any:
        return ordered(self, rows, suppressed, 900, counts)

    def counted(rows: pa.Table, full: capping.Full) -> pa.Table:
        left = capping.within(rows, full)
        late[0] += rows.num_rows - left.num_rows
        return left

    monkeypatch.setattr(settling.Settling, "ordered", shrink)
    monkeypatch.setattr(settling, "within", counted)
    pieces = narrow.ingest([source], order, SIMULATED)
    assert late[0] > 5000  # most of the flood is passed over before it is put in order
    assert (pieces.stored, pieces.duplicates + pieces.capped) == (whole.stored, whole.duplicates + whole.capped) == (120, 8880)
    assert segments_of(narrow) == segments_of(wide)


def test_nothing_in_the_store_holds_an_identifier(tmp_path: Path) -> None:
    raw = [f"SECRET-PHONE-{i:04d}" for i in range(20)]
    table = pings(500).set_column(0, "device_id", pa.array([raw[i % 20] for i in range(500)]))
    table = table.append_column("out", pa.array([i % 20 == 3 for i in range(500)]))
    made = store(tmp_path, input={"device_type": "text", "opt_out": "out"})
    source = write(table, tmp_path / "a.parquet")
    seen: list[bytes] = []
    done = threading.Event()

    def watch(stage: str, at: int, total: int) -> None:
        seen.extend(p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file())
        done.set()

    made.ingest([source], order, SIMULATED, watch)
    assert done.is_set()
    for content in [*seen, *bytes_of(tmp_path / "store").values()]:
        assert b"SECRET" not in content
    integers = store(tmp_path / "i")
    numbers = pings(300)
    integers.ingest([write(numbers, tmp_path / "b.parquet")], order, SIMULATED)
    loaded = pa.concat_tables([integers.read(b) for b in integers.buckets()])
    known = {int(i) for i in set(numbers["device_id"].to_pylist())}
    assert not known & {*loaded["device_hi"].to_pylist(), *loaded["device_lo"].to_pylist()}
    for content in bytes_of(tmp_path / "i" / "store").values():
        assert not any(i.to_bytes(8, order) in content for i in known for order in ("big", "little"))


def test_files_and_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    import os

    old = os.umask(0)
    try:
        made = store(tmp_path)
        modes: set[tuple[bool, int]] = set()

        def watch(stage: str, at: int, total: int) -> None:
            modes.update((p.is_dir(), stat.S_IMODE(p.stat().st_mode)) for p in [tmp_path / "store", *(tmp_path / "store").rglob("*")] if p.exists())

        made.ingest([write(pings(200), tmp_path / "a.parquet")], order, SIMULATED, watch)
        watch("", 0, 0)
    finally:
        os.umask(old)
    assert modes == {(True, 0o700), (False, 0o600)}


def test_read_gives_the_promised_schema_and_order(tmp_path: Path) -> None:
    made = store(tmp_path)
    assert all(made.read(b).schema == STORED_PINGS and made.read(b).num_rows == 0 for b in made.buckets())
    made.ingest([write(pings(1000, devices=100), tmp_path / "a.parquet")], order, SIMULATED)
    seen: set[int] = set()
    for bucket in made.buckets():
        table = made.read(bucket)
        assert table.schema.equals(STORED_PINGS)
        assert table.equals(order(table)[0])
        here = set(table["device_hi"].to_pylist())
        assert here
        assert not seen & here  # a device lies in one bucket, whole
        seen |= here
    assert len(seen) == 100


def test_digests_are_stable_and_the_keyed_one_needs_the_key(tmp_path: Path) -> None:
    made = store(tmp_path)
    empty = made.keyed_digest()
    made.ingest([write(pings(50), tmp_path / "a.parquet")], order, SIMULATED)
    again = Store.open(made._study)
    assert again.content_digest() == made.content_digest()
    assert again.keyed_digest() == made.keyed_digest() != empty
    assert made.keyed_digest() != made.content_digest()


def test_the_number_of_buckets_follows_the_public_bound(tmp_path: Path) -> None:
    assert [len(store(tmp_path / str(n), panel=n).buckets()) for n in (1, 2048, 2049, 100_000, 10_000_000)] == [4, 4, 8, 256, 2048]


def test_one_ingest_at_a_time(tmp_path: Path) -> None:
    made = store(tmp_path)
    source = write(pings(50), tmp_path / "a.parquet")
    caught: list[str] = []

    def second(stage: str, at: int, total: int) -> None:
        with pytest.raises(StoreError) as error:
            Store.open(made._study).ingest([source], order, SIMULATED)
        caught.append(error.value.code)

    made.ingest([source], order, SIMULATED, second)
    assert set(caught) == {"STORE_BUSY"}
    assert Store.open(made._study).ingest([source], order, SIMULATED).files_skipped == 1


def test_progress_ends_where_it_said(tmp_path: Path) -> None:
    made = store(tmp_path)
    seen: dict[str, list[tuple[int, int]]] = {}
    made.ingest([write(pings(50), tmp_path / "a.parquet")], order, SIMULATED, lambda stage, at, total: seen.setdefault(stage, []).append((at, total)))
    assert list(seen) == ["check", "read", "order"]
    for calls in seen.values():
        assert calls == sorted(calls)
        assert calls[-1][0] == calls[-1][1]


def test_addresses_globs_and_folders(sharing: Any, tmp_path: Path) -> None:
    import fsspec

    table = times(pings(300), "s")
    expected, _ = sharing(write(table, tmp_path / "in" / "x" / "a.parquet"), input={"time_format": "s"})
    (tmp_path / "in" / "_SUCCESS").write_bytes(b"")
    (tmp_path / "in" / ".hidden.parquet").write_bytes(b"broken")
    (tmp_path / "in" / "notes.txt").write_bytes(b"not a delivery")
    plain = as_csv(table, tmp_path / "b.csv")
    memory = fsspec.filesystem("memory")
    memory.pipe("/deliveries/one/a.parquet", Path(tmp_path / "in" / "x" / "a.parquet").read_bytes())
    memory.pipe("/deliveries/two/b.csv.gz", gzip.compress(Path(plain).read_bytes()))
    try:
        for source in (
            str(tmp_path / "in"),
            str(tmp_path / "in" / "*" / "*.parquet"),
            str(tmp_path / "i?"),
            f"file://{tmp_path}/in/x/a.parquet",
            "memory://deliveries/one",
            "memory://deliveries/two/*.gz",
        ):
            found, _ = sharing(source, input={"time_format": "s"})
            assert found == expected, source
    finally:
        memory.rm("/deliveries", recursive=True)


def test_several_gzip_members_and_zstd_frames_are_one_file(sharing: Any, tmp_path: Path) -> None:
    table = times(pings(300), "s")
    expected, _ = sharing(write(table, tmp_path / "a.parquet"), input={"time_format": "s"})
    whole = Path(as_csv(table, tmp_path / "b.csv")).read_bytes()
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress(whole[:3000]) + gzip.compress(whole[3000:]))
    frames = [pa.Codec("zstd").compress(part, asbytes=True) for part in (whole[:3000], whole[3000:])]
    (tmp_path / "m.csv.zst").write_bytes(b"".join(frames))
    for name in ("m.csv.gz", "m.csv.zst"):
        assert sharing(str(tmp_path / name), input={"time_format": "s"})[0] == expected


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("America/New_York", "2026-03-08 01:59:59", "2026-03-08 06:59:59"),
        ("America/New_York", "2026-03-08 02:30:00", None),
        ("America/New_York", "2026-03-08 03:00:00", "2026-03-08 07:00:00"),
        ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25 00:30:00"),
        ("Europe/Berlin", "2026-10-25 03:00:00", "2026-10-25 02:00:00"),
        ("Asia/Kolkata", "2026-03-08 05:30:00", "2026-03-08 00:00:00"),
    ],
)
def test_naive_times_around_changes_of_the_clocks(zone: str, local: str, utc: str | None, tmp_path: Path) -> None:
    window = {"start": local[:8] + f"{int(local[8:10]) - 1:02d}", "days": 3}
    table = pings(1).set_column(1, "ts", pa.array([local]))
    made = store(tmp_path, window=window, input={"time_format": "iso8601", "time_zone": zone})
    report = made.ingest([as_csv(table, tmp_path / "a.csv")], order, SIMULATED)
    if utc is None:
        assert dict(report.refused) == {"bad_time": 1}
    else:
        assert rows(made)[0][2] == np.datetime64(utc, "us").astype(int)


def test_accuracy_is_kept_in_decimetres(tmp_path: Path) -> None:
    table = pings(5).append_column("acc", pa.array([10.0, None, float("nan"), 200.04, 200.06]))
    made = store(tmp_path, input={"accuracy": "acc"})
    report = made.ingest([write(table, tmp_path / "a.parquet")], order, SIMULATED)
    assert dict(report.refused) == {"poor_accuracy": 1}
    assert sorted(r[6] for r in rows(made)) == [-1, -1, 100, 2000]


def test_a_large_row_group_is_read_in_bounded_batches(tmp_path: Path) -> None:
    table = pings(300_000, devices=1000)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1 << 30)
    made = store(tmp_path)
    assert made.ingest([str(tmp_path / "a.parquet")], order, SIMULATED).stored == 300_000
    assert int(min(r[2] for r in rows(made))) >= START_US
