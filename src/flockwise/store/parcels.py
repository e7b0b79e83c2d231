"""Packed rows on their way between processes: each device's tag once, and in each row as many bits as its values differ by.

A parcel holds rows of one bucket, so its devices are few and a number of some bits names them; times, places and cells lie within a window and a region. The
rows come back in the order they went, word by word the same, whatever is in them. Where all times are whole seconds apart and all positions whole steps of the
grid, as the door leaves them, these are counted; else the rows only take more bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from flockwise.errors import InternalError
from flockwise.governance.precision import GRID_E6, SECOND_US
from flockwise.store.arranging import distinct
from flockwise.store.spill import WORDS

__all__ = ["tight", "wide"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]

_FIELDS = 6
"""Of a row: number of its device, time, latitude, longitude, accuracy, position of the cell."""
_HEAD = 2 + 3 * _FIELDS
"""Words before the tags: how many rows, how many devices; of each field the least value, the step between values, and how many bits the steps above it take."""


def tight(rows: Ints) -> memoryview:
    """Packed rows of `spill.scatter` in few bytes.

    Args:
        rows: one or more, n x WORDS.
    """
    which, high, low = distinct(rows)
    least, step, bits = np.zeros(_FIELDS, np.int64), np.ones(_FIELDS, np.int64), np.zeros(_FIELDS, np.int64)
    bits[0] = (len(high) - 1).bit_length()
    _spans(rows, least, step, bits)
    devices = len(high)
    words = np.zeros(_HEAD + 2 * devices + _stream(len(rows), bits), np.uint64)
    head = words[:_HEAD].view(np.int64)
    head[:2] = len(rows), devices
    head[2:] = np.concatenate([least, step, bits])
    tags = words[_HEAD : _HEAD + 2 * devices].view(np.int64)
    tags[:devices], tags[devices:] = high, low
    _write(rows, which, least, step, bits, words[_HEAD + 2 * devices :])
    return words.data.cast("B")


def wide(content: bytes | memoryview) -> Ints:
    """The rows, as they were given to `tight`.

    Args:
        content: what it gave; whoever opened its seal knows that.

    Raises:
        InternalError: it is of another length than it says.
    """
    words = np.frombuffer(content, np.uint64)
    head = words[:_HEAD].view(np.int64)
    n, devices = int(head[0]), int(head[1])
    least, step, bits = head[2:].reshape(3, _FIELDS)
    if len(words) != _HEAD + 2 * devices + _stream(n, bits):
        raise InternalError("INGEST_PARCEL", what="A parcel of rows is not what was sent.")
    tags = words[_HEAD : _HEAD + 2 * devices].view(np.int64)
    rows = np.empty((n, WORDS), np.int64)
    _read(words[_HEAD + 2 * devices :], least, step, bits, tags[:devices], tags[devices:], rows)
    return rows


def _stream(n: int, bits: Ints) -> int:
    """Words that the fields of n rows take."""
    return (n * int(bits.sum()) + 63) >> 6


@njit(nogil=True, cache=True)
def _spans(rows: Ints, least: Ints, step: Ints, bits: Ints) -> None:
    """Of each field but the first the least value, the step, and the bits of how many steps its greatest is above that, from 0 to 64."""
    most = np.empty(_FIELDS, np.int64)
    least[1:] = np.iinfo(np.int64).max
    most[1:] = np.iinfo(np.int64).min
    for i in range(len(rows)):
        t, at, about = rows[i, 2], rows[i, 3], rows[i, 4]
        lat, lon, accuracy, place = at >> 32, np.int64(np.int32(at)), about >> 32, np.int64(np.int32(about))
        least[1], most[1] = min(least[1], t), max(most[1], t)
        least[2], most[2] = min(least[2], lat), max(most[2], lat)
        least[3], most[3] = min(least[3], lon), max(most[3], lon)
        least[4], most[4] = min(least[4], accuracy), max(most[4], accuracy)
        least[5], most[5] = min(least[5], place), max(most[5], place)
    times = latitudes = longitudes = True
    for i in range(len(rows)):
        times &= (np.uint64(rows[i, 2]) - np.uint64(least[1])) % np.uint64(SECOND_US) == 0
        latitudes &= ((rows[i, 3] >> 32) - least[2]) % GRID_E6 == 0
        longitudes &= (np.int64(np.int32(rows[i, 3])) - least[3]) % GRID_E6 == 0
    step[1] = SECOND_US if times else 1
    step[2] = GRID_E6 if latitudes else 1
    step[3] = GRID_E6 if longitudes else 1
    for f in range(1, _FIELDS):
        span = (np.uint64(most[f]) - np.uint64(least[f])) // np.uint64(step[f])
        while span:
            bits[f] += 1
            span >>= np.uint64(1)


# The fields of a row are gone through in a loop: for functions of their own, inlined or not, numba counts references to arrays, five times as slow in all.
@njit(nogil=True, cache=True)
def _write(rows: Ints, which: Ints32, least: Ints, step: Ints, bits: Ints, words: Words) -> None:
    values = np.empty(_FIELDS, np.uint64)
    where = 0
    for i in range(len(rows)):
        at, about = rows[i, 3], rows[i, 4]
        values[0] = np.uint64(which[i])
        values[1] = np.uint64(rows[i, 2]) - np.uint64(least[1])
        values[2] = np.uint64((at >> 32) - least[2])
        values[3] = np.uint64(np.int64(np.int32(at)) - least[3])
        values[4] = np.uint64((about >> 32) - least[4])
        values[5] = np.uint64(np.int64(np.int32(about)) - least[5])
        # By constants, not by what is in `step`: that would divide, which takes as long as all of the rest.
        if step[1] == SECOND_US:
            values[1] //= np.uint64(SECOND_US)
        for f in (2, 3):
            if step[f] == GRID_E6:
                values[f] //= np.uint64(GRID_E6)
        for f in range(_FIELDS):
            if bits[f]:
                word, shift = where >> 6, where & 63
                words[word] |= values[f] << np.uint64(shift)
                if shift + bits[f] > 64:
                    words[word + 1] |= values[f] >> np.uint64(64 - shift)
                where += bits[f]


@njit(nogil=True, cache=True)
def _read(words: Words, least: Ints, step: Ints, bits: Ints, high: Ints, low: Ints, rows: Ints) -> None:
    values = np.zeros(_FIELDS, np.int64)
    low_half = np.int64(0xFFFFFFFF)
    where = 0
    for i in range(len(rows)):
        for f in range(_FIELDS):
            value = np.uint64(0)
            if bits[f]:
                word, shift = where >> 6, where & 63
                value = words[word] >> np.uint64(shift)
                if shift + bits[f] > 64:
                    value |= words[word + 1] << np.uint64(64 - shift)
                value &= np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(64 - bits[f])
                where += bits[f]
            values[f] = np.int64(value * np.uint64(step[f]) + np.uint64(least[f]))
        rows[i, 0], rows[i, 1] = high[values[0]], low[values[0]]
        rows[i, 2] = values[1]
        rows[i, 3] = (values[2] << 32) | (values[3] & low_half)
        rows[i, 4] = (values[4] << 32) | (values[5] & low_half)
