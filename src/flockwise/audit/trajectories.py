"""Trajectory recovery from hourly counts: how much of single journeys can be put together again, beside what the population's own habits give.

The attack needs no names: it takes only how many are in each cell in each slot, and links the counts of one slot to those of the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

__all__ = ["Recovered", "accuracy", "prior_accuracy", "recover"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

_FAR_KM = 1e6


@dataclass(frozen=True)
class Recovered:
    """Journeys that an attacker put together, one row each: the cell in every slot."""

    cells: Ints


def recover(counts: Floats, x_km: Floats, y_km: Floats, night: npt.NDArray[np.bool_], most: int) -> Recovered:
    """Links the counts of successive slots into journeys.

    Args:
        counts: devices in each cell and slot, cells x slots, as seen by the attacker (exact, or released).
        x_km: cells' places, in km.
        y_km: the same.
        night: for each slot, whether people are expected to stay where they are; in other slots they are expected to go on as they went.
        most: how many journeys to put together; the counts of each slot are shared out between them in proportion.

    Returns:
        `most` journeys.

    Source:
        Xu et al. 2017, Trajectory Recovery From Ash, sections 3.2 and 3.3: linear assignment between slots, the cost being the distance from where a
        journey is by night, and from where its last movement leads by day.
    """
    places = [_places(counts[:, slot], most) for slot in range(counts.shape[1])]
    paths = np.empty((most, len(places)), dtype=np.int64)
    paths[:, 0] = places[0]
    for slot in range(1, len(places)):
        here = paths[:, slot - 1]
        expected_x, expected_y = x_km[here], y_km[here]
        if not night[slot] and slot > 1:
            before = paths[:, slot - 2]
            expected_x, expected_y = 2 * expected_x - x_km[before], 2 * expected_y - y_km[before]
        cost = np.hypot(expected_x[:, None] - x_km[places[slot]], expected_y[:, None] - y_km[places[slot]])
        row, column = linear_sum_assignment(np.minimum(cost, _FAR_KM))
        paths[row, slot] = places[slot][column]
    return Recovered(paths)


def accuracy(found: Recovered, truth: Ints) -> float:
    """The share of cell-slots that are right, when every journey is given to the true one that it fits best, one to one.

    Args:
        found: journeys of the attacker.
        truth: the true ones, in the same number.

    Source:
        Xu et al. 2017, section 4.2 (recovery accuracy).
    """
    agree = (found.cells[:, None, :] == truth[None, :, :]).mean(axis=2)
    row, column = linear_sum_assignment(-agree)
    return float(agree[row, column].mean())


def prior_accuracy(truth: Ints, public: Ints) -> float:
    """What the same matching gives for journeys of other people: the accuracy that habits alone explain, without any count of those that are looked for.

    Args:
        truth: the true journeys.
        public: as many journeys of a population with the same habits, none of them in the truth.
    """
    return accuracy(Recovered(public), truth)


def _places(counts: Floats, most: int) -> Ints:
    """A cell for each of `most` journeys, in proportion to the counts: largest remainders."""
    kept = np.maximum(counts, 0.0)
    total = kept.sum()
    share = np.full(len(counts), most / len(counts)) if total <= 0 else kept * (most / total)
    whole = np.floor(share).astype(np.int64)
    order = np.argsort(-(share - whole), kind="stable")
    whole[order[: most - int(whole.sum())]] += 1
    return np.repeat(np.arange(len(counts), dtype=np.int64), whole)
