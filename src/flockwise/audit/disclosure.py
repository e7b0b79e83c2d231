"""The disclosure-risk assessment is a release of its own: its bound, its charge and its noise."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise import risk, store
from flockwise.audit.checking import Check, Evidence, Finding, Settings
from flockwise.audit.laws import chance_of_spread
from flockwise.audit.population import Pings, anything, sitters, stored, together, townspeople, walker
from flockwise.audit.trial import Trial, area_of, folder, study
from flockwise.risk import drawn
from flockwise.risk.plan import BOUND
from flockwise.risk.summing import exact_figures

__all__ = ["DISCLOSURE"]

Ints: TypeAlias = npt.NDArray[np.int64]

_ME = 5_000_001
_EPSILON = "1"
_BITS = 2


class _Buckets:
    """Simulated devices in buckets by the leading bits of their pseudonyms, as a store has them."""

    def __init__(self, pings: Pings) -> None:
        rows = stored(pings)
        leading = rows.column(0).to_numpy().view(np.uint64) >> np.uint64(64 - _BITS)
        self._parts = [rows.filter(pa.array(leading == i)) for i in range(1 << _BITS)]

    def buckets(self) -> list[int]:
        return list(range(len(self._parts)))

    def read(self, bucket: int) -> pa.Table:
        return self._parts[bucket]


def _disclosure(settings: Settings) -> Finding:
    evidence, generator = Evidence(), settings.generator("disclosure")
    plan = risk.make_plan(study(Path("/nonexistent")), _EPSILON)
    worst = max(Fraction(BOUND) / (2 * Fraction(b.sigma_units) ** 2 * b.weight) for b in plan.blocks)
    evidence.holds(worst <= plan.rho, f"the worst device costs {float(worst / plan.rho):.6g} times the charge")
    devices = _neighbours(plan, generator, evidence)
    with folder() as where:
        figures = _published(where, generator, evidence)
    return evidence.finding(f"{devices} devices added and removed; noise of {figures:,} figures")


def _neighbours(plan: risk.RiskPlan, generator: np.random.Generator, evidence: Evidence) -> int:
    here = area_of(plan.study)
    crowds = (townspeople(1, 120, here, generator).pings, sitters(1, here, np.arange(60)), sitters(1, here, np.zeros(6, dtype=np.int64)))
    devices = (walker(_ME, here, range(61), every=9), sitters(_ME, here, [0]), anything(_ME, 1, 40, here, generator))
    for crowd in crowds:
        without = exact_figures(_Buckets(crowd), plan, 1)
        for device in devices:
            present = exact_figures(_Buckets(together(crowd, device)), plan, 1)
            used = sum(b.weight * sum(int(v) ** 2 for v in present[b.name] - without[b.name]) for b in plan.blocks)
            evidence.holds(used <= BOUND, f"a device moves {float(Fraction(used, BOUND)):.4g} times the bound")
    return len(crowds) * len(devices)


def _published(where: Path, generator: np.random.Generator, evidence: Evidence) -> int:
    trial = Trial(where, study(where))
    trial.ingest(townspeople(1, 200, trial.area, generator).pings)
    plan = risk.make_plan(trial.study, _EPSILON)
    first, again = (risk.publish(trial.study, _EPSILON, where / name) for name in ("first", "again"))
    evidence.holds(trial.book.spent() == plan.rho and first.charged and not again.charged, "the ledger was not charged once")
    same = all((where / "first" / p.name).read_bytes() == p.read_bytes() for p in (where / "again").iterdir())
    evidence.holds(same, "a repeat on unchanged data gave other bytes")
    entry = trial.book.find(plan.digest, trial.inputs)
    noisy = drawn.load(trial.book, entry, plan) if entry else None
    exact = exact_figures(store.Store.open(trial.study), plan, 1)
    evidence.holds(noisy is not None and set(noisy) == set(exact), "noisy figures were kept that are not in the plan")
    if noisy is None:
        return 0
    # In units of each block's scale, times a million to keep whole numbers.
    whole = [np.round((noisy[b.name] - exact[b.name]) * (1e6 / b.sigma_units)).astype(np.int64) for b in plan.blocks]
    for block, some in zip(plan.blocks, whole, strict=True):
        evidence.chance(chance_of_spread(some, 1e6), f"the noise of {block.kind} is {some.std() / 1e6:.3g} times its scale")
    every = np.concatenate(whole)
    evidence.chance(chance_of_spread(every, 1e6), f"the noise is {every.std() / 1e6:.3g} times its scale")
    return len(every)


DISCLOSURE = Check("disclosure risk", "figures of flockwise risk are moved by a device within their bound, charged once, and as noisy as planned", _disclosure)
