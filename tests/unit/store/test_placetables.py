"""The tables that the store keeps of the list of sensitive places: made once, and no other table is ever taken for one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.store._listed import CLINIC, MOSQUE, delivery, listed
from tests.unit.store._made import order

from flockwise.config import Study
from flockwise.governance import places
from flockwise.store import Store
from flockwise.store.placetables import TABLES
from flockwise.store.sealing import ParcelSeal


def taken_in(vault: Store, source: str) -> tuple[int, int]:
    """How many were stored, and how many cut."""
    report = vault.ingest([source], order, places.reviewed(vault._study))
    return report.stored, report.refused.get("sensitive_place", 0)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one whenever tables are made."""
    found: list[str] = []
    plain = places.suppression

    def counted(of: Study, current: places.Current, **more: bool) -> places.Suppression:
        found.append(current.digest)
        return plain(of, current, **more)

    monkeypatch.setattr(places, "suppression", counted)
    return found


def test_tables_are_made_once_for_a_list(tmp_path: Path, builds: list[str]) -> None:
    made = listed(tmp_path, [CLINIC])
    assert taken_in(Store.create(made), delivery(tmp_path / "a.parquet")) == (2, 1)
    assert taken_in(Store.open(made), delivery(tmp_path / "b.parquet")) == (2, 1)
    assert len(builds) == 1
    assert (tmp_path / "store" / TABLES).stat().st_mode & 0o777 == 0o600
    made = listed(tmp_path, [CLINIC, MOSQUE])
    assert Store.open(made).cut()  # by tables of its own, for positions as they are stored
    builds.pop()
    assert taken_in(Store.open(made), delivery(tmp_path / "c.parquet")) == (1, 2)
    assert len(builds) == 2


def _another_key(kept: Path, made: Study, data: bytes) -> None:
    """Tables without any place, under the right name and a key of the attacker's own."""
    found = places.required(made)
    empty = places.Suppression(found.digest, places.PlaceIndex.build(np.array([], object), [], places.Extent.of(made.area)), None)
    kept.write_bytes(ParcelSeal(bytes(64)).seal(places.packed(empty), places.table_name(found.digest, made.area)))


def _flipped(kept: Path, made: Study, data: bytes) -> None:
    kept.write_bytes(data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])


def _plain(kept: Path, made: Study, data: bytes) -> None:
    kept.write_bytes(places.packed(places.suppression(made, places.required(made))))


def _folder(kept: Path, made: Study, data: bytes) -> None:
    kept.unlink()
    kept.mkdir()


DOCTORED: dict[str, Callable[[Path, Study, bytes], Any]] = {
    "another key": _another_key,
    "a bit": _flipped,
    "not sealed": _plain,
    "cut off": lambda kept, made, data: kept.write_bytes(data[:-1]),
    "empty": lambda kept, made, data: kept.write_bytes(b""),
    "short": lambda kept, made, data: kept.write_bytes(b"abc"),
    "gone": lambda kept, made, data: kept.unlink(),
    "a folder": _folder,
}


@pytest.mark.rule(9)
@pytest.mark.parametrize("how", DOCTORED)
def test_doctored_tables_let_no_ping_through(tmp_path: Path, builds: list[str], how: str) -> None:
    made = listed(tmp_path, [CLINIC])
    taken_in(Store.create(made), delivery(tmp_path / "a.parquet"))
    kept = tmp_path / "store" / TABLES
    DOCTORED[how](kept, made, kept.read_bytes())
    builds.clear()
    assert taken_in(Store.open(made), delivery(tmp_path / "b.parquet")) == (2, 1)
    assert len(builds) == 1


@pytest.mark.rule(9)
def test_tables_of_another_list_region_or_store_let_no_ping_through(tmp_path: Path, builds: list[str]) -> None:
    old = listed(tmp_path / "one", [])
    taken_in(Store.create(old), delivery(tmp_path / "a.parquet"))
    kept = tmp_path / "one" / "store" / TABLES
    before = kept.read_bytes()
    made = listed(tmp_path / "one", [CLINIC])
    Store.open(made).cut()
    kept.write_bytes(before)  # once sealed by this very store, for the list as it was
    assert taken_in(Store.open(made), delivery(tmp_path / "b.parquet")) == (2, 1)
    other = listed(tmp_path / "two", [CLINIC])
    vault = Store.create(other)
    (tmp_path / "two" / "store" / TABLES).write_bytes(kept.read_bytes())
    builds.clear()
    assert taken_in(vault, delivery(tmp_path / "c.parquet")) == (2, 1)
    assert len(builds) == 1


def test_an_ingest_goes_on_if_the_tables_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes, mode: int) -> None:
        raise OSError(28, "no room")

    made = listed(tmp_path, [CLINIC])
    monkeypatch.setattr("flockwise.store.placetables.write_durably", full)
    assert taken_in(Store.create(made), delivery(tmp_path / "a.parquet")) == (2, 1)
    assert not (tmp_path / "store" / TABLES).exists()
