"""Purposes, consent texts and withdrawal on their way from the supplier's columns to the door."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.store._made import SIMULATED, START_US, US, order, pings, rows, study, write

from flockwise.governance import REASONS, ConsentTexts
from flockwise.governance.consent import UNKNOWN_TEXT
from flockwise.store import Store, keys
from flockwise.store.columns import Reader
from flockwise.store.pseudonym import Pseudonyms


def store(folder: Path, **columns: str | None) -> Store:
    made = study(folder, input=columns)
    keys.create(made.store.key)
    return Store.create(made)


def read(folder: Path, column: pa.Array[Any], meaning: str, texts: ConsentTexts | None = None) -> Any:
    """The rows of a batch with one more column."""
    table = pings(len(column)).append_column(meaning, column)
    mapping = study(folder, input={meaning: meaning, "consent": "agreed" if meaning == "consent_text" else None}).input
    table = table.append_column("agreed", pa.array([True] * len(column)))
    reader = Reader(mapping, None, Pseudonyms("integer", window=bytes(32), marks=bytes(32), dataset=bytes(32)), "public-health", texts)
    return reader.read(table.combine_chunks().to_batches()[0])


WORDS = ["public-health", "transport-planning; public-health", "transport-planning", "", None, "PUBLIC-HEALTH|academic-research"]
FIT = [True, True, False, False, False, True]


@pytest.mark.rule(2)
@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string()), pa.list_(pa.string()), pa.large_list(pa.string()), "words", "null"],
    ids=str,
)
def test_purposes_in_every_type(kind: Any, tmp_path: Path) -> None:
    if kind == "null":
        column, expected = pa.nulls(6), [False] * 6
    elif kind == "words":
        lists = [None if w is None else [p.strip() for p in w.replace("|", ";").split(";")] for w in WORDS]
        column, expected = pa.array(lists, pa.list_(pa.dictionary(pa.int8(), pa.string()))), FIT
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        column, expected = pa.array([None if w is None else [p.strip() for p in w.replace("|", ";").split(";")] for w in WORDS], kind), FIT
    else:
        column, expected = pa.array(WORDS, pa.string()).cast(kind), FIT
    # A slice of a longer array: offsets do not begin at nought.
    column = pa.concat_arrays([column, column])[6:]
    assert read(tmp_path, column, "purposes").rows.purpose_fits.tolist() == expected


@pytest.mark.rule(2)
@pytest.mark.parametrize("kind", [pa.string(), pa.binary(), pa.dictionary(pa.int32(), pa.string()), pa.int64()], ids=str)
def test_consent_texts_in_every_type(kind: Any, tmp_path: Path) -> None:
    texts = ConsentTexts.of([("1", date(2025, 1, 1), None, True), ("2", date(2025, 1, 1), None, True)])
    column = pa.array(["2", "1", "3", None], pa.string()).cast(kind) if kind != pa.int64() else pa.array([2, 1, 3, None], kind)
    assert read(tmp_path, column, "consent_text", texts).rows.consent_text.tolist() == [1, 0, UNKNOWN_TEXT, UNKNOWN_TEXT]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([True, False, None]),
        pa.array([START_US, None, None], pa.timestamp("us", "UTC")),
        pa.array(["yes", "no", None]),
        pa.array(["2020-01-01T00:00:00Z", "", None]),
        pa.array([1, 0, None]),
    ],
    ids=lambda c: str(c.type),
)
def test_withdrawal_in_every_type(column: pa.Array[Any], tmp_path: Path) -> None:
    made = read(tmp_path, column, "withdrawn")
    assert made.rows.withdrawn.tolist() == [True, False, False]
    assert made.leaving.tolist() == [REASONS.index("withdrawn"), 0, 0]
    assert not made.rows.problems.any()


@pytest.mark.rule(2)
def test_a_withdrawal_on_any_row_takes_all_rows_of_the_device_from_all_deliveries(tmp_path: Path) -> None:
    vault = store(tmp_path, withdrawn="gone")
    first = pings(400, devices=10)
    vault.ingest([write(first.append_column("gone", pa.array([False] * 400)), tmp_path / "a.parquet")], order, SIMULATED)
    ids = first["device_id"].to_numpy()
    leaver = ids[7]
    later = pings(50, devices=10, seed=1).set_column(0, "device_id", pa.array(np.resize(np.unique(ids), 50)))
    out = np.zeros(50, bool)
    out[np.flatnonzero(later["device_id"].to_numpy() == leaver)[0]] = True

    report = vault.ingest([write(later.append_column("gone", pa.array(out)), tmp_path / "b.parquet")], order, SIMULATED)

    assert dict(report.refused) == {"withdrawn": 5}
    assert len(rows(vault)) == int((ids != leaver).sum()) + 45
    again = vault.ingest([write(first.append_column("gone", pa.nulls(400)), tmp_path / "c.parquet")], order, SIMULATED)
    assert dict(again.refused) == {"withdrawn": int((ids == leaver).sum())}


def test_a_consent_too_far_off_to_be_a_time_is_no_consent(tmp_path: Path) -> None:
    vault = store(tmp_path, consent="agreed", consent_basis=None, time_format="s")
    table = pings(2).append_column("agreed", pa.array([9_000_000_000_000_000_000, START_US // US]))
    table = table.set_column(1, "ts", pa.array([START_US // US + 5] * 2))

    report = vault.ingest([write(table, tmp_path / "a.parquet")], order, SIMULATED)

    assert (report.stored, dict(report.refused)) == (1, {"bad_value": 1})
