"""Ordering: one total order, exact duplicates dropped, counts for the steward."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance.worlds import MINUTE, START, make_rules, table

from flockwise.base.schemas import PING_ORDER, STORED_PINGS
from flockwise.errors import InternalError
from flockwise.person import contributions, order, ordering
from flockwise.person.columns import columns_of

RULES = make_rules()
SMALL = st.integers(-2, 2)
ROWS = st.lists(st.tuples(SMALL, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL), max_size=60)


def key(row: tuple[int, ...]) -> tuple[int, ...]:
    named = dict(zip(STORED_PINGS.names, row, strict=True))
    return tuple(named[name] for name in PING_ORDER)


def rows_of(pings: pa.Table) -> list[tuple[int, ...]]:
    return list(zip(*(column.to_pylist() for column in pings.columns), strict=True))


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_the_order_is_that_of_the_schema(rows: list[tuple[int, ...]]) -> None:
    ordered, counts = order(table(rows), RULES)
    assert ordered.schema == STORED_PINGS
    assert rows_of(ordered) == sorted(set(rows), key=key)
    assert counts["duplicate"] == len(rows) - len(set(rows))
    assert counts["same_time"] == len(set(rows)) - len({row[:3] for row in rows})
    assert ordering.is_ordered(columns_of(ordered))


@pytest.mark.parametrize(
    "rows",
    [
        [(hi, lo, t, 0, 0, -1, 5) for hi in (-(2**63), 0, 2**63 - 1) for lo in (2**63 - 1, -(2**63), 7) for t in (3, 1)],
        [(1, 1, t, 0, 0, -1, 5) for t in (2**62, -(2**62), 0)],  # times too far apart to pack
        [(1, 1, 5, 0, lon, -1, 5) for lon in range(100, 0, -1)],  # a hundred ties
        [(i << 40, 0, 5, 0, 0, -1, 5) for i in range(300, 0, -1)],  # pseudonyms that are not mixed
    ],
)
def test_extremes(rows: list[tuple[int, ...]]) -> None:
    assert rows_of(order(table(rows), RULES)[0]) == sorted(set(rows), key=key)


def test_colliding_pseudonyms_take_the_slow_way() -> None:
    rows = [(i << 40, 0, 5, 0, 0, -1, 5) for i in range(6000, 0, -1)]
    assert rows_of(order(table(rows), RULES)[0]) == sorted(rows, key=key)


def test_many_rows_with_every_kind_of_tie() -> None:
    rng = np.random.default_rng(3)
    columns = [rng.integers(-3, 3, 30_000) for _ in STORED_PINGS]
    columns[2] = rng.integers(0, 400, 30_000)
    rows = list(zip(*(c.tolist() for c in columns), strict=True))
    assert rows_of(order(table(rows), RULES)[0]) == sorted(set(rows), key=key)


def test_impossible_speed_is_counted_not_dropped() -> None:
    rows = [(1, 1, START, 40_000_000, -74_000_000, -1, 5), (1, 1, START + MINUTE, 41_000_000, -74_000_000, -1, 5)]
    ordered, counts = order(table(rows), RULES)
    assert ordered.num_rows == 2
    assert counts == {"duplicate": 0, "same_time": 0, "impossible_speed": 1}


def test_chunks_and_batches_are_one() -> None:
    rows = [(i % 3, i % 3, START + i * MINUTE, 40_700_000, -74_000_000, -1, 608725951253053439) for i in range(30)]
    whole = table(rows)
    pieces = pa.concat_tables([whole.slice(20), whole.slice(0, 20)])
    assert pieces.column(0).num_chunks == 2
    assert order(pieces, RULES)[0].equals(order(whole, RULES)[0])
    assert contributions(pieces, RULES).equals(contributions(whole.to_batches()[0], RULES))


def test_nothing_is_nothing() -> None:
    ordered, counts = order(table([]), RULES)
    assert ordered.num_rows == sum(counts.values()) == 0
    assert contributions(table([]), RULES).num_rows == 0


def test_another_schema_is_our_bug() -> None:
    with pytest.raises(InternalError) as caught:
        contributions(pa.table({"device_id": [1]}), RULES)
    assert caught.value.code == "PERSON_BAD_SCHEMA"
