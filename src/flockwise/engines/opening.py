"""The engine that a study names, ready for work and put away afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flockwise.config import EngineSpec
from flockwise.engines.local import LocalEngine
from flockwise.engines.protocol import Engine
from flockwise.errors import ConfigError
from flockwise.store import FilesAtFn, Runner

__all__ = ["copied", "ingesting", "opened"]


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
def ingesting(spec: EngineSpec) -> Iterator[tuple[Runner | None, FilesAtFn | None]]:
    """Who runs an ingest under [engine] and who finds its deliveries. None: threads of this process, and fsspec, which the store has itself.

    Spark is started when an address asks for it or there is something to ingest, and put away with the block.
    """
    if spec.kind == "local":
        yield None, None
        return
    from flockwise.engines.spark_ingest import SparkRunner

    with SparkRunner(spec.spark) as runner:
        yield runner, runner.files_at


@contextmanager
def copied(spec: EngineSpec, root: Path) -> Iterator[None]:
    """Around a change of a store: where the study has a copy of it for Spark ([engine.spark] store_address), the copy is changed with it.

    Whatever engine the study names: what is deleted from the store must go from the copy too.

    Args:
        spec: the study's [engine].
        root: folder of the store.

    Raises:
        ConfigError: the address can't be used (ENGINE_STORE_ADDRESS), or Spark does not start; nothing was changed.
        RuleError: as `session`.
        StoreError: the store is changed, and the copy could not be (STORE_COPY).
    """
    address = spec.spark.store_address
    if address is None:
        yield
        return
    from flockwise.engines.spark_session import session
    from flockwise.store import update_copy

    with session(spec.spark) as spark:
        from flockwise.engines.spark_files import copy_place

        try:
            fs, base = copy_place(spark, address)
            fs.exists(base)
        except OSError as error:
            raise ConfigError(
                "ENGINE_STORE_ADDRESS",
                what="The copy of the store for Spark can't be reached, so that nothing can be deleted from it.",
                got=f"[engine.spark] store_address: {type(error).__name__}",
                state="Nothing was changed.",
                fix="Correct the address or the rights there. If there is no copy, leave store_address out.",
            ) from None
        yield
        update_copy(root, fs, base, "[engine.spark] store_address")
