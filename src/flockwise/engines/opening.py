"""The engine that a study names, ready for work and put away afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flockwise.config import EngineSpec
from flockwise.engines.local import LocalEngine
from flockwise.engines.protocol import Engine
from flockwise.store import LocateFn, Runner

__all__ = ["ingesting", "opened"]


@contextmanager
def opened(spec: EngineSpec) -> Iterator[Engine]:
    """The engine of [engine], for as long as the block lasts. Spark is imported only when it is named.

    Raises:
        ConfigError: Spark is named and not installed (ENGINE_NO_SPARK), finds no Java (ENGINE_NO_JAVA) or does not start (ENGINE_START).
        RuleError: a cluster without encryption (ENGINE_OPEN_NETWORK).
    """
    if spec.kind == "local":
        yield LocalEngine(spec.workers, spec.megabytes << 19)
        return
    from flockwise.engines.spark import SparkEngine
    from flockwise.engines.spark_session import session

    with session(spec.spark) as spark:
        yield SparkEngine(spark, spec.spark)


@contextmanager
def ingesting(spec: EngineSpec) -> Iterator[tuple[Runner | None, LocateFn | None]]:
    """Who runs an ingest under [engine] and who finds its deliveries. None: threads of this process, and fsspec, which the store has itself.

    Spark is started when an address asks for it or there is something to ingest, and put away with the block.
    """
    if spec.kind == "local":
        yield None, None
        return
    from flockwise.engines.spark_ingest import SparkRunner

    with SparkRunner(spec.spark) as runner:
        yield runner, runner.locate
