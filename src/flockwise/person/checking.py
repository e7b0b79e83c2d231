"""Checks of the rules: what does not hold is a bug of ours, met before any ping is read."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from flockwise.base.h3bits import resolution_of
from flockwise.errors import InternalError

__all__ = ["FAR", "INT64", "check", "check_levels", "frozen"]

Ints = npt.NDArray[np.int64]

INT64 = 1 << 63
FAR = 1 << 60


def _refuse(what: str, got: str, expected: str) -> InternalError:
    return InternalError("PERSON_BAD_RULES", what=what, got=got, expected=expected, state="No ping was read.", fix="Report this with the study file.")


def frozen(values: npt.ArrayLike, name: str) -> Ints:
    """A copy of a list of numbers that nobody can write to."""
    array = np.array(values, dtype=np.int64, copy=True)
    if array.ndim != 1 or array.size == 0:
        raise _refuse(f"The rules' {name} is not a list of numbers.", f"shape {array.shape}", "one dimension, at least one entry")
    array.setflags(write=False)
    return array


def check(holds: bool, what: str, got: object, expected: str) -> None:
    """Raises InternalError (PERSON_BAD_RULES) if it does not hold."""
    if not holds:
        raise _refuse(what, str(got), expected)


def check_levels(name: str, cells: Ints, parents: Sequence[Ints], weights: Sequence[int]) -> None:
    """Holds sorted cells of one resolution, their parents and the weights of the levels against each other."""
    check(bool((np.diff(cells) > 0).all()), f"The cells of {name} are not sorted and distinct.", len(cells), "rising H3 numbers")
    check(len(set(resolution_of(cells).tolist())) == 1, f"The cells of {name} are not at one resolution.", len(cells), "one resolution")
    check(len(weights) == len(parents) + 1, f"{name} needs one weight for each level.", len(weights), f"{len(parents) + 1}")
    check(all(int(w) == w and w >= 1 for w in weights), f"A weight of {name} is not a positive integer.", list(weights), "integers from 1")
    for array in parents:
        fits = len(array) == len(cells) and int(array.min()) >= 0 and int(array.max()) < len(cells)
        check(fits, f"The parents of {name} do not fit its cells.", len(array), f"{len(cells)} indices from 0, none of them above the number of cells")
