"""Nothing in a published folder is about one device: no column, no key, no value that could name one."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from flockwise import artifact as fa
from flockwise import record

_spec = importlib.util.spec_from_file_location("_made", Path(__file__).parent / "_made.py")
made: Any = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]  # the file is there
_spec.loader.exec_module(made)  # type: ignore[union-attr]  # the same

ALLOWED = {
    "zones": ["level", "cell", "parent", "lat", "lon", "area_cut", "geometry"],
    "presence": ["level", "cell", "slot_start", "devices", "lower", "upper", "status", "unbiased", "geometry"],
    "typical_day": ["level", "cell", "slot", "slot_label", "days", "devices", "lower", "upper", "status", "unbiased", "geometry"],
    "flows": ["level", "origin", "destination", "slot", "slot_label", "trips", "lower", "upper", "unlisted", "status", "geometry"],
    "margins": [
        "level",
        "cell",
        "slot",
        "slot_label",
        "departures",
        "departures_lower",
        "departures_upper",
        "departures_unlisted",
        "arrivals",
        "arrivals_lower",
        "arrivals_upper",
        "arrivals_unlisted",
        "geometry",
    ],
}
TABLES = ALLOWED.keys() - {"typical_day"}  # the release made by hand is of one day
SUSPECT = re.compile(
    r"device(?!s\b)|person|user|uid|maid|idfa|gaid|ad_id|advertis|phone|imei|imsi|hash|pseudonym|ping|stay|trajectory|(^|_)id(_|$)|home|work", re.IGNORECASE
)
# "unit": "device" and the like speak of the promise; the names of keys must not speak of one.
ALLOWED_KEYS = {"unit"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("published") / "r"
    tables = made.tables()
    fa.write(place, tables, (c := made.certificate(tables["presence"], tables["flows"])), made.texts(c))
    return place


def keys(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield key
            yield from keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys(value)


def test_the_tables_have_the_allowed_columns_and_no_others(folder: Path):
    assert {kind: schema.names for kind, schema in fa.SCHEMAS.items()} == ALLOWED
    for columns in ALLOWED.values():
        assert not [c for c in columns if SUSPECT.search(c)]
    for kind in TABLES:
        assert pq.read_schema(folder / f"{kind}.parquet").names == ALLOWED[kind]
    assert {p.name for p in folder.iterdir()} == {f"{k}.parquet" for k in TABLES} | {"certificate.json", "README.txt", "SHA256SUMS", *record.FILES}


def test_no_key_of_the_certificate_or_its_schema_names_a_person(folder: Path):
    found = set(keys(json.loads((folder / "certificate.json").read_text())))
    schema = fa.certificate_schema()
    found |= set(schema["properties"]) | {key for part in schema["$defs"].values() for key in part["properties"]}
    assert not {k for k in found - ALLOWED_KEYS if SUSPECT.search(k)}


def test_hidden_metadata_of_the_tables_says_nothing_more(folder: Path):
    for kind in TABLES:
        meta = pq.read_metadata(folder / f"{kind}.parquet")
        assert set(meta.metadata) == {b"geo", b"ARROW:schema"}
        assert not pq.read_schema(folder / f"{kind}.parquet").pandas_metadata


def test_no_public_function_takes_or_gives_a_person():
    for name in fa.__all__:
        thing = getattr(fa, name)
        if callable(thing) and not isinstance(thing, type):
            assert not [p for p in inspect.signature(thing).parameters if SUSPECT.search(p)], name
        if isinstance(thing, type):
            assert not [n for n in dir(thing) if not n.startswith("_") and SUSPECT.search(n)], name
