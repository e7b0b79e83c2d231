"""The shapes that estimates take and give back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise.errors import DataError

__all__ = ["Bools", "Floats", "Ints", "LevelEstimate", "NoisyLevel", "check_levels"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

# Beyond these a value is a mistake of the caller; within them squares and sums stay finite in doubles.
GREATEST_DEVICES = 1e10
SMALLEST_SIGMA = 1e-6


@dataclass(frozen=True)
class NoisyLevel:
    """The noisy counts of one level of the hierarchy, as they were released.

    Args:
        noisy: cells x slots, in devices; may be negative; no nulls.
        sigma: standard deviation of the independent noise of every value, in devices, greater than 0.
        parent: for each cell its row in the next coarser level; None at the coarsest level.
    """

    noisy: Floats
    sigma: float
    parent: Ints | None = None


@dataclass(frozen=True)
class LevelEstimate:
    """The estimate of one level: every array is cells x slots, in the order of the input.

    Attributes:
        devices: estimate, at least 0, a multiple of 1/64; children sum to their parent exactly.
        lower: lower end of the 90 % interval, at least 0.
        upper: upper end of the 90 % interval.
        published: True where the rule of `presence.publish_rule` lets the estimate be shown.
        unbiased: the noisy input itself.
        standard_error: root of the estimated mean squared error, which the interval is made of.
    """

    devices: Floats
    lower: Floats
    upper: Floats
    published: Bools
    unbiased: Floats
    standard_error: Floats


def check_levels(levels: Sequence[NoisyLevel]) -> None:
    """Refuse levels that do not fit together; nothing comes back.

    Raises:
        DataError: no level, a shape, a value, a sigma or a parent that can't be.
    """
    if not levels:
        raise _refused("no level was given.", "0 levels", "at least one")
    slots = levels[0].noisy.shape[-1] if levels[0].noisy.ndim == 2 else -1
    for place, level in enumerate(levels):
        shape = level.noisy.shape
        if level.noisy.ndim != 2 or shape[0] < 1 or shape[1] < 1 or shape[1] != slots:
            raise _refused(
                "the noisy values of a level do not have the shape cells x slots.", f"shape {shape} at level {place}", "the same slots at every level"
            )
        if not np.isfinite(level.noisy).all() or np.abs(level.noisy).max() > GREATEST_DEVICES:
            raise _refused("a noisy value is not a finite count of devices.", f"level {place}", f"finite, at most {GREATEST_DEVICES:g}")
        if not SMALLEST_SIGMA <= level.sigma <= GREATEST_DEVICES:
            raise _refused("the noise scale of a level is out of range.", f"{level.sigma!r}", f"{SMALLEST_SIGMA:g} to {GREATEST_DEVICES:g} devices")
        last = place == len(levels) - 1
        if last != (level.parent is None):
            raise _refused("parents are missing or superfluous.", f"level {place} of {len(levels)}", "parents at every level but the coarsest")
        if level.parent is not None:
            above = levels[place + 1].noisy.shape[0]
            parent = level.parent
            if parent.shape != (shape[0],) or parent.min() < 0 or parent.max() >= above or len(np.unique(parent)) != above:
                raise _refused("parents do not fit the next level.", f"level {place}", "one valid row for each cell, and a child for every parent")


def _refused(what: str, got: str, expected: str) -> DataError:
    return DataError("ESTIMATE_INPUT", what=what, got=got, expected=expected, state="Nothing was estimated.", fix="Pass the levels as released.")
