"""Checks 7, 8 and 11: the same plan again, on the same data and on other data, and whether anything but noisy values was read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import combinations, pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise import release
from flockwise.audit.checking import Check, Evidence, Finding, Settings
from flockwise.audit.laws import chance_of_relation, chance_of_spread, repeats
from flockwise.audit.population import Pings, sitters, together, townspeople, walker
from flockwise.audit.trial import Trial, folder, study, variant
from flockwise.base.h3bits import parent

__all__ = ["DIFFERENCING", "NOISY_ONLY", "REPEATS"]

Ints: TypeAlias = npt.NDArray[np.int64]
Noise: TypeAlias = Mapping[str, tuple[Ints, float]]


def _bytes(where: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(where.iterdir())}


def _repeats(settings: Settings) -> Finding:
    evidence, times = Evidence(), 10 if settings.full else 4
    with folder() as where:
        trial = Trial(where, study(where, rings=2))
        pings = townspeople(1, 40, trial.area, settings.generator("repeats")).pings
        trial.ingest(pings)
        trial.publish("first")
        spent, first = trial.book.spent(), _bytes(where / "first")
        noisy = trial.noisy()
        for i in range(times):
            if i == 1:
                trial.ingest(pings)  # the same delivery under another name adds nothing
            again = trial.publish(f"again-{i}")
            evidence.holds(not again.charged and trial.book.spent() == spent, "a repeat on unchanged data was charged")
            evidence.holds(_bytes(where / f"again-{i}") == first, "a repeat on unchanged data gave other bytes: an average of repeats undoes the noise")
        evidence.holds(all(np.array_equal(noisy[n], a) for n, a in trial.noisy().items()), "a repeat on unchanged data drew again")
    return evidence.finding(f"{times} repeats, the same bytes, nothing charged")


def _differencing(settings: Settings) -> Finding:
    """One device more, another plan, another window: every release has noise of its own, and so has every level."""
    evidence, generator = Evidence(), settings.generator("differencing")
    with folder() as where:
        trial = Trial(where, study(where, rings=4))
        trial.ingest(townspeople(1, 50, trial.area, generator).pings)
        rho, releases = trial.plan.rho, [_drawn(trial, "first")]
        trial.ingest(walker(5_000, trial.area, (0, 30)))
        releases.append(_drawn(trial, "one more"))
        evidence.holds(trial.book.spent() == 2 * rho, "a release from changed data has not been charged anew")
        releases.append(_drawn(Trial(where, variant(trial.study, 150)), "another plan"))
        evidence.holds(trial.book.spent() == 3 * rho, "another plan on the same data has not been charged anew")
        with folder() as elsewhere:
            # The second day alone, of the same panel: another store, the same ledger.
            day = study(elsewhere, rings=4, first_day="2026-03-03", days=1)
            day = day.model_copy(update={"ledger": trial.study.ledger})
            later = Trial(elsewhere, day)
            later.ingest(townspeople(1, 50, trial.area, generator).pings)
            releases.append(_drawn(later, "one day"))
            evidence.holds(trial.book.spent() > 3 * rho, "an overlapping window has not been charged")
        _own_noise(releases, trial.settled(trial.noisy()), evidence)
    figures = sum(x.size for drawn in releases for x, _ in drawn.values())
    return evidence.finding(f"noise of {figures:,} figures in {len(releases)} overlapping releases, each drawn on its own")


def _drawn(trial: Trial, name: str) -> Noise:
    """The noise of a release."""
    trial.publish(name)
    return trial.residuals(trial.noisy())


def _own_noise(releases: list[Noise], plan: release.Plan, evidence: Evidence) -> None:
    for drawn in releases:
        for name, (x, sigma) in drawn.items():
            evidence.chance(chance_of_spread(x, sigma), f"the noise of {name} has {x.std() / sigma:.3g} times its scale")
    for one, another in combinations(releases, 2):
        for name in one.keys() & another.keys():
            (x, s), (y, t) = one[name], another[name]
            if x.shape == y.shape:
                evidence.holds(not np.array_equal(x, y), "two releases have the same noise: their difference is exact")
                evidence.chance(chance_of_relation(x, y, t), f"two releases have related noise in {name}")
                if s == t:
                    evidence.chance(chance_of_spread(x - y, s * 2**0.5), f"the difference of two releases is too exact in {name}")
    for drawn in releases:
        for name, other in combinations(drawn, 2):
            x, y = drawn[name][0].ravel(), drawn[other][0].ravel()
            least = min(len(x), len(y))
            evidence.chance(chance_of_relation(x[:least], y[:least], drawn[other][1]), f"{name} and {other} have related noise")
    for fine, coarse, x, y, sigma in _families(releases[0], plan):
        evidence.chance(chance_of_relation(x, y, sigma), f"the noise of {coarse} comes with that of {fine}")
    again = repeats([x for drawn in releases for x, _ in drawn.values()])
    evidence.holds(again == 0, "runs of noise occur twice")


def _families(drawn: Noise, plan: release.Plan) -> list[tuple[str, str, Ints, Ints, float]]:
    """Noise of a level added up as a coarser level, or as its margins, beside the noise of those."""
    out = []
    for kind in ("presence", "flows", "departures", "arrivals"):
        levels = plan.of(kind)
        for fine, coarse in pairwise(levels):
            at = coarse.region.index_of(parent(fine.region.cells, coarse.level))
            summed = drawn[fine.name][0]
            for axis in {"presence": (0,), "flows": (1, 2)}.get(kind, (1,)):
                summed = _added(summed, at, len(coarse.region), axis)
            out.append((fine.name, coarse.name, summed, *drawn[coarse.name]))
    for pairs in plan.of("flows"):
        for end, axis in (("departures", 2), ("arrivals", 1)):
            name = f"{end}-{pairs.level}"
            out.append((pairs.name, name, drawn[pairs.name][0].sum(axis=axis), *drawn[name]))
    return out


def _added(values: Ints, at: Ints, size: int, axis: int) -> Ints:
    moved = np.moveaxis(values, axis, 0)
    out = np.zeros((size, *moved.shape[1:]), dtype=np.int64)
    np.add.at(out, at, moved)
    return np.moveaxis(out, 0, axis)


def _noisy_only(settings: Settings) -> Finding:
    """Published from the kept noisy values once more, after a release from other data: if anything else was read, the bytes differ."""
    evidence, generator = Evidence(), settings.generator("noisy only")
    with folder() as here, folder() as there:
        trials = [Trial(where, study(where, rings=3)) for where in (here, there)]
        trials[0].ingest(_many(trials[0], generator))
        trials[1].ingest(sitters(1, trials[1].area, [9]))
        for name in ("first", "again"):
            for trial in trials:
                trial.publish(name)
        files = 0
        for trial in trials:
            first, again = (_bytes(trial.where / name) for name in ("first", "again"))
            files += len(first)
            differ = [name for name in first if again.get(name) != first[name]]
            evidence.holds(not differ, f"{', '.join(differ)} can't be made again from the noisy values: something else was read")
    return evidence.finding(f"{files} files made again from noisy values alone")


def _many(trial: Trial, generator: np.random.Generator) -> Pings:
    """Enough devices in few places for some figures to be printed."""
    crowd = [sitters(1_000 + 100 * i, trial.area, np.full(80, place)) for i, place in enumerate((4, 20))]
    return together(townspeople(1, 60, trial.area, generator).pings, *crowd, *(walker(5_000 + i, trial.area, (4, 20), every=60) for i in range(60)))


REPEATS = Check("repeats", "the same plan on unchanged data gives the same bytes and costs nothing", _repeats)
DIFFERENCING = Check("differencing", "changed data, other plans, levels and windows have noise and charges of their own", _differencing)
NOISY_ONLY = Check("noisy values only", "estimates, intervals, rows and certificate are made of noisy values alone", _noisy_only)
