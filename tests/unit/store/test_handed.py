"""Parts of files whose bytes are handed over, chunk by chunk, are read as the files are; and no more is handed over than the columns that are needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.store._made import OPT_OUTS, SIMULATED, content_of, order, pings, store, troubled, twin, write
from tests.unit.store._parcels import Parcels, handed

from flockwise.config import Input
from flockwise.errors import DataError
from flockwise.store.handed import Chunk, _Sparse, opened_parts, ranges_of
from flockwise.store.reading import open_file
from flockwise.store.sources import find
from flockwise.store.units import Unit, units_of


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 99), size=st.sampled_from([3000, 20_000, 10**9]), senders=st.integers(1, 5), chunk=st.sampled_from([97, 5000, 1 << 22]))
def test_all_kinds_of_trouble(tmp_path_factory: pytest.TempPathFactory, seed: int, size: int, senders: int, chunk: int) -> None:
    folder = tmp_path_factory.mktemp("trouble")
    sources = troubled(folder / "delivery")
    one = store(folder / "one", input=OPT_OUTS)
    other = twin(one, folder / "other", input=OPT_OUTS)
    assert one.ingest(sources, order, SIMULATED, threads=2) == other.ingest(sources, order, SIMULATED, runner=Parcels(seed, size, senders, chunk=chunk))
    assert content_of(one) == content_of(other)


def test_only_columns_that_are_named_are_handed_over(tmp_path: Path) -> None:
    """Of a file of 8 MB, most of it in a column that the study does not name, less than a tenth; and never the same byte twice but for the footer."""
    n = 20_000
    other = pa.array([bytes(row) for row in np.random.default_rng(0).integers(0, 256, (n, 400), np.uint8)])
    pq.write_table(pings(n).append_column("other", other), tmp_path / "a.parquet", row_group_size=4000)
    (source,) = find([str(tmp_path / "a.parquet")])
    made = store(tmp_path / "s")
    columns = made._study.input.columns
    assert source.size > 8_000_000
    for unit in units_of([open_file(source, made._study.input)], 1 << 20):
        ranges = ranges_of(unit, columns)
        assert ranges[0].step == -1
        groups = [r.step for r in ranges[1:]]
        assert groups == sorted(groups)
        assert sum(r.length for r in ranges[1:]) < 4000 * 60 * len(set(groups))
    assert made.ingest([source.path], order, SIMULATED, runner=Parcels(size=1 << 20, chunk=1000)).stored


@given(data=st.data(), size=st.integers(1, 60))
def test_overlapping_ranges_are_one_file(data: st.DataObject, size: int) -> None:
    """Whatever lies in some range is read as it is; what lies in none is an error."""
    content = bytes(range(size))
    spans = data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(1, size)), max_size=5))
    file = _Sparse(size, [(begin, memoryview(content)[begin : begin + length]) for begin, length in spans])
    there = {i for begin, length in spans for i in range(begin, min(size, begin + length))}
    begin, n = data.draw(st.integers(0, size)), data.draw(st.integers(0, size))
    wanted = range(begin, min(size, begin + n))
    assert file.seek(begin) == begin
    if there.issuperset(wanted):
        assert file.read(n) == content[begin : begin + n]
        assert file.tell() == max(begin, wanted.stop)
    else:
        with pytest.raises(OSError, match="not handed over"):
            file.read(n)


def read(units: list[Unit], chunks: list[Chunk], mapping: Input) -> int:
    return sum(piece().num_rows for _, file in opened_parts(units, iter(chunks), mapping) for piece in file.pieces())


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_bytes_that_can_not_be_had(name: str, tmp_path: Path) -> None:
    mapping = store(tmp_path / "s")._study.input
    write(pings(1000), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("device_id,ts,lat,lon\n" + "1,2026-03-02 00:00:00,40.7,-74.0\n" * 1000)
    unit = Unit(find([str(tmp_path / name)])[0])
    chunks = list(handed({0: unit}, mapping.columns, 1000))
    assert read([unit], chunks, mapping) == 1000
    for missing in (0, len(chunks) - 1):
        with pytest.raises(DataError) as refused:
            read([unit], [replace(c, content=None) if i == missing else c for i, c in enumerate(chunks)], mapping)
        assert refused.value.code == "INGEST_NOT_SHARED"


def test_a_file_that_was_exchanged_for_another(tmp_path: Path) -> None:
    """Its footer names other bytes than those that were planned for: it is broken, and not read in part."""
    mapping = store(tmp_path / "s")._study.input
    unit = Unit(find([write(pings(30_000), tmp_path / "a.parquet")])[0])
    chunks = list(handed({0: unit}, mapping.columns, 1 << 14))
    with pytest.raises(DataError) as refused:
        read([unit], [c for c in chunks if c.step < 0 or c.begin < 1 << 15], mapping)
    assert refused.value.code == "INGEST_BROKEN_FILE"
