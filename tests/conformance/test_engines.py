"""One suite for every engine: the same integers before noise, the same release after it, whatever dies on the way."""

from __future__ import annotations

import json
import pickle
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from tests.conformance.clusters import HERE, Dealt, Faulty, cluster
from tests.conformance.worlds import Row, commuter, device_rows, garden_city, make_rules, panels
from tests.conftest import World
from tests.privacy.test_neighbours import EDGES, HEAVY, OTHERS, RULES, weighted, weighted_norms

from flockwise import api, config, noise, release, store
from flockwise.config import EngineSpec, SparkSpec
from flockwise.engines import Engine, LocalEngine, opened, spark
from flockwise.engines.spark import SparkEngine
from flockwise.errors import ConfigError, InternalError, StoreError
from flockwise.person import FLOWS, NORMS, Rules, SparseSum, flow_rules


@dataclass(frozen=True)
class Under:
    """An engine under test, and how a study names it."""

    name: str
    engine: Engine
    spec: EngineSpec
    logs: Path


@pytest.fixture(scope="module", params=["local", "spark", "cluster"])
def under(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Under]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "cluster":
        with cluster(folder) as there, pytest.MonkeyPatch.context() as patch:
            patch.setattr(spark, "_FEW_TASKS", 0)  # the tasks' sums are joined in a second stage, as those of many tasks are
            spec = EngineSpec(kind="spark", spark=there)
            with opened(spec) as engine:
                yield Under(request.param, engine, spec, folder)
        return
    spec = EngineSpec(kind=request.param, threads=2, spark=HERE)
    with opened(spec) as engine:
        yield Under(request.param, engine, spec, folder)


def plain(sums: Any) -> dict[int, list[Any]]:
    """Sums as bytes to compare: dense ones whole, sparse ones by key."""
    return {b: [s.key.tobytes(), s.value.tobytes()] if isinstance(s, SparseSum) else [s.dtype, s.shape, s.tobytes()] for b, s in sums.items()}


def same(under: Under, rows: list[Row], rules: Rules, buckets: int = 5) -> Any:
    found = under.engine.sum(Dealt(tuple(rows), buckets), rules)
    want = LocalEngine(1).sum(Dealt(tuple(rows[::-1]), 1), rules)
    assert plain(found) == plain(want)
    return found


@pytest.mark.parametrize("case", ["a trip every twelve minutes for two days", "five-minute slots"])
def test_worlds_of_heavy_devices(under: Under, case: str) -> None:
    device, rules = HEAVY[case]
    found = same(under, [*OTHERS, *device], rules)
    assert all(np.asarray(block).any() for block in found.values())


def test_weights_and_the_private_clips_first_pass(under: Under) -> None:
    device, rules = HEAVY["a trip every twelve minutes for two days"]
    same(under, [*OTHERS, *device], weighted(rules, (3, 200), 17))
    norms = same(under, [*OTHERS, *device], make_rules(hours=48, norm_edges=EDGES))
    assert norms[NORMS].sum() == 4 * 256


def test_sparse_sums(under: Under, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_rules, "LARGEST_DENSE", 1)
    found = same(under, OTHERS, RULES)
    assert isinstance(found[FLOWS], SparseSum)
    assert len(found[FLOWS].key)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(panel=panels(devices=4), device=device_rows(number=9, most=20))
def test_random_worlds_and_their_neighbours(under: Under, panel: list[list[Row]], device: list[Row]) -> None:
    """The whole vector moves by what the device's own rows come to, and by no more than the bound."""
    others = [row for rows in panel for row in rows]
    everyone = random.Random(len(others)).sample([*others, *device], len(others) + len(device))
    together, without = (same(under, rows, RULES, 3) for rows in (everyone, others))
    alone = LocalEngine(1).sum(Dealt(tuple(device), 1), RULES)
    change = {block: together[block] - without[block] for block in together}
    assert plain(change) == plain(alone)
    norm, totals = weighted_norms(change, RULES)
    assert norm <= RULES.bound
    assert RULES.flows is not None
    assert RULES.flows.totals is not None
    assert totals <= RULES.flows.totals.bound


def test_no_ping_at_all(under: Under) -> None:
    same(under, [], RULES, 2)


def test_a_published_sample(under: Under) -> None:
    rows = [tuple(r.values()) for r in garden_city().to_pylist()]
    same(under, rows, make_rules(), 4)  # type: ignore[arg-type]


def test_the_sums_of_a_store(under: Under, small_world: World) -> None:
    study = config.load(small_world.study)
    plan = release.make_plan(study)
    for rules in (plan.clip_rules(), release.settle(plan, 16, 16).rules()):
        told: list[tuple[str, int, int]] = []
        found = under.engine.sum(store.Store.open(study), rules, lambda *step, told=told: told.append(step))
        assert plain(found) == plain(LocalEngine(2).sum(store.Store.open(study), rules))
        assert told
        assert told[-1][1] == told[-1][2] > 0


@pytest.mark.parametrize("under", ["spark", "cluster"], indirect=True)
def test_a_store_that_spark_reads_by_an_address(under: Under, own_world: World, tmp_path: Path) -> None:
    """As from s3a or hdfs, here by file: the sealed files go through Spark's own reader. Two segments; a missing or exchanged file is noticed."""
    again = pq.read_table(own_world.pings / "part-000.parquet").slice(0, 1000)
    pq.write_table(again, tmp_path / "again.parquet")
    api.ingest(own_world.study, [str(tmp_path / "again.parquet")])
    vault = store.Store.open(config.load(own_world.study))
    rules = release.settle(release.make_plan(config.load(own_world.study)), 16, 16).rules()
    away = tmp_path / "away"
    shutil.copytree(own_world.root / vault.snapshot().root.name / "segments", away / "segments")
    engine = SparkEngine(under.engine._spark, SparkSpec(store_address=f"file://{away}"))  # type: ignore[attr-defined]
    want = plain(LocalEngine(2).sum(vault, rules))
    assert len(vault.snapshot().segments) == 2
    assert plain(engine.sum(vault, rules)) == want
    one, other = (away / "segments" / name for name in vault.snapshot().files(0)[:1] + vault.snapshot().files(1)[:1])
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    with pytest.raises(StoreError) as exchanged:
        engine.sum(vault, rules)
    assert exchanged.value.code == "STORE_DAMAGED"
    one.write_bytes(kept)
    for name in vault.snapshot().files(0):
        (away / "segments" / name).unlink()
    with pytest.raises(StoreError) as missing:
        engine.sum(vault, rules)
    assert missing.value.code == "ENGINE_BUCKETS"


@pytest.mark.parametrize("under", ["spark"], indirect=True)
def test_no_master_key_is_sent(under: Under, small_world: World) -> None:
    study = config.load(small_world.study)
    vault = store.Store.open(study)
    sent = pickle.dumps(vault.snapshot())
    for secret in (vault._key, vault._ring.window, vault._ring.marks):
        assert secret not in sent
    assert vault.snapshot().sealer._key in sent


def test_the_same_release_from_the_same_noise(under: Under, own_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise that is set by the place alone: then nothing but the sums could differ: every byte is the same that does not name the charge."""

    def add(sums: Any, *_: Any, **__: Any) -> Any:
        return sums + np.arange(sums.size).reshape(sums.shape) % 7

    monkeypatch.setattr(noise, "add", add)
    study = config.load(own_world.study)
    folders = []
    for name, spec in (("one", EngineSpec(threads=1)), ("other", under.spec)):
        (tmp_path / "ledger").mkdir()
        ledger = study.ledger.model_copy(update={"path": tmp_path / "ledger" / "the.ledger"})  # its path is in the plan's digest
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("flockwise.engines.opened", lambda spec, under=under: opened(spec) if spec.kind == "local" else _running(under))
            release.publish(study.model_copy(update={"engine": spec, "ledger": ledger}), tmp_path / name)
        (tmp_path / "ledger").rename(tmp_path / f"ledger of {name}")
        folders.append({p.name: p.read_bytes() for p in sorted((tmp_path / name).rglob("*")) if p.is_file()})
    assert len(folders[0]) > 4
    told = [json.loads(folder.pop("certificate.json")) for folder in folders]
    for folder, certificate in zip(folders, told, strict=True):
        del folder["SHA256SUMS"]
        for part in (certificate["privacy"].pop("charge"), certificate.pop("input"), certificate.pop("trail")):  # of this charge, whichever engine made it
            assert part
    assert folders[0] == folders[1]
    assert told[0] == told[1]


class _running:  # noqa: N801 - a context that gives the engine that is there
    def __init__(self, under: Under) -> None:
        self.under = under

    def __enter__(self) -> Engine:
        return self.under.engine

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize(("under", "how"), [("spark", "worker"), ("cluster", "worker"), ("cluster", "executor")], indirect=["under"])
def test_what_dies_in_mid_stage_changes_nothing(under: Under, how: str, tmp_path: Path) -> None:
    rows = [row for number in range(12) for row in commuter(number, every=30 + number)]
    source = Faulty(tuple(rows), 12, how, tmp_path / "mark")
    assert plain(under.engine.sum(source, RULES)) == plain(LocalEngine(2).sum(Dealt(tuple(rows), 1), RULES))
    assert source.mark.exists()


def test_a_refusal_in_a_task_is_ours(under: Under, tmp_path: Path) -> None:
    rows = tuple(commuter(1, every=60))
    with pytest.raises(StoreError) as refused:
        under.engine.sum(Faulty(rows, 5, "refused", tmp_path / "mark"), RULES)
    assert refused.value.code == "STORE_DAMAGED"
    assert refused.value.fix == "Bring it back from a backup."


@pytest.mark.parametrize("under", ["spark", "cluster"], indirect=True)
def test_nothing_of_a_row_is_written_when_a_task_fails(under: Under, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = tuple(commuter(1, every=60))
    with pytest.raises(InternalError) as failed:
        under.engine.sum(Faulty(rows, 5, "crash", tmp_path / "mark"), RULES)
    assert (failed.value.code, failed.value.got) == ("ENGINE_TASK", "ValueError")
    written = "".join(capfd.readouterr()) + "".join(p.read_text(errors="replace") for p in under.logs.rglob("*") if p.name.startswith(("std", "worker-")))
    for secret in ("40.7128", str(rows[0][0]), str(rows[0][3])):
        assert secret not in written + str(failed.value)


@pytest.mark.parametrize("under", ["spark"], indirect=True)
def test_another_version_on_the_executors_is_refused(under: Under, monkeypatch: pytest.MonkeyPatch) -> None:
    from flockwise.engines import spark

    real = spark._Work
    monkeypatch.setattr(spark, "_Work", lambda *given: replace(real(*given), version="0.0.1"))
    with pytest.raises(ConfigError) as refused:
        under.engine.sum(Dealt((), 2), RULES)
    assert refused.value.code == "ENGINE_PYTHON"
