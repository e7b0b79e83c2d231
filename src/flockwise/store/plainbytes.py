"""Bytes that are no UTF-8, as texts that are: pyarrow gives a line that does not fit to its handler as text, and gives the whole file up if it is none.

A byte outside UTF-8 becomes one character of a private plane; where a file has such characters of its own, each of their bytes does. What is read is put back
into the bytes that the file has, so an identifier stays what it is.
"""

from __future__ import annotations

import re
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ESCAPE", "escaped", "restored"]

_BASE = 0x10FE00
ESCAPE = chr(_BASE).encode()[:2]
"""How every escaped byte begins."""
_STRANGE = re.compile("[\udc80-\udcff\U0010fe80-\U0010feff]")
_ESCAPED = re.compile(rb"\xf4\x8f[\xba\xbb][\x80-\xbf]")


def escaped(content: bytes) -> bytes:
    """The content itself if it is UTF-8 without a character that escapes use (the usual case, told at some 20 GB a second), else escaped."""
    if not content or int(np.frombuffer(content, np.uint8).max()) < 0x80 or (ESCAPE not in content and _is_text(content)):
        return content
    return _STRANGE.sub(_escape, content.decode("utf-8", "surrogateescape")).encode()


def restored(column: pa.Array[Any]) -> pa.Array[Any]:
    """A binary column of escaped content, with the content's own bytes."""
    found: Any = pc.match_substring(column, pattern=cast("str", ESCAPE)).fill_null(False)  # bytes are taken as they are
    texts = [_ESCAPED.sub(_byte, text or b"") for text in column.filter(found).to_pylist()]
    out: pa.Array[Any] = pc.replace_with_mask(column, found, pa.array(texts, pa.binary()))
    return out


def _escape(found: re.Match[str]) -> str:
    return "".join(chr(_BASE + byte) for byte in found[0].encode("utf-8", "surrogateescape"))


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes([ord(found[0].decode()) - _BASE])


def _is_text(content: bytes) -> bool:
    offsets: Any = np.array([0, len(content)], np.int32)
    try:
        pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(content)]).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
