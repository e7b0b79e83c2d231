"""The durable noisy figures of a charge: written before anything is readable, so that a repeated assessment draws nothing.

The ledger's storage keeps them. Whoever reads them learns no more than the assessment itself says.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
import numpy.typing as npt

from flockwise.errors import StoreError
from flockwise.ledger import Entry, Ledger
from flockwise.risk.plan import RiskPlan

__all__ = ["load", "save"]

Noisy = dict[str, npt.NDArray[np.int64]]


def save(book: Ledger, entry: Entry, noisy: Noisy) -> None:
    """Writes the noisy figures of a charge, durably, in one step."""
    text = json.dumps({name: values.tolist() for name, values in noisy.items()})
    book.keep(entry, f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}".encode())


def load(book: Ledger, entry: Entry, plan: RiskPlan) -> Noisy | None:
    """The noisy figures of a charge, or None if they were never written.

    Raises:
        StoreError: they were changed.
    """
    content = book.kept(entry)
    if content is None:
        return None
    mark, _, text = content.partition(b"\n")
    if hashlib.sha256(text).hexdigest().encode() != mark:
        raise _changed(entry)
    noisy = {name: np.array(values, dtype=np.int64) for name, values in json.loads(text).items()}
    if {name: len(values) for name, values in noisy.items()} != {b.name: b.size for b in plan.blocks}:
        raise _changed(entry)
    return noisy


def _changed(entry: Entry) -> StoreError:
    return StoreError(
        "RISK_OUTPUT_DAMAGED",
        what="The noisy figures that an earlier charge paid for are damaged.",
        got=f"charge {entry.digest[:12]}",
        state="Nothing was spent and nothing was written.",
        fix="Restore them from a backup of the ledger's storage. Without them the same assessment is a new charge: a file may be removed to allow that.",
    )
