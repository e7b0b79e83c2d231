"""A delivery at an address that Spark's connectors read gives the same store, report and opt-outs as the same files on this disk."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from tests.conformance.clusters import HERE, Dying, DyingAtTheDoor
from tests.conformance.test_ingest_spark import runner, spool, store_of, trouble
from tests.conformance.webhdfs import Served, webhdfs
from tests.conftest import World
from tests.unit.store._made import OPT_OUTS, SIMULATED, content_of, order, pings, store, twin, write

from flockwise import api
from flockwise.engines import spark_ingest
from flockwise.engines.spark_files import HadoopFiles
from flockwise.engines.spark_ingest import SparkRunner
from flockwise.errors import DataError, RuleError
from flockwise.store.handed import ranges_of
from flockwise.store.sources import find
from flockwise.store.units import Unit

__all__ = ["runner", "spool", "trouble"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "far").mkdir()
    with webhdfs(tmp_path / "far") as served:
        yield served


@pytest.fixture
def far(trouble: Path) -> Iterator[Served]:
    """The delivery with every kind of trouble, behind a server."""
    with webhdfs(trouble) as served:
        yield served


def check(trouble: Path, far: Served, folder: Path, runner: Any, files_at: Any, by: Any = order) -> None:
    made, want = twin(store_of(trouble / "empty"), folder, input=OPT_OUTS), store_of(trouble / "one")
    report = made.ingest([f"{far.address}/delivery"], by, SIMULATED, runner=runner, files_at=files_at)
    assert repr(report) == (trouble / "report").read_text()
    assert content_of(made) == content_of(want)
    assert made.content_digest() == want.content_digest()
    assert made._list.bases().table().equals(want._list.bases().table())


def test_all_kinds_of_trouble(trouble: Path, far: Served, runner: SparkRunner, tmp_path: Path) -> None:
    check(trouble, far, tmp_path / "s", runner, runner.files_at)
    again = store_of(tmp_path / "s").ingest([str(trouble / "delivery")], order, SIMULATED, threads=1)  # the same content, by its digest, wherever it lies
    assert (again.files_skipped, again.stored) == (4, 0)


@pytest.mark.parametrize("where", ["door", "bucket"])
def test_a_worker_that_is_killed_in_mid_stage(where: str, trouble: Path, far: Served, runner: SparkRunner, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    if where == "door":
        check(trouble, far, tmp_path / "s", DyingAtTheDoor(runner, "worker", mark), runner.files_at)
    else:
        check(trouble, far, tmp_path / "s", runner, runner.files_at, Dying(order, "worker", mark))
    assert mark.exists()


def test_a_study_that_names_spark(small_world: World, server: Served, tmp_path: Path) -> None:
    """By the command: the session that finds the files reads them, and what the quarantine notes is what it would note of files on this disk."""
    source = write(pq.read_table(small_world.pings / "part-000.parquet").slice(0, 3000), server.folder / "again.parquet")
    told, notes = [], []
    for name, engine, place in (("one", "", source), ("other", '\n[engine]\nkind = "spark"\n', f"{server.address}/again.parquet")):
        world = World(tmp_path / name)
        shutil.copytree(small_world.root, world.root, symlinks=True)
        with world.study.open("a", encoding="utf-8") as file:
            file.write(engine)
        record = world.root / "world" / "supplier.toml"
        text = record.read_text()
        record.write_text("\n".join(line for line in text.splitlines() if not line.startswith("name")))
        with pytest.raises(RuleError):
            api.ingest(world.study, [place])
        record.write_text(text)
        told.append(api.ingest(world.study, [place]).as_dict())
        notes.append([{k: v for k, v in row.items() if k != "delivery"} for row in api.quarantine(world.study).as_dict()["entries"]])
    assert told[0] == told[1]
    assert notes[0] == notes[1]
    assert notes[0][0]["state"].startswith("taken in")


def test_files_are_found_as_by_fsspec(server: Served, runner: SparkRunner) -> None:
    for name in ("a.csv", "b [1] é%20.csv", "part=1/c.parquet", "part=1/_SUCCESS", ".hidden/d.csv", "part=2/x/e.csv.gz"):
        place = server.folder / "d" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(name.encode() * 3)
    files, root = found(runner.files_at(f"{server.address}/d"))
    peer = fsspec.filesystem("webhdfs", host="127.0.0.1", port=int(server.address.rpartition(":")[2]))
    host = server.address.removeprefix("webhdfs://")
    for path in ("/d", "/d/part=1"):
        assert files.find(host + path) == [host + p for p in peer.find(path)]
    for pattern in ("/d/*.csv", "/d/part=*/*.parquet", "/d/**/*.gz", "/d/*"):
        assert sorted(files.glob(host + pattern)) == sorted(host + p for p in peer.glob(pattern))
    for path in files.find(root):
        content = (server.folder / path.removeprefix(f"{host}/")).read_bytes()
        assert files.open(path).read() == content
        assert files.sha256(path) == hashlib.sha256(content).digest()
        assert files.size(path) == len(content)
    assert [f.shown for f in find([f"{server.address}/d"], runner.files_at)] == [
        f"{server.address}/d/{name}" for name in ("a.csv", "b [1] é%20.csv", "part=1/c.parquet", "part=2/x/e.csv.gz")
    ]


def found(where: tuple[HadoopFiles, str] | None) -> tuple[HadoopFiles, str]:
    assert where is not None
    return where


def test_what_spark_does_not_read_is_left_to_fsspec(runner: SparkRunner, tmp_path: Path) -> None:
    for address in (
        "a.parquet",
        "/data/a.parquet",
        f"file://{tmp_path}",
        "memory://a",
        "https://host/a.csv",
        "simplecache::webhdfs://host/a.csv",
        "s3://b/a.csv",
    ):
        assert runner.files_at(address) is None


def in_seconds(table: pa.Table) -> pa.Table:
    return table.set_column(1, "ts", table["ts"].cast(pa.timestamp("s", "UTC")).cast(pa.int64()))


def test_a_large_file_comes_in_pieces_and_in_part(server: Served, runner: SparkRunner, tmp_path: Path) -> None:
    """A compressed file of text in two pieces; of a Parquet file of 38 MB the footer and the columns that are named, less than a fifth."""
    n = 60_000
    rest = pa.array([bytes(row) for row in np.random.default_rng(0).integers(0, 256, (n, 600), np.uint8)])
    table = in_seconds(pings(n, devices=500))
    source = server.folder / "a.parquet"
    pq.write_table(table.append_column("rest", rest), source, row_group_size=10_000)
    with gzip.open(server.folder / "b.csv.gz", "wb", compresslevel=1) as packed:
        pacsv.write_csv(in_seconds(pings(300_000, devices=500, seed=1)), packed)
    one, csv = store(tmp_path / "one", input={"time_format": "s"}), server.folder / "b.csv.gz"
    assert csv.stat().st_size > 1 << 22
    other = twin(one, tmp_path / "other", input={"time_format": "s"})
    report = one.ingest([str(source), str(csv)], order, SIMULATED)
    server.seen.clear()
    assert other.ingest([server.address], order, SIMULATED, runner=runner, files_at=runner.files_at) == report
    assert report.stored == 360_000
    assert content_of(other) == content_of(one)
    begins = {path: {begin for op, at, begin in server.seen if (op, at) == ("OPEN", path)} for path in ("/a.parquet", "/b.csv.gz")}
    assert begins["/b.csv.gz"] >= {0, 1 << 22}
    needed = ranges_of(Unit(find([str(source)])[0]), one._study.input.columns)
    assert all(any(r.begin <= begin < r.begin + r.length for r in needed) for begin in begins["/a.parquet"] - {0})
    assert 5 * sum(r.length for r in needed) < source.stat().st_size


def test_what_can_not_be_read_ends_the_ingest(server: Served, runner: SparkRunner, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made, source = store(tmp_path / "s"), Path(write(pings(3000), server.folder / "a.parquet"))
    before = content_of(made)
    codes = []

    def ingest(address: str = "a.parquet") -> None:
        with pytest.raises(DataError) as refused:
            made.ingest([f"{server.address}/{address}"], order, SIMULATED, runner=runner, files_at=runner.files_at)
        codes.append(refused.value.code)
        assert content_of(made) == before

    ingest("other.parquet")
    (server.folder / "d" / "e").mkdir(parents=True)
    write(pings(10), server.folder / "d" / "a.parquet")
    server.fault = lambda op, path: "AccessControlException" if (op, path) == ("LISTSTATUS", "/d/e") else None
    ingest("d")  # not the part of it that can be listed
    server.fault = lambda _op, _path: "AccessControlException"
    ingest()
    seen = [op for op, *_ in server.seen]
    server.fault = lambda op, _path: "IOException" if op == "OPEN" and len(server.seen) > reads else None
    reads = len(seen) + 12  # the driver's own have gone well by then
    ingest()
    server.fault = lambda _op, _path: None
    source.write_bytes(source.read_bytes().replace(source.read_bytes()[2000:2400], bytes(400)))
    ingest()
    assert codes[:3] == ["INGEST_NOT_FOUND", "INGEST_UNREADABLE", "INGEST_UNREADABLE"]
    assert codes[3] in ("INGEST_NOT_SHARED", "INGEST_UNREADABLE", "INGEST_BROKEN_FILE")
    assert codes[4] == "INGEST_BROKEN_FILE"
    assert "as the test says" not in "".join(capfd.readouterr())


def test_a_file_that_changes_while_it_is_read(server: Served, runner: SparkRunner, tmp_path: Path) -> None:
    made, source = store(tmp_path / "s"), Path(write(pings(3000), server.folder / "a.parquet"))

    class Touching(SparkRunner):
        def run(self, *given: Any) -> Any:
            done = super().run(*given)
            os.utime(source, (1, 1))
            return done

    with pytest.raises(DataError) as refused:
        made.ingest([server.address], order, SIMULATED, runner=Touching(runner._spec), files_at=runner.files_at)
    assert refused.value.code == "INGEST_FILE_CHANGED"
    assert not made.any_delivery


def test_no_byte_of_a_delivery_lies_on_a_disk(server: Served, runner: SparkRunner, spool: Path, tmp_path: Path) -> None:
    names = [f"SECRET-PHONE-{i:04d}" for i in range(40)]
    table = pings(30_000, devices=40).drop_columns(["device_id"]).add_column(0, "device_id", pa.array([names[i % 40] for i in range(30_000)]))
    made = store(tmp_path / "s", input={"device_type": "text"})
    pq.write_table(table, server.folder / "a.parquet", compression="none")
    before, started = {p for p in spool.rglob("*") if p.is_file()}, time.time()
    assert made.ingest([server.address], order, SIMULATED, runner=runner, files_at=runner.files_at).stored == 30_000
    fresh = [p for p in spool.rglob("*") if p.is_file() and p not in before]
    assert any(p.name.startswith("shuffle_") for p in fresh)
    fresh += [p for p in Path(tempfile.gettempdir()).glob("spark-*/**/*") if p.is_file() and p.stat().st_mtime > started - 1]
    written = b"".join(p.read_bytes() for p in fresh)
    assert not [name for name in names if name.encode() in written]


def test_a_session_of_its_own_ends_with_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is started by the first address that asks for it, once, and not for a path."""
    open_now = []

    @contextmanager
    def started(spec: Any) -> Iterator[Any]:
        open_now.append(spec)
        yield "spark"
        open_now.clear()

    monkeypatch.setattr(spark_ingest, "session", started)
    monkeypatch.setattr(spark_ingest, "files_at", lambda spark, _address: (spark, "path"))
    with SparkRunner(HERE) as runner:
        assert runner.files_at("a.parquet") is None
        assert not open_now
        for _ in range(2):
            assert runner.files_at("hdfs://host/a.parquet") == ("spark", "path")
        assert open_now == [HERE]
    assert not open_now
