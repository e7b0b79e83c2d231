"""CSV files in pieces of whole rows, which whoever takes a piece parses. A bad row refuses itself.

pyarrow's own streaming reader reads ahead in a thread of its own, which outlives an error and may call into an interpreter that is about to end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pacsv

from flockwise.store.csvrows import LONGEST, whole_rows
from flockwise.store.plainbytes import ESCAPE, escaped, restored
from flockwise.store.sources import SourceFile, codec

__all__ = ["BLOCK", "Rows", "header", "pieces"]

BLOCK = 4 << 20
"""Bytes of a piece, about."""


@dataclass(frozen=True)
class Rows:
    """Whole rows of a file.

    Args:
        content: their bytes.
        names: of all columns of the file.
        has_header: whether the first row is the header.
        long: how many rows before them are too long to be read.
        position: share of the file that has been read with them, 0 to 1.
    """

    content: bytes
    names: list[str]
    has_header: bool
    long: int
    position: float

    def parse(self, columns: list[str]) -> tuple[pa.RecordBatch, int]:
        """The named columns as bytes, null where empty, and how many rows are malformed: too long, or of another number of fields than the header."""
        content = escaped(self.content)
        # Every column is read as bytes and converted by our own rules, so that a bad value refuses its row and never the file.
        convert = pacsv.ConvertOptions(
            check_utf8=False, include_columns=columns, column_types={c: pa.binary() for c in columns}, null_values=[""], strings_can_be_null=True
        )
        table, malformed = _parsed(content, None if self.has_header else self.names, convert)
        batch = table.combine_chunks().to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], schema=table.schema)
        if content is not self.content:
            batch = pa.RecordBatch.from_arrays([restored(column) for column in batch.columns], names=columns)
        return batch, malformed + self.long


def header(source: SourceFile) -> list[str]:
    """Names of all columns, in order.

    Raises:
        ValueError: the file does not begin with a row that can be read, or that row is not UTF-8.
    """
    with _opened(source) as (_, stream):
        start, long = next(whole_rows(stream, LONGEST), (b"", 0))
    if long:
        raise ValueError("a header that is too long")
    names = _parsed(escaped(start), None, pacsv.ConvertOptions(check_utf8=False))[0].schema.names
    if any(ESCAPE in name.encode() for name in names):
        raise ValueError("a header that is not UTF-8")
    return names


def pieces(source: SourceFile) -> Iterator[Rows]:
    """The file's rows in order, the header first.

    Raises:
        ValueError: as `header`, or a quote is not closed.
    """
    names, first = header(source), True
    with _opened(source) as (raw, stream):
        for content, long in whole_rows(stream, BLOCK):
            if first or long or not content.isspace():
                yield Rows(content or b"\n", names, first, long, min(raw.tell() / source.size, 1.0))
            first = False


@contextmanager
def _opened(source: SourceFile) -> Iterator[tuple[Any, Any]]:
    with source.arrow().open_input_file(source.path) as raw:
        yield raw, codec(source, raw)


def _parsed(content: bytes, names: list[str] | None, convert: pacsv.ConvertOptions) -> tuple[pa.Table, int]:
    malformed = 0

    def passed_over(_row: pacsv.InvalidRow) -> Literal["skip", "error"]:
        nonlocal malformed
        malformed += 1
        return "skip"

    stream: Any = pa.BufferReader(content)
    table = pacsv.read_csv(
        stream,
        read_options=pacsv.ReadOptions(use_threads=False, block_size=len(content) + 1, column_names=names),
        parse_options=pacsv.ParseOptions(invalid_row_handler=passed_over),
        convert_options=convert,
    )
    return table, malformed
