"""Where the rows of a CSV file end, as its writer meant it: a line end within quotes is a part of its value (RFC 4180).

A quote opens a value at its beginning alone and is doubled within, as pyarrow reads it. The first row shows how rows end: with a line feed, before which a
carriage return may stand, or with a carriage return alone. So whatever stands in a row moves no end of another one. A row with an end of the other kind
outside of quotes (some writers quote their own kind alone) is refused as one row, and so is one that is too long, in memory that does not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["LONGEST", "whole_rows"]

LONGEST: Final = 1 << 20
"""Bytes of a row with its end. A longer one refuses itself, wherever in the file it stands."""

_BEGIN, _PLAIN, _QUOTED, _CLOSED = 0, 1, 2, 3
"""The next byte begins a value; lies in one; lies within quotes; comes after a quote within quotes, which ends them or is the first of two."""
_BOM = b"\xef\xbb\xbf"
_UNKNOWN = 0
_QUOTE, _COMMA, _LF, _CR = (ord(c) for c in '",\n\r')


def whole_rows(stream: Any, size: int, longest: int = LONGEST) -> Iterator[tuple[bytes, int]]:
    """Whole rows, some `size` bytes at a time, and how many were refused before them.

    Raises:
        ValueError: the file ends within quotes.
    """
    rest, kind, state, length, last = b"", _UNKNOWN, _BEGIN, 0, False
    while not last:
        block = stream.read(size)
        last = not block
        if kind == _UNKNOWN and not rest:
            block = block.removeprefix(_BOM)
        if kind == _LF and not length and (end := _end_without_quotes(rest, block, longest)):
            yield b"".join((rest, memoryview(block)[:end])), 0
            rest = block[end:]
            continue
        if last and not rest and not length:
            return
        content = rest + (block or (b"\r" if kind == _CR else b"\n"))  # the last row may lack its end
        data, begin, refused, over = np.frombuffer(content, np.uint8), 0, 0, True
        while over:
            end, at, kind, state, length, over = _walk(data, begin, kind, state, length, longest, last)
            if end > begin:
                yield content[begin:end], refused
                refused = 0
            if over:
                begin, refused = at, refused + 1
        if refused:
            yield b"", refused
        if last and state == _QUOTED:
            raise ValueError("a quote that is not closed")
        # Of a row that is too long already nothing is kept but its length and state.
        rest, state, length = (content[at:], state, length) if length > longest else (content[end:], _BEGIN, 0)


def _end_without_quotes(rest: bytes, block: bytes, longest: int) -> int:
    """Where the last row of a block ends; 0 if a quote, a carriage return or a long row may be about, and the bytes have to be walked."""
    end = block.find(b"\n") + 1
    if not 0 < end <= longest - len(rest) or any(mark in part for mark in (b'"', b"\r") for part in (block, rest)):
        return 0
    while len(block) - end > longest:
        found = block.rfind(b"\n", end, end + longest) + 1
        if not found:
            return 0
        end = found
    return max(end, block.rfind(b"\n", end) + 1)


@njit(nogil=True, cache=True)
def _walk(data: npt.NDArray[np.uint8], begin: int, kind: int, state: int, length: int, longest: int, last: bool) -> tuple[int, int, int, int, int, bool]:
    """Walks to the end of the data, or to the end of the first row that is refused.

    Args:
        data: bytes of the file.
        begin: where to begin.
        kind: the byte that ends rows, if it is known.
        state: there.
        length: bytes of the row that lie before it.
        longest: bytes of a row.
        last: whether nothing follows the data.

    Returns:
        Where the last row before ends, how far it was walked, the kind and the state there, the bytes of the row so far, and whether a refused row ends there.
    """
    n, at, end = len(data), begin, begin
    start, odd = begin - length, False
    while at < n:
        byte = data[at]
        at += 1
        if state == _QUOTED:
            if byte == _QUOTE:
                state = _CLOSED
        elif byte == _QUOTE and state in (_BEGIN, _CLOSED):
            state = _QUOTED
        elif byte == _COMMA:
            state = _BEGIN
        elif byte in (_LF, _CR):
            found = byte
            if byte == _CR:
                if at == n and not last:
                    at -= 1
                    break  # it may be half of an end
                if at < n and data[at] == _LF:
                    at += 1
                    found = kind if kind != _UNKNOWN else _LF
            if kind == _UNKNOWN:
                kind = found
            if found != kind:
                odd, state = True, _PLAIN
                continue
            state = _BEGIN
            if odd or at - start > longest:
                return end, at, kind, state, 0, True
            start = end = at
        else:
            state = _PLAIN
    return end, at, kind, state, at - start, False
