"""Neighbouring deliveries: whatever one device's rows say, what is stored of all others stays the same."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.governance._records import record
from tests.unit.store._made import INPUT, SIMULATED, START_US, US, order, pings, rows, study, write

from flockwise.config import Input, SupplierSpec
from flockwise.governance import ConsentTexts
from flockwise.store import Store, keys
from flockwise.store.columns import Batch, Reader, WallClock
from flockwise.store.pseudonym import Pseudonyms

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
        report = vault.ingest([write(delivery(more), folder / f"{name}.parquet")], order, SIMULATED)
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


NIL = "00000000-0000-0000-0000-000000000000"
IDS = [
    "a",
    "",
    "0" * 32,
    "{" + NIL + "}",
    "urn:uuid:" + NIL,
    NIL,
    " " + NIL,
    "x" * 36,
    "X" * 300,
    "-7",
    "18446744073709551615",
    "00000000-0000-0000-0000-0000000000AB",
    "\x00",
]
STAMPS = [
    "",
    "0",
    "1772409600000000",
    "-1",
    "1e300",
    "2026-03-02T10:00:00Z",
    "2026-03-02 10:00",
    "9" * 30,
    "nan",
    "+1234567890123456789012",
    "2026-03-29T02:30",
]
NUMERIC = ["", "40.7", "+40.70000000000000000001", "1e400", "-1e-400", "inf", "nan", "1" * 400, ".5", "5.", "x", "0x1"]
SAID = ["", "true", "0", "maybe", "2026-03-01T00:00:00Z", "1772409600000000", "-5", "1e300"]
WHOLE = [None, 0, 1, 2, -1, 1 << 62, -(1 << 63)]
DOUBLES = [None, 0.0, 40.7, float("nan"), float("inf"), 1e300, -0.0]


def _texts(values: list[str]) -> st.SearchStrategy[pa.Array]:
    return st.lists(st.sampled_from([*values, None]), min_size=1, max_size=9).map(lambda v: pa.array(v, pa.string()))


def _typed(values: list[Any], kind: pa.DataType) -> st.SearchStrategy[pa.Array]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=9).map(lambda v: pa.array(v, kind))


COLUMNS_OF = {
    "device_id": st.one_of(_texts(IDS), _typed([None, 5, -1, (1 << 63) - 1], pa.int64())),
    "ts": st.one_of(_texts(STAMPS), _typed(WHOLE, pa.int64()), _typed(DOUBLES, pa.float64()), _typed(WHOLE, pa.timestamp("ns"))),
    "lat": st.one_of(_texts(NUMERIC), _typed(DOUBLES, pa.float64()), _typed([None, 1, 91], pa.int8())),
    "lon": st.one_of(_texts(NUMERIC), _typed(DOUBLES, pa.float32())),
    "accuracy": st.one_of(_texts(NUMERIC), _typed(DOUBLES, pa.float64())),
    "agreed": st.one_of(_texts(SAID), _typed(WHOLE, pa.int64()), _typed([None, True, False], pa.bool_()), _typed(WHOLE, pa.timestamp("us"))),
    "gone": st.one_of(_texts(SAID), _typed(WHOLE, pa.int64()), _typed([None, True, False], pa.bool_())),
    "out": st.one_of(_texts(SAID), _typed([None, 0, 1, 7], pa.int64()), _typed([None, True, False], pa.bool_())),
    "text": st.one_of(_texts(["1", "2", "x" * 5000]), _typed([None, 1, 2, 3], pa.int64())),
    "for": st.one_of(
        _texts(["transport-planning", " Transport-Planning;x", ";;", ""]),
        _typed([None, [], ["transport-planning"], ["x", None]], pa.list_(pa.string())),
    ),
}
SHORTEST = st.fixed_dictionaries(COLUMNS_OF).map(lambda c: (n := min(len(a) for a in c.values()), {k: a.slice(len(a) - n) for k, a in c.items()})[1])


def _one(device: list[str]) -> dict[str, pa.Array]:
    """A delivery of which only the identifiers matter."""
    plain = {"ts": "2026-03-02T10:00:00Z", "lat": "40.7", "lon": "-74", "accuracy": "5", "agreed": "true", "gone": "", "out": "", "text": "1", "for": "x"}
    return {"device_id": pa.array(device), **{name: pa.array([value] * len(device)) for name, value in plain.items()}}


@settings(deadline=None, max_examples=200)
@example(columns=_one(["0" * 32, "x" * 36]), kind="text", form="iso8601")
@example(columns=_one(["{" + NIL + "}", "X" * 300]), kind="text", form="iso8601")
@given(columns=SHORTEST, kind=st.sampled_from(["text", "integer", "uuid"]), form=st.sampled_from(["s", "us", "iso8601"]))
def test_a_row_is_read_alike_alone_and_among_others(columns: dict[str, pa.Array], kind: str, form: str) -> None:
    """Whatever types and values a delivery has: what a row comes to is a function of that row."""
    if not (kind == "integer" or pa.types.is_string(columns["device_id"].type)) or (form == "iso8601" and pa.types.is_integer(columns["ts"].type)):
        return  # refused from the schema
    if form == "iso8601" and not (pa.types.is_string(columns["ts"].type) or pa.types.is_timestamp(columns["ts"].type)):
        return
    mapping = Input.model_validate(INPUT | COLUMNS | {"device_type": kind, "time_format": form, "accuracy": "accuracy", "time_zone": "Europe/Berlin"})
    names = Pseudonyms(kind, window=bytes(32), marks=bytes(32), dataset=bytes(32))
    texts = ConsentTexts(("1", "2"), np.array([0, START_US]), np.array([START_US, 1 << 61]), np.array([True, False]))
    reader = Reader(mapping, WallClock("Europe/Berlin", START_US, START_US + 30 * 86_400 * US), names, "transport-planning", texts)
    batch = pa.RecordBatch.from_pydict(columns)
    together = _as_rows(reader.read(batch))
    assert together == [row for i in range(batch.num_rows) for row in _as_rows(reader.read(batch.slice(i, 1)))]


def _as_rows(read: Batch) -> list[tuple[str, ...]]:
    """What a batch came to, row by row; bits of floats, so that no number is a number of its own."""
    n = len(read.high)
    nothing = np.zeros(n, np.bool_)
    parts = [read.high, read.low, nothing if read.leaving is None else read.leaving > 0, *(getattr(read.rows, f.name) for f in fields(read.rows))]
    return list(zip(*([str(v) for v in (nothing if part is None else part).tolist()] for part in parts), strict=True))
