"""Bugs that break the promise, planted into the code that runs. Nothing in src can switch one on."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from flockwise import estimate, noise, release, store
from flockwise.base.h3bits import to_hex
from flockwise.errors import FlockwiseError
from flockwise.ledger import Ledger
from flockwise.noise import fallback, rounded, sparse, tails
from flockwise.person import bounding
from flockwise.release import planning, publishing

__all__ = ["BUGS", "Bug"]

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Bug:
    """A bug, and the checks of the audit each of which must see it."""

    plant: Plant
    seen_by: tuple[str, ...]


BUGS: dict[str, Bug] = {}


def bug(name: str, *seen_by: str) -> Callable[[Plant], Plant]:
    def add(plant: Plant) -> Plant:
        BUGS[name] = Bug(plant, seen_by)
        return plant

    return add


def stage() -> Any:
    """The module, which the package's function of the same name hides."""
    return sys.modules["flockwise.person.contributions"]


def unverified(patch: pytest.MonkeyPatch) -> None:
    """`artifact.write` checks what it writes and would stop some of the bugs: the audit must see them by itself."""
    patch.setattr(sys.modules["flockwise.artifact.verify"], "verify", lambda *_: [])


def with_truth(patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the latest draw was made from, as a careless programmer would keep it."""
    kept: dict[str, Any] = {}
    real = publishing.all_levels

    def all_levels(plan: Any, finest: Any) -> Any:
        kept.clear()
        kept.update(real(plan, finest))
        return dict(kept)

    patch.setattr(publishing, "all_levels", all_levels)
    unverified(patch)
    return kept


# The person stage.


@bug("clip skipped in one table", "neighbours")
def _clip_of_flows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bounding, "_factors", lambda close, *_: np.full(len(close), bounding.K_ONE, dtype=np.int64))


@bug("clip of totals skipped", "neighbours")
def _clip_of_totals(patch: pytest.MonkeyPatch) -> None:
    real = bounding.bound_totals
    loose = (1 << 63) - 1
    patch.setattr(stage(), "bound_totals", lambda trips, table: real(trips, replace(table, totals=replace(table.totals, bound=loose))))


@bug("rounded to nearest", "neighbours")
def _to_nearest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bounding, "_quantised", lambda count, units, factor: (count * units * factor + (1 << 15)) >> 16)


@bug("integer overflow", "neighbours")
def _squares_in_32_bits(patch: pytest.MonkeyPatch) -> None:
    def factors(close: Any, trips: Any, left: Any, groupings: Any, _: Any) -> Any:
        out = np.zeros(len(close), dtype=np.int64)
        weight = sum(g.weight for g in groupings)
        for i, device in enumerate(close):
            times = trips.times[trips.begins[device] : trips.begins[device + 1]]
            for k in range(0, bounding.K_ONE + 1, 64):
                q = ((times * trips.units[device] * k) >> 16).astype(np.int32)
                if max(0, int((q * q).sum(dtype=np.int32))) * weight <= left[i]:
                    out[i] = k
        return out

    patch.setattr(bounding, "_factors", factors)


@bug("weights from exact counts", "neighbours", "odd rows")
def _weights_from_counts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stage(), "device_units", lambda kept, *_: np.full(len(kept.first) - 1, max(1, 256 - len(kept.first)), dtype=np.int64))


@bug("an exception on one device", "odd rows")
def _raises_on_one(patch: pytest.MonkeyPatch) -> None:
    real = stage().find_presence

    def find_presence(kept: Any, *rules: Any) -> Any:
        if (np.abs(kept.lat_e6) > 90_000_000).any():
            raise OverflowError
        return real(kept, *rules)

    patch.setattr(stage(), "find_presence", find_presence)


@bug("limit learnt from the batch", "neighbours")
def _limit_from_batch(patch: pytest.MonkeyPatch) -> None:
    real = bounding._factors
    patch.setattr(bounding, "_factors", lambda *given: np.full(len(given[0]), real(*given).min()))


@bug("second band not charged", "neighbours")
def _second_band(patch: pytest.MonkeyPatch) -> None:
    """Heavy devices are let into the second band without their bound being halved."""
    real = bounding.bound_flows

    def bound(trips: Any, present: Any, rules: Any, table: Any) -> Any:
        if table.heavy_edge is None:
            return real(trips, present, rules, table)
        found = real(trips, present, rules, replace(table, heavy_edge=None))
        _, cells, _, slots = table.shape
        return bounding.Bounded(np.tile(found.device, 2), np.r_[found.key, found.key + cells * cells * slots], np.tile(found.value, 2))

    patch.setattr(stage(), "bound_flows", bound)


@bug("a device in several bins of norms", "neighbours")
def _several_bins(patch: pytest.MonkeyPatch) -> None:
    real = bounding.norm_bins
    patch.setattr(stage(), "norm_bins", lambda trips, table: np.repeat(real(trips, table), 2))


@bug("ties left as they came", "order")
def _ties(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sys.modules["flockwise.person.ordering"], "_settle_ties", lambda *_: True)


# The noise.


@bug("disclosure risk of the whole panel", "disclosure risk")
def _whole_panel(patch: pytest.MonkeyPatch) -> None:
    """Counts of singled-out devices instead of shares of a group: the sensitivity is the panel's size."""
    stage_of_risk = sys.modules["flockwise.person.riskpoints"]
    real = stage_of_risk.group_units
    patch.setattr(stage_of_risk, "group_units", lambda high, *more: real(high, *more) * max(1, len(high)))


@bug("sigma halved", "certified noise", "disclosure risk", "membership", "membership, loud", "membership, discrete", "differencing", "empty cells")
def _half(patch: pytest.MonkeyPatch) -> None:
    real = noise.add
    patch.setattr(noise, "add", lambda values, sigma, *more, **named: real(values, sigma / 2, *more, **named))


@bug("sigma halved in the plan", "account", "membership, loud")
def _half_in_plan(patch: pytest.MonkeyPatch) -> None:
    real = noise.sigma_for
    patch.setattr(noise, "sigma_for", lambda *given: real(*given) / 2)
    patch.setattr(noise, "certify", lambda *_: None)
    unverified(patch)


@bug("an eighth of the noise", "canaries")
def _eighth(patch: pytest.MonkeyPatch) -> None:
    real = noise.add
    patch.setattr(noise, "add", lambda values, sigma, *more, **named: real(values, sigma / 8, *more, **named))


@bug("no noise", "canaries", "trajectories", "empty cells")
def _none(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(noise, "add", lambda values, *_, **__: values.copy())


@bug("noise reused across levels", "differencing")
def _one_noise_for_all_levels(patch: pytest.MonkeyPatch) -> None:
    """Drawn once a release, for the largest table, and scaled for the others."""
    real, kept = noise.add, {"z": np.zeros(0)}

    def add(values: Any, sigma: float, *more: Any, **named: Any) -> Any:
        if values.ndim == 1:  # norms: a release begins
            kept["z"] = np.zeros(0)
        elif len(kept["z"]):
            return values + np.rint(np.resize(kept["z"], values.shape) * sigma).astype(np.int64)
        out = real(values, sigma, *more, **named)
        if values.ndim > 1:
            kept["z"] = (out - values).ravel() / sigma
        return out

    patch.setattr(noise, "add", add)


@bug("same seed on changed data", "differencing")
def _seed_of_the_plan(patch: pytest.MonkeyPatch) -> None:
    """A generator that is seeded by the plan: repeats need no kept output, and two states of the data get one noise."""
    count = {"n": 0}

    def add(values: Any, sigma: float, *_: Any, **__: Any) -> Any:
        count["n"] = 0 if values.ndim == 1 else count["n"] + 1
        drawn = np.random.default_rng([values.size, count["n"]]).normal(0, sigma, values.shape)
        return values + np.rint(drawn).astype(np.int64)

    patch.setattr(noise, "add", add)


@bug("float noise", "no seed", "last digits")
def _float_noise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(noise, "add", lambda values, sigma, *_, **__: values + np.rint(np.random.normal(0, sigma, values.shape)).astype(np.int64))


@bug("float noise from a fresh generator", "last digits")
def _fresh_float_noise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(noise, "add", lambda values, sigma, *_, **__: values + np.rint(np.random.default_rng().normal(0, sigma, values.shape)).astype(np.int64))


@bug("noise repeats in a forked process", "no seed")
def _forked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rounded.os, "urandom", random.Random(5).randbytes)


@bug("noise of another law", "law")
def _laplace(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        noise, "add", lambda values, sigma, *_, **__: values + np.rint(np.random.default_rng().laplace(0, sigma / 2**0.5, values.shape)).astype(np.int64)
    )


# Tables that are not written out.


@bug("threshold on true values", "sparse draw")
def _threshold_on_truth(patch: pytest.MonkeyPatch) -> None:
    def draw(keys: Any, sums: Any, size: int, sigma: float, threshold: int, kind: Any, threads: int = 1) -> Any:
        some = sums >= threshold
        return sparse.Printed(keys[some], noise.add(sums[some], sigma, threads, kind=kind))

    patch.setattr(noise, "draw_sparse", draw)


@bug("ghosts last in the file", "sparse draw")
def _ghosts_last(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sparse, "_sorted", sparse.Printed)


@bug("continuous tail for the discrete", "sparse draw", "fallback")
def _continuous_tail(patch: pytest.MonkeyPatch) -> None:
    def continuous(k: int, sigma: Fraction, bits: int) -> Any:
        with tails.working(bits):
            return (tails.exactly(k / sigma) / tails.exactly(2).sqrt()).erfc() / 2

    patch.setattr(tails, "_discrete", continuous)


@bug("> for >= among the rows given", "sparse draw")
def _above_not_at(patch: pytest.MonkeyPatch) -> None:
    real = sparse.reached
    patch.setattr(sparse, "reached", lambda keys, values, threshold: real(keys, values, threshold + 1))


@bug("> for >= among ghosts", "sparse draw")
def _ghosts_above_not_at(patch: pytest.MonkeyPatch) -> None:
    real = sparse.tail
    patch.setattr(sparse, "tail", lambda k, *more: real(k + 1, *more))


@bug("zero keys kept", "fallback")
def _zero_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fallback, "_present", lambda sums: np.ones(len(sums), dtype=np.bool_))


@bug("margins from unmaterialised zeros", "empty cells")
def _margins_of_what_is_there(patch: pytest.MonkeyPatch) -> None:
    """Margins are added up from the pairs that are there: no noise where there is none."""
    real = noise.add

    def add(values: Any, *more: Any, **named: Any) -> Any:
        out = real(values, *more, **named)
        return np.where(values == 0, 0, out) if values.ndim == 3 else out

    patch.setattr(noise, "add", add)


# The release.


@bug("domain from data", "rows")
def _domain_from_data(patch: pytest.MonkeyPatch) -> None:
    """The region is where pings were seen."""
    real = planning.make_plan

    def make_plan(study: Any) -> Any:
        try:
            vault = store.Store.open(study)
        except FlockwiseError:
            return real(study)
        seen = np.unique(np.concatenate([vault.read(bucket)["cell"].to_numpy() for bucket in vault.buckets()]))
        if not len(seen):
            return real(study)
        narrow = study.model_copy(update={"region": study.region.model_copy(update={"cells": tuple(to_hex(seen))})})
        narrow.__dict__.pop("area", None)  # a copy keeps what was cached
        return real(narrow)

    for module in (release, publishing):
        patch.setattr(module, "make_plan", make_plan)


@bug("withheld rows listed only if non-empty", "rows", "noisy values only")
def _withheld_if_there(patch: pytest.MonkeyPatch) -> None:
    truth, real = with_truth(patch), publishing.build

    def build(plan: Any, noisy: Any, *more: Any) -> Any:
        tables, shown = real(plan, noisy, *more)
        if "presence" in tables and truth:
            there = np.concatenate([np.asarray(truth[b.name]).ravel() > 0 for b in reversed(plan.of("presence"))])
            printed = pc.equal(tables["presence"]["status"].cast(pa.string()), "published")
            tables["presence"] = tables["presence"].filter(pc.or_(printed, pa.array(there)))
        return tables, shown

    patch.setattr(publishing, "build", build)


@bug("withheld pairs listed", "rows")
def _withheld_pairs(patch: pytest.MonkeyPatch) -> None:
    real = publishing.build
    unverified(patch)

    def build(plan: Any, noisy: Any, *more: Any) -> Any:
        tables, shown = real(plan, noisy, *more)
        rows = tables["flows"]
        column = rows.schema.get_field_index("status")
        withheld = pa.DictionaryArray.from_arrays(np.ones(rows.num_rows, dtype=np.int32), pa.array(["published", "withheld"]))
        tables["flows"] = pa.concat_tables([rows, rows.set_column(column, "status", withheld).slice(0, 1)])
        return tables, shown

    patch.setattr(publishing, "build", build)


@bug("GLS weights from truth", "noisy values only")
def _weights_from_truth(patch: pytest.MonkeyPatch) -> None:
    truth = with_truth(patch)

    def weighted(real: Any) -> Any:
        def estimated(levels: Any, calendar: Any) -> Any:
            busy = [1.0 + np.asarray(found).mean() / 256 for name, found in truth.items() if name.startswith("presence")]
            return real([replace(level, sigma=level.sigma * b) for level, b in zip(levels, busy, strict=True)], calendar)

        return estimated

    for name in ("estimate_presence", "hours_and_day"):
        patch.setattr(estimate, name, weighted(getattr(estimate, name)))


@bug("typical day of the truth", "noisy values only")
def _typical_day_of_the_truth(patch: pytest.MonkeyPatch) -> None:
    """The hours are right, and their mean is one of exact sums."""
    truth, real = with_truth(patch), estimate.hours_and_day
    unverified(patch)

    def hours_and_day(levels: Any, calendar: Any) -> Any:
        hours, day = real(levels, calendar)
        exact = [np.asarray(found) / 256 for name, found in truth.items() if name.startswith("presence")]
        told = [replace(level, noisy=found) for level, found in zip(levels, exact, strict=True)] if exact else levels
        return hours, real(told, calendar)[1] if exact else day

    patch.setattr(estimate, "hours_and_day", hours_and_day)


@bug("totals uncharged", "account")
def _totals_for_nothing(patch: pytest.MonkeyPatch) -> None:
    real = planning._group

    def group(study: Any, name: str, rho: Fraction, kinds: Any) -> Any:
        if name == "shapes" and study.flows is not None:
            weights = {t.kind: t.weight for t in study.tables}
            whole = noise.rho_for(study.privacy.epsilon, study.privacy.delta, study.privacy.noise)
            rho += whole * weights["flows"] / sum(weights.values()) * planning.TOTALS_SHARE
        return real(study, name, rho, kinds)

    patch.setattr(planning, "_group", group)
    unverified(patch)


@bug("a figure released that is not in the plan", "certified noise")
def _one_more(patch: pytest.MonkeyPatch) -> None:
    real = publishing.outputs.save
    patch.setattr(publishing.outputs, "save", lambda book, entry, noisy, *seen: real(book, entry, noisy | {"devices": np.array([1], dtype=np.int64)}, *seen))


@bug("a crash redraw uncharged", "crash")
def _redraw(patch: pytest.MonkeyPatch) -> None:
    real = Ledger.charge

    def charge(self: Ledger, plan: str, inputs: str, *more: Any, again: bool = False, **named: Any) -> Any:
        return self.find(plan, inputs) if again else real(self, plan, inputs, *more, again=again, **named)

    patch.setattr(Ledger, "charge", charge)


@bug("ledger reset by ingest", "crash")
def _reset(patch: pytest.MonkeyPatch) -> None:
    real = store.Store.ingest

    def ingest(self: Any, *given: Any, **named: Any) -> Any:
        for file in Path(self._study.ledger.path.parent).glob("ledger*"):
            if file.is_file():
                file.unlink()
        return real(self, *given, **named)

    patch.setattr(store.Store, "ingest", ingest)


@bug("a repeat draws again", "repeats")
def _draws_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(publishing, "outputs", SimpleNamespace(load=lambda *_: None, save=publishing.outputs.save, seen=publishing.outputs.seen))
