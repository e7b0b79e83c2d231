"""The file of weights: what is read, and what is refused with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from flockwise.config.weights import read_weights
from flockwise.errors import ConfigError

A, B = "862a10777ffffff", "862a10727ffffff"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "weights.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_weights_are_256ths_of_the_greatest_by_rising_cell(tmp_path: Path) -> None:
    found = read_weights(write(tmp_path, f"cell,weight\n{A},10\n{B},2.5\n"), 10)
    by_cell = dict(zip((f"{c:x}" for c in found.cells), found.units.tolist(), strict=True))
    assert by_cell == {A: 256, B: 64}
    assert found.cells.tolist() == sorted(found.cells.tolist())


@pytest.mark.parametrize(
    "text",
    [
        "", "cell,weight\n", "area,weight\n862a10777ffffff,1\n", f"cell,weight\n{A},eleven\n", f"cell,weight\n{A},11\n", f"cell,weight\n{A},-1\n",
        f"cell,weight\n{A},1\n{A},1\n", f"cell,weight\n{A},1\n852a1077fffffff,1\n", "cell,weight\n872a1072bffffff,1\n", f"cell,weight\n{A},NaN\n",
        f"cell,weight\n{A},inf\n", f"cell,weight\n{A}\n",
    ],
)  # fmt: skip
def test_what_is_no_table_of_weights_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as got:
        read_weights(write(tmp_path, text), 10)
    assert got.value.code == "WEIGHTS_UNUSABLE"


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read_weights(tmp_path / "none.csv", 10)
