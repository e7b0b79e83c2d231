"""One bad line refuses itself and nothing else."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.running import folder
from tests.fuzz.targets import as_csv
from tests.unit.store import _made

from flockwise.store import csvfile
from flockwise.store.plainbytes import escaped, restored
from flockwise.store.sources import find

BITS = [b"\xf4", b"\x8f", b"\xba", b"\xbb", b"\x80", b"\xff", b"\xe2\x82", b"\xac", b"\xc3", b"a", b"\n", "\U0010fe80".encode(), b"ab" * 20]


@pytest.mark.parametrize(
    ("line", "stored"),
    [
        (b"a,b\n", 50),
        (b",,,,,,,\n", 50),
        (b"\x00\n", 50),
        (b"\xff\xfe,2026-03-02T00:00:00Z,40.7,-74.0\n", 51),  # an identifier is any bytes
        (b"\xff\xfe,1\n", 50),
        (b"\xc3,\xe2\x82\n", 50),
        ("\U0010feff,1\n".encode(), 50),
        (b'"\xff\n\xff,1"\n', 50),
        (b"\xf4\x8f\xba\x80\xff,2026-03-02T00:00:00Z,40.7,-74.0\n", 51),
    ],
)
def test_a_bad_line(line: bytes, stored: int, tmp_path: Path) -> None:
    lines = as_csv(50).splitlines(keepends=True)
    store = _made.store(tmp_path / "s", input={"device_type": "text", "time_format": "iso8601"})
    (tmp_path / "day.csv").write_bytes(b"".join([*lines[:5], line, *lines[5:]]))
    assert store.ingest([str(tmp_path / "day.csv")], _made.order, _made.SIMULATED).stored == stored


def test_bad_lines_of_any_bytes_are_counted_and_the_others_keep_theirs(tmp_path: Path) -> None:
    text = {"device_type": "text", "time_format": "iso8601"}
    odd = [b"\xff\xfe", "\U0010fec3".encode(), "é".encode(), b"\xc3", b"\xf4\x8f", b"\xed\xb3\xbf", b"plain"]
    row = b",2026-03-02T00:00:00Z,40.7,-74.0\n"
    (tmp_path / "odd.csv").write_bytes(b"device_id,ts,lat,lon\n" + b"".join(name + row + name + b",1\n" for name in odd))
    made = _made.store(tmp_path / "s", input=text)
    report = made.ingest([str(tmp_path / "odd.csv")], _made.order, _made.SIMULATED)
    assert (report.stored, report.refused) == (len(odd), {"malformed": len(odd)})
    # The same identifiers from Parquet, where nothing is escaped, are the same devices.
    table = pa.table({"device_id": pa.array(odd, pa.binary()), "ts": ["2026-03-02T00:00:00Z"] * len(odd), "lat": [40.7] * len(odd), "lon": [-74.0] * len(odd)})
    _made.share_list(made, tmp_path / "t")
    other = _made.store(tmp_path / "t", input=text)
    other.ingest([_made.write(table, tmp_path / "odd.parquet")], _made.order, _made.SIMULATED)
    assert _made.by_base(other) == _made.by_base(made)


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(st.sampled_from(BITS), max_size=60))
def test_what_is_escaped_is_text_and_comes_back(parts: list[bytes]) -> None:
    content = b"".join(parts)
    read = escaped(content)
    read.decode()
    assert restored(pa.array([read, None, b""], pa.binary())).to_pylist() == [content, None, b""]


@settings(max_examples=200, deadline=None, database=None)
@given(
    st.lists(st.tuples(st.sampled_from([b"a", b"\xffb", b"\xf4\x8f", b"", b'"x,y"']), st.sampled_from([2, 2, 2, 3, 1])), max_size=40),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.booleans(),
    st.sampled_from([64, 100, 1000]),
)
def test_pieces_of_any_length_hold_every_line_once(rows: list[tuple[bytes, int]], end: bytes, last_ends: bool, size: int) -> None:
    lines = [b"name,other", *(b",".join([name or b'""', *[b"1"] * (many - 1)]) for name, many in rows)]
    with folder() as path, pytest.MonkeyPatch.context() as patched:
        patched.setattr(csvfile, "BLOCK", size)
        (path / "a.csv").write_bytes(end.join(lines) + (end if last_ends else b""))
        read = [piece.parse(["name"]) for piece in csvfile.pieces(find([str(path / "a.csv")])[0])]
    names = [name for batch, _ in read for name in batch.column(0).to_pylist()]
    assert names == [name.strip(b'"') or None for name, many in rows if many == 2]
    assert sum(malformed for _, malformed in read) == sum(many != 2 for _, many in rows)
