"""The copy of a store at an address, for Spark: it follows every change of the store, and nothing that was deleted stays there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.conformance.clusters import HERE
from tests.conformance.webhdfs import Served, webhdfs
from tests.conftest import World
from tests.unit.store._made import bytes_of, write

from flockwise import api, config, release
from flockwise.engines import LocalEngine
from flockwise.engines.spark import SparkEngine
from flockwise.engines.spark_session import session
from flockwise.errors import ConfigError, StoreError
from flockwise.person import SparseSum, Sums
from flockwise.store import Store


@pytest.fixture(scope="module", autouse=True)
def spark() -> Iterator[object]:
    with session(HERE) as started:
        yield started


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    (tmp_path / "far").mkdir()
    with webhdfs(tmp_path / "far") as served:
        yield served


@pytest.fixture
def world(small_world: World, server: Served, tmp_path: Path) -> World:
    made = World(tmp_path / "world")
    shutil.copytree(small_world.root, made.root, symlinks=True)
    with made.study.open("a", encoding="utf-8") as file:
        file.write(f'\n[engine.spark]\nstore_address = "{server.address}/copies/a study"\n')
    return made


def copy_and_store(world: World, server: Served) -> tuple[dict[str, bytes], dict[str, bytes]]:
    return bytes_of(server.folder / "copies" / "a study" / "segments"), bytes_of(config.load(world.study).store.path / "segments")


def test_every_command_that_changes_the_store(world: World, server: Served, spark: object, tmp_path: Path) -> None:
    table = pq.read_table(world.pings / "part-000.parquet")
    api.ingest(world.study, [write(table.slice(0, 500), tmp_path / "again.parquet")])
    there, here = copy_and_store(world, server)
    assert there == here
    assert len({name.split("/")[0] for name in here}) == 2

    study = config.load(world.study)
    vault, rules = Store.open(study), release.settle(release.make_plan(study), 16, 16).rules()
    assert plain(SparkEngine(spark, study.engine.spark).sum(vault, rules)) == plain(LocalEngine(2).sum(vault, rules))  # type: ignore[arg-type]

    seen = set[str](here)
    column = study.input.device
    write(table.select([column]).slice(0, 1), tmp_path / "list.parquet")
    for change in (
        lambda: api.forget(world.study, str(tmp_path / "list.parquet")),
        lambda: api.rotate(world.study, study.store.key, data=True),
        lambda: api.places_apply(world.study),
    ):
        change()
        there, here = copy_and_store(world, server)
        assert there == here
    assert here
    assert not seen & here.keys()
    api.purge(world.study, early=True)
    assert copy_and_store(world, server) == ({}, {})


def plain(sums: Sums) -> dict[int, object]:
    found = dict[int, object]()
    for block, total in sums.items():
        found[block] = (total.key.tolist(), total.value.tolist()) if isinstance(total, SparseSum) else total.tolist()
    return found


def test_a_copy_that_can_not_be_reached_keeps_the_store_as_it_is(world: World, server: Served) -> None:
    """Else rows would stay there that the store has forgotten."""
    before = bytes_of(config.load(world.study).store.path)
    server.fault = lambda _op, _path: "AccessControlException"
    with pytest.raises(ConfigError) as refused:
        api.forget(world.study)
    assert refused.value.code == "ENGINE_STORE_ADDRESS"
    assert bytes_of(config.load(world.study).store.path) == before


def test_a_copy_that_can_not_be_listed_is_not_taken_for_an_empty_one(world: World, server: Served) -> None:
    api.forget(world.study)
    server.fault = lambda op, _path: "IOException" if op == "LISTSTATUS" else None
    with pytest.raises(StoreError) as half:
        api.purge(world.study, early=True)
    assert half.value.code == "STORE_COPY"
    server.fault = lambda _op, _path: None
    assert copy_and_store(world, server)[0]
    api.purge(world.study, early=True)
    assert copy_and_store(world, server) == ({}, {})


def test_a_copy_that_fails_midway_is_mended_by_the_same_command(world: World, server: Served) -> None:
    api.forget(world.study)
    server.fault = lambda op, _path: "IOException" if op == "DELETE" else None
    with pytest.raises(StoreError) as half:
        api.forget(world.study)
    assert half.value.code == "STORE_COPY"
    server.fault = lambda _op, _path: None
    api.forget(world.study)
    there, here = copy_and_store(world, server)
    assert there == here
