"""Throw-away studies on simulated devices: a store, a ledger and releases in a temporary folder, all of it deleted in the end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias

import h3
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from flockwise import config, engines, ledger, noise, person, release, store
from flockwise.audit.population import Area, Pings, stored
from flockwise.base.h3bits import from_hex
from flockwise.governance import places
from flockwise.release import outputs, sums

__all__ = ["SPARSE", "Buckets", "Exact", "Trial", "area_of", "entries", "exact_sums", "folder", "loud", "study", "variant"]

Ints: TypeAlias = npt.NDArray[np.int64]
Exact: TypeAlias = sums.Exact
Noisy: TypeAlias = Mapping[str, Ints]

SPARSE: dict[str, Any] = {"rings": 22, "presence": (), "flows": (7, 5), "slots": tuple(f"{hour:02}:00" for hour in range(24))}
"""Settings of a study whose finest pairs are so many (55 million) that only what reaches a threshold is drawn."""

CENTRE = "872a1072bffffff"
SLOTS = ("00:00", "06:00", "10:00", "15:00", "19:00")
LIFETIME = "60"
"""Far above what any check spends on its throw-away ledger."""


def study(
    where: Path,
    *,
    rings: int = 4,
    first_day: str = "2026-03-02",
    days: int = 2,
    presence: tuple[int, ...] = (7, 6, 5),
    flows: tuple[int, ...] = (6, 5),
    slots: tuple[str, ...] = SLOTS,
    kind: noise.Kind = "rounded",
    epsilon: str = "1",
    panel: int = 10_000,
    lifetime: str = LIFETIME,
) -> config.Study:
    """A study of a made-up panel around one cell.

    Args:
        where: folder for its store, key and ledger.
        rings: the region is every resolution 7 cell within so many steps.
        first_day: of the window.
        days: of the window.
        presence: levels of the table of presence, finest first; none: no such table.
        flows: the same for flows.
        slots: of the day, of flows.
        kind: of the noise.
        epsilon: of the promise.
        panel: public bound of the devices.
        lifetime: epsilon that its ledger allows.
    """
    levels = {"presence": presence, "flows": flows}
    more: dict[str, dict[str, Any]] = {"presence": {"weight": "3/4"}, "flows": {"weight": "1/4", "slots": list(slots)}}
    tables = [{"kind": k, "resolution": v[0], "coarser": list(v[1:]), **more[k]} for k, v in levels.items() if v]
    return config.Study.model_validate(
        {
            "name": "Audit of simulated devices",
            "store": {"path": where / "store", "key": where / "key", "retention_days": 1830},
            "ledger": {"path": where / "ledger", "dataset": "simulated", "lifetime_epsilon": lifetime},
            "region": {"cells": sorted(h3.grid_disk(CENTRE, rings))},
            "window": {"start": first_day, "days": days, "timezone": "America/New_York"},
            "input": {
                "device": "device",
                "device_type": "integer",
                "time": "t",
                "time_format": "us",
                "lat": "lat",
                "lon": "lon",
                "accuracy": "accuracy",
                "consent_basis": "simulated: nobody is behind these devices",
            },
            "privacy": {"unit": "device", "window": "whole", "epsilon": epsilon, "delta": "1e-6", "panel_bound": panel, "noise": kind},
            "tables": tables,
        }
    )


def loud(quiet: config.Study, rho: Fraction) -> config.Study:
    """The same study with a charge far above what a study file may ask for, so that attacks see a broken mechanism at once.

    No study file can say this, and `audit` spends it on its throw-away ledgers alone: `config` refuses an epsilon above 2.
    """
    epsilon = noise.epsilon_of(rho, quiet.privacy.delta, quiet.privacy.noise)
    return quiet.model_copy(update={"privacy": quiet.privacy.model_copy(update={"epsilon": epsilon})})


def variant(of: config.Study, radius_m: int) -> config.Study:
    """The same study with another radius of stays: another plan on the same store and ledger."""
    return of.model_copy(update={"stays": of.stays.model_copy(update={"radius_m": radius_m})})


@contextmanager
def folder() -> Iterator[Path]:
    """A private temporary folder, deleted with all it holds."""
    with tempfile.TemporaryDirectory(prefix="flockwise-audit-") as name:
        yield Path(name)


def area_of(of: config.Study) -> Area:
    """Cells and window of a study, for simulated devices."""
    window = of.time_window
    cells = np.sort(from_hex(of.region.cells or ()))
    return Area(cells, window.start_us, (window.end_us - window.start_us) // 3_600_000_000)


class Buckets:
    """Pings dealt to buckets by device, in the order given: reads like a store."""

    def __init__(self, pings: Pings, count: int = 1) -> None:
        self._parts = [pings.take(np.flatnonzero(pings.number % count == i)) for i in range(count)]

    def buckets(self) -> list[int]:
        """Numbers of the buckets."""
        return list(range(len(self._parts)))

    def read(self, bucket: int) -> pa.Table:
        """Pings of the devices of a bucket."""
        return stored(self._parts[bucket])


def exact_sums(pings: Pings, plan: release.Plan, *, buckets: int = 1, threads: int = 1) -> Exact:
    """The exact sums of every block of a settled plan over simulated devices, by the engine and the sums of a release."""
    return sums.all_levels(plan, engines.LocalEngine(threads).sum(Buckets(pings, buckets), plan.rules()))


def entries(found: Ints | person.SparseSum) -> tuple[Ints, Ints]:
    """Flat keys and values of what is not zero."""
    if isinstance(found, person.SparseSum):
        return found.key, found.value
    flat = np.ascontiguousarray(found).reshape(-1)
    key = np.flatnonzero(flat).astype(np.int64)
    return key, flat[key]


class Trial:
    """One throw-away study: what a user would do with it, and the exact sums beside it.

    Args:
        where: its folder.
        of: the study. Its key and store are made if they are not there.
    """

    def __init__(self, where: Path, of: config.Study) -> None:
        self.where, self.study = where, of
        if of.store.key_file is not None and not of.store.key_file.exists():
            store.keys.create(of.store.key_file)
        if not of.store.path.exists():
            store.Store.create(of)

    @property
    def area(self) -> Area:
        """Cells and window."""
        return area_of(self.study)

    @cached_property
    def plan(self) -> release.Plan:
        """What is released, before the private clip has chosen."""
        return release.make_plan(self.study)

    def ingest(self, pings: Pings, files: int = 1) -> None:
        """Delivers pings in so many files and takes them in."""
        delivery = Path(tempfile.mkdtemp(prefix="delivery-", dir=self.where))
        cuts = np.linspace(0, len(pings), files + 1).astype(np.int64)
        for i in range(files):
            pq.write_table(pings.take(np.arange(cuts[i], cuts[i + 1])).delivery(), delivery / f"{i}.parquet")
        order = partial(person.order, rules=person.rules_for(self.study))
        store.Store.open(self.study).ingest([str(delivery)], order, places.SIMULATED)

    def publish(self, name: str, progress: Callable[[str, int, int], None] | None = None) -> release.Published:
        """A release into the folder `name`."""
        return release.publish(self.study, self.where / name, progress)

    @property
    def book(self) -> ledger.Ledger:
        """The throw-away ledger."""
        return release.open_ledger(self.study)

    @property
    def inputs(self) -> str:
        """The keyed digest of what the store holds."""
        return store.Store.open(self.study).keyed_digest()

    def noisy(self) -> Noisy:
        """The noisy arrays of the latest charge for the study on its data."""
        entry = self.book.find(self.plan.digest, self.inputs)
        found = None if entry is None else outputs.load(self.book, entry, self.plan)
        if found is None:
            raise LookupError
        return found

    def exact(self, noisy: Noisy) -> Exact:
        """The exact sums behind noisy arrays, the histogram of norms among them."""
        plan = self.settled(noisy)
        found = self.sums(plan)
        if plan.clip is not None:
            found[release.NORMS] = engines.LocalEngine(1).sum(store.Store.open(self.study), plan.clip_rules())[person.NORMS]
        return found

    def sums(self, plan: release.Plan) -> Exact:
        """The exact sums of what the store holds under a settled plan."""
        return sums.all_levels(plan, engines.LocalEngine(1).sum(store.Store.open(self.study), plan.rules()))

    def residuals(self, noisy: Noisy) -> dict[str, tuple[Ints, float]]:
        """The noise of every dense array, and its scale in grid units."""
        exact, scales = self.exact(noisy), {b.name: b.sigma_units for b in self.settled(noisy).blocks if not b.sparse}
        if self.plan.clip is not None:
            scales[release.NORMS] = self.plan.clip.sigma_units
        return {name: (noisy[name] - np.asarray(exact[name]), sigma) for name, sigma in scales.items()}

    def settled(self, noisy: Noisy) -> release.Plan:
        """The plan under which noisy arrays were drawn."""
        return release.settled(self.plan, noisy)
