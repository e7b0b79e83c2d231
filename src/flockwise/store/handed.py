"""Parts of a delivery whose bytes are handed over by what runs the ingest, where Python does not reach the files itself.

Who plans it says which ranges of bytes a part needs: of a Parquet file its footer and, row group by row group, the columns that the study names; of a CSV
file all of it. Who reads it is given these ranges in order, in chunks, and reads them as it reads files: with the same code.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby
from operator import attrgetter
from typing import NamedTuple

import pyarrow.parquet as pq

from flockwise.config import Input
from flockwise.store.reading import OpenFile, open_part, parquet_metadata
from flockwise.store.sources import SourceFile
from flockwise.store.units import Unit, not_shared

__all__ = ["Chunk", "Range", "opened_parts", "ranges_of"]

FOOTER = -1
"""The step that comes before all row groups."""
_LAST_BYTES = 1 << 16  # what pyarrow reads first, however short the footer is
_PADDING = 100  # so much longer than they say are columns of Parquet's writers before PARQUET-816
_GAP = 1 << 16  # columns that lie nearer to each other than this are read in one go


class Range(NamedTuple):
    """Bytes of a file, and the row group that they are needed for (or FOOTER)."""

    step: int
    begin: int
    length: int


@dataclass(frozen=True)
class Chunk:
    """Bytes that are handed over.

    Args:
        unit: number of the part that they belong to.
        step: of their range.
        begin: where they lie in the file.
        content: the bytes; None if they can't be read.
    """

    unit: int
    step: int
    begin: int
    content: memoryview | None


def ranges_of(unit: Unit, columns: Sequence[str]) -> list[Range]:
    """What has to be read of a part, in order.

    Args:
        unit: the part.
        columns: that the study names.

    Raises:
        DataError: INGEST_BROKEN_FILE.
    """
    size = unit.source.size
    if unit.source.form != "parquet":
        return [Range(0, 0, size)]
    found = parquet_metadata(unit.source)
    footer = min(size, max(found.serialized_size + 8, _LAST_BYTES))
    ranges = [Range(FOOTER, size - footer, footer)]
    for group in range(found.num_row_groups)[unit.first : unit.end]:
        ranges += [Range(group, begin, end - begin) for begin, end in _columns(found, group, columns, size)]
    return ranges


def _columns(found: pq.FileMetaData, group: int, columns: Sequence[str], size: int) -> list[tuple[int, int]]:
    of_group = found.row_group(group)
    spans = []
    for i in range(of_group.num_columns):
        chunk = of_group.column(i)
        if any(chunk.path_in_schema == c or chunk.path_in_schema.startswith(f"{c}.") for c in columns):
            starts = [chunk.data_page_offset, *([chunk.dictionary_page_offset] if chunk.has_dictionary_page and chunk.dictionary_page_offset else [])]
            begin = min(max(0, min(starts)), size)
            spans.append((begin, min(size, begin + max(0, chunk.total_compressed_size) + _PADDING)))
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(span for span in spans if span[1] > span[0]):
        if joined and begin <= joined[-1][1] + _GAP:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def opened_parts(units: Sequence[Unit], chunks: Iterator[Chunk], mapping: Input) -> Iterator[tuple[int, OpenFile]]:
    """Parts, ready to be read one after the other, each to its end: a Parquet file's row groups by themselves, with the number of their part.

    Memory: the ranges of one row group; of a CSV file a few chunks.

    Args:
        units: all parts.
        chunks: those of a part side by side and in order.
        mapping: the study's [input].

    Raises:
        DataError: bytes can't be read where this runs (INGEST_NOT_SHARED).
    """
    for number, mine in groupby(chunks, key=attrgetter("unit")):
        unit = units[number]
        if unit.source.form != "parquet":
            yield number, open_part(replace(unit.source, fs=_Handed(_Stream(_contents(unit.source, mine)))), mapping)
            continue
        steps = groupby(mine, key=attrgetter("step"))
        footer = list(next(steps)[1])
        # Read with no row group at all, a footer that lies otherwise than it did is an error here as well.
        yield number, open_part(_with(unit.source, footer), mapping, unit.first, unit.first)
        for group, parts in steps:
            yield number, open_part(_with(unit.source, [*footer, *parts]), mapping, group, group + 1)


def _with(source: SourceFile, chunks: list[Chunk]) -> SourceFile:
    contents = _contents(source, iter(chunks))
    return replace(source, fs=_Handed(_Sparse(source.size, [(chunk.begin, content) for chunk, content in zip(chunks, contents, strict=True)])))


def _contents(source: SourceFile, chunks: Iterator[Chunk]) -> Iterator[memoryview]:
    for chunk in chunks:
        if chunk.content is None:
            raise not_shared(source)
        yield chunk.content


class _Handed:
    """The one file of a file system, as far as pyarrow asks."""

    protocol = "handed"

    def __init__(self, file: _Sparse | _Stream) -> None:
        self._file = file

    def isfile(self, _path: str) -> bool:
        return True

    def open(self, _path: str, mode: str = "rb") -> io.RawIOBase:
        return self._file.again()


class _Sparse(io.RawIOBase):
    """A file of which some ranges are there."""

    def __init__(self, size: int, parts: Sequence[tuple[int, memoryview]]) -> None:
        self._size, self._parts, self._at = size, sorted(parts, key=lambda part: part[0]), 0
        self._begins = [begin for begin, _ in self._parts]

    def again(self) -> _Sparse:
        return _Sparse(self._size, self._parts)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def read(self, n: int = -1) -> bytes:
        """Raises OSError where bytes lie that nobody was to need: a footer that names others than it did when the part was planned."""
        end = self._size if n < 0 else min(self._size, self._at + n)
        found = []
        while self._at < end:
            before = self._parts[: bisect_right(self._begins, self._at)]
            piece = next((content[self._at - begin : end - begin] for begin, content in reversed(before) if self._at < begin + len(content)), None)
            if piece is None:
                raise OSError("a range that was not handed over")
            found.append(piece)
            self._at += len(piece)
        return b"".join(found)


class _Stream(io.RawIOBase):
    """A file from its beginning to its end. What is read before it is opened `again` is kept, and read once more."""

    def __init__(self, contents: Iterator[memoryview], kept: list[memoryview] | None = None) -> None:
        self._contents, self._seen, self._first = contents, list[memoryview](), kept is None
        self._source = contents if kept is None else chain(kept, contents)
        self._rest, self._at = memoryview(b""), 0

    def again(self) -> _Stream:
        return _Stream(self._contents, self._seen) if self._seen else self

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self._at

    def read(self, n: int = -1) -> bytes:
        found, wanted = list[memoryview](), n if n >= 0 else 1 << 62
        while wanted:
            if not len(self._rest):
                self._rest = next(self._source, memoryview(b""))
                if not len(self._rest):
                    break
                if self._first:
                    self._seen.append(self._rest)
            found.append(self._rest[:wanted])
            self._rest = self._rest[len(found[-1]) :]
            wanted -= len(found[-1])
            self._at += len(found[-1])
        return b"".join(found)
