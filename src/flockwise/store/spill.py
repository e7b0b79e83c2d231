"""Rows on their way from files to buckets: packed, gathered by bucket under a memory budget, and written out when a bucket's buffer is full."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numba import njit

from flockwise.errors import InternalError
from flockwise.governance import Verdict
from flockwise.store.columns import Batch
from flockwise.store.sealing import BrokenSealError, SpillSeal

__all__ = ["ROW_BYTES", "WORDS", "Part", "Parts", "Spill", "load", "scatter", "spill_path"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]

WORDS = 5
ROW_BYTES = 8 * WORDS
"""A packed row: both halves of the pseudonym, the time, latitude and longitude, accuracy and position of the cell in the region."""
LEAST_ROWS = 64
BLOCK_ROWS = 1 << 14
"""Rows that are sealed at a time, so that a large buffer is not there twice while it is written out."""


class Spill:
    """The buffers of one worker.

    Args:
        folder: where full buffers go.
        worker: number of the worker, part of the file names.
        buckets: a power of two; a row's bucket is given by the top bits of its pseudonym.
        budget: bytes for all buffers of this worker.
        seal: of this ingest; nothing is written out in the clear.
    """

    def __init__(self, folder: Path, worker: int, buckets: int, budget: int, seal: SpillSeal) -> None:
        self._folder, self._worker, self._seal = folder, worker, seal
        self._shift = 65 - buckets.bit_length()
        rows = max(LEAST_ROWS, budget // (ROW_BYTES * buckets))
        self._block = min(rows, BLOCK_ROWS)
        rows -= rows % self._block
        # Pages are taken when they are first written. Straight from the system: numpy would ask for huge pages, which cost more here than they save.
        self._memory = mmap.mmap(-1, buckets * rows * ROW_BYTES)
        self._rows = np.frombuffer(self._memory, np.int64).reshape(buckets, rows, WORDS)
        self._fill = np.zeros(buckets, np.int64)
        self._written = np.zeros(buckets, np.int64)

    def add(self, batch: Batch, verdict: Verdict) -> None:
        """Takes the accepted rows of a batch."""
        i, n = 0, len(batch.high)
        args = (batch.high, batch.low, verdict.t_us, verdict.lat_e6, verdict.lon_e6, verdict.accuracy_dm, verdict.place, verdict.reason)
        while i < n:
            i, full = scatter(*args, self._shift, self._rows, self._fill, i)
            if full >= 0:
                self._write(full)

    def _write(self, bucket: int) -> None:
        handle = os.open(spill_path(self._folder, bucket, self._worker), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "wb") as file:
            for start in range(0, self._rows.shape[1], self._block):
                block = self._rows[bucket, start : start + self._block]
                file.write(self._seal.seal(block.data.cast("B"), self._place(bucket, int(self._written[bucket]))))
                self._written[bucket] += 1
        self._fill[bucket] = 0

    def _place(self, bucket: int, number: int) -> int:
        return (((self._worker << 32) | bucket) << 48) | number

    def written(self, bucket: int) -> int:
        """How many rows of a bucket were written out."""
        return int(self._written[bucket]) * self._block

    def pieces(self, bucket: int, most: int) -> Iterator[Ints]:
        """The rows of a bucket that were written out: as many blocks at a time as hold `most` rows, at least one."""
        rows = self._block
        size, left, at = rows * ROW_BYTES + SpillSeal.OVERHEAD, int(self._written[bucket]), 0
        if not left:
            return
        with spill_path(self._folder, bucket, self._worker).open("rb") as file:
            while at < left:
                take = min(max(1, most // rows), left - at)
                out = np.empty((take * rows, WORDS), np.int64)
                for i in range(take):
                    try:
                        plain = self._seal.unseal(file.read(size), self._place(bucket, at + i))
                    except BrokenSealError as error:
                        raise InternalError("INGEST_SPILL", what="A spilled file is not what was written to it.") from error
                    out[i * rows : (i + 1) * rows] = np.frombuffer(plain, np.int64).reshape(-1, WORDS)
                at += take
                yield out

    def free(self, bucket: int) -> None:
        """Gives the memory of a bucket back to the system, and removes what was written out of it."""
        size = self._rows.shape[1] * ROW_BYTES
        first, last = -(-bucket * size // mmap.PAGESIZE) * mmap.PAGESIZE, (bucket + 1) * size // mmap.PAGESIZE * mmap.PAGESIZE
        if last > first and hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED, first, last - first)
        spill_path(self._folder, bucket, self._worker).unlink(missing_ok=True)

    def rest(self, bucket: int) -> Ints:
        """Rows of a bucket that were never written out."""
        return self._rows[bucket, : self._fill[bucket]]


def spill_path(folder: Path, bucket: int, worker: int) -> Path:
    """The file of a worker's full buffers of one bucket."""
    return folder / f"{bucket:04d}-{worker}.raw"


@dataclass(frozen=True)
class Part:
    """Where some rows of a bucket lie.

    Args:
        spill: of the worker that has them.
        bucket: number of the bucket.
        n: how many rows.
        on_disk: whether they were written out.
    """

    spill: Spill
    bucket: int
    n: int
    on_disk: bool

    def pieces(self, most: int) -> Iterator[Ints]:
        """Packed rows, about so many at a time."""
        if self.on_disk:
            yield from self.spill.pieces(self.bucket, most)
            return
        rows = self.spill.rest(self.bucket)
        for start in range(0, self.n, most):
            yield rows[start : start + most]


@dataclass(frozen=True)
class Parts:
    """All rows of a bucket."""

    parts: list[Part]

    @property
    def n(self) -> int:
        """How many rows."""
        return sum(part.n for part in self.parts)

    def pieces(self, most: int) -> Iterator[Ints]:
        """Packed rows, about so many at a time."""
        for part in self.parts:
            yield from part.pieces(most)


def load(bucket: int, spills: list[Spill]) -> Parts:
    """The rows of a bucket, wherever they lie."""
    parts: list[Part] = []
    for spill in spills:
        for n, on_disk in ((spill.written(bucket), True), (len(spill.rest(bucket)), False)):
            if n:
                parts.append(Part(spill, bucket, n, on_disk))
    return Parts(parts)


@njit(nogil=True, cache=True)
def scatter(
    high: Ints,
    low: Ints,
    t_us: Ints,
    lat: Ints32,
    lon: Ints32,
    accuracy: Ints32,
    place: Ints32,
    reason: npt.NDArray[np.uint8],
    shift: int,
    rows: npt.NDArray[np.int64],
    fill: Ints,
    start: int,
) -> tuple[int, int]:
    """Packs rows from `start` on; stops at the end, or when a buffer has just become full. Returns the next row and the full bucket or -1."""
    capacity = rows.shape[1]
    low_half = np.int64(0xFFFFFFFF)
    for i in range(start, len(high)):
        if reason[i]:
            continue
        b = np.int64(np.uint64(high[i]) >> np.uint64(shift))
        k = fill[b]
        rows[b, k, 0] = high[i]
        rows[b, k, 1] = low[i]
        rows[b, k, 2] = t_us[i]
        rows[b, k, 3] = (np.int64(lat[i]) << 32) | (np.int64(lon[i]) & low_half)
        rows[b, k, 4] = (np.int64(accuracy[i]) << 32) | np.int64(place[i])
        fill[b] = k + 1
        if k + 1 == capacity:
            return i + 1, int(b)
    return len(high), -1
