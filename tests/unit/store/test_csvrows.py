"""Rows of CSV files end where their writer ended them, whatever their values hold, and one that is too long takes no other with it."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.store import _made

from flockwise.errors import DataError
from flockwise.store import csvfile
from flockwise.store.csvrows import LONGEST, whole_rows
from flockwise.store.sources import find

TEXT = {"device_type": "text", "time_format": "iso8601"}
BITS = ["a", '"', '""', ",", "\n", "\r", "\r\n", " ", '",', '\n"', "x" * 50, ""]
VALUE = st.lists(st.sampled_from(BITS), max_size=6).map("".join)


class Slow(io.RawIOBase):
    """A stream that gives as many bytes at a time as it likes."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content, self._sizes, self._at = content, sizes, 0

    def read(self, size: int = -1) -> bytes:
        many = min(size, self._sizes[self._at % len(self._sizes)])
        self._at += 1
        found, self._content = self._content[:many], self._content[many:]
        return found


def as_csv(rows: list[list[str]], end: str, always: bool = False) -> bytes:
    """As RFC 4180 has it."""

    def quoted(value: str) -> str:
        return '"' + value.replace('"', '""') + '"' if always or any(c in value for c in '",\n\r') else value

    return "".join(",".join(quoted(v) for v in row) + end for row in rows).encode()


def read(content: bytes) -> list[list[str]]:
    columns = pacsv.ConvertOptions(column_types={"a": pa.string(), "b": pa.string()})
    options = pacsv.ReadOptions(use_threads=False, block_size=len(content) + 1, column_names=["a", "b"])
    return [list(row.values()) for row in pacsv.read_csv(pa.BufferReader(content), read_options=options, convert_options=columns).to_pylist()]


@settings(deadline=None, max_examples=400)
@example(rows=[["a\n", "b"]], end="\r\n", always=True, sizes=[1], longest=40, closed=False)
@given(
    rows=st.lists(st.lists(VALUE, min_size=2, max_size=2), min_size=1, max_size=12),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    always=st.booleans(),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    longest=st.sampled_from([40, 1 << 20]),
    closed=st.booleans(),
)
def test_rows_of_any_values_in_pieces_of_any_size(rows: list[list[str]], end: str, always: bool, sizes: list[int], longest: int, closed: bool) -> None:
    short = [row for row in rows if len(as_csv([row], end, always)) <= longest]
    content = as_csv(rows, end, always)
    if not closed:
        content = content.removesuffix(end.encode())
        if end == "\r\n":  # the end that is put there is shorter
            short = [*(row for row in rows[:-1] if row in short), *([rows[-1]] if len(as_csv(rows[-1:], "\n", always)) <= longest else [])]
    found, passed_over = [], 0
    for piece, long in whole_rows(Slow(content, sizes), 40, longest):
        passed_over += long
        if piece:
            found += read(piece)
    assert found == short
    assert passed_over == len(rows) - len(short)


@settings(deadline=None, max_examples=400)
@given(
    parts=st.lists(st.sampled_from(["a", ",", '"', "E", '""', "a,bE", '",']), max_size=40),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=3),
)
def test_pieces_of_whatever_bytes_put_together_are_the_file_and_have_the_rows_that_pyarrow_sees(parts: list[str], end: str, sizes: list[int]) -> None:
    content = "".join(parts).replace("E", end).encode()
    closing = b"\r" if end == "\r" else b"\n"
    pieces: list[bytes] = []
    try:
        pieces += [piece for piece, _ in whole_rows(Slow(content, sizes), 9)]
    except ValueError:
        assert fields(content + closing + b"a") == fields(content)  # so pyarrow, too, is within quotes there
        return
    assert b"".join(pieces) in (content, content + b"\n", content + b"\r")
    assert [n for piece in pieces for n in fields(piece)] == fields(content)
    assert fields(content + closing + b"a") == [*fields(content), 1]


def fields(content: bytes) -> list[int]:
    """How many fields each row has, as pyarrow counts them; empty rows are none."""
    found: list[int] = []

    def seen(row: pacsv.InvalidRow) -> str:
        found.append(row.actual_columns)
        return "skip"

    options = pacsv.ReadOptions(use_threads=False, block_size=len(content) + 2, column_names=[f"c{i}" for i in range(99)])  # no row has as many
    pacsv.read_csv(pa.BufferReader(content + b"\n"), read_options=options, parse_options=pacsv.ParseOptions(invalid_row_handler=seen))
    return found


@pytest.mark.parametrize(("end", "other"), [("\n", "\r"), ("\r\n", "\r"), ("\r", "\n")])
def test_a_row_with_a_line_end_of_another_kind_is_refused_as_one(end: str, other: str, tmp_path: Path) -> None:
    """Python's own writer quotes its own kind alone: a value could otherwise begin a row of somebody else."""
    rows = ["a,b", "1,2", f"3,x{other}4,5", "6,7", f'8,"x{other}9,10"', f"1{other}1,12", "13,14"]
    (tmp_path / "a.csv").write_bytes(end.join(rows).encode())
    read = [piece.parse(["a"]) for piece in csvfile.pieces(find([str(tmp_path / "a.csv")])[0])]
    assert [v for batch, _ in read for v in batch.column(0).to_pylist()] == [b"1", b"6", b"8", b"13"]
    assert sum(malformed for _, malformed in read) == 2


def delivery(path: Path, odd: list[list[str]], places: list[int], end: str = "\n") -> int:
    """Good rows of four columns and a note, among them odd ones of one more device; how many good ones."""
    table = _made.pings(300, devices=30)
    times = [t.strftime("%Y-%m-%dT%H:%M:%SZ") for t in table["ts"].to_pylist()]
    rows = [
        [str(d), t, str(a), str(o), ""]
        for d, t, a, o in zip(table["device_id"].to_pylist(), times, table["lat"].to_pylist(), table["lon"].to_pylist(), strict=True)
    ]
    good = len(rows)
    for at, row in zip(places, odd, strict=True):
        rows.insert(at, row)
    path.write_bytes(as_csv([["device_id", "ts", "lat", "lon", "note"], *rows], end))
    return good


BIG = 5 << 20
OTHERS_ROW = "9,2026-03-02T10:00:00Z,40.7,-74.0,\n"


@pytest.mark.parametrize(
    "note",
    ["x\n" * (BIG // 2), "x" * BIG, '"' * BIG, '\n"\n,' * (BIG // 4), "\r" * BIG, OTHERS_ROW * (BIG // len(OTHERS_ROW)), "x\n" * (LONGEST // 2)],
    ids=["lines", "one line", "quotes", "quotes and lines", "old lines", "rows of somebody else", "just too long"],
)
@pytest.mark.parametrize("at", [0, 150, 300])
def test_no_value_of_one_device_takes_rows_of_others(note: str, at: int, tmp_path: Path) -> None:
    plain = _made.store(tmp_path / "plain", input=TEXT)
    good = delivery(tmp_path / "plain.csv", [], [])
    assert plain.ingest([str(tmp_path / "plain.csv")], _made.order, _made.SIMULATED).stored == good
    _made.share_list(plain, tmp_path / "odd")
    other = _made.store(tmp_path / "odd", input=TEXT)
    delivery(tmp_path / "odd.csv", [["odd", "2026-03-02T10:00:00Z", "40.7", "-74.0", note]], [at])
    report = other.ingest([str(tmp_path / "odd.csv")], _made.order, _made.SIMULATED)
    assert (report.rows_read, report.stored, report.refused) == (good + 1, good, {"malformed": 1})
    assert _made.by_base(other) == _made.by_base(plain)


@pytest.mark.parametrize(("length", "stored"), [(LONGEST, 1), (LONGEST + 1, 0)])
@pytest.mark.parametrize("before", [0, 1 << 20, csvfile.BLOCK - 5000, csvfile.BLOCK - (1 << 19), csvfile.BLOCK + 1])
@pytest.mark.parametrize(("mark", "quote"), [("x", b'"'), ("\n", b'"'), ("x", b"")])
def test_how_long_a_row_may_be_does_not_depend_on_where_it_stands(length: int, stored: int, before: int, mark: str, quote: bytes, tmp_path: Path) -> None:
    start = b"odd,2026-03-02T10:00:00Z,40.7,-74.0," + quote
    filler = b"," * 99 + b"\n"
    content = (
        b"device_id,ts,lat,lon,note\n" + filler * (before // len(filler)) + start + mark.encode() * (length - len(start + quote) - 1) + quote + b"\n" + filler
    )
    (tmp_path / "a.csv").write_bytes(content)
    read = [piece.parse(["device_id"]) for piece in csvfile.pieces(find([str(tmp_path / "a.csv")])[0])]
    assert [v for batch, _ in read for v in batch.column(0).to_pylist()] == [b"odd"] * stored
    assert sum(malformed for _, malformed in read) == before // len(filler) + 1 + (1 - stored)


def test_a_file_that_ends_within_quotes_is_refused_as_a_whole(tmp_path: Path) -> None:
    made = _made.store(tmp_path / "s", input=TEXT)
    delivery(tmp_path / "a.csv", [], [])
    before = _made.content_of(made)
    with (tmp_path / "a.csv").open("ab") as file:
        file.write(b'odd,2026-03-02T10:00:00Z,40.7,-74.0,"cut\n')
    with pytest.raises(DataError, match="INGEST_BROKEN_FILE"):
        made.ingest([str(tmp_path / "a.csv")], _made.order, _made.SIMULATED)
    assert _made.content_of(made) == before


def test_a_header_in_quotes_after_a_mark_of_its_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbf"na\nme","b"\n1,2\n')
    source = find([str(tmp_path / "a.csv")])[0]
    assert csvfile.header(source) == ["na\nme", "b"]
    assert [piece.parse(["b"])[0].column(0).to_pylist() for piece in csvfile.pieces(source)] == [[b"2"]]
