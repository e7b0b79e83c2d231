"""Neighbouring deliveries: whatever one device's rows say, what is stored of all others stays the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.governance._records import record
from tests.unit.store._made import START_US, order, pings, rows, study, write

from flockwise.config import SupplierSpec
from flockwise.store import Store, keys

OTHERS, DEVICES = 60, 8
COLUMNS = {
    "consent": "agreed",
    "consent_text": "text",
    "purposes": "for",
    "withdrawn": "gone",
    "opt_out": "out",
    "consent_basis": None,
    "time_format": "iso8601",
}
TIMES = st.sampled_from(
    ["", "2026-03-02T10:00:00Z", "2026-03-03T23:59:59.999999Z", "1969-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "never", "\x00", "true", "false"]
)
WORDS = st.sampled_from(["", "1", "2", "transport-planning", "transport-planning;x", "advertising", ";;;", "\x00" * 40, "1" * 3000])
TRUTHS = st.sampled_from(["true", "false", "", "maybe", "2026-03-01T00:00:00Z"])
NUMBERS = st.sampled_from(["40.7", "-74.0", "", "nan", "inf", "-0", "1e400", "91", "x"])
ROW = st.tuples(TIMES, NUMBERS, NUMBERS, TIMES, WORDS, WORDS, TRUTHS, TRUTHS)


def delivery(extra: list[tuple[str, ...]]) -> pa.Table:
    """Good rows of some devices, and the rows of one more."""
    good = pings(OTHERS, devices=DEVICES)
    times = [str(t) + "Z" for t in np.datetime_as_string(good["ts"].cast(pa.int64()).to_numpy().astype("M8[us]"))]
    body: list[tuple[Any, ...]] = [
        (str(d), t, repr(lat), repr(lon), "2025-12-01T00:00:00Z", "1", "transport-planning", "", "false")
        for d, t, lat, lon in zip(good["device_id"].to_pylist(), times, good["lat"].to_pylist(), good["lon"].to_pylist(), strict=True)
    ]
    body += [("4242424242", *row) for row in extra]
    return pa.table({name: [row[k] for row in body] for k, name in enumerate(["device_id", "ts", "lat", "lon", "agreed", "text", "for", "gone", "out"])})


@pytest.mark.rule(2)
@pytest.mark.rule(3)
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(extra=st.lists(ROW, min_size=1, max_size=12))
def test_no_row_of_one_device_changes_what_is_stored_of_others(extra: list[tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory) -> None:
    found = []
    folder = tmp_path_factory.mktemp("neighbours")
    made = study(folder, purpose="transport-planning", input=COLUMNS)
    keys.create(made.store.key)
    for name, more in (("with", extra), ("without", [])):
        own = made.model_copy(
            update={"supplier": SupplierSpec(file=record(folder), grace_days=30), "store": made.store.model_copy(update={"path": Path(folder / name)})}
        )
        vault = Store.create(own)
        report = vault.ingest([write(delivery(more), folder / f"{name}.parquet")], order)
        assert report.rows_read == OTHERS + len(more)
        found.append(vault)
    kept, alone = (rows(vault) for vault in found)
    assert len(alone) == OTHERS
    assert min(row[2] for row in alone) >= START_US
    # Each store has a window key of its own, so that the same device has other pseudonyms: what is compared is all the rest.
    assert {row[2:] for row in alone} <= {row[2:] for row in kept}
    others = {row[2:] for row in alone}
    more_rows = [row[:2] for row in kept if row[2:] not in others]
    assert len(set(more_rows)) <= 1  # the device itself, and nobody else
    assert len(kept) - len(alone) == len(more_rows)
