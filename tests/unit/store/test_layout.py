from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise.base.schemas import STORED_PINGS
from flockwise.errors import InternalError
from flockwise.store.layout import seal_pings, unseal_pings
from flockwise.store.sealing import BrokenSealError, Sealer

NAME = "000001/0000.parquet"
SEALER = Sealer(bytes(32))
WORD = st.integers(-(2**63), 2**63 - 1)
ROW = st.tuples(
    WORD,
    WORD,
    st.integers(-(10**10), 10**10).map(lambda s: s * 1_000_000),
    st.integers(-1_800_000, 1_800_000).map(lambda s: s * 50),
    st.integers(-3_600_000, 3_600_000).map(lambda s: s * 50),
    st.one_of(st.just(-1), st.integers(0, 200_000_000).map(lambda m: m * 10)),
    WORD,
)


def table(rows: list[tuple[int, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [[] for _ in STORED_PINGS]
    return pa.Table.from_arrays([pa.array(c, f.type) for c, f in zip(columns, STORED_PINGS, strict=True)], schema=STORED_PINGS)


@settings(deadline=None)
@given(st.lists(ROW, max_size=50))
def test_what_is_sealed_comes_back(rows: list[tuple[int, ...]]) -> None:
    pings = table(rows)
    assert unseal_pings(SEALER, seal_pings(SEALER, pings, NAME), NAME).equals(pings)


def test_several_chunks_are_one_table() -> None:
    pings = table([(1, 2, 3_000_000, 50, -100, -1, 9), (1, 2, 4_000_000, 50, -100, 70, 9)])
    assert unseal_pings(SEALER, seal_pings(SEALER, pa.concat_tables([pings, pings]), NAME), NAME).equals(pa.concat_tables([pings, pings]).combine_chunks())


@pytest.mark.rule(32)
@pytest.mark.parametrize(("column", "value"), [(2, 1_000_001), (2, -1), (3, 25), (3, -1), (4, 49), (4, -51), (5, 5), (5, -2)])
def test_a_row_that_is_finer_than_the_store_may_hold_cannot_be_written(column: int, value: int) -> None:
    row = [1, 2, 3_000_000, 50, -100, 70, 9]
    seal_pings(SEALER, table([tuple(row)]), NAME)
    row[column] = value
    with pytest.raises(InternalError) as caught:
        seal_pings(SEALER, table([(1, 2, 3_000_000, 50, -100, 70, 9), tuple(row)]), NAME)
    assert caught.value.code == "STORE_PRECISION"
    assert str(value) not in str(caught.value).replace("STORE_PRECISION", "")


def test_a_file_of_another_layout_is_no_file_of_pings() -> None:
    with pytest.raises(BrokenSealError):
        unseal_pings(SEALER, SEALER.seal(table([]), NAME), NAME)


def test_rows_in_order_take_few_bytes() -> None:
    """A device that pings every two minutes: differences are what is written, not whole numbers."""
    n, rng = 200_000, np.random.default_rng(5)
    device = np.arange(n) // 500
    walk = np.cumsum(rng.integers(-20, 21, (2, n)), axis=1)
    pings = pa.table(
        [device, -device, 1_777_000_000_000_000 + rng.integers(110, 130, n).cumsum() * 1_000_000, (40_000_000 + 50 * walk[0]).astype(np.int32),
         (-74_000_000 + 50 * walk[1]).astype(np.int32), (10 * rng.integers(3, 60, n)).astype(np.int32), device],
        schema=STORED_PINGS,
    )  # fmt: skip
    assert len(seal_pings(SEALER, pings, NAME)) < 5 * n
