"""What the stages on Spark share: tasks that let out nothing but our own errors, running a job, and watching it."""

from __future__ import annotations

import base64
import gc
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import pyarrow as pa

from flockwise import __version__, errors
from flockwise.errors import ConfigError, FlockwiseError, InternalError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Batches", "Said", "Sent", "collected", "task"]

Batches = Iterable[pa.RecordBatch]

_BATCH = "spark.sql.execution.arrow.maxRecordsPerBatch"
_BATCH_BYTES = "spark.sql.execution.arrow.maxBytesPerBatch"
_MOST_BYTES = 16 << 20
"""Of a batch of several rows: what is handed to a task comes in rows of megabytes."""
_MARK = "flockwise-refusal:"
_MARKED = re.compile(_MARK + r"([A-Za-z0-9_=-]+)")


@dataclass(frozen=True)
class Said:
    """What an error of a job says.

    Args:
        stage: which work it was.
        state: what is true after it failed.
    """

    stage: str
    state: str


class Sent(Protocol):
    """What a task needs: pickled with it, encrypted on its way and at rest by Spark."""

    @property
    def version(self) -> str:
        """Of the Flockwise that sent it."""
        ...

    @property
    def said(self) -> Said:
        """What errors say."""
        ...


S = TypeVar("S", bound=Sent)


def task(stage: Callable[[S, Batches], Iterable[pa.RecordBatch]], work: S) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """What Spark runs: whatever goes wrong in it, only an error of ours gets out."""

    def run(batches: Batches) -> Iterator[pa.RecordBatch]:
        yield from _guarded(stage, work, batches)

    return run


def _guarded(stage: Callable[[S, Batches], Iterable[pa.RecordBatch]], work: S, batches: Batches) -> Iterator[pa.RecordBatch]:
    try:
        if work.version != __version__:
            raise _other_python(__version__, work.version, work.said)
        yield from stage(work, batches)
        _stays(stage.__qualname__)
    except FlockwiseError as error:
        raise _refusal(error) from None
    except Exception as error:  # noqa: BLE001 - its text may quote a row, and Spark writes it to the logs
        raise _refusal(_failed(type(error).__name__, work.said)) from None


_loaded: set[str] = set()


def _stays(stage: str) -> None:
    """What the first task of a stage loaded is no longer looked through for unreachable cycles, which Spark's workers do after every task: 0.1 s each time."""
    if stage not in _loaded:
        _loaded.add(stage)
        gc.collect()
        gc.freeze()


def collected(spark: SparkSession, frame: DataFrame, said: Said, look: Callable[[list[Any]], None] | None, batch_rows: int = 1) -> pa.Table:
    """Runs the job.

    Args:
        spark: the session.
        frame: what is to be computed.
        said: what errors say.
        look: shown now and then what Spark knows of the job's stages, in order.
        batch_rows: rows that a task is given at a time; by default one, for it may be a whole file.

    Raises:
        FlockwiseError: as a task raised it, or ENGINE_PYTHON, ENGINE_FAILED.
    """
    group = f"flockwise-{uuid.uuid4().hex}"
    context = spark.sparkContext
    context.setJobGroup(group, "flockwise")
    before = {name: spark.conf.get(name, None) for name in (_BATCH, _BATCH_BYTES)}
    try:
        spark.conf.set(_BATCH, str(batch_rows))
        spark.conf.set(_BATCH_BYTES, str(_MOST_BYTES))
        with nullcontext() if look is None else _watched(context, group, look):
            return frame.toArrow()
    except Exception as error:  # noqa: BLE001 - Spark's own errors quote whatever went through it: only what is ours is passed on
        raise _ours(error, said) from None
    except BaseException:
        context.cancelJobGroup(group)
        raise
    finally:
        context._jsc.clearJobGroup()
        for name, value in before.items():
            spark.conf.unset(name) if value is None else spark.conf.set(name, value)


@contextmanager
def _watched(context: Any, group: str, look: Callable[[list[Any]], None]) -> Iterator[None]:
    ended = threading.Event()

    def watch() -> None:
        tracker = context.statusTracker()
        while not ended.wait(0.5):
            numbers = sorted({s for job in tracker.getJobIdsForGroup(group) for s in getattr(tracker.getJobInfo(job), "stageIds", ())})
            look([stage for stage in map(tracker.getStageInfo, numbers) if stage is not None])

    watcher = threading.Thread(target=watch, name="flockwise-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


class _RefusedError(Exception):
    """What a task raises: one of our errors as plain letters, so that it survives the way through Java, and nothing else."""


def _refusal(error: FlockwiseError) -> _RefusedError:
    body = json.dumps([type(error).__name__, error.as_dict()])
    return _RefusedError(_MARK + base64.urlsafe_b64encode(body.encode()).decode())


def _ours(error: Exception, said: Said) -> FlockwiseError:
    """Our error behind one of Spark's."""
    text = str(error)
    found = _MARKED.search(text)
    if found:
        kind, parts = json.loads(base64.urlsafe_b64decode(found[1]))
        made: FlockwiseError = getattr(errors, kind)(**parts)
        return made
    if "No module named 'flockwise" in text:
        return _other_python("none", __version__, said)
    return InternalError(
        "ENGINE_FAILED",
        what="Spark gave up.",
        got=type(error).__name__,
        state=said.state,
        fix="Look at Spark's own log: are there executors, memory for them, and room on their disks?",
    )


def _failed(kind: str, said: Said) -> InternalError:
    return InternalError("ENGINE_TASK", what=f"A task of {said.stage} failed.", got=kind, state=said.state)


def _other_python(got: str, expected: str, said: Said) -> ConfigError:
    return ConfigError(
        "ENGINE_PYTHON",
        what="The executors' Python has another version of Flockwise than this process.",
        got=got,
        expected=expected,
        state=said.state,
        fix="Install the same version on every machine, and name its Python in [engine.spark] python.",
    )
