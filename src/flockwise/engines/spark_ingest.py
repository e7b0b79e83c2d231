"""An ingest in Spark's tasks: parts of the delivery through the door, one exchange of sealed parcels by bucket, then each bucket's file.

What a task does is in `store.exchange`, the same code for every way of running it. Here it is only dealt out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import reduce
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from flockwise import __version__
from flockwise.config import SparkSpec
from flockwise.engines.protocol import ProgressFn
from flockwise.engines.spark_files import HadoopFiles, files_at, scheme_of
from flockwise.engines.spark_ranges import handed_out
from flockwise.engines.spark_session import session
from flockwise.engines.spark_tasks import Batches, Said, collected, task
from flockwise.errors import ConfigError
from flockwise.store import Done, OpenFile, Work
from flockwise.store.exchange import ABOUT, DRAFTS, Parcel, add_up, block_bytes, send, settle
from flockwise.store.handed import Chunk, Range, opened_parts, ranges_of
from flockwise.store.sealing import ParcelSeal
from flockwise.store.units import Unit, opened, units_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["SparkRunner"]

_SAID = Said("an ingest", "Nothing was stored.")
_FIELDS: dict[str, pa.DataType] = {"bucket": pa.int32(), "kind": pa.int32(), "payload": pa.binary()}
_PARCELS = pa.schema(_FIELDS)
_COLUMNS = "bucket int, kind int, payload binary"
_TASKS_PER_CORE = 4  # so that a lost task costs little and cores end together
_LEAST_UNIT, _MOST_UNIT = 8 << 20, 512 << 20
_PARTITION = 64 << 20
"""Bytes of a delivery whose rows Spark sorts by bucket in one task, about: they are then some 90 MB."""
_AT_ONCE = 4 << 20
"""Bytes of parcels that go between Python and Java at a time, about."""

log = logging.getLogger("flockwise.engines")


class SparkRunner:
    """Runs ingests in the session of Spark that is there, or in one of its own, which is started when it is needed and ends with the `with` block.

    Args:
        spec: the study's [engine.spark].
    """

    def __init__(self, spec: SparkSpec) -> None:
        self._spec = spec
        self._open = ExitStack()
        self._spark: SparkSession | None = None

    def __enter__(self) -> Self:
        self._require_folder()
        return self

    def __exit__(self, *_: object) -> None:
        self._spark = None
        self._open.close()

    def _require_folder(self) -> None:
        if self._spec.store_address is not None:
            raise ConfigError(
                "ENGINE_STORE_ADDRESS",
                what="An ingest on Spark writes into the folder of the store, which this study's executors do not see.",
                got="[engine.spark] store_address",
                state="Nothing was stored.",
                fix='Ingest on this machine with a study file that says [engine] kind = "local", which keeps the copy at the address as well.',
            )

    def _session(self) -> SparkSession:
        if self._spark is None:
            self._spark = self._open.enter_context(session(self._spec))
        return self._spark

    def files_at(self, address: str) -> tuple[HadoopFiles, str] | None:
        """The file system of an address and the path in it, if it is one that Spark reads: see `store.FilesAtFn`.

        Raises:
            ConfigError, RuleError: as `session`.
        """
        return None if scheme_of(address) is None else files_at(self._session(), address)

    def run(self, work: Work, files: list[OpenFile], staging: Path, progress: ProgressFn | None) -> Done:
        """See `store.Runner`.

        Raises:
            ConfigError: the store is where only Spark reads it (ENGINE_STORE_ADDRESS); as `session`; ENGINE_PYTHON.
            RuleError: as `session`.
            StoreError: ENGINE_STORE, ENGINE_ROWS, STORE_WRITE.
            DataError: INGEST_BROKEN_FILE, INGEST_NOT_SHARED.
            InternalError: ENGINE_TASK, ENGINE_FAILED.

        Privacy: the machines of the cluster see pings, and the keys that docs/how-to/run-on-spark.md lists.
        """
        self._require_folder()
        (staging / DRAFTS).mkdir(mode=0o700)
        spark = self._session()
        cores = spark.sparkContext.defaultParallelism
        size = sum(file.source.size for file in files)
        units = units_of(files, min(_MOST_UNIT, max(_LEAST_UNIT, size // (_TASKS_PER_CORE * cores))))
        memory = self._spec.task_memory_mb << 20
        asked = _Ingest(work, tuple(_sendable(unit) for unit in units), ParcelSeal(), memory, staging)
        partitions = min(work.buckets, max(_TASKS_PER_CORE * cores, size // _PARTITION))
        log.info("%d files as %d tasks, %d buckets as %d", len(files), len(units), work.buckets, partitions)
        parcels = _sent(spark, asked, units)
        dealt = parcels.repartition(partitions, "bucket").sortWithinPartitions("bucket", "kind")
        settled = dealt.mapInArrow(task(_settled, asked), _COLUMNS)
        look = None if progress is None else _teller(size, work.buckets, progress)
        table = collected(spark, settled, _SAID, look, max(1, _AT_ONCE // block_bytes(work.buckets, memory // 4)))
        done = add_up(work, _parcels(table.to_batches()), len(units), asked.seal, staging)
        if progress is not None:
            progress("read", size, size)
            progress("order", work.buckets, work.buckets)
        return done


@dataclass(frozen=True)
class _Ingest:
    """What a task needs. It carries the keys of one store's pseudonyms and files."""

    work: Work
    units: tuple[Unit, ...]
    seal: ParcelSeal
    memory: int
    staging: Path
    here: tuple[int, ...] = ()
    version: str = __version__
    said: Said = _SAID


def _sendable(unit: Unit) -> Unit:
    """A unit without a hold on the driver's Java, which no other process has."""
    return replace(unit, source=replace(unit.source, fs=None)) if isinstance(unit.source.fs, HadoopFiles) else unit


def _sent(spark: SparkSession, asked: _Ingest, units: Sequence[Unit]) -> DataFrame:
    """The parcels of all units: of those that tasks read themselves, and of those that Spark reads for them."""
    columns, here, handed = asked.work.intake.reader.mapping.columns, list[int](), list[tuple[int, str, list[Range]]]()
    for number, unit in enumerate(units):
        if isinstance(unit.source.fs, HadoopFiles):
            handed.append((number, unit.source.fs.address(unit.source.path), ranges_of(unit, columns)))
        else:
            here.append(number)
    parcels = []
    if here:
        parcels.append(spark.range(0, len(here), 1, len(here)).mapInArrow(task(_taken, replace(asked, here=tuple(here))), _COLUMNS))
    if handed:
        parcels.append(handed_out(spark, handed).mapInArrow(task(_handed, asked), _COLUMNS))
    return reduce(lambda some, more: some.unionAll(more), parcels)


def _taken(asked: _Ingest, batches: Batches) -> Iterator[pa.RecordBatch]:
    """A task of the first stage: its units as parcels."""
    mapping, mine = asked.work.intake.reader.mapping, [asked.here[place] for batch in batches for place in _ints(batch.column(0))]
    units = ((number, opened(asked.units[number], mapping)) for number in mine)
    return _batches(send(asked.work, units, asked.seal, asked.memory // 4))


def _handed(asked: _Ingest, batches: Batches) -> Iterator[pa.RecordBatch]:
    """The same of units whose bytes come from Spark."""

    def chunks() -> Iterator[Chunk]:
        for batch in batches:
            for unit, step, begin, content in zip(*(_ints(batch.column(i)) for i in range(3)), batch.column("content"), strict=True):
                yield Chunk(unit, step, begin, memoryview(content.as_buffer()).cast("B") if content.is_valid else None)

    units = opened_parts(asked.units, chunks(), asked.work.intake.reader.mapping)
    return _batches(send(asked.work, units, asked.seal, asked.memory // 4))


def _settled(asked: _Ingest, batches: Batches) -> Iterator[pa.RecordBatch]:
    """A task of the second stage: its buckets, one after the other. What senders said of themselves passes through."""

    def said() -> Iterator[Parcel]:
        for bucket, parcels in groupby(_parcels(batches), key=itemgetter(0)):
            if bucket == ABOUT:
                yield from parcels
            else:
                yield settle(asked.work, bucket, parcels, asked.seal, asked.memory * 3 // 4, asked.staging)

    return _batches(said())


def _parcels(batches: Iterable[pa.RecordBatch]) -> Iterator[Parcel]:
    for batch in batches:
        for bucket, kind, payload in zip(_ints(batch.column("bucket")), _ints(batch.column("kind")), batch.column("payload"), strict=True):
            yield Parcel(bucket, kind, memoryview(payload.as_buffer()).cast("B"))


def _ints(column: pa.Array[Any]) -> list[int]:
    found: list[int] = np.asarray(column).tolist()
    return found


def _batches(parcels: Iterator[Parcel]) -> Iterator[pa.RecordBatch]:
    """Parcels as batches: whatever a task has made goes on before it makes much more."""
    rows: list[Parcel] = []
    size = 0
    for parcel in parcels:
        rows.append(parcel)
        size += len(parcel.payload)
        if size >= _AT_ONCE:
            yield _batch(rows)
            rows, size = [], 0
    if rows:
        yield _batch(rows)


def _batch(rows: list[Parcel]) -> pa.RecordBatch:
    columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), _PARCELS, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=_PARCELS)


def _teller(size: int, buckets: int, progress: ProgressFn) -> Callable[[list[Any]], None]:
    told: dict[str, int] = {}

    def tell(name: str, stage: Any, total: int) -> None:
        done = stage.numCompletedTasks * total // max(1, stage.numTasks)
        if done > told.get(name, -1):
            told[name] = done
            progress(name, done, total)

    def look(stages: list[Any]) -> None:
        if stages:
            tell("read", stages[0], size)
        if len(stages) > 1:
            tell("order", stages[-1], buckets)

    return look
