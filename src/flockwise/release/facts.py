"""What a study would cost and publish, and what its ledger holds: public facts for `check` and `ledger show`."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flockwise import noise
from flockwise.config import Study
from flockwise.ledger import Ledger
from flockwise.release.plan import Plan

__all__ = ["budget", "ledger_facts", "open_ledger", "table_facts"]


def open_ledger(study: Study) -> Ledger:
    """The study's ledger; made if there is none yet."""
    cap = noise.rho_for(study.ledger.lifetime_epsilon, study.privacy.delta)
    study.ledger.path.parent.mkdir(parents=True, exist_ok=True)
    return Ledger.open(study.ledger.path, study.ledger.dataset, cap, f"epsilon {study.ledger.lifetime_epsilon} at delta {study.privacy.delta}")


def budget(study: Study, plan: Plan) -> dict[str, Fraction]:
    """The charge of a plan and what the ledger has left, in rho, exact. Makes no ledger."""
    cap = noise.rho_for(study.ledger.lifetime_epsilon, study.privacy.delta)
    left = open_ledger(study).left() if study.ledger.path.exists() else cap
    return {"charge_rho": plan.rho, "left_rho": left, "lifetime_rho": cap}


def table_facts(plan: Plan) -> list[dict[str, Any]]:
    """One row a table and level: size of the public domain and the noise on each figure."""
    return [
        {
            "table": b.kind,
            "level": b.level,
            "cells": len(b.region),
            "figures": b.size,
            "noise_sd": round(b.sigma, 1),
            "unit": "devices" if b.kind == "presence" else "trips",
        }
        for b in plan.blocks
    ]


def ledger_facts(study: Study) -> dict[str, Any]:
    """What was charged and what is left, once the chain of entries was checked."""
    book = open_ledger(study)
    book.verify()
    spent, delta = book.spent(), study.privacy.delta
    return {
        "dataset": study.ledger.dataset,
        "spent_rho": str(spent),
        "left_rho": str(book.cap_rho - spent),
        "spent_epsilon": round(float(noise.epsilon_of(spent, delta)), 4),
        "lifetime_epsilon": str(study.ledger.lifetime_epsilon),
        "at_delta": str(delta),
        "entries": [
            {"time": e.time, "title": e.title, "rho": f"{float(e.rho):.6g}", "epsilon": str(e.epsilon), "status": e.status, "plan": e.plan[:12]}
            for e in book.entries()
        ],
    }
