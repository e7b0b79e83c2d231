"""Packed rows as columns: the devices of a bucket, and their rows in the order of the store, whatever ties."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise.base.schemas import PING_ORDER, STORED_PINGS
from flockwise.store.arranging import arranged, distinct

CELLS = np.array([100, 200, 300, 400], np.int64)
Row = tuple[int, int, int, int, int, int, int]
"""Tag, tag, time, latitude, longitude, accuracy, place."""
ROWS = st.lists(st.tuples(*(st.integers(-1, 2),) * 6, st.integers(0, 3)), max_size=60)


def pack(rows: list[Row]) -> npt.NDArray[np.int64]:
    low = 0xFFFFFFFF
    words = [[a, b, t, (lat << 32) | (lon & low), (accuracy << 32) | place] for a, b, t, lat, lon, accuracy, place in rows]
    return np.array(words, np.int64).reshape(-1, 5)


def through(rows: list[Row]) -> list[tuple[int, ...]]:
    """The rows arranged; a device's pseudonym is its tag in reverse, so that devices change places."""
    packed = pack(rows)
    which, high, low = distinct(packed)
    table = arranged(packed, which, low, high, CELLS)
    assert table.schema == STORED_PINGS
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def expected(rows: list[Row]) -> list[tuple[int, ...]]:
    made = [(b, a, t, lat, lon, accuracy, int(CELLS[place])) for a, b, t, lat, lon, accuracy, place in rows]
    at = [STORED_PINGS.names.index(name) for name in PING_ORDER]
    return sorted(made, key=lambda row: tuple(row[i] for i in at))


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_rows_come_in_the_order_of_the_store_and_none_is_lost(rows: list[Row]) -> None:
    assert through(rows) == expected(rows)


@pytest.mark.parametrize("bits", [1, 32, 33, 40, 46])
def test_times_that_fit_only_in_part(bits: int) -> None:
    rng = np.random.default_rng(bits)
    n = 40_000  # 16 bits of row, 15 of device
    columns = [rng.integers(-(2**63), 2**63, n), rng.integers(0, 2, n), rng.integers(0, 1 << bits, n), *rng.integers(-3, 3, (3, n)), rng.integers(0, 4, n)]
    columns[0][::2], columns[1][::2] = columns[0][1::2], columns[1][1::2]
    rows = list(zip(*(c.tolist() for c in columns), strict=True))
    assert through(rows) == expected(rows)


@pytest.mark.parametrize(
    "rows",
    [
        [(7, 7, 5, 0, lon, -1, 0) for lon in range(500, 0, -1)],  # more ties than are settled
        [(7, 7, t, 0, 0, -1, 0) for t in (2**62, -(2**62), 0)],  # times too far apart
        [(7, 7, 5, 0, 0, -1, 0)] * 300,
    ],
)
def test_what_is_not_put_in_order_is_whole(rows: list[Row]) -> None:
    assert sorted(through(rows)) == sorted(expected(rows))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=60))
def test_each_device_of_packed_rows_once(pairs: list[tuple[int, int]]) -> None:
    which, high, low = distinct(pack([(a, b, 9, 9, 9, 9, 1) for a, b in pairs]))
    assert list(zip(high[which].tolist(), low[which].tolist(), strict=True)) == pairs
    assert len(set(zip(high.tolist(), low.tolist(), strict=True))) == len(high)
