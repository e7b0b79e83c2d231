"""Checks 2 and 9: whether what is drawn was paid for, whenever the process is killed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from math import exp
from pathlib import Path

import numpy as np
from scipy import optimize, special

from flockwise import artifact, config, noise, release
from flockwise.audit.checking import Check, Evidence, Finding, Settings
from flockwise.audit.children import HungError, in_child
from flockwise.audit.laws import chance_of_spread
from flockwise.audit.population import townspeople, walker
from flockwise.audit.trial import SPARSE, Trial, folder, study, variant
from flockwise.errors import FlockwiseError

__all__ = ["ACCOUNT", "CERTIFIED", "CRASH"]

_NOWHERE = Path("/nonexistent")
_TRIES = 3
_KINDS: tuple[noise.Kind, ...] = ("rounded", "discrete")


def worst_cost(plan: release.Plan) -> Fraction:
    """The rho that the worst device can cost, in exact numbers: in each group it puts all of the bound where noise is lowest for its weight."""
    groups = [
        max(Fraction(group.bound) / (2 * Fraction(b.sigma_units) ** 2 * b.weight) for b in plan.blocks if b.group == group.name)
        for group in plan.groups.values()
    ]
    # A device is in one bin of the histogram of norms, with a whole device's units.
    clip = [Fraction(release.GRID**2) / (2 * Fraction(plan.clip.sigma_units) ** 2)] if plan.clip else []
    return sum([*groups, *clip], Fraction(0))


def delta_of(rho: float, epsilon: float, kind: noise.Kind) -> float:
    """The delta at which a charge keeps epsilon, by formulas of its own.

    Source:
        rounded: Balle and Wang 2018, Theorem 8, with mu = sqrt(2 rho). discrete: Canonne, Kamath and Steinke 2020, Proposition 12.
    """
    if kind == "rounded":
        mu = (2 * rho) ** 0.5
        return float(special.ndtr(mu / 2 - epsilon / mu) - exp(epsilon) * special.ndtr(-mu / 2 - epsilon / mu))

    def log_delta(log_order: float) -> float:
        order = 1 + exp(log_order)
        return (order - 1) * (order * rho - epsilon) - float(np.log(order - 1)) + order * float(np.log1p(-1 / order))

    return exp(optimize.minimize_scalar(log_delta, bounds=(-5, 12), method="bounded", options={"xatol": 1e-9}).fun)


def _check_plan(plan: release.Plan, evidence: Evidence) -> Fraction:
    reserved = sum((g.rho for g in plan.groups.values()), Fraction(0)) + (plan.clip.rho if plan.clip else 0)
    evidence.holds(reserved == plan.rho, f"the reserved parts add up to {float(reserved / plan.rho):.6g} of the charge")
    evidence.holds(all(b.group in plan.groups for b in plan.blocks), "a block belongs to no part of the charge")
    worst = worst_cost(plan)
    evidence.holds(worst <= plan.rho, f"the worst device costs {float(worst / plan.rho):.6g} times the charge")
    privacy = plan.study.privacy
    delta = delta_of(float(plan.rho), float(privacy.epsilon), plan.noise_kind)
    evidence.holds(delta <= float(privacy.delta) * (1 + 1e-6), f"the charge keeps epsilon at {delta / float(privacy.delta):.4g} times its delta only")
    return worst / plan.rho


def _account(settings: Settings) -> Finding:
    evidence, shares = Evidence(), []
    for kind in _KINDS:
        for epsilon in ("1/2", "1", "2"):
            for days in (1, 28) if settings.full else (2,):
                for presence, flows in (((7, 6, 5), (6, 5)), ((7,), ()), ((), (7, 6, 5))):
                    plan = release.make_plan(study(_NOWHERE, days=days, presence=presence, flows=flows, kind=kind, epsilon=epsilon))
                    shares.append(_check_plan(plan, evidence))
                    if plan.clip is not None:
                        norms = (plan.clip.edges[0], 16, plan.clip.edges[-1])
                        shares += [_check_plan(release.settle(plan, norm, max(norm, 64)), evidence) for norm in norms]
    found = evidence.finding(f"{len(shares)} plans, the worst device costs {100 * float(max(shares)):.9f} % of the charge at most")
    return found if evidence.faults else Finding(True, float(max(shares)), 1.0, "most", found.text)


def _certified(settings: Settings) -> Finding:
    evidence, figures = Evidence(), 0
    kinds: dict[str, Callable[..., config.Study]] = {"rounded": study, "discrete": study, "sparse": partial(study, **SPARSE)}
    for name, make in kinds.items():
        figures += _published(make, "discrete" if name == "discrete" else "rounded", settings, evidence)
    return evidence.finding(f"{figures:,} figures of {len(kinds)} releases")


def _published(make: Callable[..., config.Study], kind: noise.Kind, settings: Settings, evidence: Evidence) -> int:
    """A release: charged as planned, noise as its certificate says, nothing in its noisy output that was not in the plan."""
    with folder() as where:
        trial = Trial(where, make(where, kind=kind))
        trial.ingest(townspeople(1, 50, trial.area, settings.generator("account")).pings)
        trial.publish("release")
        noisy, plan = trial.noisy(), trial.plan
        evidence.holds(trial.book.spent() == plan.rho, "the ledger was not charged what the plan costs")
        said = artifact.read(where / "release").certificate
        evidence.holds(said.privacy.rho == plan.rho, "the certificate names another charge than the ledger's")
        sigmas = {f"{level.table}-{level.level}": level.sigma * release.GRID for level in said.bounds.levels}
        if said.bounds.clip is not None:
            sigmas[release.NORMS] = said.bounds.clip.sigma * release.GRID
        kept = {name.removesuffix(".key").removesuffix(".value") for name in noisy}
        evidence.holds(kept == set(sigmas), "noisy figures were kept that the certificate does not account for")
        residuals = trial.residuals(noisy)
        for name, (drawn, _) in residuals.items():
            evidence.chance(chance_of_spread(drawn, sigmas[name]), f"the noise of {name} is {drawn.std() / sigmas[name]:.3g} times what the certificate says")
        return sum(drawn.size for drawn, _ in residuals.values())


def _crash(settings: Settings) -> Finding:
    evidence, generator = Evidence(), settings.generator("crash")
    people = partial(townspeople, 1, 20, generator=generator)
    for attempt in range(_TRIES):
        with folder() as where:
            trial = Trial(where, study(where, rings=2))
            trial.ingest(people(area=trial.area).pings)
            try:
                _killed(trial, evidence)
                break
            except HungError:
                evidence.holds(attempt + 1 < _TRIES, "no forked process has come to its end")
    with folder() as where:
        trial = Trial(where, study(where, rings=2))
        trial.ingest(people(area=trial.area).pings)
        trial.publish("first")
        trial.ingest(walker(7_001, trial.area, (0, 3, 9)))
        _stopped(trial, evidence)
        charges = [e.digest for e in trial.book.entries()]
        shutil.rmtree(trial.study.store.path)
        afresh = Trial(where, trial.study)
        afresh.ingest(people(area=trial.area).pings)
        evidence.holds([e.digest for e in trial.book.entries()] == charges, "a store that was purged and filled again has another ledger")
        evidence.holds(afresh.publish("refilled").charged, "a release from a purged and refilled store was not charged")
    with folder() as where:
        # A budget of epsilon 1.5 has room for two charges of epsilon 1 and not for three.
        first = study(where, rings=2, lifetime="1.5")
        Trial(where, first).ingest(people(area=trial.area).pings)
        answers = [_refusal(Trial(where, variant(first, radius)), f"{radius}") for radius in (100, 110, 120)]
        evidence.holds(answers == ["", "", "LEDGER_OVERSPEND"], "a release beyond the lifetime budget was not refused")
        evidence.holds(Trial(where, first).book.spent() == 2 * trial.plan.rho, "a refused release has spent something")
    return evidence.finding("killed while drawing, stopped before publishing, purged, refilled, overspent")


def _killed(trial: Trial, evidence: Evidence) -> None:
    """Killed between charge and output: spent, and the next draw is charged anew."""
    rho, out = trial.plan.rho, trial.where / "killed"

    def kill(stage: str, _done: int, _of: int) -> None:
        if stage == "noise":
            os.kill(os.getpid(), signal.SIGKILL)

    def publish() -> bytes:
        trial.publish("killed", kill)
        return b"whole"

    evidence.holds(in_child(publish, tries=1) is None, "a process that was to be killed while drawing has ended by itself")
    evidence.holds(trial.book.spent() == rho, "a process killed between charge and output has not been charged once")
    evidence.holds(not out.exists(), "a process killed before its noise was whole has published")
    again = trial.publish("again")
    evidence.holds(again.charged and trial.book.spent() == 2 * rho, "a draw after a crash has not been charged anew")


def _stopped(trial: Trial, evidence: Evidence) -> None:
    """More pings, then stopped between output and publication: charged once, and completed with the noise that was kept."""
    rho, out = trial.plan.rho, trial.where / "blocked"

    def block(stage: str, done: int, of: int) -> None:
        if stage == "noise" and done == of:
            out.mkdir()
            (out / "in the way").write_text("not a release")

    evidence.holds(trial.book.spent() == rho, "taking in more pings has changed what is spent")
    stopped = _refusal(trial, "blocked", block)
    evidence.holds(stopped.startswith("ARTIFACT_"), "a release was published over something else")
    evidence.holds(trial.book.spent() == 2 * rho, "a release stopped after its noise was kept has not been charged once")
    kept = trial.noisy()
    after = trial.publish("after")
    evidence.holds(not after.charged and trial.book.spent() == 2 * rho, "noise that was kept has been charged twice")
    found = trial.noisy()
    evidence.holds(all(np.array_equal(kept[name], found[name]) for name in kept), "a release completed after a crash has drawn again under its old charge")


def _refusal(trial: Trial, name: str, progress: Callable[[str, int, int], None] | None = None) -> str:
    """The code of the error that a release ends in, or nothing."""
    try:
        trial.publish(name, progress)
    except FlockwiseError as error:
        return error.code
    return ""


ACCOUNT = Check("account", "no device can cost more than the charge, and every part of a release is charged", _account)
CERTIFIED = Check("certified noise", "a release is charged as planned, and its noise is what its certificate says", _certified)
CRASH = Check("crash", "every draw has a charge of its own, whenever the process is killed; nothing resets the ledger", _crash)
