"""An ingest in this process: threads take pieces of files through the door into spilled buckets, then each bucket into one file of a new segment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from flockwise.governance import REASONS
from flockwise.store.intake import Leaving
from flockwise.store.optouts import OptOuts
from flockwise.store.reading import OpenFile, Piece
from flockwise.store.report import Counts
from flockwise.store.runner import SEGMENT, Done, ProgressFn, Work
from flockwise.store.sealing import SpillSeal
from flockwise.store.settling import ORDERING_BYTES, file_name
from flockwise.store.spill import Spill, load
from flockwise.store.writing import Writer

__all__ = ["Threads"]

T = TypeVar("T")

log = logging.getLogger("flockwise.store")


class Threads:
    """Runs ingests in this process.

    Args:
        threads: workers.
        memory: bytes for buffers and for ordering.
    """

    def __init__(self, threads: int, memory: int) -> None:
        self._threads, self._memory = threads, memory

    def run(self, work: Work, files: list[OpenFile], staging: Path, progress: ProgressFn | None) -> Done:
        """See `Runner`."""
        return _Run(work, staging, progress, self._threads, self._memory).run(files)


class _Run:
    def __init__(self, work: Work, staging: Path, progress: ProgressFn | None, threads: int, memory: int) -> None:
        spilled, self._segment = staging / "spilled", staging / SEGMENT
        for folder in (spilled, self._segment):
            folder.mkdir(mode=0o700)
        self._work, self._progress, self._threads = work, progress, threads
        # Buffers that are never full are never written out: a delivery that fits stays in memory until it is ordered.
        seal = SpillSeal()
        self._spills = [Spill(spilled, w, work.buckets, memory * 5 // 8 // threads, seal) for w in range(threads)]
        self._most_rows = max(1 << 14, memory * 3 // 8 // (threads * ORDERING_BYTES))
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._counts = Counts()

    def run(self, files: list[OpenFile]) -> Done:
        stream = _stream(files)
        total, done = sum(f.source.size for f in files), [0.0]

        def read(worker: int) -> OptOuts:
            leaving, counts = Leaving(), Counts()
            while not self._stop.is_set():
                with self._lock:
                    item = next(stream, None)
                    if item is None:
                        break
                    done[0] += item[2]
                    self._tell("read", int(done[0]), total)
                for part in self._work.intake.judged(item[1]()):
                    leaving.add(part.leaving)
                    self._spills[worker].add(part.batch, part.verdict)
                    counts.reasons += part.reasons
            self._count(counts)
            return leaving.all()

        log.info("reading %d files", len(files))
        left = self._work.settling.left(OptOuts.union(self._parallel(read, range(self._threads))))
        self._tell("read", total, total)
        self._counts.reasons[REASONS.index("malformed")] += sum(f.malformed for f in files)
        log.info("ordering %d buckets", self._work.buckets)
        finished = [0]

        def settle(bucket: int) -> str | None:
            name = self._settle(bucket, left, writer)
            with self._lock:
                finished[0] += 1
                self._tell("order", finished[0], self._work.buckets)
            return name

        with Writer() as writer:
            names = [name for name in self._parallel(settle, range(self._work.buckets)) if name]
        return Done(self._counts, names, left.without(self._work.known))

    def _count(self, counts: Counts) -> None:
        with self._lock:
            self._counts.add(counts)

    def _tell(self, stage: str, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(stage, done, total)

    def _parallel(self, work: Callable[[int], T], items: range) -> list[T]:
        """The results in order. After an error no worker starts anything new."""

        def guarded(item: int) -> T:
            try:
                return work(item)
            except BaseException:
                self._stop.set()
                raise

        with ThreadPoolExecutor(self._threads, "flockwise-ingest") as pool:
            try:
                return list(pool.map(guarded, items))
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _settle(self, bucket: int, left: OptOuts, writer: Writer) -> str | None:
        """Orders the new rows of a bucket and writes its file: its name, or None if it got no row."""
        counts, rows = Counts(), load(bucket, self._spills)
        table = self._work.settling.ordered(rows, [self._work.known, left], self._most_rows, counts)
        self._count(counts)
        for spill in self._spills:
            spill.free(bucket)
        if table is None or not table.num_rows:
            return None
        name = file_name(bucket)
        writer.write(self._segment / name, self._work.settling.sealed(table, bucket))
        return name


def _stream(files: list[OpenFile]) -> Iterator[tuple[OpenFile, Piece, float]]:
    """Pieces of all files, each with the bytes of its file that it stands for."""
    for file in files:
        before = 0.0
        for piece in file.pieces():
            yield file, piece, (file.position - before) * file.source.size
            before = file.position
