"""The second half of an ingest: the packed rows of one bucket, in any order, to one sealed file of a segment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise.base.schemas import STORED_PINGS
from flockwise.errors import InternalError
from flockwise.governance import REASONS
from flockwise.store.arranging import arranged, distinct
from flockwise.store.capping import capped, full_of, within
from flockwise.store.layout import seal_pings
from flockwise.store.optouts import OptOuts, reasons_in
from flockwise.store.pseudonym import Pseudonyms
from flockwise.store.report import Counts
from flockwise.store.sealing import Sealer
from flockwise.store.spill import WORDS

__all__ = ["ORDERING_BYTES", "OrderFn", "Rows", "Settling", "file_name"]

Ints = npt.NDArray[np.int64]

OrderFn = Callable[[pa.Table], tuple[pa.Table, dict[str, int]]]
"""Sorts new rows into PING_ORDER, drops exact duplicates, counts them: `person.order` with the study's rules."""

READ_ROWS = 1 << 14  # of a spilled file at a time
ORDERING_BYTES = 240
"""A row while its bucket is ordered: packed, as columns, sorting keys, columns in order, encoded, sealed."""


class Rows(Protocol):
    """The packed rows of one bucket, wherever they lie."""

    @property
    def n(self) -> int:
        """How many there are; of more than fit into memory at once, any number above those."""
        ...

    def pieces(self, most: int) -> Iterator[Ints]:
        """All of them once, about so many at a time."""
        ...


@dataclass(frozen=True)
class Settling:
    """Orders and seals buckets, each by itself. It can be sent to another process.

    Args:
        cells: of the region.
        order: sorts a bucket.
        pseudonyms: from tags to what is stored.
        sealer: encrypts the files of the segment.
        segment: its name; its files can be opened under it alone.
    """

    cells: Ints
    order: OrderFn
    pseudonyms: Pseudonyms
    sealer: Sealer
    segment: str

    def left(self, tags: OptOuts) -> OptOuts:
        """The bases of devices that left, from their tags."""
        return OptOuts.of(*self.pseudonyms.bases(tags.high, tags.low), tags.reason)

    def sealed(self, table: pa.Table, bucket: int) -> memoryview:
        """The file of a bucket."""
        return seal_pings(self.sealer, table, f"{self.segment}/{file_name(bucket)}")

    def ordered(self, rows: Rows, suppressed: Sequence[OptOuts], most_rows: int, counts: Counts) -> pa.Table | None:
        """The rows of a bucket that are to be stored.

        Args:
            rows: all of them.
            suppressed: bases of devices that may not be stored.
            most_rows: how many may be in work at a time.
            counts: gets what was found; a row that turns out to be suppressed is moved from the accepted ones to its reason.

        Returns:
            STORED_PINGS in PING_ORDER; None if no row was accepted.
        """
        if rows.n <= most_rows:
            packed, at = np.empty((rows.n, WORDS), np.int64), 0
            for piece in rows.pieces(READ_ROWS):
                packed[at : at + len(piece)] = piece
                at += len(piece)
            table = self._merge(None, [self._accept(packed, suppressed, counts)], counts, final=True)
        else:
            table = self._in_pieces(rows, suppressed, most_rows, counts)
        counts.stored += 0 if table is None else table.num_rows
        return table

    def _in_pieces(self, rows: Rows, suppressed: Sequence[OptOuts], most_rows: int, counts: Counts) -> pa.Table | None:
        """Too many rows for one go: what has been read is ordered, and cut to the cap of each device, before more is read."""
        kept: pa.Table | None = None
        waiting: list[pa.Table] = []
        full = full_of(kept)
        for packed in rows.pieces(most_rows // 2):
            accepted = self._accept(packed, suppressed, counts)
            waiting.append(within(accepted, full))
            counts.capped += accepted.num_rows - waiting[-1].num_rows
            # Not before they are half as many as those that are ordered already: the work stays in proportion to the rows, whatever a device sends.
            if sum(t.num_rows for t in waiting) >= max(most_rows // 2, 0 if kept is None else kept.num_rows // 2):
                kept, waiting = self._merge(kept, waiting, counts, final=False), []
                full = full_of(kept)
        return self._merge(kept, waiting, counts, final=True)

    def _accept(self, packed: Ints, suppressed: Sequence[OptOuts], counts: Counts) -> pa.Table:
        """The rows that may be stored, under their pseudonyms."""
        which, high, low = distinct(packed)
        bases = self.pseudonyms.bases(high, low)
        reasons = reasons_in(suppressed, *bases)
        if reasons.any():
            of_rows = reasons[which]
            counted = np.bincount(of_rows, minlength=len(REASONS))
            counts.reasons[1:] += counted[1:]
            counts.reasons[0] -= len(packed) - int(counted[0])
            stays = of_rows == 0
            packed, which = packed[stays], which[stays]
        return arranged(packed, which, *self.pseudonyms.of_bases(*bases), self.cells)

    def _merge(self, kept: pa.Table | None, new: list[pa.Table], counts: Counts, final: bool) -> pa.Table | None:
        tables = ([] if kept is None else [kept]) + [t for t in new if t.num_rows]
        if not tables:
            return None
        before = sum(t.num_rows for t in tables)
        table, found = self.order(pa.concat_tables(tables))
        if not table.schema.equals(STORED_PINGS) or table.num_rows + found.get("duplicate", 0) != before:
            raise InternalError("INGEST_ORDER", what="The ordering of a bucket lost rows or columns.")
        kept_rows = capped(table)
        counts.capped += table.num_rows - kept_rows.num_rows
        counts.note({name: n for name, n in found.items() if name == "duplicate" or final})
        return kept_rows


def file_name(bucket: int) -> str:
    """The name of a bucket's file in its segment."""
    return f"{bucket:04d}.parquet"
