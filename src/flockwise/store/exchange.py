"""An ingest by several processes: some take parts of a delivery and send parcels, others make of all parcels of a bucket its file, one adds up.

A parcel is sealed and bound to its bucket and kind. All rows of a device lie in one bucket, and so does its wish to be left out, whichever part it came in.
What is sent again because a process died is the same set of rows; that each row arrived exactly once is counted, bucket by bucket.
"""

from __future__ import annotations

import base64
import json
import secrets
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from flockwise.errors import InternalError, StoreError
from flockwise.governance import REASONS, Verdict
from flockwise.store.columns import Batch
from flockwise.store.folder import unwritable
from flockwise.store.intake import Leaving
from flockwise.store.optouts import OptOuts
from flockwise.store.parcels import tight, wide
from flockwise.store.reading import OpenFile
from flockwise.store.report import Counts
from flockwise.store.runner import SEGMENT, Done, Work
from flockwise.store.sealing import BrokenSealError, ParcelSeal
from flockwise.store.settling import ORDERING_BYTES, file_name
from flockwise.store.spill import ROW_BYTES, WORDS, scatter
from flockwise.store.writing import write_file

__all__ = ["ABOUT", "DRAFTS", "Parcel", "add_up", "block_bytes", "send", "settle"]

Ints = npt.NDArray[np.int64]

ABOUT = -1
"""In the place of a bucket: what a sender says of itself."""
LEAVING, ROWS, SENT, SETTLED = range(4)
"""Kinds of parcels. Those who leave come before the rows when a bucket's parcels are sorted by kind."""
DRAFTS = "drafts"
LEAST_ROWS, MOST_ROWS = 64, 1 << 14


class Parcel(NamedTuple):
    """What one process sends another.

    Args:
        bucket: which it belongs to, or ABOUT.
        kind: what is in it.
        payload: sealed bytes.
    """

    bucket: int
    kind: int
    payload: Any


def block_bytes(buckets: int, memory: int) -> int:
    """Bytes of a full parcel of rows, about, when all buckets of a sender share so much memory."""
    return _block_rows(buckets, memory) * ROW_BYTES // 2


def _block_rows(buckets: int, memory: int) -> int:
    return min(MOST_ROWS, max(LEAST_ROWS, memory // (ROW_BYTES * buckets)))


class _Outbox:
    """Packed rows by bucket, given out whenever those of a bucket are many enough."""

    def __init__(self, buckets: int, memory: int) -> None:
        self._shift = 65 - buckets.bit_length()
        self._rows = np.empty((buckets, _block_rows(buckets, memory), WORDS), np.int64)
        self._fill = np.zeros(buckets, np.int64)
        self.sent = np.zeros(buckets, np.int64)

    def add(self, batch: Batch, verdict: Verdict) -> Iterator[tuple[int, Ints]]:
        """Takes the accepted rows of a batch; gives what has become full."""
        i, n = 0, len(batch.high)
        args = (batch.high, batch.low, verdict.t_us, verdict.lat_e6, verdict.lon_e6, verdict.accuracy_dm, verdict.place, verdict.reason)
        while i < n:
            i, full = scatter(*args, self._shift, self._rows, self._fill, i)
            if full >= 0:
                yield self._give(full)

    def rest(self) -> Iterator[tuple[int, Ints]]:
        """What is left."""
        for bucket in np.flatnonzero(self._fill).tolist():
            yield self._give(bucket)

    def by_bucket(self, leaving: OptOuts) -> Iterator[tuple[int, OptOuts]]:
        """Tags by the bucket that the rows of their devices go to."""
        of = (leaving.high.view(np.uint64) >> np.uint64(self._shift)).astype(np.int64)
        for bucket in np.unique(of).tolist():
            mine = of == bucket
            yield bucket, OptOuts(leaving.high[mine], leaving.low[mine], leaving.reason[mine])

    def _give(self, bucket: int) -> tuple[int, Ints]:
        rows = self._rows[bucket, : self._fill[bucket]]
        self.sent[bucket] += len(rows)
        self._fill[bucket] = 0
        return bucket, rows


def send(work: Work, units: Iterable[tuple[int, OpenFile]], seal: ParcelSeal, memory: int) -> Iterator[Parcel]:
    """Takes units through the door.

    Args:
        work: what is done.
        units: their numbers and files; the files of one unit side by side.
        seal: of this ingest.
        memory: bytes for rows that wait.

    Returns:
        Parcels of rows as they become full; at the end those who left, and which units, how many rows for each reason and how many for each bucket.

    Raises:
        DataError: INGEST_BROKEN_FILE, INGEST_NOT_SHARED.
    """
    box, leaving, reasons = _Outbox(work.buckets, memory), Leaving(), np.zeros(len(REASONS), np.int64)

    def sealed(bucket: int, kind: int, content: bytes | memoryview) -> Parcel:
        return Parcel(bucket, kind, seal.seal(content, _label(bucket, kind)))

    numbers = dict[int, None]()
    for number, file in units:
        numbers[number] = None
        for piece in file.pieces():
            for part in work.intake.judged(piece()):
                leaving.add(part.leaving)
                reasons += part.reasons
                for bucket, rows in box.add(part.batch, part.verdict):
                    yield sealed(bucket, ROWS, tight(rows))
        reasons[REASONS.index("malformed")] += file.malformed
    for bucket, rows in box.rest():
        yield sealed(bucket, ROWS, tight(rows))
    for bucket, tags in box.by_bucket(leaving.all()):
        yield sealed(bucket, LEAVING, json.dumps(_plain(tags)).encode())
    told = {"units": list(numbers), "reasons": reasons.tolist(), "sent": {str(b): int(box.sent[b]) for b in np.flatnonzero(box.sent)}}
    yield sealed(ABOUT, SENT, json.dumps(told).encode())


def settle(work: Work, bucket: int, parcels: Iterable[Parcel], seal: ParcelSeal, memory: int, staging: Path) -> Parcel:
    """Makes the file of one bucket, as a draft under a name of its own.

    Args:
        work: what is done.
        bucket: which.
        parcels: all parcels of the bucket, by kind.
        seal: of this ingest.
        memory: bytes for the rows that are in work.
        staging: the ingest's folder.

    Returns:
        How many rows arrived, what was counted, who left, and the draft's name and size, if a row is to be stored.

    Raises:
        StoreError: there is no such folder here (ENGINE_STORE), or no room or right to write in it (STORE_WRITE).
        InternalError: a parcel is not what was sent (INGEST_PARCEL).
    """
    leaving, found, first = Leaving(), iter(parcels), None
    for parcel in found:
        if parcel.kind != LEAVING:
            first = parcel
            break
        leaving.add(_optouts(json.loads(_opened(parcel, seal))))
    blocks = (_rows(parcel, seal) for parcel in (() if first is None else chain([first], found)))
    left, counts = work.settling.left(leaving.all()), Counts()
    most = max(MOST_ROWS, memory // ORDERING_BYTES)
    rows = _Arrived(blocks, most)
    table = work.settling.ordered(rows, [work.known, left], most, counts) if rows.n else None
    draft, size = "", 0
    if table is not None and table.num_rows:
        content = work.settling.sealed(table, bucket)
        draft, size = f"{file_name(bucket)}.{secrets.token_hex(8)}", len(content)
        _write(staging / DRAFTS / draft, content)
    told = {
        "arrived": rows.arrived,
        "reasons": counts.reasons.tolist(),
        "stored": counts.stored,
        "capped": counts.capped,
        "orders": counts.orders,
        "leaving": _plain(left.without(work.known)),
        "draft": draft,
        "size": size,
    }
    return Parcel(bucket, SETTLED, seal.seal(json.dumps(told).encode(), _label(bucket, SETTLED)))


class _Arrived:
    """The rows of a bucket out of its parcels: no more than may be in work at a time are read ahead."""

    def __init__(self, blocks: Iterator[Ints], most: int) -> None:
        self._blocks, self.arrived = blocks, 0
        self._ahead: deque[Ints] = deque()
        for block in blocks:
            self._ahead.append(block)
            self.arrived += len(block)
            if self.arrived > most:
                break
        self.n = self.arrived

    def pieces(self, most: int) -> Iterator[Ints]:
        waiting: list[Ints] = []
        n = 0
        for block in self._all():
            waiting.append(block)
            n += len(block)
            if n >= most:
                yield np.concatenate(waiting)
                waiting, n = [], 0
        if waiting:
            yield np.concatenate(waiting)

    def _all(self) -> Iterator[Ints]:
        while self._ahead:
            yield self._ahead.popleft()
        for block in self._blocks:
            self.arrived += len(block)
            yield block


def add_up(work: Work, parcels: Iterable[Parcel], units: int, seal: ParcelSeal, staging: Path) -> Done:
    """What became of the delivery, once everything adds up; the drafts that count become the segment.

    Args:
        work: what is done.
        parcels: what all senders said of themselves, and what all settlers said.
        units: how many there are.
        seal: of this ingest.
        staging: the ingest's folder.

    Raises:
        StoreError: not every unit and row came exactly once (ENGINE_ROWS); a draft is not here (ENGINE_STORE).
    """
    counts, left, done = Counts(), Leaving(), list[int]()
    sent, arrived = np.zeros(work.buckets, np.int64), np.zeros(work.buckets, np.int64)
    drafts: dict[int, tuple[str, int]] = {}
    for parcel in parcels:
        told = json.loads(_opened(parcel, seal))
        if parcel.kind == SENT:
            counts.reasons += np.array(told["reasons"], np.int64)
            done += told["units"]
            for bucket, n in told["sent"].items():
                sent[int(bucket)] += n
            continue
        counts.add(Counts(np.array(told["reasons"], np.int64), told["stored"], told["capped"], told["orders"]))
        left.add(_optouts(told["leaving"]))
        arrived[parcel.bucket] += told["arrived"]
        if told["draft"]:
            drafts[parcel.bucket] = (told["draft"], told["size"])
    if sorted(done) != list(range(units)) or not np.array_equal(sent, arrived):
        raise StoreError(
            "ENGINE_ROWS",
            what="Not every row of the delivery arrived in its bucket exactly once.",
            state="Nothing was stored.",
            fix="Ingest again. If a file of the delivery changes meanwhile, wait until it is complete.",
        )
    segment = staging / SEGMENT
    segment.mkdir(mode=0o700)
    for bucket, (draft, size) in sorted(drafts.items()):
        path = staging / DRAFTS / draft
        if not path.exists() or path.stat().st_size != size:
            raise _no_store(staging)
        path.rename(segment / file_name(bucket))
    return Done(counts, [file_name(bucket) for bucket in sorted(drafts)], left.all())


def _write(path: Path, content: memoryview) -> None:
    try:
        if not path.parent.is_dir():
            raise _no_store(path.parent)
        write_file(path, content)
    except OSError as error:
        raise unwritable(path.parents[3], error) from error


def _no_store(folder: Path) -> StoreError:
    return StoreError(
        "ENGINE_STORE",
        what="The engine's machines do not see the folder of the store.",
        got=str(folder),
        state="Nothing was stored.",
        fix='Put [store] path where every machine reads and writes it under the same name, or ingest on one machine: [engine] kind = "local".',
    )


def _label(bucket: int, kind: int) -> bytes:
    return struct.pack("<qq", bucket, kind)


def _opened(parcel: Parcel, seal: ParcelSeal) -> bytes:
    try:
        return seal.unseal(parcel.payload, _label(parcel.bucket, parcel.kind))
    except BrokenSealError as error:
        raise InternalError("INGEST_PARCEL", what="A parcel of rows is not what was sent.") from error


def _rows(parcel: Parcel, seal: ParcelSeal) -> Ints:
    return wide(_opened(parcel, seal))


def _plain(some: OptOuts) -> list[str]:
    return [base64.b64encode(part.tobytes()).decode() for part in (some.high, some.low, some.reason)]


def _optouts(plain: list[str]) -> OptOuts:
    high, low, reason = (base64.b64decode(part) for part in plain)
    return OptOuts(np.frombuffer(high, np.int64), np.frombuffer(low, np.int64), np.frombuffer(reason, np.uint8))
