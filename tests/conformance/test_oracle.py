"""The kernel against plain SQL on DuckDB and against plain Python loops, number by number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from tests.conformance import reference
from tests.conformance.worlds import Row, as_stored, garden_city, garden_rules, make_rules, panels, table

from flockwise.person import GRID, Rules, contributions

SQL = (Path(__file__).parent / "oracle.sql").read_text(encoding="utf-8")


def by_kernel(pings: pa.Table, rules: Rules) -> list[tuple[int, int, int]]:
    out = contributions(pings, rules)
    return list(zip(*(out[name].to_pylist() for name in ("block", "key", "value")), strict=True))


def by_sql(pings: pa.Table, rules: Rules) -> list[tuple[int, int, int]]:
    presence, flows = rules.presence, rules.flows
    assert presence is not None
    assert flows is not None
    one: dict[str, Any] = {
        name: getattr(rules, name) for name in ("start_us", "end_us", "accuracy_dm", "speed_mm_s", "radius_m", "least_us", "gap_us")
    } | {
        "slot_us": presence.slot_us, "slots": presence.slots, "hold_us": presence.hold_us, "trip_us": flows.trip_us,
        "presence_level": presence.resolution, "flows_level": flows.resolution, "restart_limit": reference.RESTART_LIMIT,
    }  # fmt: skip

    def numbered(name: str, values: np.ndarray) -> pa.Table:
        return pa.table({"idx": np.arange(len(values)), name: np.array(values)})

    with duckdb.connect(config={"threads": 2}) as db:
        for name, content in {
            "pings": pings,
            "rules": pa.table({k: pa.array([v], pa.int64()) for k, v in one.items()}),
            "presence_cells": numbered("cell", presence.cells),
            "flows_cells": numbered("cell", flows.cells),
            "day_slots": numbered("start_min", flows.slot_starts_min),
            "offsets": pa.table({"start_us": np.array(flows.offset_starts_us), "offset_us": np.array(flows.offset_us)}),
        }.items():
            db.register(f"given_{name}", content)
            db.execute(f"CREATE TEMP TABLE {name} AS SELECT * FROM given_{name}")
        rows = db.execute(SQL).fetchall()
    return sorted((block, key, n * GRID) for block, key, n in rows)


RULES = make_rules()


@settings(max_examples=60, deadline=None)
@given(panels())
def test_kernel_and_loops_agree(panel: list[list[Row]]) -> None:
    rows = [row for device in panel for row in device]
    assert by_kernel(table(rows[::-1]), RULES) == reference.contributions(rows, RULES)


@settings(max_examples=100, deadline=None)
@given(panels(devices=2, most=24))
def test_kernel_and_loops_agree_when_clipped(panel: list[list[Row]]) -> None:
    rules = make_rules(bound=48 * 256**2 * 3 + 150_000, presence_weights=(1, 1, 1), flows_weights=(50, 70))
    rows = [row for device in panel for row in device]
    assert by_kernel(table(rows[::-1]), rules) == reference.contributions(rows, rules)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(panels(devices=5))
def test_kernel_and_sql_agree(panel: list[list[Row]]) -> None:
    pings = table([row for device in panel for row in device][::-1])
    assert by_kernel(pings, RULES) == by_sql(pings, RULES)


@pytest.fixture(scope="module", params=["as it came", "as a store keeps it"])
def city(request: pytest.FixtureRequest) -> tuple[pa.Table, Rules]:
    pings = garden_city()
    return pings if request.param == "as it came" else as_stored(pings), garden_rules()


def test_garden_city_by_loops(city: tuple[pa.Table, Rules]) -> None:
    pings, rules = city
    rows = list(zip(*(pings[name].to_pylist() for name in pings.schema.names), strict=True))
    assert by_kernel(pings, rules) == reference.contributions(rows, rules)


def test_garden_city_by_sql(city: tuple[pa.Table, Rules]) -> None:
    pings, rules = city
    expected = by_sql(pings, rules)
    assert {block for block, _, _ in expected} == {0, 1}
    assert by_kernel(pings, rules) == expected
