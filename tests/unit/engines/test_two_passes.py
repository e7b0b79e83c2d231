"""A private clip reads every bucket once where memory allows it; the sums are the same where it does not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from tests.conformance.worlds import table
from tests.unit.engines.test_golden_sums import COMMUTERS, EDGES, GOLDEN, Parts, clipped, digest

from flockwise.engines import LocalEngine
from flockwise.person import NORMS

FIRST, SECOND = clipped(norm_edges=EDGES), clipped()


class Counted(Parts):
    def __init__(self, count: int = 5) -> None:
        super().__init__(table(COMMUTERS), count)
        self.reads: Counter[int] = Counter()

    def read(self, bucket: int) -> pa.Table:
        self.reads[bucket] += 1
        return super().read(bucket)


@pytest.mark.parametrize(("memory", "reads"), [(None, 1), (1 << 30, 1), (0, 2), (3000, 2)])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_memory_decides_how_often_buckets_are_read_and_nothing_else(memory: int | None, reads: int, threads: int) -> None:
    source, engine = Counted(), LocalEngine(threads, memory)
    assert digest(engine.sum(source, FIRST)) == GOLDEN["commuters, norms"]
    assert digest(engine.sum(source, SECOND)) == GOLDEN["commuters, clipped"]
    assert set(source.reads.values()) == {reads}


def test_another_source_or_rules_that_see_otherwise_are_read_anew() -> None:
    slower = replace(SECOND, speed_mm_s=20_000)
    for other in (slower, replace(SECOND, weights=None), replace(SECOND, presence=None)):
        source, engine = Counted(), LocalEngine(2)
        engine.sum(source, FIRST)
        found = engine.sum(source, other)
        assert set(source.reads.values()) == {2}
        assert digest(found) == digest(LocalEngine(1).sum(Counted(), other))
    engine, second = LocalEngine(2), Counted()
    engine.sum(Counted(), FIRST)
    engine.sum(second, SECOND)
    assert set(second.reads.values()) == {1}


def test_what_was_kept_is_gone_after_the_second_pass() -> None:
    source, engine = Counted(), LocalEngine(2)
    engine.sum(source, FIRST)
    engine.sum(source, SECOND)
    engine.sum(source, SECOND)
    assert set(source.reads.values()) == {2}


def test_rules_see_alike_whatever_is_made_of_the_trips() -> None:
    assert FIRST.sees_like(SECOND)
    assert FIRST.flows is not None
    for changes in ({"accuracy_dm": 5}, {"gap_us": 1}, {"radius_m": 99}, {"flows": None}, {"flows": replace(FIRST.flows, trip_us=5)}):
        assert not FIRST.sees_like(replace(FIRST, **changes)), changes


def test_the_histogram_is_all_that_the_first_pass_gives() -> None:
    found = LocalEngine(2).sum(Counted(), FIRST)
    assert found.keys() == {NORMS}
    assert np.asarray(found[NORMS]).sum() > 0
