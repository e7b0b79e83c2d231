"""The engine of a cluster: the person stage in Spark's tasks, over whole buckets. The only place, with its neighbours spark_*, that knows Spark.

A task reads its buckets, runs the one person stage and adds up what all of their devices contribute. Only those sums, by block and key, leave its Python,
packed as arrays; a second stage adds those of all tasks, a share of the keys in each of its own. All are 64-bit integers, which add up to the same in any
order, so the result is that of every other engine, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise import __version__
from flockwise.config import SparkSpec
from flockwise.engines.protocol import PingSource, ProgressFn
from flockwise.engines.spark_tasks import Batches, Said, collected, task
from flockwise.errors import InternalError, StoreError
from flockwise.person import Rules, SparseSum, Sums, accumulate, empty_sums
from flockwise.store import Buckets, Store
from flockwise.store.buckets import SEGMENTS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["SparkEngine"]

Ints = npt.NDArray[np.int64]

_FIELDS: dict[str, pa.DataType] = {"block": pa.int16(), "share": pa.int32(), "key": pa.binary(), "value": pa.binary()}
_PACKED = pa.schema(_FIELDS)
_COLUMNS = "block short, share int, key binary, value binary"
_MOST_SHARES = 64
_READ = -1  # the block under which a task says which buckets it read, by number and how often
_TASKS_PER_CORE = 4  # so that a lost task costs little and cores end together
_FEW_TASKS = 8
"""As many sums the driver adds up itself: a second stage would take longer to plan and to start."""
_SAID = Said("the person stage", "No sums were made.")


class SparkEngine:
    """Runs the person stage in a session of Spark.

    Args:
        spark: a session whose driver is this process.
        spec: the study's [engine.spark].
    """

    def __init__(self, spark: SparkSession, spec: SparkSpec) -> None:
        self._spark, self._spec = spark, spec

    def sum(self, source: PingSource, rules: Rules, progress: ProgressFn | None = None) -> Sums:
        """The exact sums of the finest levels by block.

        Args:
            source: buckets of complete devices; it is sent to the executors, which read their buckets themselves.
            rules: public rules.
            progress: told ("person", done, total) as tasks end.

        Returns:
            By block, in grid units: see `person.empty_sums`.

        Raises:
            StoreError: a bucket can't be read; not every bucket was read exactly once (ENGINE_BUCKETS).
            InternalError: a task failed again and again (ENGINE_TASK), or Spark gave up (ENGINE_FAILED).
            ConfigError: the executors' Python does not have this version of Flockwise (ENGINE_PYTHON).

        Privacy: exact sums; only `release` may see them. What Spark's machines see besides is said in docs/how-to/run-on-spark.md.
        """
        sent = source.snapshot() if isinstance(source, Store) else source
        buckets = sent.buckets()
        cores = self._spark.sparkContext.defaultParallelism
        tasks = max(1, min(len(buckets), _TASKS_PER_CORE * cores))
        shares = min(cores, _MOST_SHARES) if tasks > _FEW_TASKS else 1
        work = _Work(sent, tuple(buckets), rules, shares)
        if self._spec.store_address is not None and isinstance(sent, Buckets):
            parts = self._files(sent, self._spec.store_address, tasks).mapInArrow(task(_summed_files, work), _COLUMNS)
        else:
            parts = self._spark.range(0, len(buckets), 1, tasks).mapInArrow(task(_summed, work), _COLUMNS)
        if tasks > _FEW_TASKS:
            parts = parts.repartition(shares, "share").mapInArrow(task(_joined, work), _COLUMNS)
        table = collected(self._spark, parts, _SAID, None if progress is None else _teller(tasks, progress))
        if progress is not None:
            progress("person", tasks, tasks)
        return _gathered(table, work)

    def _files(self, sent: Buckets, address: str, tasks: int) -> DataFrame:
        """The sealed files that count, bucket by bucket, read by Spark from wherever Hadoop's file systems reach."""
        from pyspark.sql import functions

        folders = [f"{address.rstrip('/')}/{SEGMENTS}/{segment}" for segment, _ in sent.segments]
        if not folders:
            return self._spark.createDataFrame([], "bucket int, name string, content binary")
        found = self._spark.read.format("binaryFile").option("pathGlobFilter", "[0-9]*.parquet").option("recursiveFileLookup", "true").load(folders)
        name = functions.regexp_extract("path", r"([^/]+/[0-9]+\.parquet)$", 1)
        bucket = functions.regexp_extract("path", r"([0-9]+)\.parquet$", 1).cast("int")
        return found.select(bucket.alias("bucket"), name.alias("name"), "content").repartition(tasks, "bucket").sortWithinPartitions("bucket")


def _teller(tasks: int, progress: ProgressFn) -> Callable[[list[Any]], None]:
    """Tells how many tasks of the first stage have ended."""
    told = -1

    def look(stages: list[Any]) -> None:
        nonlocal told
        done = min(tasks, max((s.numCompletedTasks for s in stages if s.numTasks == tasks), default=0))
        if done > told:
            told = done
            progress("person", done, tasks)

    return look


@dataclass(frozen=True)
class _Work:
    """What a task needs."""

    source: PingSource
    buckets: tuple[int, ...]
    rules: Rules
    shares: int
    version: str = __version__
    said: Said = _SAID


def _empty(rules: Rules) -> dict[int, SparseSum]:
    """Sparse whatever the domain: a task's memory follows what its devices do, not what all could do."""
    return {block: SparseSum() for block in (_READ, *empty_sums(rules))}


def _summed(work: _Work, batches: Batches) -> list[pa.RecordBatch]:
    """One task: the sums over all devices of its buckets, each key once, cut into shares of the keys."""
    sums = _empty(work.rules)
    for batch in batches:
        for position in np.asarray(batch.column(0)):
            _add(work, work.buckets[position], work.source.read(work.buckets[position]), sums)
    return _packed(sums, work.shares)


def _summed_files(work: _Work, batches: Batches) -> list[pa.RecordBatch]:
    """The same, where Spark reads the sealed files: rows of bucket, name and content, those of a bucket side by side."""
    if not isinstance(work.source, Buckets):
        raise InternalError("ENGINE_SOURCE", what="Only a store has sealed files.")
    sums = _empty(work.rules)
    rows = ((bucket.as_py(), name.as_py(), content.as_py()) for batch in batches for bucket, name, content in zip(*batch.columns, strict=True))
    for bucket, files in groupby(rows, key=itemgetter(0)):
        known = set(work.source.files(bucket))
        contents = {name: content for _, name, content in files if name in known}
        if contents:
            _add(work, bucket, work.source.opened(bucket, contents), sums)
    return _packed(sums, work.shares)


def _add(work: _Work, bucket: int, pings: pa.Table, sums: dict[int, SparseSum]) -> None:
    accumulate(pings, work.rules, sums, nullcontext())
    sums[_READ].add(np.array([bucket]), np.ones(1, dtype=np.int64))


def _joined(work: _Work, batches: Batches) -> list[pa.RecordBatch]:
    """One task of the second stage: the sums of all first tasks over its shares of the keys."""
    sums = _empty(work.rules)
    for batch in batches:
        for block, key, value in zip(*(batch.column(name) for name in ("block", "key", "value")), strict=True):
            sums[block.as_py()].add(_unpacked(key), _unpacked(value))
    return _packed(sums, 1)


def _packed(sums: dict[int, SparseSum], shares: int) -> list[pa.RecordBatch]:
    rows: list[tuple[int, int, bytes, bytes]] = []
    for block, total in sums.items():
        of = total.key % shares
        mine = [np.flatnonzero(of == share) for share in range(shares)]
        rows += [(block, share, total.key[at].astype("<i8").tobytes(), total.value[at].astype("<i8").tobytes()) for share, at in enumerate(mine) if len(at)]
    return [pa.RecordBatch.from_pylist([dict(zip(_PACKED.names, row, strict=True)) for row in rows], schema=_PACKED)]


def _unpacked(column: Any) -> Ints:
    return np.frombuffer(column.as_buffer(), dtype="<i8").astype(np.int64)


def _gathered(table: pa.Table, work: _Work) -> Sums:
    sums, read = empty_sums(work.rules), SparseSum()
    for block, key, value in zip(*(table[name] for name in ("block", "key", "value")), strict=True):
        total = read if block.as_py() == _READ else sums[block.as_py()]
        if isinstance(total, SparseSum):
            total.add(_unpacked(key), _unpacked(value))
        else:
            total.reshape(-1)[_unpacked(key)] += _unpacked(value)  # a row has each key once
    if not _each_once(read, work):
        raise StoreError(
            "ENGINE_BUCKETS",
            what="Not every bucket of the store was read exactly once.",
            state="No sums were made.",
            fix="With [engine.spark] store_address: copy the whole folder of segments there anew.",
        )
    return sums


def _each_once(read: SparseSum, work: _Work) -> bool:
    filled = [b for b in work.buckets if not isinstance(work.source, Buckets) or work.source.files(b)]
    counted = dict(zip(read.key.tolist(), read.value.tolist(), strict=True))
    return all(n == 1 for n in counted.values()) and counted.keys() >= set(filled)
