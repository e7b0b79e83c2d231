"""A disk that is full or read-only at every moment of an ingest, a deletion, a change of keys, a purge and a release (RULES.md, rows 6 and 17).

Each ends with a code of ours; the state is that of before or of after; nothing lies in the clear; and the same command again, on a whole disk, is done.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.disk import FAULTS, Fault, failing, mounted
from tests.unit.store._made import by_base

from flockwise import api, config, trail
from flockwise.errors import FlockwiseError
from flockwise.store import Store, keys

START = date(2026, 5, 4)
BOX = (-74.02, 40.70, -73.90, 40.80)
CODES = {
    *("STORE_WRITE", "STORE_LEFTOVER", "SUPPRESSION_WRITE", "TRAIL_NOT_WRITABLE"),
    *("LEDGER_NOT_WRITABLE", "LEDGER_COMMIT_UNKNOWN", "LEDGER_WITNESS_UNUSABLE", "LEDGER_UNREACHABLE", "LEDGER_OUTPUT_WRITE", "ARTIFACT_WRITE"),
}
OURS = ("*.store", "*.suppressed", "*.ledger*", "*.trail", "*.quarantine", "tmp", "*.key", "old")


@dataclass(frozen=True)
class Place:
    """A study with one delivery in its store, and another that waits."""

    root: Path

    @property
    def study(self) -> Path:
        return self.root / "study.toml"

    def stored(self) -> Any:
        """What the store holds, by names that outlive a change of keys; or why it can't be read."""
        try:
            return by_base(Store.open(config.load(self.study)))
        except FlockwiseError as error:
            return error.code

    def charges(self) -> int:
        return len(api.ledger(self.study).facts["entries"]) if (self.root / "faults.ledger").exists() else 0

    def files(self) -> list[Path]:
        """Every file of ours: whatever a command may write but the published folder."""
        return [p for pattern in OURS for found in self.root.glob(pattern) for p in (found.rglob("*") if found.is_dir() else [found]) if p.is_file()]


def ingesting(place: Place) -> None:
    api.ingest(place.study, [str(place.root / "second.parquet")])


def forgetting(place: Place) -> None:
    api.forget(place.study, str(place.root / "list.csv"), received=date(2026, 6, 1))


def rotating(place: Place) -> None:
    api.rotate(place.study, place.root / "old")


def renewing(place: Place) -> None:
    api.rotate(place.study, place.root / "old", data=True)


def purging(place: Place) -> None:
    api.purge(place.study, early=True)


def releasing(place: Place) -> None:
    api.release(place.study, place.root / "published")


CHANGES = (ingesting, forgetting, rotating, renewing, purging, releasing)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two deliveries of 40 devices in a small region, the first of them ingested. Never changed."""
    root = tmp_path_factory.mktemp("whole")
    api.simulate(root / "world", devices=40, start=START, days=1, seed=7)
    west, south, east, north = BOX
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    (root / "region.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    table = pa.concat_tables([pq.read_table(p) for p in sorted((root / "world" / "pings").glob("*.parquet"))])
    halves = np.arange(len(table)) % 2 == 0
    pq.write_table(table.filter(pa.array(halves)), root / "first.parquet")
    pq.write_table(table.filter(pa.array(~halves)), root / "second.parquet")
    api.init(
        root / "study.toml",
        name="Faults",
        pings=root / "first.parquet",
        region=root / "region.geojson",
        start=START,
        days=1,
        timezone="America/New_York",
        purpose="transport-planning",
        supplier=root / "world" / "supplier.toml",
        places=root / "world" / "places.parquet",
    )
    api.places_review(root / "study.toml", "a test")
    (root / "tmp").mkdir()
    place = Place(root)
    text = place.study.read_text(encoding="utf-8")
    assert "panel_bound = 100000" in text
    text = text.replace("panel_bound = 100000", "panel_bound = 1000")  # few buckets, so that every step can be tried
    start, end = text.index('[[tables]]\nkind = "flows"'), text.index("# [engine]")
    place.study.write_text((text[:start] + text[end:]).replace('weight = "3/4"', 'weight = "1"'), encoding="utf-8")
    api.ingest(place.study, [str(root / "first.parquet")])
    gone = table["device_id"].unique().to_pylist()[:5]
    (root / "list.csv").write_text("id\n" + "\n".join(str(i) for i in gone) + "\n")
    return place


@pytest.fixture
def fresh(whole: Place, tmp_path: Path) -> Callable[[str, Callable[[Place], None]], Place]:
    """Copies of the study; where keys are to change, a new key is named and the old one put aside."""

    def copy(name: str, change: Callable[[Place], None]) -> Place:
        place = Place(tmp_path / name)
        shutil.copytree(whole.root, place.root)
        if change in (rotating, renewing):
            key = config.load(place.study).store.key
            Path(key).rename(place.root / "old")
            keys.create(Path(key))
        return place

    return copy


def needles(place: Place) -> list[bytes]:
    """What must not lie in the clear: identifiers, pseudonyms, times and places, as they stand in memory, in Parquet and in text."""
    table = pa.concat_tables([pq.read_table(place.root / n) for n in ("first.parquet", "second.parquet")])
    ids = [int(i) for i in table["device_id"].unique().to_pylist()]
    found = [i.to_bytes(8, order, signed=True) for i in ids for order in ("little", "big")] + [str(i).encode() for i in ids]
    vault = Store.open(config.load(place.study))
    rows = pa.concat_tables([vault.read(b) for b in vault.buckets()])
    for name in ("device_hi", "device_lo", "t_us"):
        found += [v.to_bytes(8, "little", signed=True) for v in rows[name].unique().to_pylist()[:400]]
    pairs = zip(rows["lat_e6"].to_pylist()[:400], rows["lon_e6"].to_pylist()[:400], strict=True)
    return found + [first.to_bytes(4, "little", signed=True) + then.to_bytes(4, "little", signed=True) for a, b in pairs for first, then in ((a, b), (b, a))]


def in_the_clear(place: Place, clear: list[bytes]) -> list[str]:
    """Names of files that hold any of it. Values that Parquet writes one after the other are found wherever they stand."""
    contents = {p.name: p.read_bytes() for p in place.files()}
    return [name for name, content in contents.items() if any(n in content for n in clear)]


def test_the_scan_finds_what_is_planted(whole: Place, tmp_path: Path) -> None:
    clear = needles(whole)
    assert whole.files()
    assert in_the_clear(whole, clear) == []
    place = Place(tmp_path / "planted")
    shutil.copytree(whole.root, place.root)
    vault = Store.open(config.load(place.study))
    table = next(t for t in (vault.read(b) for b in vault.buckets()) if len(t))
    for n, column in enumerate(("device_hi", "device_lo", "t_us")):
        pq.write_table(table.select([column]), place.root / "tmp" / f"{n}.parquet", compression="none")
        assert in_the_clear(place, clear) == [f"{i}.parquet" for i in range(n + 1)] or n
        assert f"{n}.parquet" in in_the_clear(place, clear)
    packed = np.stack([table["lon_e6"].to_numpy(), table["lat_e6"].to_numpy()], axis=1).tobytes()
    (place.root / "tmp" / "spill").write_bytes(packed)
    assert "spill" in in_the_clear(place, clear)


def check(place: Place, change: Callable[[Place], None], old: Any, new: Any) -> None:
    """The state is that of before or of after, and the command, run again, comes to the state of after."""
    between = place.stored()
    if change in (rotating, renewing) and between not in (old, new):
        assert between == "STORE_OTHER_STUDY"  # the list is under the new key, the store not yet: said, and mended by the same command
    else:
        assert between in (old, new)
    published = place.root / "published"
    if published.exists():
        api.verify(published)
    assert place.charges() <= 1
    change(place)
    assert place.stored() == new
    assert list((place.root / "faults.store" / "staging").iterdir()) == []
    assert len(list((place.root / "faults.store" / "segments").iterdir())) == {purging: 0, ingesting: 2}.get(change, 1)
    study = config.load(place.study)
    assert study.trail is not None
    trail.verify(study.trail.path)
    if change is releasing:
        api.verify(published)
        assert 1 <= place.charges() <= 2  # an output that was lost after its charge is drawn anew under a new charge
    assert not [p for p in place.files() if p.name.endswith(".part") and p.parent.name != "faults.ledger.outputs"]  # there: noise under a charge that was spent


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("flags", ["ro", "size"])
def test_a_real_disk_that_is_read_only_or_full(
    change: Callable[[Place], None], flags: str, whole: Place, fresh: Callable[[str, Callable[[Place], None]], Place], tmp_path: Path
) -> None:
    """On a small file system of its own where this machine permits mounts; elsewhere the kernel's refusal of the same calls from the start stands for it."""
    clear, source, disk = needles(whole), fresh("source", change), tmp_path / "disk"
    old = source.stored()
    disk.mkdir()
    place = Place(disk)

    def fill() -> None:
        shutil.copytree(source.root, disk, dirs_exist_ok=True)
        if flags == "size":
            with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 12))

    def after() -> None:
        (disk / "filler").unlink(missing_ok=True)
        assert in_the_clear(place, clear) == []
        assert place.stored() == old
        assert not (disk / "published").exists()
        change(place)
        check(place, change, place.stored(), place.stored())

    ended = mounted(partial(change, place), at=str(disk), before=fill, readonly=flags == "ro", after=after)
    if ended is None:
        stand_in = failing(partial(change, source), "readonly" if flags == "ro" else "full", 0)
        assert stand_in.code in CODES
        assert source.stored() == old
        assert in_the_clear(source, clear) == []
    else:
        assert ended.code in CODES, ended


@pytest.mark.rule(6)
@pytest.mark.rule(17)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("change", CHANGES)
def test_a_disk_that_fails_at_every_step(
    change: Callable[[Place], None], fault: Fault, whole: Place, fresh: Callable[[str, Callable[[Place], None]], Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    clear = needles(whole)
    change(fresh("warm", change))  # loads everything: afterwards every child takes the same steps
    last = fresh("last", change)
    old = last.stored()
    ended = failing(partial(change, last), fault, -1)
    assert (ended.code, ended.told) == ("", "")
    assert ended.steps > 8
    new, codes = last.stored(), set()
    print(change.__name__, fault, ended.steps)
    # A release takes long: each of its steps meets one of the faults. All with all were run once.
    steps = range(FAULTS.index(fault), ended.steps + 1, len(FAULTS)) if change is releasing else range(ended.steps + 1)
    for n in steps:
        place = fresh(str(n), change)
        monkeypatch.setattr(tempfile, "tempdir", str(place.root / "tmp"))
        found = failing(partial(change, place), fault, n)
        assert found.code in CODES | {""}, (n, found)
        codes.add(found.code)
        assert in_the_clear(place, clear) == []
        check(place, change, old, new)
        shutil.rmtree(place.root)
    print(codes)
    assert len(codes) > 1
