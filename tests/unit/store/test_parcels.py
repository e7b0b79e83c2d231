"""Rows that are packed tightly come back as they were, word by word, whatever is in them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flockwise.errors import InternalError
from flockwise.store.parcels import tight, wide
from flockwise.store.spill import ROW_BYTES, WORDS

EDGES = st.sampled_from([0, 1, -1, 1 << 31, -(1 << 31), (1 << 32) - 1, 1 << 40, (1 << 63) - 1, -(1 << 63)])
WORD = EDGES | st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(0, 3)


@settings(deadline=None)
@given(rows=st.integers(1, 40).flatmap(lambda n: arrays(np.int64, (n, WORDS), elements=WORD)), repeat=st.integers(1, 3))
def test_any_rows_come_back(rows: np.ndarray, repeat: int) -> None:
    rows = np.repeat(rows, repeat, axis=0)
    back = wide(bytes(tight(rows)))
    assert back.dtype == rows.dtype
    assert np.array_equal(back, rows)
    assert tight(rows) == tight(rows.copy())


@settings(deadline=None)
@given(seed=st.integers(0, 999), bits=st.lists(st.integers(0, 63), min_size=WORDS, max_size=WORDS), n=st.sampled_from([1, 2, 63, 64, 65, 700]))
def test_fields_of_any_width_come_back(seed: int, bits: list[int], n: int) -> None:
    chance = np.random.default_rng(seed)
    rows = np.stack([chance.integers(0, 1 << b, n) - chance.integers(0, 1 << b) for b in bits], axis=1)
    assert np.array_equal(wide(tight(rows)), rows)


def usual(n: int, devices: int) -> np.ndarray:
    """Rows of a week in a country."""
    chance = np.random.default_rng(1)
    tags = chance.integers(-(1 << 63), (1 << 63) - 1, (devices, 2))[chance.integers(0, devices, n)]
    at = (chance.integers(42_000_000, 54_000_000, n) << 32) | (chance.integers(-3_000_000, 16_000_000, n) & 0xFFFFFFFF)
    about = (chance.integers(-1, 500, n) << 32) | chance.integers(0, 60_000, n)
    return np.column_stack([tags, 1_772_409_600_000_000 + chance.integers(0, 7 * 86_400_000_000, n), at, about])


def test_a_row_takes_less_than_half() -> None:
    rows = usual(4000, 200)
    assert np.array_equal(wide(tight(rows)), rows)
    assert len(tight(rows)) < 4000 * ROW_BYTES * 0.43


@settings(deadline=None)
@given(seed=st.integers(0, 999), units=st.tuples(*[st.sampled_from([1, 50, 1_000_000])] * 3), off=st.sampled_from([0, 0, 1, 49]))
def test_rounded_rows_come_back(seed: int, units: tuple[int, int, int], off: int) -> None:
    """In steps of what the door rounds to, of something else, or with one row that is no whole step from the others."""
    chance = np.random.default_rng(seed)
    t, lat, lon = (chance.integers(-20, 20, 30) * unit for unit in units)
    lat[7] += off
    rows = np.column_stack([*(chance.integers(0, 3, (2, 30))), t, (lat << 32) | (lon & 0xFFFFFFFF), chance.integers(0, 9, 30)])
    assert np.array_equal(wide(tight(rows)), rows)


def test_a_rounded_row_takes_a_quarter_less() -> None:
    rows = usual(4000, 200)
    exact = len(tight(rows))
    lat, lon = rows[:, 3] >> 32, rows[:, 3].astype(np.int32).astype(np.int64)
    rows[:, 2] -= rows[:, 2] % 1_000_000
    rows[:, 3] = ((lat - lat % 50) << 32) | ((lon - lon % 50) & 0xFFFFFFFF)
    assert np.array_equal(wide(tight(rows)), rows)
    assert len(tight(rows)) < 0.76 * exact


@pytest.mark.parametrize("cut", [8, 80, -8])
def test_what_is_cut_is_refused(cut: int) -> None:
    content = bytes(tight(usual(100, 5)))
    with pytest.raises(InternalError, match="not what was sent"):
        wide(content[:-cut] if cut > 0 else content + bytes(-cut))
