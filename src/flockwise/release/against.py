"""Published folders against the ledger: a ledger that was put back with its witness, to a time before a release, has forgotten that release's charge."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from flockwise import artifact
from flockwise.base.plain import exact_number
from flockwise.config import Study
from flockwise.errors import ArtifactError, LedgerError
from flockwise.ledger import Entry, place
from flockwise.release.facts import open_ledger

__all__ = ["check_published"]

CERTIFICATE, RISK = "certificate.json", "risk.json"


@dataclass(frozen=True)
class _Claim:
    """What a published certificate says of its charge."""

    dataset: str
    charge: str
    plan: str
    rho: Fraction
    delta: Fraction
    accounting: str
    window: tuple[str, int]


def check_published(study: Study, folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Finds the charge of every published folder in the study's ledger. Begins no ledger and spends nothing.

    A charge's hash covers all entries before it, so a folder shows that the ledger still holds everything that was charged up to its release.

    Args:
        study: whose ledger.
        folders: published folders: releases, and assessments of disclosure risk.

    Returns:
        One row a folder, in order.

    Raises:
        LedgerError: LEDGER_FORGOT: the ledger lacks the charge of a folder. Others: it is damaged.
        ArtifactError: a folder has no certificate that can be read, or is of another data set.

    Privacy:
        Reads the ledger and published files, no data.
    """
    entries = {e.digest: e for e in open_ledger(study).entries()} if place(study.ledger).begun() else {}
    rows = []
    for folder in folders:
        claim = _claim(folder)
        if claim.dataset != study.ledger.dataset:
            raise ArtifactError(
                "ARTIFACT_OTHER_DATASET",
                what="The folder was charged to the budget of another data set.",
                got=str(folder),
                expected=f"a folder of {study.ledger.dataset!r}",
                fix="Check it against the ledger of its own study.",
            )
        entry = entries.get(claim.charge)
        if entry is None or claim != _of(entry, claim.dataset):
            raise LedgerError(
                "LEDGER_FORGOT",
                what="The ledger does not hold the charge of a published folder.",
                got=str(folder),
                expected="an entry with the hash and the figures that the certificate states",
                state="Nothing was spent. Either the ledger was put back or begun anew since, or this certificate is not of this ledger.",
                fix="Put back the latest ledger and witness from a backup; release nothing until every published folder is found in it.",
            )
        rows.append({"folder": str(folder), "entry": entry.number, "charged": entry.time, "title": entry.title, "rho": f"{float(entry.rho):.6g}"})
    return rows


def _of(entry: Entry, dataset: str) -> _Claim:
    first, days = entry.window or ("", 0)
    return _Claim(dataset, entry.digest, entry.plan, entry.rho, entry.delta, entry.accounting, (str(first), days))


def _claim(folder: Path) -> _Claim:
    if os.path.lexists(folder / CERTIFICATE) or not os.path.lexists(folder / RISK):
        whole = artifact.read(folder).certificate
        p, w = whole.privacy, whole.window
        return _Claim(whole.dataset, p.charge, whole.study.digest, p.rho, p.delta, p.noise, (w.first_day.isoformat(), w.days))
    try:
        raw = json.loads((folder / RISK).read_bytes())
        p, w = raw["privacy"], raw["window"]
        exact = {name: exact_number(str(p[name])) for name in ("rho", "delta")}
        return _Claim(raw["dataset"], str(p["charge"]), raw["plan"], exact["rho"], exact["delta"], p["noise"], (w["first_day"], w["days"]))
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise ArtifactError("ARTIFACT_CERTIFICATE", what=f"{RISK} can't be read.", got=str(folder), fix="Get the folder again.") from error
