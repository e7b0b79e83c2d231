"""One ingest: files through the door into spilled buckets, then each bucket ordered into one file of a new segment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise.base.cellgrid import CellGrid
from flockwise.base.schemas import STORED_PINGS
from flockwise.errors import InternalError
from flockwise.governance import REASONS, DoorRules, judge
from flockwise.governance.places import Suppression
from flockwise.store.capping import capped, full_of, within
from flockwise.store.columns import Reader
from flockwise.store.manifest import write_file
from flockwise.store.optouts import OptOuts
from flockwise.store.pseudonym import Pseudonyms
from flockwise.store.reading import OpenFile, Piece
from flockwise.store.renaming import distinct, rename
from flockwise.store.report import IngestReport
from flockwise.store.sealing import Sealer, SpillSeal
from flockwise.store.spill import WORDS, Spill, load, unpack

__all__ = ["Ingest", "OrderFn", "ProgressFn", "report_of"]

Ints = npt.NDArray[np.int64]
T = TypeVar("T")

OrderFn = Callable[[pa.Table], tuple[pa.Table, dict[str, int]]]
"""Sorts new rows into PING_ORDER, drops exact duplicates, counts them: `person.order` with the study's rules."""
ProgressFn = Callable[[str, int, int], None]
"""Stage, done, total. Called from worker threads, one call at a time."""

READ_ROWS = 1 << 14  # of a spilled file at a time
ORDERING_BYTES = 240
"""A row while its bucket is ordered: packed, as columns, sorting keys, columns in order, encoded, sealed."""
SLICE_ROWS = 1 << 15  # the columns of a slice stay in a core's cache, and its memory is reused instead of being asked for anew
DICTIONARY = ("device_hi", "device_lo", "cell")

log = logging.getLogger("flockwise.store")


@dataclass
class Counts:
    """Exact counts for the steward; see IngestReport."""

    reasons: Ints = field(default_factory=lambda: np.zeros(len(REASONS), np.int64))
    stored: int = 0
    capped: int = 0
    orders: dict[str, int] = field(default_factory=dict)


class Ingest:
    """The work between the lock and the commit. Nothing outside `staging` is written.

    Args:
        staging: an empty folder.
        reader: columns to rows.
        grid: the region.
        rules: the door's limits.
        suppress: sensitive places and gatherings, if the study names a list.
        buckets: number of buckets.
        order: sorts a bucket.
        sealer: encrypts the files of the segment.
        name: of the segment; its files can be opened under it alone.
        pseudonyms: from tags to what is stored.
        suppressed: bases of devices that may not be stored.
        progress: told how far the work is.
        memory: bytes for buffers and for ordering.
        threads: workers.
    """

    def __init__(
        self,
        staging: Path,
        *,
        reader: Reader,
        grid: CellGrid,
        rules: DoorRules,
        suppress: Suppression | None,
        buckets: int,
        order: OrderFn,
        sealer: Sealer,
        name: str,
        pseudonyms: Pseudonyms,
        suppressed: OptOuts,
        progress: ProgressFn | None,
        memory: int,
        threads: int,
    ) -> None:
        self._staging, self._spilled, self.segment = staging, staging / "spilled", staging / "segment"
        for folder in (self._spilled, self.segment):
            folder.mkdir(mode=0o700)
        self._reader, self._grid, self._rules, self._suppress, self._buckets = reader, grid, rules, suppress, buckets
        self._sealer, self._name = sealer, name
        self._order, self._progress, self._threads = order, progress, threads
        self._pseudonyms, self._known, self.leaving = pseudonyms, suppressed, OptOuts.union([])
        # Buffers that are never full are never written out: a delivery that fits stays in memory until it is ordered.
        seal = SpillSeal()
        self._spills = [Spill(self._spilled, w, buckets, memory * 5 // 8 // threads, seal) for w in range(threads)]
        self._most_rows = max(1 << 14, memory * 3 // 8 // (threads * ORDERING_BYTES))
        self._lock, self._stop = threading.Lock(), threading.Event()
        self.counts = Counts()

    def run(self, files: list[OpenFile]) -> list[str]:
        """Reads all files and writes the segment.

        Returns:
            Names of the files of the segment; empty if there is nothing to add.
        """
        stream = _stream(files)
        total, done = sum(f.source.size for f in files), [0.0]

        def read(worker: int) -> list[OptOuts]:
            withdrawn: list[OptOuts] = []
            while not self._stop.is_set():
                with self._lock:
                    item = next(stream, None)
                    if item is None:
                        break
                    done[0] += item[2]
                    self._tell("read", int(done[0]), total)
                batch = item[1]()
                for start in range(0, batch.num_rows, SLICE_ROWS):
                    self._take(batch.slice(start, SLICE_ROWS), worker, withdrawn)
            return withdrawn

        log.info("reading %d files", len(files))
        parts = self._parallel(read, range(self._threads))
        self._tell("read", total, total)
        new = OptOuts.union([o for part in parts for o in part])
        self.counts.reasons[REASONS.index("malformed")] += sum(f.malformed for f in files)
        left = OptOuts.of(*self._pseudonyms.bases(new.high, new.low), new.reason)
        self.leaving = left.without(self._known)
        suppressed = OptOuts.union([self._known, left])
        log.info("ordering %d buckets", self._buckets)
        finished = [0]

        def settle(bucket: int) -> str | None:
            name = self._settle(bucket, suppressed)
            with self._lock:
                finished[0] += 1
                self._tell("order", finished[0], self._buckets)
            return name

        return [name for name in self._parallel(settle, range(self._buckets)) if name]

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

    def _take(self, part: pa.RecordBatch, worker: int, withdrawn: list[OptOuts]) -> None:
        batch = self._reader.read(part)
        verdict = judge(batch.rows, self._rules, self._grid.index, self._suppress)
        if batch.leaving is not None and batch.leaving.any():
            leaving = batch.leaving > 0
            withdrawn.append(OptOuts.of(batch.high[leaving], batch.low[leaving], batch.leaving[leaving]))
            if len(withdrawn) >= 64:
                withdrawn[:] = [OptOuts.union(withdrawn)]
        self._spills[worker].add(batch, verdict)
        counted = np.bincount(verdict.reason, minlength=len(REASONS))
        with self._lock:
            self.counts.reasons += counted

    def _settle(self, bucket: int, suppressed: OptOuts) -> str | None:
        """Orders the new rows of a bucket and writes its file: its name, or None if it got no row."""
        table = self._ordered(bucket, suppressed)
        for spill in self._spills:
            spill.free(bucket)
        if table is None or not table.num_rows:
            return None
        name = f"{bucket:04d}.parquet"
        self._write(table, name)
        with self._lock:
            self.counts.stored += table.num_rows
        return name

    def _write(self, table: pa.Table, name: str) -> None:
        """Writes a file of the segment; durable on return."""
        dictionary = [column for column in DICTIONARY if column in table.schema.names]
        write_file(self.segment / name, self._sealer.seal(table, f"{self._name}/{name}", dictionary))

    def _ordered(self, bucket: int, suppressed: OptOuts) -> pa.Table | None:
        parts = load(bucket, self._spills)
        total = sum(p.n for p in parts)
        if total <= self._most_rows:
            packed, at = np.empty((total, WORDS), np.int64), 0
            for piece in (piece for part in parts for piece in part.pieces(READ_ROWS)):
                packed[at : at + len(piece)] = piece
                at += len(piece)
            return self._merge(None, [self._accept(packed, suppressed)], final=True)
        # Too many rows for one go: what has been read is ordered, and cut to the cap of each device, before more is read.
        kept: pa.Table | None = None
        waiting: list[pa.Table] = []
        full = full_of(kept)
        for packed in (piece for part in parts for piece in part.pieces(self._most_rows // 2)):
            accepted = self._accept(packed, suppressed)
            waiting.append(within(accepted, full))
            with self._lock:
                self.counts.capped += accepted.num_rows - waiting[-1].num_rows
            # Not before they are half as many as those that are ordered already: the work stays in proportion to the rows, whatever a device sends.
            if sum(t.num_rows for t in waiting) >= max(self._most_rows // 2, 0 if kept is None else kept.num_rows // 2):
                kept, waiting = self._merge(kept, waiting, final=False), []
                full = full_of(kept)
        return self._merge(kept, waiting, final=True)

    def _accept(self, packed: Ints, suppressed: OptOuts) -> pa.Table:
        """The rows that may be stored, under their pseudonyms."""
        which, high, low = distinct(packed)
        bases = self._pseudonyms.bases(high, low)
        reasons = suppressed.reasons(*bases)
        rename(packed, which, *self._pseudonyms.of_bases(*bases))
        if reasons.any():
            of_rows = reasons[which]
            counted = np.bincount(of_rows, minlength=len(REASONS))
            with self._lock:
                self.counts.reasons[1:] += counted[1:]
                self.counts.reasons[0] -= len(packed) - int(counted[0])
            packed = packed[of_rows == 0]
        return unpack(packed, self._grid.region.cells)

    def _merge(self, kept: pa.Table | None, new: list[pa.Table], final: bool) -> pa.Table | None:
        tables = ([] if kept is None else [kept]) + [t for t in new if t.num_rows]
        if not tables:
            return None
        before = sum(t.num_rows for t in tables)
        table, counts = self._order(pa.concat_tables(tables))
        if not table.schema.equals(STORED_PINGS) or table.num_rows + counts.get("duplicate", 0) != before:
            raise InternalError("INGEST_ORDER", what="The ordering of a bucket lost rows or columns.")
        kept_rows = capped(table)
        with self._lock:
            self.counts.capped += table.num_rows - kept_rows.num_rows
            for name, n in counts.items():
                if name == "duplicate" or final:
                    self.counts.orders[name] = self.counts.orders.get(name, 0) + int(n)
        return kept_rows


def _stream(files: list[OpenFile]) -> Iterator[tuple[OpenFile, Piece, float]]:
    """Pieces of all files, each with the bytes of its file that it stands for."""
    for file in files:
        before = 0.0
        for piece in file.pieces():
            yield file, piece, (file.position - before) * file.source.size
            before = file.position


def report_of(counts: Counts, files: int, skipped: int) -> IngestReport:
    """The counts of an ingest as its report."""
    refused = {name: int(n) for name, n in zip(REASONS[1:], counts.reasons[1:], strict=True) if n}
    return IngestReport(
        files=files,
        files_skipped=skipped,
        rows_read=int(counts.reasons.sum()),
        stored=counts.stored,
        refused=refused,
        duplicates=counts.orders.get("duplicate", 0),
        same_time=counts.orders.get("same_time", 0),
        impossible_speed=counts.orders.get("impossible_speed", 0),
        capped=counts.capped,
    )
