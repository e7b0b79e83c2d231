"""Check 13: trajectory recovery from hourly counts. How much of single journeys can be put together again, beside what habits alone would give.

The attack needs no names: it takes only how many are in each cell in each slot, and links the counts of one slot to those of the next.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from flockwise import artifact, release
from flockwise.audit.checking import Check, Finding, Settings
from flockwise.audit.population import Area, townspeople
from flockwise.audit.trial import Trial, folder, study

__all__ = ["TRAJECTORIES", "accuracy", "moves_in_common", "recover"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

_FAR_KM = 1e6
_DEVICES = 40
_CHANCE_HITS = 0.05
"""So much more than the prior's may be in common by chance; it was 0.005 at most in 60 simulations (docs/claims/audit.md)."""


def recover(counts: Floats, x_km: Floats, y_km: Floats, night: Bools, journeys: int) -> Ints:
    """Links the counts of successive slots into journeys.

    Args:
        counts: devices in each cell and slot, cells x slots, as seen by the attacker (exact, noisy or estimated).
        x_km: cells' places, in km.
        y_km: the same.
        night: for each slot, whether people are expected to stay where they are; in other slots they are expected to go on as they went.
        journeys: how many to put together; the counts of each slot are shared out between them in proportion.

    Returns:
        journeys x slots: the cell's index.

    Source:
        Xu et al. 2017, Trajectory Recovery From Ash, sections 3.2 and 3.3: linear assignment between slots, the cost being the distance from where a
        journey is by night, and from where its last movement leads by day.
    """
    places = [_places(counts[:, slot], journeys) for slot in range(counts.shape[1])]
    paths = np.empty((journeys, len(places)), dtype=np.int64)
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
    return paths


def accuracy(found: Ints, truth: Ints) -> float:
    """The share of slots in which the cell is right, when every journey is given to the true one that it fits best, one to one.

    Whoever guesses that everybody stays at home is right most of the time, so this says little by itself: see `moves_in_common`.

    Args:
        found: journeys of the attacker.
        truth: the true ones, in the same number.

    Source:
        Xu et al. 2017, section 4.2 (recovery accuracy).
    """
    agree = (found[:, None, :] == truth[None, :, :]).mean(axis=2)
    row, column = linear_sum_assignment(-agree)
    return float(agree[row, column].mean())


def moves_in_common(found: Ints, truth: Ints) -> float:
    """Moves (slot, from, to) that both have, twice, by the number of moves of both: 1 if all moves are right, 0 if none is.

    Args:
        found: journeys of the attacker.
        truth: the true ones.

    Example:
        >>> here, there = np.array([[0, 0, 1]]), np.array([[0, 1, 1]])
        >>> moves_in_common(here, here), moves_in_common(here, there)
        (1.0, 0.0)
    """
    (one, n), (other, m) = _moves(found), _moves(truth)
    _, i, j = np.intersect1d(one, other, return_indices=True)
    return float(2 * np.minimum(n[i], m[j]).sum() / max(1, n.sum() + m.sum()))


def _moves(journeys: Ints) -> tuple[Ints, Ints]:
    before, after = journeys[:, :-1], journeys[:, 1:]
    key = (np.arange(before.shape[1])[None, :] << 40) | (before << 20) | after
    return np.unique(key[before != after], return_counts=True)


def _places(counts: Floats, journeys: int) -> Ints:
    """A cell for each journey, in proportion to the counts: largest remainders."""
    kept = np.maximum(counts, 0.0)
    total = kept.sum()
    share = np.full(len(counts), journeys / len(counts)) if total <= 0 else kept * (journeys / total)
    whole = np.floor(share).astype(np.int64)
    order = np.argsort(-(share - whole), kind="stable")
    whole[order[: journeys - int(whole.sum())]] += 1
    return np.repeat(np.arange(len(counts), dtype=np.int64), whole)


def _recovered(counts: Floats, here: Area, devices: int) -> Ints:
    lat, lon = artifact.centres(here.cells)
    clock = np.arange(here.hours) % 24
    return recover(counts, lon * 111.3 * np.cos(np.radians(lat.mean())), lat * 111.3, (clock < 7) | (clock >= 22), devices)


def _trajectories(settings: Settings) -> Finding:
    """Few devices in many cells, where exact counts give journeys away: the release must give no more than other people's journeys do."""
    generator = settings.generator("trajectories")
    seen: list[dict[str, tuple[float, float]]] = []
    for _ in range(5 if settings.full else 1):
        with folder() as where:
            trial = Trial(where, study(where, rings=7, flows=()))
            here = trial.area
            town, others = (townspeople(1, _DEVICES, here, generator) for _ in range(2))
            trial.ingest(town.pings)
            trial.publish("release")
            noisy, finest = trial.noisy(), trial.plan.of("presence")[0]
            counts = {
                "noisy": noisy[finest.name].astype(np.float64),
                "estimates": release.presence_estimates(trial.plan, noisy)[0].devices,
                "exact": np.asarray(trial.exact(noisy)[finest.name]).astype(np.float64),
            }
        journeys = {name: _recovered(c, here, _DEVICES) for name, c in counts.items()} | {"prior": others.cells}
        seen.append({name: (moves_in_common(j, town.cells), accuracy(j, town.cells)) for name, j in journeys.items()})
    moves, cells = ({name: float(np.mean([run[name][i] for run in seen])) for name in seen[0]} for i in (0, 1))
    released, prior = max(moves["noisy"], moves["estimates"]), moves["prior"]
    text = (
        f"moves recovered: {100 * released:.1f} % from the release, {100 * moves['exact']:.0f} % from exact counts, {100 * prior:.1f} % from habits alone "
        f"(cells: {100 * max(cells['noisy'], cells['estimates']):.0f}, {100 * cells['exact']:.0f}, {100 * cells['prior']:.0f} %)"
    )
    return Finding(released <= prior + _CHANCE_HITS, released, prior + _CHANCE_HITS, "most", text)


TRAJECTORIES = Check("trajectories", "journeys put together from hourly counts are no better than the habits of other people", _trajectories)
