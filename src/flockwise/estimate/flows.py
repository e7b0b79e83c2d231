"""Flows from noisy counts of trips: the rows that reached the threshold, with estimates and intervals that allow for that.

Levels are estimated apart. A thresholded table keeps no sum: the rows that are missing have values too, so the printed rows of a level do not add up to the
rows of its parent, and are not made to. Coarse flows have noisy values of their own and are read from those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flockwise.errors import DataError
from flockwise.estimate._types import Floats, Ints
from flockwise.estimate.conditional import conditional_estimate

__all__ = ["FlowRows", "NoisyFlows", "flow_rows", "printed_rows"]


@dataclass(frozen=True)
class NoisyFlows:
    """The noisy flows of one level.

    Args:
        noisy: origins x destinations x slots of the day, in trips; may be negative; no nulls.
        sigma: standard deviation of the noise of every value, in trips.
        threshold: least value that is printed, in trips; from public sizes (`threshold.ghost_threshold`).
    """

    noisy: Floats
    sigma: float
    threshold: float


@dataclass(frozen=True)
class FlowRows:
    """The printed rows of one level, sorted by slot, origin, destination; every array is a vector over rows.

    Attributes:
        origin: row of the origin cell in its level.
        destination: row of the destination cell in its level.
        slot: slot of the day.
        trips: estimate, inside its interval, at least 0.
        lower: lower end of the 90 % interval, at least 0.
        upper: upper end of the 90 % interval.
        noisy: the noisy value that reached the threshold; biased upwards by having been chosen.
    """

    origin: Ints
    destination: Ints
    slot: Ints
    trips: Floats
    lower: Floats
    upper: Floats
    noisy: Floats


def flow_rows(levels: Sequence[NoisyFlows]) -> list[FlowRows]:
    """Return the printed rows of every level, in the order given.

    Raises:
        DataError: an array without three axes or with values that are not finite.

    Privacy: post-processing of noisy values; charges nothing. Rows under the threshold are never listed.
    """
    out = []
    for level in levels:
        if level.noisy.ndim != 3 or not np.isfinite(level.noisy).all():
            raise _refused(f"shape {level.noisy.shape}", "finite values, origins x destinations x slots")
        origin, destination, slot = np.nonzero(level.noisy >= level.threshold)
        out.append(printed_rows(origin, destination, slot, level.noisy[origin, destination, slot], level.sigma, level.threshold))
    return out


def printed_rows(origin: Ints, destination: Ints, slot: Ints, values: Floats, sigma: float, threshold: float) -> FlowRows:
    """Return rows for values that have already been thresholded, such as those of a table too large to be held as an array.

    Args:
        origin: vector over printed values, row of the origin cell.
        destination: the same for the destination.
        slot: the same for the slot of the day.
        values: noisy trips, each at least `threshold`.
        sigma: standard deviation of the noise, in trips.
        threshold: the least value printed.

    Raises:
        DataError: vectors of unequal length, or a value under the threshold.

    Privacy: post-processing of noisy values; charges nothing.
    """
    if not len(origin) == len(destination) == len(slot) == len(values):
        raise _refused(f"lengths {len(origin)}, {len(destination)}, {len(slot)}, {len(values)}", "four vectors of one length")
    order = np.lexsort((destination, origin, slot))
    noisy = np.asarray(values, dtype=np.float64)[order]
    found = conditional_estimate(noisy, sigma, threshold)
    place = [np.asarray(index, dtype=np.int64)[order] for index in (origin, destination, slot)]
    return FlowRows(place[0], place[1], place[2], trips=found.value, lower=found.lower, upper=found.upper, noisy=noisy)


def _refused(got: str, expected: str) -> DataError:
    return DataError(
        "ESTIMATE_FLOWS",
        what="noisy flows do not have a shape that can be printed.",
        got=got,
        expected=expected,
        state="Nothing was estimated.",
        fix="Pass them as released.",
    )
