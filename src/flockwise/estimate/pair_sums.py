"""Printed pairs of several levels made to agree: no pair is smaller than the printed pairs within it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flockwise.estimate._types import Floats, Ints

__all__ = ["Rows", "agree", "shares_of"]


@dataclass
class Rows:
    """Printed rows of a level, sorted by key.

    Attributes:
        key: (slot, origin, destination) as one integer, ascending.
        trips: estimates.
        variance: of the estimates.
        up: position of the row's parent in the next coarser level's rows; None at the coarsest.
    """

    key: Ints
    trips: Floats
    variance: Floats
    up: Ints | None


def agree(levels: list[Rows]) -> list[Ints]:
    """Return whole numbers of 1/256 trip for every level's rows, so that printed children never add up to more than their parent.

    Where children claim more than their parent, both give way in proportion to their variances: the children here, from the coarsest level down, the parent
    in what is left. Nothing moves where there is room, because the rows that are not printed have trips too.

    Privacy: reads estimates only.
    """
    trips = [rows.trips.copy() for rows in levels]
    for place in range(len(levels) - 2, -1, -1):
        up, parents = levels[place].up, len(trips[place + 1])
        if up is None or not parents:
            continue
        spread = np.bincount(up, levels[place].variance, parents)
        gap = np.maximum(np.bincount(up, trips[place], parents) - trips[place + 1], 0.0)
        yields = gap / np.maximum(spread + levels[place + 1].variance, 1e-12)
        trips[place] = np.maximum(trips[place] - yields[up] * levels[place].variance, 0.1 * trips[place])
    whole = [np.maximum(np.round(t * 256.0), 1.0).astype(np.int64) for t in trips]
    for place in range(1, len(levels)):
        up = levels[place - 1].up
        if up is not None:
            below = np.zeros(len(whole[place]), dtype=np.int64)
            np.add.at(below, up, whole[place - 1])
            whole[place] = np.maximum(whole[place], below)
    return whole


def shares_of(totals: Ints, wanted: Floats, group: Ints) -> Ints:
    """Return whole numbers in proportion to `wanted` that add up to each group's total, by rounding running sums.

    Args:
        totals: groups x slots, at least 0.
        wanted: members x slots, at least 0; a group that wants nothing is shared out evenly.
        group: for each member its group; every group has a member.

    Example:
        >>> shares_of(np.array([[10]]), np.array([[1.0], [1.0], [1.0]]), np.array([0, 0, 0])).ravel().tolist()
        [3, 3, 4]
    """
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=len(totals))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sorted_group = group[order]
    sums = np.add.reduceat(wanted[order], starts, axis=0)
    some = np.where((sums > 0.0)[sorted_group], wanted[order], 1.0)
    running = np.cumsum(some, axis=0)
    before = np.concatenate([np.zeros((1, some.shape[1])), running])[starts]
    inside = running - before[sorted_group]
    whole = np.floor(inside / inside[starts + sizes - 1][sorted_group] * totals[sorted_group] + 1e-9).astype(np.int64)
    whole = np.minimum(whole, totals[sorted_group])
    whole[starts + sizes - 1] = totals
    first = np.zeros(len(group), dtype=bool)
    first[starts] = True
    steps = whole - np.where(first[:, None], 0, np.concatenate([np.zeros((1, whole.shape[1]), dtype=np.int64), whole[:-1]]))
    out: Ints = np.empty_like(steps)
    out[order] = steps
    return out
