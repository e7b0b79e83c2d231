"""Deletion lists with bad rows: every other request is carried out, bad ones are counted, and a list that is damaged as a whole changes nothing."""

from __future__ import annotations

import gzip
import hashlib
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.store._made import content_of, study, write
from tests.unit.store._made import store as a_store

from flockwise.base import clock
from flockwise.errors import ConfigError, DataError
from flockwise.store import forget, keys
from flockwise.store.forgetting import Kind, read_list
from flockwise.store.pseudonym import Pseudonyms
from flockwise.store.suppression import Suppression

NAMES = {form: Pseudonyms(form, window=bytes(32), marks=bytes(32), dataset=bytes(32)) for form in ("integer", "text", "uuid")}
BAD = [b"x", b"1,2,3", b"\xff\xfe", b"", b"9" * 30, b'"a\nb"', b'"' + b"x\n" * (1 << 20) + b'"', b"\x00", b"1.5", b"=1+1", b"-", b"0x10", b'"1",']


def bases(path: Path, lines: list[bytes], form: str = "integer", kind: Kind = "ids") -> tuple[set[tuple[int, int]], int, int]:
    path.write_bytes(b"\n".join([b"id", *lines]) + b"\n")
    found = read_list(str(path), kind, form, NAMES[form])
    return set(zip(found.bases.high.tolist(), found.bases.low.tolist(), strict=True)), found.entries, found.unreadable


@pytest.mark.rule(7)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(good=st.lists(st.integers(1, 10**18), min_size=1, max_size=8, unique=True), bad=st.lists(st.tuples(st.integers(0, 8), st.sampled_from(BAD)), max_size=8))
def test_bad_rows_keep_no_good_one_off(good: list[int], bad: list[tuple[int, bytes]], tmp_path: Path) -> None:
    lines = [str(n).encode() for n in good]
    alone, entries, unreadable = bases(tmp_path / "good.csv", lines)
    assert (len(alone), entries, unreadable) == (len(good), len(good), 0)
    for at, line in bad:
        lines.insert(at, line)
    # An empty line is no row.
    rows = len(good) + sum(line != b"" for _, line in bad)
    assert bases(tmp_path / "mixed.csv", lines) == (alone, rows, rows - len(good))


def test_a_list_of_hashes_with_bad_rows(tmp_path: Path) -> None:
    hashes = [hashlib.sha256(bytes([k])).hexdigest().encode() for k in range(5)]
    alone, *_ = bases(tmp_path / "a.csv", hashes, "uuid", "hashed")
    mixed = [b"sha256", hashes[0], hashes[1].upper(), hashes[2][:-1], *hashes[2:], b"\xff" * 64, b"z" * 64, b"a,b"]
    assert bases(tmp_path / "b.csv", mixed, "uuid", "hashed") == (alone, 10, 5)


def test_an_identifier_of_any_bytes_is_the_same_in_a_list_as_in_a_delivery(tmp_path: Path) -> None:
    odd = [b"\xff\xfe", "é".encode(), b"a\xc3"]
    (tmp_path / "a.csv").write_bytes(b"id\n" + b"\n".join(odd) + b"\n")
    one = read_list(str(tmp_path / "a.csv"), "ids", "text", NAMES["text"])
    two = read_list(write(pa.table({"id": pa.array(odd, pa.binary())}), tmp_path / "a.parquet"), "ids", "text", NAMES["text"])
    assert one.unreadable == two.unreadable == 0
    assert one.bases.high.tolist() == two.bases.high.tolist()


@pytest.mark.rule(7)
def test_days_that_can_not_be_read_are_counted_and_the_earliest_that_can_be_read_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 6, 20, tzinfo=UTC))
    made = a_store(tmp_path)
    (tmp_path / "list.csv").write_text("id,received\n7,2026-06-10\n8,soon\n9,\n10,2026-06-05\nbad\n")
    facts = forget(made._study, str(tmp_path / "list.csv"))
    assert facts["entries_of_the_list"] == 5
    assert facts["entries_that_are_no_identifier"] == 1
    assert facts["entries_without_a_day"] == 3
    assert facts["received"] == "2026-06-05"
    (tmp_path / "list.csv").write_text("id,received\n7,soon\n8,never\n")
    with pytest.raises(DataError, match="FORGET_RECEIVED"):
        forget(made._study, str(tmp_path / "list.csv"))
    facts = forget(made._study, str(tmp_path / "list.csv"), received=date(2026, 6, 1))
    assert (facts["received"], facts["entries_without_a_day"]) == ("2026-06-01", 2)


def test_a_list_that_is_damaged_as_a_whole_changes_nothing(tmp_path: Path) -> None:
    made = a_store(tmp_path)
    whole = write(pa.table({"id": list(range(1, 5000))}), tmp_path / "whole.parquet")
    damaged = {
        "cut.parquet": Path(whole).read_bytes()[:-100],
        "turned.parquet": bytes(b ^ (0x55 if 2000 < i < 2100 else 0) for i, b in enumerate(Path(whole).read_bytes())),
        "cut.csv.gz": gzip.compress(b"id\n" + b"".join(b"%d\n" % n for n in range(100_000)))[:-2000],
        "quote.csv": b'id\n7\n8\n"9\n10\n',
        "words.csv": b"\xff\xff\n7\n",
        "zeros.csv": bytes(5 << 20),
    }
    before = content_of(made)
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError) as caught:
            forget(made._study, str(tmp_path / name))
        assert caught.value.code == "FORGET_BROKEN_LIST", name
        assert "Nothing was changed." in caught.value.state
    assert content_of(made) == before
    assert Suppression.open(made._study, keys.load(made._study.store.key)).number == 0


@pytest.mark.parametrize("column", [pa.array([[7]], pa.list_(pa.int64())), pa.array([{"id": 7}])])
def test_a_column_that_can_hold_no_identifier_is_refused_by_its_type(column: pa.Array, tmp_path: Path) -> None:
    made = study(tmp_path)
    keys.create(made.store.key)
    with pytest.raises(ConfigError, match="FORGET_COLUMN"):
        forget(made, write(pa.table({"id": column}), tmp_path / "list.parquet"))


def test_a_small_file_that_stands_for_gigabytes_is_read_in_little_memory(tmp_path: Path) -> None:
    """A text of 256 kB in each of 60,000 rows is 15 GB, of which the file holds one."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 60_000, pa.int32()), pa.array(["a" * (256 << 10)]))
    table = pa.concat_tables([pa.table({"id": texts.dictionary_encode()}), pa.table({"id": pa.array(["7"]).dictionary_encode()})], promote_options="permissive")
    source = write(table.unify_dictionaries(), tmp_path / "bomb.parquet")
    assert Path(source).stat().st_size < 1 << 20
    found = read_list(source, "ids", "text", NAMES["text"])
    assert (found.entries, found.unreadable) == (60_001, 60_000)
