"""Where people live: a census by H3 cell, read from a CSV file."""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise.base.h3bits import resolution_of
from flockwise.base.plain import cell_number
from flockwise.errors import DataError

__all__ = ["Census", "read_census"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

_MOST = 1e11


@dataclass(frozen=True, eq=False)
class Census:
    """People by cell.

    Attributes:
        cells: sorted H3 cells of one resolution, int64.
        people: how many live in each, 0 or more.
        digest: SHA-256 of the file.
    """

    cells: Ints
    people: Floats
    digest: str


def read_census(path: Path) -> Census:
    """The census of a file with the columns "cell" and "people".

    Args:
        path: CSV file with a head; H3 cells of one resolution in hexadecimal, each once, and numbers of people.

    Raises:
        DataError: the file can't be read, or a row is not a cell and a number of people.
    """
    found: dict[int, float] = {}
    try:
        content = path.read_bytes()
        for number, row in enumerate(csv.DictReader(content.decode("utf-8-sig").splitlines()), start=2):
            cell, people = _row(row, number)
            if cell in found:
                raise _refused(f"line {number}: a cell that was named before", "each cell once")
            found[cell] = people
    except (OSError, ValueError, csv.Error) as error:
        raise _refused(type(error).__name__, "a CSV file with the columns cell and people") from error
    cells = np.array(sorted(found), dtype=np.int64)
    levels = np.unique(resolution_of(cells)).tolist()
    if len(levels) != 1:
        raise _refused(f"H3 resolutions {levels}", "cells of one resolution")
    living = np.array([found[int(c)] for c in cells])
    if not living.sum() > 0.0:
        raise _refused("nobody", "people")
    return Census(cells, living, hashlib.sha256(content).hexdigest())


def _row(row: dict[str, str], number: int) -> tuple[int, float]:
    text = (row.get("cell") or "").strip()
    try:
        cell = cell_number(text)
    except ValueError as error:
        raise _refused(f"line {number}: not an H3 cell", "H3 indexes in hexadecimal in the column cell") from error
    try:
        people = float((row.get("people") or "").strip())
    except ValueError as error:
        raise _refused(f"line {number}: people that are not a number", "plain numbers in the column people") from error
    if not (math.isfinite(people) and 0.0 <= people <= _MOST):
        raise _refused(f"line {number}: people out of range", "0 or more")
    return cell, people


def _refused(got: str, expected: str) -> DataError:
    return DataError("CENSUS_UNUSABLE", what="The census can't be used.", got=got, expected=expected, state="Nothing was written.", fix="Correct the file.")
