"""Carries an assessment out: figures, charge, noise, estimates, files. In this order, and safe to kill at any moment."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flockwise import noise
from flockwise.base.files import sync, write_durably
from flockwise.config import Study
from flockwise.errors import ArtifactError, StoreError
from flockwise.governance import places
from flockwise.ledger import Entry, Ledger
from flockwise.release.facts import open_ledger
from flockwise.risk import drawn
from flockwise.risk.certifying import certificate, promise
from flockwise.risk.estimating import rows_of
from flockwise.risk.page import page
from flockwise.risk.plan import BOUND, RiskPlan, make_plan
from flockwise.risk.summing import exact_figures
from flockwise.risk.table import Row, to_csv
from flockwise.risk.terms import CERTIFICATE, PAGE, TABLE
from flockwise.store import Store, require_nothing_due

__all__ = ["Assessed", "publish"]

log = logging.getLogger("flockwise.risk")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Assessed:
    """What an assessment came to.

    Attributes:
        folder: where it is.
        charged: whether this call charged the ledger, or an earlier one had.
        promise: the guarantee in one line.
        rows: all published figures.
    """

    folder: Path
    charged: bool
    promise: str
    rows: tuple[Row, ...]

    def as_dict(self) -> dict[str, Any]:
        """The main figures, JSON-ready."""
        shown = [r for r in self.rows if r.figure == "singled_out" and r.points in (1, 4, 8)]
        small = [r for r in self.rows if r.figure == "in_small_sets" and r.bin == "1"]
        return {
            "page": str(self.folder / PAGE),
            "charged": self.charged,
            "promise": self.promise,
            "singled_out": [
                {"groups": r.groups, "level": r.level, "time": r.time, "points": r.points, "share": _percent(r.value), "interval": _interval(r)} for r in shown
            ],
            "alone_with_their_top_places": [{"level": r.level, "places": r.places, "share": _percent(r.value), "interval": _interval(r)} for r in small],
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say with it."""
        return (
            "Singled out means within random groups of the panel: in the whole panel the share is lower, or at most about the same. It falls as groups grow.",
            "The ledger was charged." if self.charged else "The same assessment of unchanged data was charged before: same figures, nothing spent.",
        )


def publish(study: Study, epsilon: str, out: Path, progress: Progress | None = None) -> Assessed:
    """Charges the ledger, draws the noise and writes risk.csv, risk.html and risk.json.

    Args:
        study: the study.
        epsilon: what the assessment may cost, exact, as text.
        out: folder to write into; new, empty, or an earlier assessment.
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        ConfigError: epsilon can't be used. Nothing was spent.
        BudgetError: the ledger does not allow the charge. Nothing was spent.
        StoreError: nothing was ingested for this study.
        ArtifactError: something else is in the way at `out`. Nothing was spent.

    Privacy:
        Charges the plan's rho, once for each epsilon and state of the data (docs/claims/disclosure-risk.md).
    """
    plan = make_plan(study, epsilon)
    require_nothing_due(study)
    with Store.open(study).reading() as vault:
        return _carry_out(study, plan, vault, out, progress)


def _carry_out(study: Study, plan: RiskPlan, vault: Store, out: Path, progress: Progress | None) -> Assessed:
    places.require_applied(places.require(study), vault.places_digest)
    inputs = vault.keyed_digest()
    book = open_ledger(study)
    _check_place(out)
    entry = book.find(plan.digest, inputs)
    noisy = None if entry is None else drawn.load(book, entry, plan)
    charged = noisy is None
    if entry is None or noisy is None:
        entry, noisy = _draw(plan, vault, inputs, book, again=entry is not None, progress=progress)
    if entry.status == "charged":
        entry = book.mark(entry, "drawn")
    rows = rows_of(plan, noisy)
    _write(out, plan, entry.digest, vault.keyed_digest(entry.digest), rows)
    if entry.status != "published":
        book.mark(entry, "published")
    log.info("assessed the disclosure risk of %s", study.name)
    return Assessed(out, charged, promise(plan), tuple(rows))


def _draw(plan: RiskPlan, vault: Store, inputs: str, book: Ledger, *, again: bool, progress: Progress | None) -> tuple[Entry, dict[str, npt.NDArray[np.int64]]]:
    """Figures, charge, noise, durable output. The exact figures live in this function alone."""
    study, privacy = plan.study, plan.privacy
    noise.certify(BOUND, [b.weight for b in plan.blocks], [b.sigma_units for b in plan.blocks], plan.rho, privacy.noise)
    book.require(plan.rho)
    threads = study.engine.workers
    exact = exact_figures(vault, plan, threads, progress)
    if Store.open(study).keyed_digest() != inputs:
        raise StoreError(
            "RISK_DATA_CHANGED",
            what="The store changed while it was being read.",
            state="Nothing was spent and nothing was written.",
            fix="Wait until the ingest has ended and assess again.",
        )
    entry = book.charge(
        plan.digest,
        inputs,
        plan.rho,
        privacy.delta,
        privacy.epsilon,
        f"Disclosure risk of {study.name}, {study.window.start}, {study.window.days} days",
        window=(study.window.start, study.window.days),
        accounting=privacy.noise,
        again=again,
    )
    noisy = {block.name: noise.add(exact[block.name], block.sigma_units, threads, kind=privacy.noise) for block in plan.blocks}
    drawn.save(book, entry, noisy)
    return book.mark(entry, "drawn"), noisy


def _check_place(out: Path) -> None:
    """Refuses to write among files that are not an assessment's."""
    try:
        there = {p.name for p in out.iterdir() if not (p.name.startswith(".") and p.name.endswith(".part"))} if out.exists() else set()
        ours = not there or (there <= {CERTIFICATE, TABLE, PAGE} and json.loads((out / CERTIFICATE).read_bytes())["format"].startswith("flockwise-risk/"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        ours = False
    if not ours:
        raise ArtifactError(
            "RISK_PLACE_TAKEN",
            what="Something else is at the place of the assessment.",
            got=str(out),
            expected="a new or empty folder, or an earlier assessment",
            state="Nothing was spent and nothing was written.",
            fix="Name another folder with --out.",
        )


def _write(out: Path, plan: RiskPlan, charge: str, inputs: str, rows: list[Row]) -> None:
    """A new folder appears whole or not at all. In an earlier one the files are written over, the certificate last: it vouches for the other two."""
    table, shown = to_csv(rows), page(certificate(plan, charge, inputs, {}), rows).encode()
    terms = json.dumps(certificate(plan, charge, inputs, {TABLE: table, PAGE: shown}), ensure_ascii=False, indent=2)
    contents = {TABLE: table, PAGE: shown, CERTIFICATE: f"{terms}\n".encode()}
    try:
        folder = out
        if not (out / CERTIFICATE).exists():
            folder = out.with_name(f".{out.name}.{secrets.token_hex(6)}.part")
            folder.mkdir(parents=True)
        for name, content in contents.items():
            write_durably(folder / name, content, mode=0o666)
        if folder is not out:
            folder.replace(out)
            sync(out.parent)
    except OSError as error:
        raise ArtifactError(
            "RISK_NOT_WRITTEN",
            what="The assessment can't be written.",
            got=type(error).__name__,
            state="It was charged and drawn; writing it again costs nothing.",
            fix="Name another folder with --out and run the same command again.",
        ) from error


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:.1f} %"


def _interval(row: Row) -> str | None:
    return None if row.lower is None or row.upper is None else f"{100 * row.lower:.1f} to {100 * row.upper:.1f}"
