"""Neighbouring stores: what is due, and with it what a release is refused for, does not depend on whether one device is there or what it said."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.store._made import SIMULATED, START_US, US, order, pings, store, write

from flockwise.base import clock
from flockwise.errors import RuleError
from flockwise.store import Store, due, require_nothing_due
from flockwise.store.manifest import Segment

INPUT = {"opt_out": "out"}
SOMEBODY = 4242


def somebody(*said: bool, inside: bool = True) -> pa.Table:
    """Rows of one device, each with what it says of tracking; in the region, or nowhere near."""
    plain = pings(len(said)).append_column("out", pa.array(said, pa.bool_()))
    place = plain if inside else plain.set_column(2, "lat", pa.array([-40.0] * len(said)))
    return place.set_column(0, "device_id", pa.array([SOMEBODY] * len(said))).set_column(
        1, "ts", pa.array([START_US + US] * len(said), plain.schema.field("ts").type)
    )


def others(n: int, seed: int) -> pa.Table:
    return pings(n, seed=seed).append_column("out", pa.array([False] * n))


def told(made: Store) -> list[str]:
    return [d.text() for d in due(made._study)]


@pytest.mark.rule(3)
def test_a_lone_opt_out_makes_nothing_due_that_was_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, the device that opted out was the reason for which releases were refused a month later."""
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 6, 1, tzinfo=UTC))
    found = []
    for name, says in (("with", True), ("without", False)):
        made = store(tmp_path / name, input=INPUT)
        made.ingest([write(pa.concat_tables([others(50, 1), somebody(False)]), tmp_path / name / "a.parquet")], order, SIMULATED)
        made.ingest([write(pa.concat_tables([others(50, 2), *([somebody(True)] if says else [])]), tmp_path / name / "b.parquet")], order, SIMULATED)
        found.append(made)
    assert told(found[0]) == told(found[1]) == ["forget by 2026-07-01", "purge by 2031-03-07"]
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 7, 2, tzinfo=UTC))
    for made in found:
        with pytest.raises(RuleError, match="FORGET_OVERDUE"):
            require_nothing_due(made._study)
        made.forget(None, clock.today())
        require_nothing_due(made._study)


def test_whether_the_only_device_was_stored_makes_nothing_due(tmp_path: Path) -> None:
    """The first delivery keeps one device's rows or none at all; the second carries somebody else's opt-out."""
    found = []
    for name, inside in (("with", True), ("without", False)):
        made = store(tmp_path / name, input=INPUT)
        made.ingest([write(somebody(False, inside=inside), tmp_path / name / "a.parquet")], order, SIMULATED)
        leaves = somebody(True).set_column(0, "device_id", pa.array([7]))
        made.ingest([write(leaves, tmp_path / name / "b.parquet")], order, SIMULATED)
        found.append(Store.open(made._study))
    assert [bool(made._manifest.segments) for made in found] == [True, False]
    assert told(found[0]) == told(found[1])


def test_which_list_of_places_a_store_was_cut_by_does_not_say_whether_anything_is_in_it(tmp_path: Path) -> None:
    made = store(tmp_path)
    full, empty = (made._manifest.with_delivery(segment, ["a" * 64], 0, "first") for segment in (_segment(), None))
    again = [manifest.with_delivery(None, ["b" * 64], 0, "second") for manifest in (full, empty)]
    assert [manifest.places for manifest in again] == ["first", "first"]


def _segment() -> Segment:
    return Segment("000001", ("0000.parquet",), ("a" * 64,))
