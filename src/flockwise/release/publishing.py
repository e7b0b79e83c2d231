"""Carries a plan out: sums, charge, noise, estimates, folder. In this order, and safe to kill at any moment."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flockwise import artifact, engines, noise, person
from flockwise.config import Study
from flockwise.errors import StoreError
from flockwise.ledger import Entry, Ledger
from flockwise.release import outputs
from flockwise.release.certifying import certificate, promise
from flockwise.release.facts import open_ledger
from flockwise.release.plan import Plan, make_plan
from flockwise.release.sums import all_levels
from flockwise.release.tables import build
from flockwise.store import Store

__all__ = ["Published", "publish"]

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
    """

    folder: Path
    charged: bool
    promise: str
    tables: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """The same, JSON-ready."""
        return {"folder": str(self.folder), "charged": self.charged, "promise": self.promise, "tables": self.tables}

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say with it."""
        again = "The ledger was charged." if self.charged else "The same plan on unchanged data was charged before: same bytes, nothing spent."
        return (again, "A published release cannot be recalled.")


def publish(study: Study, out: Path, progress: Progress | None = None) -> Published:
    """Carries out a study's plan and writes the folder.

    Args:
        study: the study.
        out: folder to publish into.
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        BudgetError: the ledger does not allow the charge. Nothing was spent.
        StoreError: nothing was ingested for this study.
        ArtifactError: something else is in the way at `out`. Nothing was spent.

    Privacy:
        Charges the plan's rho, once for each plan and state of the data (docs/claims/lifetime.md).
    """
    plan = make_plan(study)
    vault = Store.open(study)
    inputs = vault.keyed_digest()
    book = open_ledger(study)
    artifact.check_place(out)
    entry = book.find(plan.digest, inputs)
    noisy = None if entry is None else outputs.load(study.ledger.path, entry, plan)
    charged = noisy is None
    if entry is None or noisy is None:
        entry, noisy = _draw(study, plan, vault, inputs, book, again=entry is not None, progress=progress)
    if entry.status == "charged":
        entry = book.mark(entry, "drawn")
    tables, shown = build(plan, noisy)
    final = artifact.write(out, tables, certificate(plan, inputs, shown))
    if entry.status != "published":
        book.mark(entry, "published")
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
    return Published(out, charged, promise(plan), facts)


def _draw(
    study: Study, plan: Plan, vault: Store, inputs: str, book: Ledger, *, again: bool, progress: Progress | None
) -> tuple[Entry, dict[str, npt.NDArray[np.int64]]]:
    """Sums, charge, noise, durable output. The exact sums live in this function alone."""
    noise.certify(plan.bound, [b.weight for b in plan.blocks], [b.sigma_units for b in plan.blocks], plan.rho)
    book.require(plan.rho)
    threads = os.cpu_count() or 1
    found = engines.LocalEngine(threads).sum(vault, plan.rules(), progress)
    kinds = {person.PRESENCE: "presence", person.FLOWS: "flows"}
    exact = all_levels(plan, {kinds[block]: sums for block, sums in found.items()})
    if vault.keyed_digest() != inputs:
        raise StoreError(
            "RELEASE_DATA_CHANGED",
            what="The store changed while it was being read.",
            state="Nothing was spent and nothing was published.",
            fix="Wait until the ingest has ended and release again.",
        )
    privacy = study.privacy
    entry = book.charge(
        plan.digest, inputs, plan.rho, privacy.delta, privacy.epsilon, f"{study.name}, {study.window.start}, {study.window.days} days", again=again
    )
    done, total = 0, sum(b.size for b in plan.blocks)
    noisy = {}
    for block in plan.blocks:
        # One bar for all blocks: each call counts from where the last one ended.
        tick = None if progress is None else (lambda _stage, n, _of, base=done: progress("noise", base + n, total))
        noisy[block.name] = noise.add(exact[block.name], block.sigma_units, threads, tick)
        done += block.size
    outputs.save(study.ledger.path, entry, noisy)
    return book.mark(entry, "drawn"), noisy
