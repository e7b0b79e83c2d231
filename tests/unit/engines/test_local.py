"""The local engine: the same integers whatever the threads and buckets."""

from __future__ import annotations

from threading import Lock

import numpy as np
import pyarrow as pa
import pytest
from tests.conformance.worlds import Row, commuter, make_rules, table

from flockwise.engines import Engine, LocalEngine
from flockwise.person import contributions

RULES = make_rules()
ROWS = [row for number in range(12) for row in commuter(number, every=30 + number)]


class Source:
    def __init__(self, rows: list[Row], count: int) -> None:
        self.parts: list[list[Row]] = [[] for _ in range(count)]
        for row in rows:
            self.parts[row[1] % count].append(row)
        self.at_once = self.most = 0
        self.lock = Lock()

    def buckets(self) -> list[int]:
        return list(range(len(self.parts)))

    def read(self, bucket: int) -> pa.Table:
        return table(self.parts[bucket])


@pytest.mark.parametrize(("threads", "buckets"), [(1, 1), (1, 5), (2, 5), (4, 12), (3, 40)])
def test_threads_and_buckets_change_nothing(threads: int, buckets: int) -> None:
    engine: Engine = LocalEngine(threads)
    got, want = engine.sum(Source(ROWS, buckets), RULES), LocalEngine(1).sum(Source(ROWS[::-1], 1), RULES)
    assert got.keys() == want.keys() == {0, 1}
    for block in want:
        assert got[block].dtype == np.int64
        assert want[block].any()
        np.testing.assert_array_equal(got[block], want[block])


def test_it_adds_what_contributions_says() -> None:
    sums = LocalEngine(2).sum(Source(ROWS, 3), RULES)
    expected = {block: np.zeros_like(array) for block, array in sums.items()}
    for row in contributions(table(ROWS), RULES).to_pylist():
        expected[row["block"]].reshape(-1)[row["key"]] += row["value"]
    for block in sums:
        np.testing.assert_array_equal(sums[block], expected[block])


def test_shapes_are_the_public_domain_even_without_a_ping() -> None:
    sums = LocalEngine(2).sum(Source([], 2), RULES)
    assert RULES.presence is not None
    assert RULES.flows is not None
    assert {block: array.shape for block, array in sums.items()} == {0: RULES.presence.shape, 1: RULES.flows.shape}
    assert not any(array.any() for array in sums.values())


def test_progress_is_told_of_every_bucket() -> None:
    told: list[tuple[str, int, int]] = []
    LocalEngine(2).sum(Source(ROWS, 4), RULES, lambda *step: told.append(step))
    assert told == [("person", done, 4) for done in (1, 2, 3, 4)]


def test_a_bucket_that_can_not_be_read_stops_the_sum() -> None:
    class Broken(Source):
        def read(self, bucket: int) -> pa.Table:
            if bucket == 2:
                raise OSError("the disk is gone")
            return super().read(bucket)

    with pytest.raises(OSError, match="the disk is gone"):
        LocalEngine(2).sum(Broken(ROWS, 6), RULES)


def test_no_more_buckets_are_open_than_threads() -> None:
    class Counting(Source):
        def read(self, bucket: int) -> pa.Table:
            with self.lock:
                self.at_once += 1
                self.most = max(self.most, self.at_once)
            out = super().read(bucket)
            with self.lock:
                self.at_once -= 1
            return out

    source = Counting(ROWS, 12)
    LocalEngine(2).sum(source, RULES)
    assert source.most <= 2
