"""CSV files in pieces of whole lines, which whoever takes a piece parses. A bad line refuses itself.

pyarrow's own streaming reader reads ahead in a thread of its own, which outlives an error and may call into an interpreter that is about to end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as pacsv

from flockwise.store.plainbytes import ESCAPE, escaped, restored
from flockwise.store.sources import SourceFile, codec

__all__ = ["BLOCK", "Lines", "header", "pieces"]

BLOCK = 4 << 20
"""Bytes of a piece, about. What goes on for longer without an end is no line."""
_HEADER = 1 << 20


@dataclass(frozen=True)
class Lines:
    """Whole lines of a file.

    Args:
        content: their bytes.
        names: of all columns of the file.
        has_header: whether the first line is the header.
        position: share of the file that has been read with them, 0 to 1.
    """

    content: bytes
    names: list[str]
    has_header: bool
    position: float

    def parse(self, columns: list[str]) -> tuple[pa.RecordBatch, int]:
        """The named columns as bytes, null where empty, and how many lines have another number of fields than the header."""
        content = escaped(self.content)
        # Every column is read as bytes and converted by our own rules, so that a bad value refuses its row and never the file.
        convert = pacsv.ConvertOptions(
            check_utf8=False, include_columns=columns, column_types={c: pa.binary() for c in columns}, null_values=[""], strings_can_be_null=True
        )
        table, malformed = _parsed(content, None if self.has_header else self.names, convert)
        batch = table.combine_chunks().to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], schema=table.schema)
        if content is not self.content:
            batch = pa.RecordBatch.from_arrays([restored(column) for column in batch.columns], names=columns)
        return batch, malformed


def header(source: SourceFile) -> list[str]:
    """Names of all columns, in order.

    Raises:
        ValueError: the file does not begin with a line, or that line is not UTF-8.
    """
    with _opened(source) as (_, stream):
        start = next(_whole_lines(stream, _HEADER), b"")
    names = _parsed(escaped(start), None, pacsv.ConvertOptions(check_utf8=False))[0].schema.names
    if any(ESCAPE in name.encode() for name in names):
        raise ValueError("a header that is not UTF-8")
    return names


def pieces(source: SourceFile) -> Iterator[Lines]:
    """The file's lines in order, the header first.

    Raises:
        ValueError: as `header`, or a line is too long.
    """
    names, first = header(source), True
    with _opened(source) as (raw, stream):
        for content in _whole_lines(stream, BLOCK):
            if first or not content.isspace():
                yield Lines(content, names, first, min(raw.tell() / source.size, 1.0))
            first = False


@contextmanager
def _opened(source: SourceFile) -> Iterator[tuple[Any, Any]]:
    with source.arrow().open_input_file(source.path) as raw:
        yield raw, codec(source, raw)


def _whole_lines(stream: Any, size: int) -> Iterator[bytes]:
    rest = b""
    while block := stream.read(size):
        # A line ends with a line feed, or in files of old machines with a carriage return, of which the last may be half of an ending.
        end = block.rfind(b"\n") + 1
        if not end and (rest or b"\r" in block):
            block, rest = rest + block, b""
            end = block.rfind(b"\r", 0, len(block) - 1) + 1
        if not end and len(block) > size:
            raise ValueError("a line is too long")
        if end:
            yield b"".join((rest, memoryview(block)[:end]))
        rest = block[end:]
    if rest:
        yield rest + b"\n"


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
