"""What a study would cost and publish, and what its ledger holds: public facts for `check` and `ledger show`."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt
from typing import Any

import numpy as np

from flockwise import noise
from flockwise.config import Study
from flockwise.ledger import Ledger, place
from flockwise.release.plan import Block, Plan
from flockwise.release.tables import typical_slots

__all__ = ["budget", "epsilon_text", "ledger_facts", "open_ledger", "table_facts"]


def open_ledger(study: Study) -> Ledger:
    """The study's ledger; begun if there is none yet, with a cap for the study's kind of noise."""
    where = study.ledger
    kinds: tuple[noise.Kind, ...] = ("rounded", "discrete") if study.privacy.noise == "rounded" else ("discrete", "rounded")
    caps: dict[str, Fraction] = {kind: noise.rho_for(where.lifetime_epsilon, study.privacy.delta, kind) for kind in kinds}
    return Ledger.open(place(where), where.dataset, caps, f"epsilon {where.lifetime_epsilon} at delta {study.privacy.delta}")


def budget(study: Study, plan: Plan) -> dict[str, Fraction]:
    """The charge of a plan and what the ledger has left, in rho, exact. Makes no ledger."""
    cap = left = noise.rho_for(study.ledger.lifetime_epsilon, study.privacy.delta, study.privacy.noise)
    if place(study.ledger).begun():
        book = open_ledger(study)
        cap, left = book.cap_rho, book.left()
    return {"charge_rho": plan.rho, "left_rho": left, "lifetime_rho": cap}


def epsilon_text(study: Study, rho: Fraction) -> str:
    """What a rest of the ledger still allows, as an epsilon at the study's delta."""
    if rho <= 0:
        return "nothing is left"
    return f"epsilon {float(noise.epsilon_of(rho, study.privacy.delta, study.privacy.noise)):.3g} is left"


def table_facts(plan: Plan) -> list[dict[str, Any]]:
    """One row a published table and level: size of the public domain and the noise on each figure.

    Until a private clip has chosen the contribution bound, the noise on flows is that at a guessed bound (`Plan.trips_bound`).
    """
    tables = {"presence": ("presence", "devices"), "flows": ("flows", "trips"), "departures": ("margins", "trips")}

    def row(table: str, block: Block, figures: int, sigma: float, unit: str) -> dict[str, Any]:
        return {"table": table, "level": block.level, "cells": len(block.region), "figures": figures, "noise_sd": round(sigma, 1), "unit": unit}

    found = [row(tables[b.kind][0], b, b.size, b.sigma, tables[b.kind][1]) for b in plan.blocks if b.kind in tables]
    day = typical_slots(plan)
    if day is None:
        return found
    days = np.bincount(day[0])
    means = [row("typical_day", b, len(b.region) * len(days), b.sigma / sqrt(days.min()), "devices") for b in plan.of("presence")]
    return [*found[: len(means)], *means, *found[len(means) :]]


def ledger_facts(study: Study) -> dict[str, Any]:
    """What was charged and what is left, once the chain of entries was checked."""
    book = open_ledger(study)
    entries, exposure, delta = book.entries(), book.exposure(), study.privacy.delta

    def epsilon(rho: Fraction) -> float:
        return round(float(noise.epsilon_of(rho, delta, "rounded" if exposure.accounting == "rounded" else "discrete")), 4)

    return {
        "dataset": study.ledger.dataset,
        "spent_rho": str(exposure.rho),
        "left_rho": str(book.cap_rho - exposure.rho),
        "spent_epsilon": epsilon(exposure.rho),
        "lifetime_epsilon": str(study.ledger.lifetime_epsilon),
        "at_delta": str(delta),
        "accounting": exposure.accounting,
        "exposure": {
            "of": "a device that was in every window: charges of disjoint windows add up for it, too",
            "windows": [f"{w.start}, {w.days} days: rho {float(w.rho):.6g}" for w in exposure.windows],
            "overlapping": [f"{a.start}, {a.days} days and {b.start}, {b.days} days" for a, b in exposure.overlapping],
            "rho_of_unknown_windows": str(exposure.unknown_rho),
            "greatest_epsilon_within_a_year": epsilon(exposure.greatest_year_rho),
            "year_like_the_dearest_window": None if exposure.year_rho is None else f"{exposure.year_windows} windows, epsilon {epsilon(exposure.year_rho)}",
        },
        "entries": [
            {
                "time": e.time,
                "title": e.title,
                "window": e.as_dict()["window"],
                "rho": f"{float(e.rho):.6g}",
                "epsilon": str(e.epsilon),
                "accounting": e.accounting,
                "status": e.status,
                "plan": e.plan[:12],
            }
            for e in entries
        ],
    }
