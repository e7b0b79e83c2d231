"""Weights that turn a panel into a population: a public table of areas, read from a CSV file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import h3
import numpy as np
import numpy.typing as npt

from flockwise.base.plain import cell_number, exact_number
from flockwise.errors import ConfigError

__all__ = ["COARSEST_AREA", "UNITS", "AreaWeights", "read_weights"]

UNITS = 256
"""Steps between nothing and the greatest weight."""
COARSEST_AREA = 6
"""Usual areas are found at this H3 resolution or a coarser one (36 km2 and more)."""


@dataclass(frozen=True, eq=False)
class AreaWeights:
    """The weights of a study as they are applied: in 256ths of the greatest.

    Attributes:
        cells: sorted H3 cells at one resolution.
        units: 0 to 256 for each cell; times greatest / 256 it is what a device of that area counts for.
    """

    cells: npt.NDArray[np.int64]
    units: npt.NDArray[np.int64]


def read_weights(path: Path, greatest: int) -> AreaWeights:
    """The weights of a file with the columns "cell" and "weight".

    Args:
        path: CSV file with a head; cells in hexadecimal, weights as plain decimals.
        greatest: weights above it are refused.

    Raises:
        ConfigError: the file can't be read, or a row is not an area and a weight from 0 to `greatest`.
    """
    found: dict[int, int] = {}
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            for number, row in enumerate(csv.DictReader(handle), start=2):
                cell, weight = _row(row, number, greatest)
                if cell in found:
                    raise _refused(f"line {number}: a cell that was named before", "each cell once")
                found[cell] = weight
    except (OSError, ValueError, csv.Error) as error:  # ValueError: a NUL in the path, bytes that are not UTF-8
        raise _refused(type(error).__name__, "a CSV file with the columns cell and weight") from error
    cells = np.array(sorted(found), dtype=np.int64)
    levels = {h3.get_resolution(h3.int_to_str(int(c))) for c in cells}
    if len(levels) != 1 or max(levels) > COARSEST_AREA:
        raise _refused(f"H3 resolutions {sorted(levels)}", f"cells of one resolution, {COARSEST_AREA} or coarser")
    return AreaWeights(cells, np.array([found[int(c)] for c in cells], dtype=np.int64))


def _row(row: dict[str, str], number: int, greatest: int) -> tuple[int, int]:
    text = (row.get("cell") or "").strip()
    try:
        cell = cell_number(text)
    except ValueError as error:
        raise _refused(f"line {number}: not an H3 cell", "H3 indexes in hexadecimal in the column cell") from error
    try:
        weight = exact_number((row.get("weight") or "").strip())
    except ValueError as error:
        raise _refused(f"line {number}: a weight that is not a number", "plain decimals in the column weight") from error
    if not 0 <= weight <= greatest:
        raise _refused(f"line {number}: a weight out of range", f"0 to {greatest}, the greatest weight of [weights]")
    return cell, round(weight * UNITS / greatest)


def _refused(got: str, expected: str) -> ConfigError:
    return ConfigError(
        "WEIGHTS_UNUSABLE",
        what="The study's weights can't be used.",
        got=got,
        expected=expected,
        state="No data was read and nothing was spent.",
        fix="Correct the file that [weights] names.",
    )
