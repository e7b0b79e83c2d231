"""Checks 3 and 4: an attacker who knows everything but whether a device is there, and lower bounds on what the release gave away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import sqrt
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise import engines, noise, person, release
from flockwise.audit.bounds import epsilon_of_guesses, mu_of_scores
from flockwise.audit.checking import WRONG, Check, Finding, Settings
from flockwise.audit.population import sitters, together, townspeople, walker
from flockwise.audit.trial import Buckets, area_of, exact_sums, loud, study

__all__ = ["CANARIES", "LOUD_DISCRETE", "LOUD_ROUNDED", "QUIET", "attack"]

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

_ME = 9_000_001
_NOWHERE = Path("/nonexistent")
_LOUD = Fraction(2)
"""rho = 2 is mu = 2: a mechanism with half the noise it should have stands out in some hundred runs."""


@dataclass(frozen=True)
class _Target:
    """The figures of one block that the device touches: exact sums without it, what it adds, and the noise."""

    without: Ints
    adds: Ints
    sigma: float


def _targets(plan: release.Plan, settings: Settings) -> list[_Target]:
    """The figures that tell most of a device which uses its whole bound: always present, always on the way between two places."""
    here = area_of(plan.study)
    others = townspeople(1, 60, here, settings.generator("membership")).pings
    device = walker(_ME, here, (0, 40))
    without, present = exact_sums(others, plan), exact_sums(together(others, device), plan)
    out = []
    for block in plan.blocks:
        before = np.asarray(without[block.name]).ravel()
        change = np.asarray(present[block.name]).ravel() - before
        at = np.flatnonzero(change)
        out.append(_Target(before[at], change[at], block.sigma_units))
    if plan.clip is not None:
        before, after = (np.asarray(engines.LocalEngine(1).sum(Buckets(p), plan.clip_rules())[person.NORMS]) for p in (others, together(others, device)))
        at = np.flatnonzero(after - before)
        out.append(_Target(before[at], (after - before)[at], plan.clip.sigma_units))
    return out


def _scores(targets: list[_Target], present: bool, runs: int, kind: noise.Kind) -> Floats:
    """The log likelihood ratio of each of so many releases, up to a constant; higher speaks for the device."""
    score = np.zeros(runs)
    for target in targets:
        exact = target.without + target.adds if present else target.without
        drawn = noise.add(np.tile(exact, (runs, 1)), target.sigma, 2, kind=kind)
        score += (drawn - target.without).astype(np.float64) @ target.adds / target.sigma**2
    return score


def attack(plan: release.Plan, runs: int, wrong: float, settings: Settings) -> tuple[float, float]:
    """A lower bound on mu from `runs` releases without and as many with the heaviest device; and the mu that this device should give away.

    Args:
        plan: a settled plan.
        runs: of each.
        wrong: chance with which the bound may be too high.
        settings: of the simulated devices.
    """
    targets = _targets(plan, settings)
    scores = [_scores(targets, present, runs, plan.noise_kind) for present in (False, True)]
    spends = sqrt(sum(float(t.adds.astype(np.float64) @ t.adds) / t.sigma**2 for t in targets))
    return max(0.0, mu_of_scores(scores[0], scores[1], wrong)), spends


def _membership(settings: Settings, kind: noise.Kind, rho: Fraction | None, runs: int) -> Finding:
    of = study(_NOWHERE, kind=kind)
    plan = release.make_plan(of if rho is None else loud(of, rho))
    plan = plan if plan.settled else release.settle(plan, 16, 64)
    runs *= 5 if settings.full else 1
    found, spends = attack(plan, runs, WRONG, settings)
    claimed = sqrt(2 * float(plan.rho))
    text = f"mu of at least {found:.3f} in 2 x {runs:,} releases; claimed {claimed:.4f}, and the device spends {spends:.4f}"
    return Finding(found <= claimed, found, claimed, "most", text)


def _canaries(settings: Settings) -> Finding:
    """Devices that are each alone in a cell, put in by the toss of a coin, and one release for all of them."""
    rings, generator = (33 if settings.full else 18), settings.generator("canaries")
    plan = release.make_plan(study(_NOWHERE, rings=rings, presence=(7,), flows=()))
    here, block = area_of(plan.study), plan.blocks[0]
    canaries = len(here.cells)
    there = generator.random(canaries) < 0.5
    drawn = noise.add(np.asarray(exact_sums(sitters(1, here, np.flatnonzero(there)), plan)[block.name]), block.sigma_units, 2, kind=plan.noise_kind)
    # The likelihood ratio of a cell is its mean over the slots, against half a device.
    margin = drawn.mean(axis=1) / release.GRID - 0.5
    guesses = canaries // 4
    sure = np.argsort(-np.abs(margin))[:guesses]
    right = int(((margin[sure] > 0) == there[sure]).sum())
    # The bound pays 2 m delta for m canaries, so a small delta is taken, with the epsilon that the charge gives there.
    delta = Fraction(1, 10**10)
    claimed = float(noise.epsilon_of(plan.rho, delta, plan.noise_kind))
    found = epsilon_of_guesses(right, guesses, float(delta), canaries, WRONG)
    text = f"{right} of {guesses} guesses right: epsilon of at least {found:.3f}; claimed {claimed:.3f} at delta 1e-10"
    return Finding(found <= claimed, found, claimed, "most", text)


def _check(name: str, claim: str, kind: noise.Kind, rho: Fraction | None, runs: int) -> Check:
    run: Callable[[Settings], Finding] = partial(_membership, kind=kind, rho=rho, runs=runs)
    return Check(name, claim, run)


QUIET = _check("membership", "who knows all others' records learns of a device's presence no more than mu", "rounded", None, 16_000)
LOUD_ROUNDED = _check("membership, loud", "the same at mu = 2, where half the noise shows in 200 runs", "rounded", _LOUD, 6_000)
LOUD_DISCRETE = _check("membership, discrete", "the same at mu = 2 with discrete noise", "discrete", _LOUD, 600)
CANARIES = Check("canaries", "one release tells of many devices at once no more than epsilon", _canaries)
