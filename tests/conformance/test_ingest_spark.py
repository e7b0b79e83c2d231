"""An ingest on Spark stores what one by threads stores, row by row and count by count; whatever dies, nothing is lost or doubled, and nothing can be read."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conformance.clusters import HERE, SETTINGS, Dying, DyingAtTheDoor
from tests.conftest import World
from tests.unit.store._made import OPT_OUTS, SIMULATED, START_US, content_of, order, pings, store, study, troubled, twin, write

from flockwise import api, config
from flockwise.engines import spark_ingest
from flockwise.engines.spark_ingest import SparkRunner
from flockwise.engines.spark_session import session
from flockwise.errors import ConfigError, DataError, FlockwiseError, InternalError, StoreError
from flockwise.store import Store, capping

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Spark puts what it does not keep in memory."""
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def runner(spool: Path) -> Iterator[SparkRunner]:
    spec = HERE.model_copy(update={"settings": {**SETTINGS, "spark.local.dir": str(spool)}, "task_memory_mb": 64})
    with session(spec):
        yield SparkRunner(spec)


@pytest.fixture(scope="module")
def trouble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store by threads of a delivery with every kind of trouble, and beside it the delivery and a twin from before."""
    folder = tmp_path_factory.mktemp("trouble")
    made = store(folder / "one", input=OPT_OUTS)
    twin(made, folder / "empty", input=OPT_OUTS)
    (folder / "report").write_text(repr(made.ingest(troubled(folder / "delivery"), order, SIMULATED, threads=2)))
    return folder


def check(trouble: Path, folder: Path, runner: Any, by: Any = order) -> list[tuple[str, int, int]]:
    """The delivery by a runner leaves the same store, list and report."""
    made, told = twin(store_of(trouble / "empty"), folder, input=OPT_OUTS), list[tuple[str, int, int]]()
    report = made.ingest([str(trouble / "delivery")], by, SIMULATED, lambda *step: told.append(step), runner=runner)
    want = store_of(trouble / "one")
    assert repr(report) == (trouble / "report").read_text()
    assert {"malformed", "bad_time", "no_consent", "opted_out", "outside_region", "poor_accuracy"} <= report.refused.keys()
    assert report.duplicates
    assert content_of(made) == content_of(want)
    assert made.content_digest() == want.content_digest()
    assert made._list.bases().table().equals(want._list.bases().table())
    return told


def store_of(folder: Path) -> Store:
    return Store.open(study(folder, input=OPT_OUTS))


def test_all_kinds_of_trouble(trouble: Path, runner: SparkRunner, tmp_path: Path) -> None:
    told = check(trouble, tmp_path / "s", runner)
    for stage in ("read", "order"):
        done = [d for name, d, _ in told if name == stage]
        assert done == sorted(done)
        assert done[-1] == next(total for name, _, total in told if name == stage) > 0


@pytest.mark.parametrize("where", ["door", "bucket"])
def test_a_worker_that_is_killed_in_mid_stage(where: str, trouble: Path, runner: SparkRunner, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    if where == "door":
        check(trouble, tmp_path / "s", DyingAtTheDoor(runner, "worker", mark))
    else:
        check(trouble, tmp_path / "s", runner, Dying(order, "worker", mark))
    assert mark.exists()


def test_workers_are_forked_with_everything_imported(runner: SparkRunner) -> None:
    """Only our own daemon says how often they look for cycles. It is not used where the workers' Python is another."""
    with session(runner._spec) as spark:
        seen = spark.range(2).mapInArrow(of_collector, "threshold long, frozen long").toArrow()
    assert seen["threshold"].unique().to_pylist() == [100_000]
    assert min(seen["frozen"].to_pylist()) > 50_000


def of_collector(batches: Any) -> Iterator[pa.RecordBatch]:
    for _ in batches:
        yield pa.RecordBatch.from_pydict({"threshold": [gc.get_threshold()[0]], "frozen": [gc.get_freeze_count()]})


def test_a_study_that_names_spark(small_world: World, runner: SparkRunner, tmp_path: Path) -> None:
    """Sensitive places, gatherings, consents and opt-outs of a simulated panel, by the command."""
    table = pq.read_table(small_world.pings / "part-000.parquet").slice(0, 40_000)
    source, told, found = write(table, tmp_path / "again.parquet"), [], []
    for name, engine in (("one", ""), ("other", '\n[engine]\nkind = "spark"\n')):
        world = World(tmp_path / name)
        shutil.copytree(small_world.root, world.root, symlinks=True)
        with world.study.open("a", encoding="utf-8") as file:
            file.write(engine)
        told.append(api.ingest(world.study, [source]).as_dict())
        found.append(content_of(Store.open(config.load(world.study))))
    assert told[0] == told[1]
    assert told[0]["refused"]["sensitive_place"]
    assert told[0]["refused"]["opted_out"]
    assert found[0] == found[1]


def test_a_flood_of_one_device(runner: SparkRunner, tmp_path: Path) -> None:
    """More rows of one device than the store keeps, in far more than a task has in work at a time."""
    n = capping.GREATEST_PINGS + 5000
    tenth = np.random.default_rng(1).permutation(n)
    few = pings(1000, seed=2)
    flood = pa.table(
        {
            "device_id": np.full(n, 5),
            "ts": pa.array(START_US + tenth * 100_000, pa.timestamp("us", "UTC")),
            "lat": 40.7 + tenth % 10 * 1e-4,  # ten places in each second: at one place they would be one ping
            "lon": np.full(n, -74.0),
        }
    )
    sources = [write(few, tmp_path / "few.parquet"), write(flood, tmp_path / "flood.parquet")]
    one = store(tmp_path / "one")
    other = twin(one, tmp_path / "other")
    report = one.ingest(sources, order, SIMULATED)
    assert report.capped == 5000
    assert other.ingest(sources, order, SIMULATED, runner=runner) == report
    assert content_of(other) == content_of(one)


def test_what_spark_puts_on_a_disk_cannot_be_read(runner: SparkRunner, spool: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = [f"SECRET-PHONE-{i:04d}" for i in range(40)]
    table = pings(30_000, devices=40).drop_columns(["device_id"]).add_column(0, "device_id", pa.array([names[i % 40] for i in range(30_000)]))
    made = store(tmp_path / "s", input={"device_type": "text"})
    before = {p for p in spool.rglob("*") if p.is_file()}
    made.ingest([write(table, tmp_path / "a.parquet")], order, SIMULATED, runner=runner)
    fresh = [p for p in spool.rglob("*") if p.is_file() and p not in before]
    written = b"".join(p.read_bytes() for p in fresh)
    assert any(p.name.startswith("shuffle_") for p in fresh)
    assert len(written) > 30_000 * 3
    pseudonyms, rows = made._pseudonyms(made._ring), made.read(0)
    ends = np.cumsum([0, *(len(n) for n in names)])
    high, low = pseudonyms.of_texts(np.frombuffer("".join(names).encode(), np.uint8), ends)
    secrets = [n.encode() for n in names] + [v.tobytes() for half in (high, low, rows["device_hi"].to_numpy(), rows["device_lo"].to_numpy()) for v in half]
    stamps = table["ts"].cast(pa.int64()).to_numpy()[:200]
    places = np.stack([np.round(table[c].to_numpy()[:200] * 1e6).astype("<i4") for c in ("lon", "lat")], axis=1)
    secrets += [v.tobytes() for v in stamps] + [v.tobytes() for v in places] + [table[c][0].as_py().hex().encode() for c in ("lat", "lon")]
    secrets += [made._key, made._ring.window, made._ring.marks, *(aes._key for aes in (pseudonyms._tag, pseudonyms._base, pseudonyms._window))]
    assert not [s for s in secrets if s in written]
    text = "".join(capfd.readouterr())
    assert not [n for n in names if n in text]


def test_no_secret_of_the_store_is_sent_but_the_keys_of_its_work(tmp_path: Path) -> None:
    made = store(tmp_path / "s")
    made._cut = None
    sent = pickle.dumps(made._work(order))
    for secret in (made._key, made._ring.window, made._ring.marks, made._list.ring.window):
        assert secret not in sent
    pseudonyms = made._pseudonyms(made._ring)
    for needed in (made._ring.sealer()._key, pseudonyms._tag._key, pseudonyms._base._key, pseudonyms._window._key):
        assert needed in sent


def test_errors_are_those_of_threads_and_quote_no_row(runner: SparkRunner, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = Path(write(pings(3000), tmp_path / "a.parquet"))
    source.write_bytes(source.read_bytes().replace(source.read_bytes()[2000:2400], bytes(400)))
    made = store(tmp_path / "s")
    before, found = content_of(made), []
    for how in (None, runner):
        with pytest.raises(DataError) as broken:
            made.ingest([str(source)], order, SIMULATED, runner=how)
        found.append(broken.value.as_dict())
    assert found[0] == found[1]
    assert found[0]["code"] == "INGEST_BROKEN_FILE"
    good = write(pings(100), tmp_path / "good.parquet")
    with pytest.raises(InternalError) as failed:
        made.ingest([good], quoting, SIMULATED, runner=runner)
    assert (failed.value.code, failed.value.got) == ("ENGINE_TASK", "ValueError")
    assert "40.7128" not in "".join(capfd.readouterr()) + str(failed.value)
    assert content_of(made) == before
    assert made.ingest([good], order, SIMULATED, runner=runner).stored == 100


def quoting(table: pa.Table) -> Any:
    raise ValueError(f"device {table['device_hi'][0]} at 40.7128")


def test_two_ingests_at_once(runner: SparkRunner, tmp_path: Path) -> None:
    made = store(tmp_path / "s")
    sources = [write(pings(200, seed=i), tmp_path / f"{i}.parquet") for i in range(2)]
    codes: list[str] = []

    def meanwhile() -> None:
        while not list(tmp_path.glob("waits-*")):
            time.sleep(0.02)
        for how in (runner, None):
            try:
                Store.open(made._study).ingest([sources[1]], order, SIMULATED, runner=how)
            except StoreError as busy:
                codes.append(busy.code)
        (tmp_path / "go").touch()

    second = threading.Thread(target=meanwhile, daemon=True)
    second.start()
    assert made.ingest([sources[0]], Waiting(tmp_path), SIMULATED, runner=runner).stored == 200
    second.join(60)
    assert codes == ["STORE_BUSY", "STORE_BUSY"]
    assert Store.open(made._study).ingest([sources[1]], order, SIMULATED, runner=runner).stored == 200


class Waiting:
    """An ordering that waits for a sign."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, table: pa.Table) -> Any:
        (self.folder / f"waits-{os.getpid()}").touch()
        end = time.monotonic() + 60
        while not (self.folder / "go").exists() and time.monotonic() < end:
            time.sleep(0.05)
        return order(table)


def test_refused_before_anything_is_read(runner: SparkRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, source = store(tmp_path / "s"), write(pings(100), tmp_path / "a.parquet")
    with pytest.raises(ConfigError) as address:
        made.ingest([source], order, SIMULATED, runner=SparkRunner(HERE.model_copy(update={"store_address": "s3a://bucket/test.store"})))
    assert address.value.code == "ENGINE_STORE_ADDRESS"
    real = spark_ingest._Ingest
    monkeypatch.setattr(spark_ingest, "_Ingest", lambda *given: replace(real(*given), version="0.0.1"))
    with pytest.raises(FlockwiseError) as other:
        made.ingest([source], order, SIMULATED, runner=runner)
    assert (other.value.code, other.value.state) == ("ENGINE_PYTHON", "Nothing was stored.")


FULL = """
import resource, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from tests.conformance.clusters import HERE
from tests.unit.store import _made
from flockwise.engines.spark_ingest import SparkRunner
from flockwise.engines.spark_session import session
from flockwise.errors import FlockwiseError
from flockwise.store import Store

vault = Store.open(_made.study(Path(sys.argv[1])))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
try:
    vault.ingest([sys.argv[2]], _made.order, _made.SIMULATED, runner=SparkRunner(HERE))
except FlockwiseError as error:
    print(error.code)
"""


def test_a_full_disk_under_what_spark_spools(tmp_path: Path) -> None:
    """No file may grow beyond a megabyte, as on a disk without room: what Spark keeps of the exchange does."""
    made = store(tmp_path / "s")
    before, source = content_of(made), write(pings(300_000, devices=500), tmp_path / "a.parquet")
    code = [sys.executable, "-c", FULL, str(tmp_path / "s"), source, str(ROOT), str(ROOT / "src")]
    done = subprocess.run(code, capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout.split() == ["ENGINE_FAILED"], done.stderr[-2000:]
    assert content_of(Store.open(made._study)) == before
