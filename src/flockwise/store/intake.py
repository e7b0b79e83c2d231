"""The first half of an ingest: rows as the supplier wrote them, past the door, to rows of buckets; and who left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise.base.cellgrid import CellGrid
from flockwise.governance import REASONS, DoorRules, Verdict, judge
from flockwise.governance.places import Suppression
from flockwise.store.columns import Batch, Reader
from flockwise.store.optouts import OptOuts

__all__ = ["SLICE_ROWS", "Intake", "Leaving", "Slice"]

Ints = npt.NDArray[np.int64]

SLICE_ROWS = 1 << 15  # the columns of a slice stay in a core's cache, and its memory is reused instead of being asked for anew


class Slice(NamedTuple):
    """Some rows and what the door says of them: with how many rows for each reason, and the tags of devices that left."""

    batch: Batch
    verdict: Verdict
    reasons: Ints
    leaving: OptOuts | None


@dataclass(frozen=True)
class Intake:
    """Reads and judges rows, each by itself. It can be sent to another process.

    Args:
        reader: columns to rows.
        grid: the region.
        rules: the door's limits.
        suppress: sensitive places and gatherings, if the study names a list.
    """

    reader: Reader
    grid: CellGrid
    rules: DoorRules
    suppress: Suppression | None

    def judged(self, rows: pa.RecordBatch) -> Iterator[Slice]:
        """The rows in slices, in order."""
        for start in range(0, rows.num_rows, SLICE_ROWS):
            batch = self.reader.read(rows.slice(start, SLICE_ROWS))
            verdict = judge(batch.rows, self.rules, self.grid.index, self.suppress)
            leaving = None
            if batch.leaving is not None and batch.leaving.any():
                gone = batch.leaving > 0
                leaving = OptOuts.of(batch.high[gone], batch.low[gone], batch.leaving[gone])
            yield Slice(batch, verdict, np.bincount(verdict.reason, minlength=len(REASONS)), leaving)


class Leaving:
    """Gathers the tags of devices that left, each once."""

    def __init__(self) -> None:
        self._sets: list[OptOuts] = []

    def add(self, more: OptOuts | None) -> None:
        """Takes those of one slice."""
        if more is not None:
            self._sets.append(more)
            if len(self._sets) >= 64:
                self._sets = [self.all()]

    def all(self) -> OptOuts:
        """All of them."""
        return OptOuts.union(self._sets)
