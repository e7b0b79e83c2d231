"""Carries a plan out: sums, charge, noise, estimates, folder. In this order, and safe to kill at any moment."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flockwise import artifact, engines, estimate, noise, person, record, trail
from flockwise.config import Study
from flockwise.errors import InternalError, StoreError
from flockwise.ledger import Entry, Ledger
from flockwise.release import cutting, outputs
from flockwise.release.certifying import certificate, promise
from flockwise.release.facts import open_ledger
from flockwise.release.plan import GRID, NORMS, Plan
from flockwise.release.planning import make_plan, settle
from flockwise.release.recording import facts_of
from flockwise.release.sums import all_levels
from flockwise.release.tables import build
from flockwise.store import Store, require_nothing_due

__all__ = ["Published", "publish", "settled"]

log = logging.getLogger("flockwise.release")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Published:
    """What a release came to.

    Attributes:
        folder: where it is.
        charged: whether this call charged the ledger, or an earlier one had.
        promise: the guarantee in one line.
        tables: one row a table and level.
        begun: the data set whose ledger was begun by this release, if it was.
    """

    folder: Path
    charged: bool
    promise: str
    tables: list[dict[str, Any]]
    begun: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The same, JSON-ready."""
        return {"folder": str(self.folder), "charged": self.charged, "promise": self.promise, "tables": self.tables}

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say with it."""
        again = "The ledger was charged." if self.charged else "The same plan on unchanged data was charged before: same bytes, nothing spent."
        new = () if self.begun is None else (f"A new ledger was begun for {self.begun}: its whole budget was unspent. Is that right?",)
        return (again, *new, "A published release cannot be recalled.")


def publish(study: Study, out: Path, progress: Progress | None = None) -> Published:
    """Carries out a study's plan and writes the folder.

    Args:
        study: the study.
        out: folder to publish into.
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        BudgetError: the ledger does not allow the charge. Nothing was spent.
        RuleError: the list of sensitive places is missing, not reviewed, stale, or not applied to the store. Nothing was spent.
        StoreError: nothing was ingested for this study.
        ArtifactError: something else is in the way at `out`. Nothing was spent.

    Privacy:
        Charges the plan's rho, once for each plan and state of the data (docs/claims/lifetime.md).
    """
    plan = make_plan(study)
    # A record that would promise too much is refused here, before anything is spent.
    record.texts(facts_of(plan))
    require_nothing_due(study)
    with Store.open(study).reading() as vault:
        return _carry_out(study, plan, vault, out, progress)


def _carry_out(study: Study, plan: Plan, vault: Store, out: Path, progress: Progress | None) -> Published:
    listed = cutting.require(study, vault.places_digest)
    inputs = vault.keyed_digest()
    book = open_ledger(study)
    artifact.check_place(out)
    # The trail has it before anything is spent: what is killed from here on leaves a beginning without an end.
    begun = trail.begin_release(study, plan.digest, vault.keyed_digest(plan.digest))
    if book.created:
        trail.record(study, "ledger_begun", {})
    entry = book.find(plan.digest, inputs)
    noisy = None if entry is None else outputs.load(book, entry, plan)
    charged = noisy is None
    if entry is None or noisy is None:
        with engines.opened(study.engine) as engine:
            entry, noisy = _draw(study, plan, engine, vault, inputs, book, None if begun is None else begun[0], again=entry is not None, progress=progress)
    if entry.status == "charged":
        entry = book.mark(entry, "drawn")
    plan = settled(plan, noisy)
    cut = cutting.cut_of(plan, listed)
    tables, shown = build(plan, noisy, None if cut is None else cut.shares)
    # Keyed by the charge: two certificates never tell whether the data changed in between, not even two of one plan.
    inputs = vault.keyed_digest(entry.digest)
    stated = certificate(plan, entry.digest, inputs, noisy, shown, outputs.seen(noisy), None if cut is None else cut.claim)
    final = artifact.write(out, tables, stated, record.texts(facts_of(plan, shown, listed)))
    if entry.status != "published":
        book.mark(entry, "published")
    if begun is not None:
        digest = hashlib.sha256(final.to_json().encode()).hexdigest()
        trail.record(study, "release", {"of": begun[1], "certificate": digest, "charged": "yes" if charged else "no"})
    log.info("released %s", study.name)
    facts = [
        {
            "table": t.kind,
            "level": t.level,
            "published": t.published,
            "withheld": t.withheld,
            "noise_sd": round(t.sigma, 1),
            "typical_error": None if t.typical_relative_error is None else f"{100 * t.typical_relative_error:.0f} %",
        }
        for t in final.tables
    ]
    return Published(out, charged, promise(plan), facts, study.ledger.dataset if book.created else None)


def _draw(
    study: Study,
    plan: Plan,
    engine: engines.Engine,
    vault: Store,
    inputs: str,
    book: Ledger,
    begun: trail.Witness | None,
    *,
    again: bool,
    progress: Progress | None,
) -> tuple[Entry, dict[str, npt.NDArray[np.int64]]]:
    """Sums, charge, noise, durable output. The exact sums live in this function alone.

    With a private clip the histogram of norms is drawn first, under the same charge, and what it chose decides the bound under which the rest is summed:
    adaptive composition of the charge's reserved parts. There is no second look.
    """
    _certify(plan)
    if plan.clip is not None:
        # The charge comes before the choice: whatever the histogram chooses has to work. The greatest norm has the least weights.
        settle(plan, plan.clip.edges[-1], plan.clip.edges[-1]).rules()
    book.require(plan.rho)
    threads = study.engine.workers
    found = engine.sum(vault, plan.rules() if plan.settled else plan.clip_rules(), progress)
    _unchanged(study, inputs)
    privacy = study.privacy
    entry = book.charge(
        plan.digest,
        inputs,
        plan.rho,
        privacy.delta,
        privacy.epsilon,
        f"{study.name}, {study.window.start}, {study.window.days} days",
        window=(study.window.start, study.window.days),
        accounting=plan.noise_kind,
        again=again,
    )
    noisy: dict[str, npt.NDArray[np.int64]] = {}
    if plan.clip is not None:
        noisy[NORMS] = noise.add(_dense(found[person.NORMS]), plan.clip.sigma_units, threads, kind=plan.noise_kind)
        plan = settled(plan, noisy)
        _certify(plan)
        found = engine.sum(vault, plan.rules(), progress)  # of the same snapshot: what came in since is for the next release
    exact = all_levels(plan, found)
    done, total = 0, sum(b.size for b in plan.blocks if not b.sparse)
    for block in plan.blocks:
        sums = exact[block.name]
        if isinstance(sums, person.SparseSum):
            ghosts = study.flows.ghosts if study.flows else 1
            printed = noise.draw_sparse(sums.key, sums.value, block.size, block.sigma_units, block.threshold(ghosts, plan.noise_kind), plan.noise_kind, threads)
            noisy[f"{block.name}.key"], noisy[f"{block.name}.value"] = printed.keys, printed.values
            continue
        # One bar for all blocks: each call counts from where the last one ended.
        tick = None if progress is None else (lambda _stage, n, _of, base=done: progress("noise", base + n, total))
        noisy[block.name] = noise.add(sums, block.sigma_units, threads, tick, plan.noise_kind)
        done += block.size
    outputs.save(book, entry, noisy, begun)
    return book.mark(entry, "drawn"), noisy


def settled(plan: Plan, noisy: Mapping[str, npt.NDArray[np.int64]]) -> Plan:
    """The plan under which the noisy values were drawn: the private clip's choice is made again from its noisy histogram."""
    if plan.clip is None or plan.settled:
        return plan
    edges = plan.clip.edges
    chosen = estimate.choose_bounds(noisy[NORMS] / GRID, np.array([0, *edges], dtype=np.float64), plan.clip.sigma)
    norm, heavy = (min(edges, key=lambda edge: (abs(edge - trips**2), edge)) for trips in (chosen.bound, chosen.heavy))
    return settle(plan, norm, heavy)


def _certify(plan: Plan) -> None:
    if sum((rho for _, rho, *_ in plan.scales), Fraction(0)) > plan.rho:
        raise InternalError("RELEASE_PARTS", what="The parts of the charge come to more than the charge.", state="Nothing was drawn.")
    for _, rho, bound, weights, sigmas in plan.scales:
        noise.certify(bound, weights, sigmas, rho, plan.noise_kind)


def _unchanged(study: Study, inputs: str) -> None:
    """Refuses to charge for a state of the store that is no longer its state: an ingest, an opt-out or a deletion came in between."""
    if Store.open(study).keyed_digest() != inputs:
        raise StoreError(
            "RELEASE_DATA_CHANGED",
            what="The store changed while it was being read.",
            state="Nothing was spent and nothing was published.",
            fix="Wait until the ingest has ended and release again.",
        )


def _dense(sums: npt.NDArray[np.int64] | person.SparseSum) -> npt.NDArray[np.int64]:
    if isinstance(sums, person.SparseSum):
        raise InternalError("RELEASE_SPARSE", what="A sparse sum was met where only dense ones are drawn.", state="Nothing was drawn for it.")
    return sums
