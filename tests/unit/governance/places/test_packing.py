from __future__ import annotations

import hashlib
from dataclasses import fields
from datetime import date
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise.base.region import Region
from flockwise.governance.places import Listing, PlaceIndex, Suppression, packed, packing, table_name, unpacked
from flockwise.governance.places.extent import Extent
from flockwise.governance.places.listing import LIST

LAT, LON = 40.7, -74.0


def area(rings: int = 3) -> Region:
    return Region.from_cells(h3.grid_disk(h3.latlng_to_cell(LAT, LON, 7), rings), 7)


def tables(n: int, seed: int, *, timed: bool) -> Suppression:
    rng, extent = np.random.default_rng(seed), Extent.of(area())
    at = shapely.points(LON + rng.uniform(-0.05, 0.05, n), LAT + rng.uniform(-0.05, 0.05, n))
    rally = PlaceIndex.build(at[:2], [610] * len(at[:2]), extent, np.full((len(at[:2]), 2), (5, 9)))
    return Suppression("d", PlaceIndex.build(at, [610] * n, extent), rally if timed else None)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 12), st.integers(0, 2**32 - 1), st.booleans())
def test_tables_are_the_same_after_packing(n: int, seed: int, timed: bool) -> None:
    made = tables(n, seed, timed=timed)
    found = unpacked(packed(made), "d")
    assert (found.gatherings is not None) == timed
    for old, new in ((made.places, found.places), (made.gatherings, found.gatherings)):
        for field in fields(PlaceIndex) if old is not None else ():
            a, b = np.asarray(getattr(old, field.name)), np.asarray(getattr(new, field.name))
            assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
            assert not b.ndim or not isinstance(getattr(new, field.name), np.ndarray) or b.flags.writeable  # else kernels are compiled once more
    rng = np.random.default_rng(seed)
    lat, lon = (np.rint((v + rng.uniform(-0.06, 0.06, 500)) * 1e6).astype(np.int32) for v in (LAT, LON))
    t = rng.integers(0, 12, 500)
    assert (made(lat, lon, t) == found(lat, lon, t)).all()


def test_bytes_that_are_no_tables_are_refused() -> None:
    good = packed(tables(3, 1, timed=False))
    for bad in (b"", good[:-1], good + b"x", good[:200], b"\x00" * 500):
        with pytest.raises(ValueError):  # noqa: PT011  NumPy's own, with many texts
            unpacked(bad, "d")


def test_a_table_is_named_by_all_that_it_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {table_name("a", area()), table_name("b", area()), table_name("a", area(4))}
    assert table_name("a", area()) in names
    assert {len(n) for n in names} == {32}
    monkeypatch.setattr(packing, "_made_with", lambda: "another version")
    assert len(names | {table_name("a", area())}) == 4


def test_every_module_that_tables_are_made_with_is_named() -> None:
    imported = {"packing.py", "current.py"}
    folder = packing.Path(packing.__file__).parent
    waiting = ["current.py"]
    while waiting:
        text = (folder / waiting.pop()).read_text()
        for path in folder.glob("*.py"):
            if f"flockwise.governance.places.{path.stem} import" in text and path.name not in imported:
                imported.add(path.name)
                waiting.append(path.name)
    # What says which places there are is in the list's digest; tags and reviews change no table.
    assert imported - {"listing.py", "tags.py"} == set(packing._SOURCES)


TEXT = st.text(max_size=20)


@settings(max_examples=50)
@given(st.lists(st.tuples(TEXT, st.integers(610, 20_000), st.binary(max_size=60)), max_size=20), st.integers(1, 7), st.integers(0, 3))
def test_the_digest_is_that_of_each_value_after_its_length(rows: list[tuple[str, int, bytes]], at_once: int, skipped: int) -> None:
    plain = hashlib.sha256()
    columns: list[list[Any]] = [list(c) for c in zip(*rows[skipped:], strict=True)] or [[], [], []]
    for values in columns:
        for value in values:
            raw = value if isinstance(value, bytes) else str(value).encode()
            plain.update(len(raw).to_bytes(8, "big") + raw)
    table = pa.Table.from_arrays([pa.array([r[k] for r in rows], f.type) for k, f in enumerate(LIST)], schema=LIST).slice(skipped)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flockwise.governance.places.listing.AT_ONCE", at_once)
        assert Listing(table, (), date.min).digest == plain.hexdigest()
