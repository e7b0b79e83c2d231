"""Arrow to numpy: the seven columns of stored pings, without a copy where the table is in one piece."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise.base.schemas import STORED_PINGS
from flockwise.errors import InternalError

__all__ = ["Columns", "columns_from", "columns_of", "table_of"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]


class Columns(NamedTuple):
    """The columns of STORED_PINGS as contiguous arrays of one length."""

    device_hi: Ints
    device_lo: Ints
    t_us: Ints
    lat_e6: Ints32
    lon_e6: Ints32
    accuracy_dm: Ints32
    cell: Ints


def columns_of(pings: pa.Table | pa.RecordBatch) -> Columns:
    """The columns of a table or batch of stored pings.

    Raises:
        InternalError: the schema is not STORED_PINGS. Nothing about any row can cause it.
    """
    names = STORED_PINGS.names
    if list(pings.schema.names) != names or list(pings.schema.types) != list(STORED_PINGS.types):
        raise InternalError("PERSON_BAD_SCHEMA", what="The person stage was given another table.", got=str(pings.schema.names), expected=str(names))
    table = pa.Table.from_batches([pings]) if isinstance(pings, pa.RecordBatch) else pings
    return columns_from(_array(table.column(name)) for name in names)


def columns_from(arrays: Iterable[npt.NDArray[Any]]) -> Columns:
    """Seven arrays in the order of STORED_PINGS, as columns."""
    return Columns(*arrays)


def table_of(columns: Columns) -> pa.Table:
    """A table of STORED_PINGS over the arrays."""
    return pa.Table.from_arrays([pa.array(c) for c in columns], schema=STORED_PINGS)


def _array(column: pa.ChunkedArray[Any]) -> npt.NDArray[Any]:
    if column.num_chunks == 1:
        return np.ascontiguousarray(column.chunk(0).to_numpy(zero_copy_only=False))
    return np.ascontiguousarray(column.to_numpy())
