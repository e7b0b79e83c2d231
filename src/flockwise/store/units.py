"""A delivery cut into parts that different processes can read: row groups of Parquet files, and whole CSV files.

Where a row of a CSV file ends depends on the quotes of everything before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flockwise.config import Input
from flockwise.errors import DataError
from flockwise.store.reading import OpenFile, open_part, row_groups
from flockwise.store.sources import SourceFile

__all__ = ["Unit", "not_shared", "opened", "units_of"]


@dataclass(frozen=True)
class Unit:
    """A part of a file. It can be sent to another process, with whatever its fsspec address needs to be opened.

    Args:
        source: the file.
        first: number of its first row group.
        end: number of the first that is left out; None: all to the end.
    """

    source: SourceFile
    first: int = 0
    end: int | None = None


def units_of(files: Sequence[OpenFile], size: int) -> list[Unit]:
    """Every row of every file in exactly one unit.

    Args:
        files: of the delivery.
        size: bytes of a unit, about. What can't be cut may be larger.

    Raises:
        DataError: INGEST_BROKEN_FILE.
    """
    return [unit for file in files for unit in _cut(file.source, size)]


def _cut(source: SourceFile, size: int) -> list[Unit]:
    parts = -(-source.size // size)
    if parts < 2 or source.form != "parquet":
        return [Unit(source)]
    rows = np.cumsum(row_groups(source))
    ends = np.unique(np.searchsorted(rows, np.arange(1, parts) * rows[-1] / parts) + 1).tolist() if len(rows) else []
    bounds = [0, *(end for end in ends if end < len(rows))]
    return [Unit(source, first, end) for first, end in zip(bounds, [*bounds[1:], None], strict=True)]


def opened(unit: Unit, mapping: Input) -> OpenFile:
    """A unit, ready to be read where this runs.

    Raises:
        DataError: the file isn't there, or isn't the one that was named (INGEST_NOT_SHARED).
    """
    source = unit.source
    if source.local:
        try:
            same = Path(source.path).stat().st_size == source.size
        except OSError:
            same = False
        if not same:
            raise not_shared(source)
    return open_part(source, mapping, unit.first, unit.end)


def not_shared(source: SourceFile) -> DataError:
    """The error for a file that a machine of the engine can't read, or not as it was when the work was dealt out."""
    return DataError(
        "INGEST_NOT_SHARED",
        what="A machine of the engine does not see a file of the delivery as this one does.",
        got=source.shown,
        state="Nothing was stored.",
        fix='Put deliveries where every machine reads them under the same name, or ingest on this machine: [engine] kind = "local".',
    )
