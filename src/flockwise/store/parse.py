"""Kernels that read text columns row by row: numbers, times, truth values, UUIDs. A value that can't be read marks its row and nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

__all__ = [
    "BAD",
    "EMPTY",
    "FALSE",
    "LOCAL",
    "OK",
    "TRUE",
    "ZONED",
    "integers",
    "mentions",
    "numbers",
    "texts",
    "times",
    "truths",
    "uuids",
    "whole",
]

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

OK, EMPTY, BAD, _LONG = 0, 1, 2, 3
"""Status of a row: read, only blanks, unreadable, a number of more digits than the fast path can round correctly."""
FALSE, TRUE = 0, 3
ZONED, LOCAL = 0, 3

_POWERS: Floats = 10.0 ** np.arange(23, dtype=np.float64)


def texts(column: pa.Array[Any]) -> tuple[Bytes, Ints]:
    """The bytes of a binary or text column and the n + 1 offsets into them; null rows are empty."""
    array = column if pa.types.is_binary(column.type) else column.cast(pa.binary())
    if array.null_count:
        array = array.fill_null(b"")
    _, offsets, data = array.buffers()
    at = whole(offsets, np.int32)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    return whole(data, np.uint8), at if len(at) else np.zeros(1, np.int64)


def whole(buffer: pa.Buffer | None, kind: type[Any]) -> npt.NDArray[Any]:
    """All of an Arrow buffer as numbers; an absent one is empty."""
    return np.frombuffer(memoryview(buffer), kind) if buffer is not None and buffer.size else np.empty(0, kind)


def numbers(data: Bytes, offsets: Ints) -> tuple[Floats, Bytes]:
    """Decimal numbers as float64, correctly rounded, and their status."""
    values, status = np.full(len(offsets) - 1, np.nan), np.empty(len(offsets) - 1, np.uint8)
    _numbers(data, offsets, _POWERS, values, status)
    long = np.flatnonzero(status == _LONG)
    if len(long):
        chosen = pa.array([data[offsets[i] : offsets[i + 1]].tobytes().strip() for i in long], pa.binary())
        values[long] = np.asarray(pc.cast(chosen.cast(pa.string()), pa.float64()))
        status[long] = OK
    return values, status


def integers(data: Bytes, offsets: Ints) -> tuple[Ints, Bytes]:
    """Whole numbers of 64 bits (unsigned ones keep their 8 bytes), and their status."""
    values, status = np.zeros(len(offsets) - 1, np.int64), np.empty(len(offsets) - 1, np.uint8)
    _integers(data, offsets, values, status)
    return values, status


def times(data: Bytes, offsets: Ints) -> tuple[Ints, Bytes]:
    """ISO 8601 times as microseconds, and their status: ZONED (UTC), LOCAL (wall clock without a zone), EMPTY or BAD.

    Read are YYYY-MM-DD, T or one space, HH:MM, optional :SS and fraction (cut to microseconds), optional Z or an offset as +HH:MM, +HHMM or +HH.
    """
    values, status = np.zeros(len(offsets) - 1, np.int64), np.empty(len(offsets) - 1, np.uint8)
    _times(data, offsets, values, status)
    return values, status


def truths(data: Bytes, offsets: Ints) -> Bytes:
    """TRUE (true, t, yes, y, 1), FALSE (false, f, no, n, 0), EMPTY or BAD; capitals do not matter."""
    status = np.empty(len(offsets) - 1, np.uint8)
    _truths(data, offsets, status)
    return status


def mentions(data: Bytes, offsets: Ints, word: str) -> npt.NDArray[np.bool_]:
    """Whether each text names a word among those between ; , or |. Blanks around words and capitals do not matter."""
    out = np.zeros(len(offsets) - 1, np.bool_)
    _mentions(data, offsets, np.frombuffer(word.lower().encode(), np.uint8), out)
    return out


def uuids(data: Bytes, offsets: Ints) -> tuple[Bytes, Bytes]:
    """UUIDs as (n, 16) bytes, and their status. Read are 32 digits, or 8-4-4-4-12, plain, in braces or after urn:uuid:."""
    values, status = np.zeros((len(offsets) - 1, 16), np.uint8), np.empty(len(offsets) - 1, np.uint8)
    _uuids(data, offsets, values, status)
    return values, status


@njit(inline="always")
def _trim(data: Bytes, a: int, b: int) -> tuple[int, int]:
    while a < b and (data[a] == 32 or data[a] == 9):
        a += 1
    while a < b and (data[b - 1] == 32 or data[b - 1] == 9):
        b -= 1
    return a, b


@njit(inline="always")
def _digit(c: int) -> bool:
    return 48 <= c <= 57


@njit(nogil=True, cache=True)
def _word(data: Bytes, a: int, b: int, word: bytes) -> bool:
    """Equal but for capitals."""
    if b - a != len(word):
        return False
    for i in range(len(word)):
        c = data[a + i]
        if 65 <= c <= 90:
            c += 32
        if c != word[i]:
            return False
    return True


@njit(nogil=True, cache=True)
def _mentions(data: Bytes, offsets: Ints, word: Bytes, out: npt.NDArray[np.bool_]) -> None:
    for i in range(len(out)):
        a, end = offsets[i], offsets[i + 1]
        while a < end and not out[i]:
            b = a
            while b < end and data[b] != 59 and data[b] != 44 and data[b] != 124:  # ; , |
                b += 1
            p, q = _trim(data, a, b)
            if q - p == len(word):
                same = True
                for k in range(len(word)):
                    c = data[p + k]
                    if 65 <= c <= 90:
                        c += 32
                    same = same and c == word[k]
                out[i] = same
            a = b + 1


@njit(nogil=True, cache=True)
def _numbers(data: Bytes, offsets: Ints, powers: Floats, values: Floats, status: Bytes) -> None:
    for i in range(len(status)):
        a, b = _trim(data, offsets[i], offsets[i + 1])
        if a == b:
            status[i] = EMPTY
            continue
        status[i] = BAD
        p = a
        sign = 1.0
        if data[p] == 43 or data[p] == 45:
            sign = -1.0 if data[p] == 45 else 1.0
            p += 1
        if _word(data, p, b, b"nan"):
            status[i] = OK
            continue
        if _word(data, p, b, b"inf") or _word(data, p, b, b"infinity"):
            values[i] = sign * math.inf
            status[i] = OK
            continue
        mantissa, digits, significant, scale = np.int64(0), 0, 0, 0
        point = False
        while p < b and (_digit(data[p]) or (data[p] == 46 and not point)):
            if data[p] == 46:
                point = True
            else:
                digits += 1
                if significant or data[p] != 48:
                    significant += 1
                if significant <= 18:
                    mantissa = mantissa * 10 + (data[p] - 48)
                    scale -= point
                else:
                    scale += not point
            p += 1
        if not digits:
            continue
        if p < b and (data[p] == 101 or data[p] == 69):
            p += 1
            minus = p < b and data[p] == 45
            if p < b and (data[p] == 43 or data[p] == 45):
                p += 1
            exponent, some = 0, False
            while p < b and _digit(data[p]):
                exponent, some = min(exponent * 10 + (data[p] - 48), 9999), True
                p += 1
            if not some:
                continue
            scale += -exponent if minus else exponent
        if p != b:
            continue
        # Exact operands: one division or product is correctly rounded (Clinger 1990).
        if significant <= 18 and mantissa <= 9007199254740992 and -22 <= scale <= 22:
            value = float(mantissa)
            values[i] = sign * (value / powers[-scale] if scale < 0 else value * powers[scale])
            status[i] = OK
        else:
            status[i] = _LONG


@njit(nogil=True, cache=True)
def _integers(data: Bytes, offsets: Ints, values: Ints, status: Bytes) -> None:
    for i in range(len(status)):
        a, b = _trim(data, offsets[i], offsets[i + 1])
        if a == b:
            status[i] = EMPTY
            continue
        status[i] = BAD
        minus = data[a] == 45
        if minus or data[a] == 43:
            a += 1
        while a < b - 1 and data[a] == 48:
            a += 1
        if a == b or b - a > 20:
            continue
        total = np.uint64(0)
        fits = True
        for p in range(a, b):
            c = data[p]
            if not _digit(c):
                fits = False
                break
            d = np.uint64(c - 48)
            if total > np.uint64(1844674407370955161) or (total == np.uint64(1844674407370955161) and d > np.uint64(5)):
                fits = False
                break
            total = total * np.uint64(10) + d
        if not fits or (minus and total > np.uint64(9223372036854775808)):
            continue
        values[i] = -np.int64(total) if minus else np.int64(total)
        status[i] = OK


@njit(inline="always")
def _number(data: Bytes, p: int, n: int, b: int) -> int:
    """The n digits at p, or -1."""
    if p + n > b:
        return -1
    value = 0
    for k in range(n):
        if not _digit(data[p + k]):
            return -1
        value = value * 10 + (data[p + k] - 48)
    return value


@njit(inline="always")
def _days(y: int, m: int, d: int) -> int:
    """Days since 1970-01-01, or a large negative number for a date that does not exist (proleptic Gregorian; Hinnant, chrono algorithms)."""
    leap = (y % 4 == 0 and y % 100 != 0) or y % 400 == 0
    if m < 1 or m > 12 or d < 1:
        return -(1 << 40)
    length = 31 if m in (1, 3, 5, 7, 8, 10, 12) else 30
    if m == 2:
        length = 29 if leap else 28
    if d > length:
        return -(1 << 40)
    y -= m <= 2
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (m + (-3 if m > 2 else 9)) + 2) // 5 + d - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


@njit(nogil=True, cache=True)
def _times(data: Bytes, offsets: Ints, values: Ints, status: Bytes) -> None:
    for i in range(len(status)):
        a, b = _trim(data, offsets[i], offsets[i + 1])
        if a == b:
            status[i] = EMPTY
            continue
        status[i] = BAD
        y, mo, d = _number(data, a, 4, b), _number(data, a + 5, 2, b), _number(data, a + 8, 2, b)
        h, mi = _number(data, a + 11, 2, b), _number(data, a + 14, 2, b)
        if min(y, mo, d, h, mi) < 0 or h > 23 or mi > 59:
            continue
        mark = data[a + 10]
        if data[a + 4] != 45 or data[a + 7] != 45 or data[a + 13] != 58 or not (mark == 84 or mark == 116 or mark == 32):
            continue
        day = _days(y, mo, d)
        if day < -(1 << 30):
            continue
        p = a + 16
        s, micro = 0, 0
        if p < b and data[p] == 58:
            s = _number(data, p + 1, 2, b)
            if s < 0 or s > 59:
                continue
            p += 3
            if p < b and (data[p] == 46 or data[p] == 44):
                p += 1
                unit, some = 100_000, False
                while p < b and _digit(data[p]):
                    micro += unit * (data[p] - 48)
                    unit //= 10
                    p += 1
                    some = True
                if not some:
                    continue
        if p < b and data[p] == 32:
            p += 1
        offset, kind = 0, LOCAL
        if p < b and (data[p] == 90 or data[p] == 122):
            kind = ZONED
            p += 1
        elif p < b and (data[p] == 43 or data[p] == 45):
            west = data[p] == 45
            hours, minutes = _number(data, p + 1, 2, b), 0
            p += 3
            if p < b:
                p += data[p] == 58
                minutes = _number(data, p, 2, b)
                p += 2
            if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
                continue
            offset = (hours * 60 + minutes) * (-60 if west else 60)
            kind = ZONED
        if p != b:
            continue
        values[i] = (day * 86_400 + h * 3600 + mi * 60 + s - offset) * 1_000_000 + micro
        status[i] = kind


@njit(nogil=True, cache=True)
def _truths(data: Bytes, offsets: Ints, status: Bytes) -> None:
    for i in range(len(status)):
        a, b = _trim(data, offsets[i], offsets[i + 1])
        if a == b:
            status[i] = EMPTY
        elif _word(data, a, b, b"true") or _word(data, a, b, b"1") or _word(data, a, b, b"t") or _word(data, a, b, b"yes") or _word(data, a, b, b"y"):
            status[i] = TRUE
        elif _word(data, a, b, b"false") or _word(data, a, b, b"0") or _word(data, a, b, b"f") or _word(data, a, b, b"no") or _word(data, a, b, b"n"):
            status[i] = FALSE
        else:
            status[i] = BAD


@njit(inline="always")
def _hex(c: int) -> int:
    if 48 <= c <= 57:
        return c - 48
    if 97 <= c <= 102:
        return c - 87
    if 65 <= c <= 70:
        return c - 55
    return -1


@njit(nogil=True, cache=True)
def _uuids(data: Bytes, offsets: Ints, values: Bytes, status: Bytes) -> None:
    for i in range(len(status)):
        a, b = _trim(data, offsets[i], offsets[i + 1])
        if a == b:
            status[i] = EMPTY
            continue
        status[i] = BAD
        if b - a == 45 and _word(data, a, a + 9, b"urn:uuid:"):
            a += 9
        elif b - a in (34, 38) and data[a] == 123 and data[b - 1] == 125:
            a, b = a + 1, b - 1
        dashed = b - a == 36
        if not dashed and b - a != 32:
            continue
        p, good = a, True
        for k in range(16):
            if dashed and (k == 4 or k == 6 or k == 8 or k == 10):
                good = good and data[p] == 45
                p += 1
            high, low = _hex(data[p]), _hex(data[p + 1])
            if high < 0 or low < 0 or not good:
                good = False
                break
            values[i, k] = high * 16 + low
            p += 2
        if good:
            status[i] = OK
