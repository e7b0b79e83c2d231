"""Checks 1, 6 and 10: one device more or less, rows in any order, and rows that can't be. Whole numbers only: a failure is a counterexample."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise import config, engines, person, release
from flockwise.audit.checking import Check, Evidence, Finding, Settings
from flockwise.audit.population import Area, Pings, anything, sitters, stored, together, townspeople, walker
from flockwise.audit.trial import SPARSE, Buckets, Exact, Trial, area_of, entries, exact_sums, folder, study

__all__ = ["NEIGHBOURS", "ODD_ROWS", "ORDER"]

Ints: TypeAlias = npt.NDArray[np.int64]

_ME = 7_000_003


@dataclass(frozen=True)
class _Case:
    """A plan, and devices each of which comes and goes."""

    plan: release.Plan
    others: Pings
    devices: tuple[Pings, ...]


def _settled(of: config.Study, norm: int, heavy: int) -> release.Plan:
    plan = release.make_plan(of)
    return plan if plan.settled else release.settle(plan, norm, heavy)


def _cases(settings: Settings) -> list[_Case]:
    nowhere, generator = Path("/nonexistent"), settings.generator("neighbours")
    two_days = study(nowhere)
    here = area_of(two_days)
    crowd = townspeople(1, 40, here, generator).pings
    heavy = (
        walker(_ME, here, (0, 5, 11, 30, 44)),
        walker(_ME, here, (0, 60)),
        walker(_ME, here, range(0, 60, 3), every=9),
        sitters(_ME, here, [17]),
        _trips_out(here),
        _everything(here, generator),
    )
    out = [_Case(_settled(two_days, norm, edge), crowd, heavy) for norm, edge in ((16, 64), (1, 1), (1024, 2048))]
    month = study(nowhere, days=28)
    always = area_of(month)
    weeks = settings.generator("four weeks")
    out.append(_Case(_settled(month, 256, 1024), townspeople(1, 3, always, weeks).pings, (walker(_ME, always, (0, 5, 11, 30, 44), every=9),)))
    three = study(nowhere, presence=(6, 5), flows=(6, 5, 4), kind="discrete")
    out.append(_Case(_settled(three, 16, 64), crowd, heavy))
    wide = study(nowhere, **SPARSE)
    far = area_of(wide)
    out.append(_Case(_settled(wide, 16, 64), townspeople(1, 40, far, generator).pings, (walker(_ME, far, (0, 700, 1200)), walker(_ME, far, (0, 1500)))))
    if settings.full:
        for noisy in ("rounded", "discrete"):
            for days in (1, 7):
                of = study(nowhere, days=days, kind=noisy, presence=(6, 5))
                at = area_of(of)
                walks = tuple(walker(_ME, at, tuple(generator.integers(0, 61, 5).tolist()), every=int(generator.integers(9, 90))) for _ in range(20))
                out.append(_Case(_settled(of, 64, 256), townspeople(1, 40, at, generator).pings, walks))
    return out


def _trips_out(here: Area) -> Pings:
    """A device that leaves the region between its stays."""
    walk = walker(_ME, here, (0, 5, 11))
    away = (walk.t_us // 600_000_000) % 5 == 0
    lat = np.where(away, walk.lat_e6 + 9_000_000, walk.lat_e6)
    return Pings(walk.number, walk.t_us, lat, walk.lon_e6, walk.accuracy_dm, np.where(away, 0, walk.cell))


def _everything(here: Area, generator: np.random.Generator) -> Pings:
    """A busy device with rows twice, out of order and out of range."""
    walk = walker(_ME, here, (3, 9, 27), every=15)
    odd = anything(_ME, 1, 300, here, generator)
    mixed = together(walk, walk.take(np.arange(0, len(walk), 3)), odd)
    return mixed.take(generator.permutation(len(mixed)))


def _neighbours(settings: Settings) -> Finding:
    evidence, worst, tried = Evidence(), Fraction(0), 0
    for case in _cases(settings):
        without = exact_sums(case.others, case.plan)
        clip_without = _norms(case.others, case.plan)
        for device in case.devices:
            tried += 1
            both = together(case.others, device)
            both = both.take(settings.generator("shuffle").permutation(len(both)))
            alone, present = exact_sums(device, case.plan), exact_sums(both, case.plan, buckets=3, threads=2)
            change = {name: _change(present[name], without[name]) for name in present}
            own = all(_same(change[name], entries(alone[name])) for name in change)
            evidence.holds(own, "what a device adds, or what others add, depends on who else is there")
            for group in case.plan.groups.values():
                used = sum(b.weight * _squares(change[b.name][1]) for b in case.plan.blocks if b.group == group.name)
                worst = max(worst, Fraction(used, group.bound))
                evidence.holds(used <= group.bound, f"a device moves {float(Fraction(used, group.bound)):.4g} times the bound of {group.name}")
            moved = _norms(both, case.plan) - clip_without
            one_bin = np.count_nonzero(moved) <= 1 and bool(np.isin(moved, (0, person.GRID)).all())
            evidence.holds(one_bin, "a device is not in exactly one bin of the histogram of norms")
    found = evidence.finding(f"{tried} devices added and removed, {100 * float(worst):.3f} % of a bound used at most")
    return found if evidence.faults else Finding(True, float(worst), 1.0, "most", found.text)


def _norms(pings: Pings, plan: release.Plan) -> Ints:
    if plan.clip is None:
        return np.zeros(1, dtype=np.int64)
    return np.asarray(engines.LocalEngine(1).sum(Buckets(pings), plan.clip_rules())[person.NORMS])


def _change(present: Ints | person.SparseSum, without: Ints | person.SparseSum) -> tuple[Ints, Ints]:
    """Keys and values of the difference where it is not zero."""
    (here, more), (there, less) = entries(present), entries(without)
    key, at = np.unique(np.concatenate([here, there]), return_inverse=True)
    value = np.zeros(len(key), dtype=np.int64)
    np.add.at(value, at, np.concatenate([more, -less]))
    return key[value != 0], value[value != 0]


def _same(one: tuple[Ints, Ints], other: tuple[Ints, Ints]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def _squares(values: Ints) -> int:
    return sum(int(v) ** 2 for v in values)


def _odd_rows(settings: Settings) -> Finding:
    evidence, generator = Evidence(), settings.generator("odd rows")
    plan = _settled(study(Path("/nonexistent")), 16, 64)
    here = area_of(plan.study)
    crowd = townspeople(1, 20, here, generator).pings
    without, count = exact_sums(crowd, plan), 400 if settings.full else 60
    odd = anything(_ME, count, 12, here, generator)
    for number in range(_ME, _ME + count):
        device = odd.take(np.flatnonzero(odd.number == number))
        try:
            present, alone = exact_sums(together(crowd, device), plan), exact_sums(device, plan)
        except Exception as error:  # noqa: BLE001  whatever it is: one device must not be able to stop a release
            evidence.holds(False, f"one device's rows stop the person stage with {type(error).__name__}")
            continue
        own = all(_same(_change(present[name], without[name]), entries(alone[name])) for name in present)
        evidence.holds(own, "one device's odd rows change what others contribute")
    with folder() as where:
        trial = Trial(where, study(where))
        for part in (crowd, odd):
            trial.ingest(part)
        evidence.holds(True, "a delivery with odd rows is refused")
    return evidence.finding(f"{count} devices with rows that can't be")


def _order(settings: Settings) -> Finding:
    evidence, generator = Evidence(), settings.generator("order")
    plan = _settled(study(Path("/nonexistent")), 16, 64)
    here = area_of(plan.study)
    pings = together(townspeople(1, 60, here, generator).pings, walker(_ME, here, (0, 5, 11)), _ties(here), anything(_ME + 9, 5, 12, here, generator))
    first, batch = exact_sums(pings, plan), person.contributions(stored(pings), plan.rules())
    for buckets, threads in ((1, 1), (2, 1), (5, 4), (17, 2)):
        rows = pings.take(generator.permutation(len(pings)))
        again = exact_sums(rows, plan, buckets=buckets, threads=threads)
        evidence.holds(_all_same(first, again), "the order of rows, buckets or threads changes the sums")
        evidence.holds(person.contributions(stored(rows), plan.rules()).equals(batch), "the order of rows changes what a batch contributes")
    found = []
    for deliveries, files in ((1, 1), (2, 3)):
        with folder() as where:
            trial = Trial(where, study(where))
            for part in np.array_split(generator.permutation(len(pings)), deliveries):
                trial.ingest(pings.take(part), files)
            found.append(trial.sums(plan))
    evidence.holds(_all_same(*found), "how pings are split into files and deliveries changes the sums")
    return evidence.finding(f"{len(pings):,} pings in 5 orders and 2 splits give the same sums")


def _all_same(one: Exact, other: Exact) -> bool:
    return one.keys() == other.keys() and all(_same(entries(one[name]), entries(other[name])) for name in one)


def _ties(here: Area) -> Pings:
    """A device that is in two cells at the same moment, every hour."""
    one, other = (sitters(_ME + 1, here, [place]) for place in (20, 40))
    return together(one, Pings(one.number, one.t_us, other.lat_e6, other.lon_e6, other.accuracy_dm, other.cell))


NEIGHBOURS = Check("neighbours", "one device moves all figures together by at most the bound, and nobody else's part", _neighbours)
ORDER = Check("order", "the order and split of rows, files, buckets and threads do not matter", _order)
ODD_ROWS = Check("odd rows", "no row of one device stops a release or touches other devices", _odd_rows)
