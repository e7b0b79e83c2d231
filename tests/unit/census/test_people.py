"""The census file: what is read, and which rows are refused by their line."""

from __future__ import annotations

from pathlib import Path

import h3
import pytest

from flockwise.census import read_census
from flockwise.errors import DataError

PARENT = "852a1073fffffff"
CHILDREN = sorted(h3.cell_to_children(PARENT, 6))


def write(path: Path, *rows: str, head: str = "cell,people") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_cells_come_back_sorted_with_their_people(tmp_path: Path) -> None:
    census = read_census(write(tmp_path / "c.csv", f"{CHILDREN[1]},20", f" {CHILDREN[0]} , 10.5 "))
    assert census.cells.tolist() == [h3.str_to_int(c) for c in CHILDREN[:2]]
    assert census.people.tolist() == [10.5, 20.0]
    assert len(census.digest) == 64


def test_a_mark_at_the_file_s_start_and_more_columns_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"\xef\xbb\xbfname,cell,people\nTown," + CHILDREN[0].encode() + b",7\n")
    assert read_census(path).people.tolist() == [7.0]


@pytest.mark.parametrize(
    ("rows", "got"),
    [
        ([f"{CHILDREN[0]},1", f"{CHILDREN[0]},2"], "line 3: a cell that was named before"),
        ([f"{CHILDREN[0]},many"], "line 2: people that are not a number"),
        ([f"{CHILDREN[0]},-1"], "line 2: people out of range"),
        ([f"{CHILDREN[0]},nan"], "line 2: people out of range"),
        ([f"{CHILDREN[0]},inf"], "line 2: people out of range"),
        ([f"{CHILDREN[0]},"], "line 2: people that are not a number"),
        (["36061,12"], "line 2: not an H3 cell"),
        ([f"{CHILDREN[0]},1", f"{PARENT},2"], "H3 resolutions [5, 6]"),
        ([f"{CHILDREN[0]},0"], "nobody"),
        ([], "H3 resolutions []"),
    ],
)
def test_a_file_that_is_no_census_is_refused(tmp_path: Path, rows: list[str], got: str) -> None:
    with pytest.raises(DataError) as refused:
        read_census(write(tmp_path / "c.csv", *rows))
    assert refused.value.code == "CENSUS_UNUSABLE"
    assert got in str(refused.value)


def test_a_file_without_the_columns_or_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read_census(write(tmp_path / "c.csv", f"{CHILDREN[0]},1", head="zone,count"))
    (tmp_path / "c.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError):
        read_census(tmp_path / "c.csv")
    with pytest.raises(DataError):
        read_census(tmp_path / "none.csv")
