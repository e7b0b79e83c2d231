"""The engine of a cluster: the person stage in Spark's tasks, over whole buckets. The only place, with its neighbours spark_*, that knows Spark.

A task reads its buckets, runs the one person stage and adds up what all of their devices contribute. Only those sums, by block and key, leave its Python;
Spark adds them in 64-bit integers. Integers add up to the same in any order, so the result is that of every other engine, bit by bit.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from flockwise import __version__, errors
from flockwise.base.schemas import CONTRIBUTIONS
from flockwise.config import SparkSpec
from flockwise.engines.protocol import PingSource, ProgressFn
from flockwise.errors import ConfigError, FlockwiseError, InternalError
from flockwise.person import Rules, SparseSum, Sums, accumulate, empty_sums

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["SparkEngine"]

_COLUMNS = "block short, key long, value long"
_ROWS = 1 << 16
_TASKS_PER_CORE = 4  # so that a lost task costs little and cores end together
_MARK = "flockwise-refusal:"
_MARKED = re.compile(_MARK + r"([A-Za-z0-9_=-]+)")


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
            StoreError: a bucket can't be read.
            InternalError: a task failed again and again (ENGINE_TASK), or Spark gave up (ENGINE_FAILED).
            ConfigError: the executors' Python does not have this version of Flockwise (ENGINE_PYTHON).

        Privacy: exact sums; only `release` may see them. What Spark's machines see besides is said in docs/how-to/run-on-spark.md.
        """
        from pyspark.sql import functions

        buckets = source.buckets()
        tasks = max(1, min(len(buckets), _TASKS_PER_CORE * self._spark.sparkContext.defaultParallelism))
        work = _Work(source, tuple(buckets), rules)
        frame = self._spark.range(0, len(buckets), 1, tasks).mapInArrow(_task(work), _COLUMNS)
        added = frame.groupBy("block", "key").agg(functions.sum("value").alias("value"))
        return _gathered(self._collect(added, tasks, progress), rules)

    def _collect(self, frame: DataFrame, tasks: int, progress: ProgressFn | None) -> pa.Table:
        group = f"flockwise-{uuid.uuid4().hex}"
        context = self._spark.sparkContext
        context.setJobGroup(group, "flockwise")
        try:
            with nullcontext() if progress is None else _told(context, group, tasks, progress):
                return frame.toArrow()
        except Exception as error:  # noqa: BLE001 - Spark's own errors quote whatever went through it: only what is ours is passed on
            raise _ours(error) from None
        except BaseException:
            context.cancelJobGroup(group)
            raise
        finally:
            context._jsc.clearJobGroup()


@dataclass(frozen=True)
class _Work:
    """What a task needs: pickled with it, encrypted on its way and at rest by Spark."""

    source: PingSource
    buckets: tuple[int, ...]
    rules: Rules
    version: str = __version__


def _task(work: _Work) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return _added(work, batches)

    return run


def _added(work: _Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One task: the sums over all devices of its buckets, each key once."""
    try:
        if work.version != __version__:
            raise _other_python(__version__, work.version)
        # Sparse whatever the domain: a task's memory follows what its devices do, not what all could do.
        sums = {block: SparseSum() for block in empty_sums(work.rules)}
        for batch in batches:
            for position in np.asarray(batch.column(0)):
                accumulate(work.source.read(work.buckets[position]), work.rules, sums, nullcontext())
        parts = [(block, total.key, total.value) for block, total in sums.items()]
    except FlockwiseError as error:
        raise _refusal(error) from None
    except Exception as error:  # noqa: BLE001 - its text may quote a row, and Spark writes it to the logs
        raise _refusal(_failed(type(error).__name__)) from None
    for block, key, value in parts:
        for start in range(0, len(key), _ROWS):
            keys, values = key[start : start + _ROWS], value[start : start + _ROWS]
            columns = [pa.array(np.full(len(keys), block, np.int16)), pa.array(keys), pa.array(values)]
            yield pa.RecordBatch.from_arrays(columns, schema=CONTRIBUTIONS)


def _gathered(table: pa.Table, rules: Rules) -> Sums:
    sums = empty_sums(rules)
    block, key, value = (np.asarray(table[name].combine_chunks()) for name in ("block", "key", "value"))
    for number, total in sums.items():
        of = block == number
        if isinstance(total, SparseSum):
            total.add(key[of].astype(np.int64), value[of].astype(np.int64))
        else:
            total.reshape(-1)[key[of]] = value[of]
    return sums


@contextmanager
def _told(context: Any, group: str, tasks: int, progress: ProgressFn) -> Iterator[None]:
    """Tells how many tasks have ended, until the block ends."""
    ended = threading.Event()

    def watch() -> None:
        told, tracker = -1, context.statusTracker()
        while not ended.wait(0.5):
            stages = [tracker.getStageInfo(s) for job in tracker.getJobIdsForGroup(group) for s in getattr(tracker.getJobInfo(job), "stageIds", ())]
            done = min(tasks, max((s.numCompletedTasks for s in stages if s is not None and s.numTasks == tasks), default=0))
            if done > told:
                told = done
                progress("person", done, tasks)

    watcher = threading.Thread(target=watch, name="flockwise-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    progress("person", tasks, tasks)


class _RefusedError(Exception):
    """What a task raises: one of our errors as plain letters, so that it survives the way through Java, and nothing else."""


def _refusal(error: FlockwiseError) -> _RefusedError:
    body = json.dumps([type(error).__name__, error.as_dict()])
    return _RefusedError(_MARK + base64.urlsafe_b64encode(body.encode()).decode())


def _ours(error: Exception) -> FlockwiseError:
    """Our error behind one of Spark's."""
    text = str(error)
    found = _MARKED.search(text)
    if found:
        kind, parts = json.loads(base64.urlsafe_b64decode(found[1]))
        made: FlockwiseError = getattr(errors, kind)(**parts)
        return made
    if "No module named 'flockwise" in text:
        return _other_python("none", __version__)
    return InternalError(
        "ENGINE_FAILED",
        what="Spark gave up.",
        got=type(error).__name__,
        state="No sums were made.",
        fix="Look at Spark's own log: are there executors, and memory for them?",
    )


def _failed(kind: str) -> InternalError:
    return InternalError("ENGINE_TASK", what="A task of the person stage failed.", got=kind, state="No sums were made.")


def _other_python(got: str, expected: str) -> ConfigError:
    return ConfigError(
        "ENGINE_PYTHON",
        what="The executors' Python has another version of Flockwise than this process.",
        got=got,
        expected=expected,
        state="No sums were made.",
        fix="Install the same version on every machine, and name its Python in [engine.spark] python.",
    )
