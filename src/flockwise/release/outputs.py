"""The durable noisy output of a charge: written before anything is readable, so that a repeated release draws nothing.

It lies beside the ledger and holds noisy integers only. Whoever reads it learns no more than the release itself says.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flockwise.base.files import write_durably
from flockwise.errors import StoreError
from flockwise.ledger import Entry
from flockwise.release.plan import Plan

__all__ = ["load", "save"]

Noisy = dict[str, npt.NDArray[np.int64]]


def _path(ledger: Path, entry: Entry) -> Path:
    return ledger.with_name(ledger.name + ".outputs") / f"{entry.digest}.npz"


def save(ledger: Path, entry: Entry, noisy: Noisy) -> None:
    """Writes the noisy output of a charge, durably, in one step."""
    path = _path(ledger, entry)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **noisy)
    content = buffer.getvalue()
    write_durably(path, hashlib.sha256(content).digest() + content, mode=0o600)


def load(ledger: Path, entry: Entry, plan: Plan) -> Noisy | None:
    """The noisy output of a charge, or None if it was never written.

    Raises:
        StoreError: the file was changed.
    """
    path = _path(ledger, entry)
    if not path.exists():
        return None
    raw = path.read_bytes()
    mark, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != mark:
        raise _changed(path)
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        noisy = {name: file[name] for name in file.files}
    if {n: (a.dtype, a.shape) for n, a in noisy.items()} != {b.name: (np.dtype(np.int64), b.shape) for b in plan.blocks}:
        raise _changed(path)
    return noisy


def _changed(path: Path) -> StoreError:
    return StoreError(
        "RELEASE_OUTPUT_DAMAGED",
        what="The noisy output that an earlier charge paid for is damaged.",
        got=path.name,
        state="Nothing was spent and nothing was published.",
        fix="Restore the file from a backup. Without it the same release is a new charge: remove the file to allow that.",
    )
