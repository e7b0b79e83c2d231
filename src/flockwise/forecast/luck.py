"""How the error of flows differs from release to release. In small panels a few noisy totals decide it: they scale all flows.

The estimators run once, on totals without noise. What other noise would have made of the ratios (trips to a shrunk trip) and of the total, the release's
own code for these says, in a hundredth of the time; tables are scaled by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise import estimate, release
from flockwise.estimate.flow_rescale import Ratios, ratios, total_trips
from flockwise.forecast.facts import noise, noisy

__all__ = ["DRAWS", "Luck", "luck"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

DRAWS = 200
"""Made-up releases; every second one has the opposite noise of the one before."""
_ENDS = ("departures", "arrivals", "total_departures", "total_arrivals")


@dataclass(frozen=True)
class Luck:
    """What made-up releases make of tables that were estimated once.

    Attributes:
        pairs: factor of all pairs, one for each release.
        margins: factor of all margins of a slot, releases x slots.
    """

    pairs: Floats
    margins: Floats


def luck(plan: release.Plan, exact: Mapping[str, Floats], base: Mapping[str, Ints]) -> Luck:
    """The factors of each made-up release.

    Args:
        plan: a settled plan whose pairs are all held.
        exact: made-up figures by block, without noise.
        base: the noisy figures that the tables were estimated from.
    """
    blocks = plan.of("flows")
    bands = range(blocks[0].shape[0])
    levels = [release.noisy_flows(plan, base, band) for band in bands]
    # Everybody's shrunk trips hold those of heavy devices, which have a ratio of their own.
    shrunk = exact[blocks[0].name].sum(axis=(1, 2, 3))
    parts = np.array([shrunk[0] - shrunk[1:].sum(), *shrunk[1:]])
    found = _ratios(levels)
    sums = {b.level: exact[b.name].sum(axis=(1, 2)) for b in blocks}
    usual, total = _overall(found) @ parts, total_trips(list(zip(*levels, strict=True)), found).trips
    pairs, margins = [], []
    for draw in range(DRAWS):
        ends = {(b.kind, b.level): noisy(b, exact[b.name], draw) / release.GRID for b in plan.blocks if b.kind in _ENDS}
        more = {b.level: noise(f"{b.name} summed", b.shape[::3], draw) for b in blocks}
        again = [[_with_ends(level, b.level, band, ends) for b, level in zip(blocks, levels[band], strict=True)] for band in bands]
        ratio = _ratios(again)
        summed = [[_with_sums(level, sums[b.level][band], more[b.level][band]) for b, level in zip(blocks, again[band], strict=True)] for band in bands]
        pairs.append(_overall(ratio) @ parts / usual)
        margins.append(total_trips(list(zip(*summed, strict=True)), ratio).trips / np.maximum(total, 1e-9))
    return Luck(np.array(pairs), np.array(margins))


def _ratios(levels: Sequence[Sequence[estimate.NoisyFlowLevel]]) -> tuple[Ratios, ...]:
    return ratios(levels[0], levels[1] if len(levels) > 1 else None)


def _overall(found: Sequence[Ratios]) -> Floats:
    return np.array([r.overall for r in found])


def _with_ends(level: estimate.NoisyFlowLevel, at: int, band: int, ends: Mapping[tuple[str, int], Floats]) -> estimate.NoisyFlowLevel:
    """A level with other noise on its margins and totals."""
    found = [None if (kind, at) not in ends else ends[kind, at][band] for kind in _ENDS]
    return replace(level, departures=found[0], arrivals=found[1], total_departures=found[2], total_arrivals=found[3])


def _with_sums(level: estimate.NoisyFlowLevel, sums: Floats, noise: Floats) -> estimate.NoisyFlowLevel:
    """A level whose pairs are one sum for each slot, with noise of a sum: all that the total needs of them."""
    sigma = level.pairs_sigma * level.shape[0]
    return replace(level, pairs=(sums + sigma * noise)[None, None], pairs_sigma=sigma)
