"""Faster code must keep the exact sums, bit for bit: they were written down before the first optimisation."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from tests.conformance.worlds import CELLS, commuter, garden_city, garden_rules, make_rules, table

from flockwise.engines import LocalEngine
from flockwise.person import GRID, Rules, Sums, TotalsRules, WeightRules

EDGES = (1, 9, 25, 100, 400, 900, 1600, 2500, 10_000)
START = 1_772_427_600_000_000
COMMUTERS = [row for number in range(40) for row in commuter(number, every=20 + 3 * number)]


class Parts:
    """A table in buckets by its devices' second half."""

    def __init__(self, pings: pa.Table, count: int) -> None:
        low = pings["device_lo"].to_numpy()
        self.parts = [pings.filter(pa.array((low ^ (low >> 9)) % count == n)) for n in range(count)]

    def buckets(self) -> list[int]:
        return list(range(len(self.parts)))

    def read(self, bucket: int) -> pa.Table:
        return self.parts[bucket]


def clipped(**more: object) -> Rules:
    totals = TotalsRules((1, 3), 30 * GRID * GRID)
    weights = WeightRules(CELLS, 40 + 11 * np.arange(len(CELLS)), 100, 3_600_000_000, np.array([START]), np.array([0]))
    return make_rules(
        presence_weights=(2, 1, 1), flows_weights=(3, 1), margin_weights=(1, 2), totals=totals, heavy_edge=9, bound=1600 * GRID * GRID, weights=weights, **more
    )


def digest(sums: Sums) -> str:
    body = hashlib.sha256()
    for block, values in sorted(sums.items()):
        assert isinstance(values, np.ndarray)
        body.update(f"{block} {values.shape}".encode() + values.astype("<i8").tobytes())
    return body.hexdigest()[:24]


CASES = {
    "garden city": (garden_city, garden_rules()),
    "garden city, norms": (garden_city, garden_rules(norm_edges=EDGES)),
    "commuters": (lambda: table(COMMUTERS), make_rules()),
    "commuters, clipped": (lambda: table(COMMUTERS), clipped()),
    "commuters, norms": (lambda: table(COMMUTERS), clipped(norm_edges=EDGES)),
    "commuters, half the window": (lambda: table(COMMUTERS), replace(make_rules(hours=24), speed_mm_s=20_000)),
}
GOLDEN = {
    "garden city": "2cda8efd505db2916e94ed9c",
    "garden city, norms": "a461048535900bf5c5160235",
    "commuters": "86b0d051c8b3e2ce240f939b",
    "commuters, clipped": "d7b9e4065b59d46a748833ee",
    "commuters, norms": "200c28fb291739db61461a46",
    "commuters, half the window": "d3f3e4af8c0c1f53554a9d2f",
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_exact_sums_are_those_written_down(name: str, threads: int) -> None:
    pings, rules = CASES[name]
    assert digest(LocalEngine(threads).sum(Parts(pings(), 5), rules)) == GOLDEN[name]
