"""Reads Parquet and CSV files in bounded pieces of the mapped columns. A file that is broken as a whole is one clear error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flockwise.config import Input
from flockwise.errors import DataError
from flockwise.store import csvfile
from flockwise.store.auctions import refuse_auctions
from flockwise.store.kinds import check_types
from flockwise.store.sources import SourceFile, unreadable

__all__ = ["OpenFile", "Piece", "broken", "file_schema", "open_file", "open_part", "parquet_batches", "parquet_metadata", "row_groups", "short_texts"]

BATCH_ROWS = 1 << 17
READ_AHEAD = 1 << 18
LONGEST_TEXT = 4096
"""Bytes of a value in Parquet; longer ones are read as null."""

_DAMAGE = (pa.ArrowException, OSError, ValueError, EOFError)
_UNTOUCHED = "Nothing was stored."


Piece = Callable[[], pa.RecordBatch]
"""Some rows of a file, read or still to be parsed: by whichever thread has taken it."""


@dataclass
class OpenFile:
    """A file whose columns are known to fit.

    Args:
        source: which file.
        start: opens it and yields pieces of the mapped columns.
        malformed: CSV rows so far that are too long or have the wrong number of fields.
        position: share of the file that has been read, 0 to 1.
        lock: over `malformed`.
    """

    source: SourceFile
    start: Callable[[OpenFile], Iterator[Piece]]
    malformed: int = 0
    position: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def pieces(self) -> Iterator[Piece]:
        """Pieces of the mapped columns, in file order. Both this and a piece raise INGEST_BROKEN_FILE where the file turns out to be damaged.

        Raises:
            DataError: INGEST_BROKEN_FILE.
        """
        try:
            for piece in self.start(self):
                yield partial(self._read, piece)
        except _DAMAGE as error:
            raise broken(self.source, error) from error

    def _read(self, piece: Piece) -> pa.RecordBatch:
        try:
            return piece()
        except _DAMAGE as error:
            raise broken(self.source, error) from error


def open_file(source: SourceFile, mapping: Input) -> OpenFile:
    """A file, after a look at its columns (names and types, no rows).

    Raises:
        DataError: INGEST_BROKEN_FILE, INGEST_MISSING_COLUMN, INGEST_DOUBLE_COLUMN, INGEST_WRONG_TYPE, INGEST_NAIVE_TIME, INGEST_UNREADABLE.
        RuleError: INGEST_AD_AUCTION.
    """
    try:
        schema = file_schema(source)
    except PermissionError as error:
        raise unreadable(source.shown, error) from error
    except _DAMAGE as error:
        raise broken(source, error) from error
    refuse_auctions(schema, source.shown)
    _check_names(schema, mapping, source)
    if source.form == "parquet":
        check_types(pa.schema([schema.field(c) for c in mapping.columns]), mapping, source.shown)
    else:
        check_types(pa.schema([(c, pa.string()) for c in mapping.columns]), mapping, source.shown)
    return open_part(source, mapping)


def open_part(source: SourceFile, mapping: Input, first: int = 0, end: int | None = None) -> OpenFile:
    """A part of a file whose columns are known to fit.

    Args:
        source: the file.
        mapping: the study's [input].
        first: number of the first row group of a Parquet file; CSV files are read as a whole.
        end: number of the first one that is left out.
    """
    if source.form == "parquet":
        return OpenFile(source, partial(_parquet, mapping=mapping, first=first, end=end))
    return OpenFile(source, partial(_csv, mapping=mapping))


def row_groups(source: SourceFile) -> list[int]:
    """How many rows each row group of a Parquet file holds.

    Raises:
        DataError: INGEST_BROKEN_FILE.
    """
    found = parquet_metadata(source)
    return [found.row_group(i).num_rows for i in range(found.num_row_groups)]


def parquet_metadata(source: SourceFile) -> pq.FileMetaData:
    """What the footer of a Parquet file says.

    Raises:
        DataError: INGEST_BROKEN_FILE.
    """
    try:
        with _parquet_file(source) as file:
            return file.metadata
    except _DAMAGE as error:
        raise broken(source, error) from error


def _check_names(schema: pa.Schema, mapping: Input, source: SourceFile) -> None:
    missing = [c for c in mapping.columns if c not in schema.names]
    if missing:
        raise DataError(
            "INGEST_MISSING_COLUMN",
            what=f"{source.shown} lacks a column that the study names.",
            got=f"{len(schema.names)} columns, none of them called {', '.join(missing)}",
            expected=", ".join(mapping.columns),
            state=_UNTOUCHED,
            fix="Correct the names under [input] (capitals count), or the file. A CSV file needs a header line and commas.",
        )
    double = [c for c in mapping.columns if schema.names.count(c) > 1]
    if double:
        raise DataError(
            "INGEST_DOUBLE_COLUMN",
            what=f"{source.shown} has several columns of one name, so that it is not clear which is meant.",
            got=", ".join(double),
            state=_UNTOUCHED,
            fix="Rename the columns in the file.",
        )


def broken(source: SourceFile, error: BaseException) -> DataError:
    """The error for a file that is damaged. The library's own message may quote a line of the file: only its kind is told."""
    return DataError(
        "INGEST_BROKEN_FILE",
        what=f"{source.shown} is damaged, cut off, or not what its name says.",
        got=type(error).__name__,
        expected="a whole Parquet file" if source.form == "parquet" else "a whole CSV file in UTF-8 with a header line",
        state=_UNTOUCHED,
        fix="Ask the supplier for the file again, or leave it out.",
    )


def _parquet_file(source: SourceFile, texts: list[str] | None = None) -> pq.ParquetFile:
    return pq.ParquetFile(
        source.path, filesystem=source.arrow(), read_dictionary=texts, buffer_size=READ_AHEAD, pre_buffer=False, page_checksum_verification=True
    )


def file_schema(source: SourceFile) -> pa.Schema:
    """Names and types of a file's columns; those of a CSV file are all text."""
    if source.form == "parquet":
        return _parquet_schema(source)
    return pa.schema([(name, pa.string()) for name in csvfile.header(source)])


def _parquet_schema(source: SourceFile) -> pa.Schema:
    with _parquet_file(source) as file:
        return file.schema_arrow


def parquet_batches(source: SourceFile, columns: list[str], rows: int, first: int = 0, end: int | None = None) -> Iterator[tuple[pa.RecordBatch, float]]:
    """Columns of a Parquet file's row groups, some rows at a time, for `short_texts`; and the share of the file that has been read with them."""
    schema = _parquet_schema(source)
    # A text of a megabyte can stand in every row and once in the file. Read as a dictionary it is met before it is written out (and that is faster, too).
    texts = [c for c in columns if pa.types.is_string(t := schema.field(c).type) or pa.types.is_binary(t)]
    with _parquet_file(source, texts) as file:
        total, done = max(file.metadata.num_rows, 1), 0
        groups = list(range(file.metadata.num_row_groups)[first:end])
        for batch in file.iter_batches(rows, row_groups=groups, columns=columns, use_threads=False):
            done += batch.num_rows
            yield batch, done / total


def _parquet(opened: OpenFile, mapping: Input, first: int, end: int | None) -> Iterator[Piece]:
    for batch, share in parquet_batches(opened.source, mapping.columns, BATCH_ROWS, first, end):
        opened.position = share
        yield partial(short_texts, batch)


def short_texts(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its texts written out, without those that are longer than any identifier, time or code."""
    return pa.RecordBatch.from_arrays([_written_out(column) for column in batch.columns], names=batch.schema.names)


def _written_out(column: pa.Array[Any]) -> pa.Array[Any]:
    """A column of texts without its dictionary; a text that is longer than any identifier, time or code is as none."""
    if not isinstance(column, pa.DictionaryArray):
        return column
    texts: Any = column.dictionary
    long = pc.greater(pc.binary_length(texts), pa.scalar(LONGEST_TEXT))
    kept: pa.Array[Any] = pc.if_else(long, pa.scalar(None, texts.type), texts).take(column.indices)
    return kept


def _csv(opened: OpenFile, mapping: Input) -> Iterator[Piece]:
    def parse(rows: csvfile.Rows) -> pa.RecordBatch:
        batch, malformed = rows.parse(mapping.columns)
        with opened.lock:
            opened.malformed += malformed
        return batch

    for rows in csvfile.pieces(opened.source):
        opened.position = rows.position
        yield partial(parse, rows)
    opened.position = 1.0
