"""The durable noisy output of a charge: written before anything is readable, so that a repeated release draws nothing.

The ledger's storage keeps it: in a folder beside the file, or on the server that several hosts share. It holds noisy integers only. Whoever reads it
learns no more than the release itself says. Beside them it holds what the certificate says of the trail, so that every host prints the same certificate.
"""

from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import numpy.typing as npt

from flockwise.errors import StoreError
from flockwise.ledger import Entry, Ledger
from flockwise.release.plan import Block, Plan
from flockwise.trail import Witness

__all__ = ["load", "save", "seen"]

TRAIL = "trail"

Noisy = dict[str, npt.NDArray[np.int64]]


def save(book: Ledger, entry: Entry, noisy: Noisy, witness: Witness | None = None) -> None:
    """Writes the noisy output of a charge, and the line of the trail with which it was begun, durably, in one step."""
    if witness is not None:
        noisy[TRAIL] = np.frombuffer(json.dumps(vars(witness)).encode(), dtype=np.uint8).astype(np.int64)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **noisy)
    content = buffer.getvalue()
    book.keep(entry, hashlib.sha256(content).digest() + content)


def load(book: Ledger, entry: Entry, plan: Plan) -> Noisy | None:
    """The noisy output of a charge, or None if it was never written.

    Raises:
        StoreError: it was changed.
    """
    raw = book.kept(entry)
    if raw is None:
        return None
    mark, content = raw[:32], raw[32:]
    if hashlib.sha256(content).digest() != mark:
        raise _changed(entry)
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        noisy = {name: file[name] for name in file.files}
    if any(a.dtype != np.int64 for a in noisy.values()) or not all(_fits(block, noisy) for block in plan.blocks):
        raise _changed(entry)
    return noisy


def seen(noisy: Noisy) -> Witness | None:
    """With which line of the trail the release was begun; None if there was none."""
    if TRAIL not in noisy:
        return None
    found = json.loads(noisy[TRAIL].astype(np.uint8).tobytes())
    return Witness(found["key"], found["last"])


def _fits(block: Block, noisy: Noisy) -> bool:
    if block.sparse:
        key, value = (noisy.get(f"{block.name}.{part}") for part in ("key", "value"))
        return key is not None and value is not None and key.ndim == 1 and key.shape == value.shape
    return block.name in noisy and noisy[block.name].shape == block.shape


def _changed(entry: Entry) -> StoreError:
    return StoreError(
        "RELEASE_OUTPUT_DAMAGED",
        what="The noisy output that an earlier charge paid for is damaged.",
        got=f"charge {entry.digest[:12]}",
        state="Nothing was spent and nothing was published.",
        fix="Restore it from a backup of the ledger's storage. Without it the same release is a new charge: a file may be removed to allow that.",
    )
