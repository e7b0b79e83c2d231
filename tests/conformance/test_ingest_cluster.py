"""An ingest on a standalone cluster of a master and two workers: the same store as by threads, whatever dies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance.clusters import Dying, DyingAtTheDoor, cluster
from tests.conformance.test_ingest_spark import check, trouble
from tests.conformance.test_remote_delivery import check as remote_check
from tests.conformance.webhdfs import webhdfs
from tests.unit.store._made import order

from flockwise.engines.spark_ingest import SparkRunner
from flockwise.engines.spark_session import session

__all__ = ["trouble"]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkRunner]:
    with cluster(tmp_path_factory.mktemp("cluster")) as spec, session(spec):
        yield SparkRunner(spec)


def test_all_kinds_of_trouble(trouble: Path, runner: SparkRunner, tmp_path: Path) -> None:
    check(trouble, tmp_path / "s", runner)


def test_an_executor_that_is_killed_while_it_reads(trouble: Path, runner: SparkRunner, tmp_path: Path) -> None:
    check(trouble, tmp_path / "s", DyingAtTheDoor(runner, "executor", tmp_path / "mark"))
    assert (tmp_path / "mark").exists()


def test_a_delivery_at_an_address_and_an_executor_that_is_killed_while_it_reads(trouble: Path, runner: SparkRunner, tmp_path: Path) -> None:
    with webhdfs(trouble) as far:
        remote_check(trouble, far, tmp_path / "s", DyingAtTheDoor(runner, "executor", tmp_path / "mark"), runner.files_at)
    assert (tmp_path / "mark").exists()


def test_an_executor_that_is_killed_with_what_it_has_sent(trouble: Path, runner: SparkRunner, tmp_path: Path) -> None:
    """While buckets are settled: the rows that lay with it are read again, and no bucket gets any of them twice."""
    check(trouble, tmp_path / "s", runner, Dying(order, "executor", tmp_path / "mark"))
    assert (tmp_path / "mark").exists()
