"""Changing what is stored already: every file of every segment is opened, filtered and sealed anew beside the old ones.

All files are rewritten, whatever they hold: neither the time nor the files that change say whom a deletion met.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from flockwise.store.buckets import load as opened
from flockwise.store.keyring import Keyring
from flockwise.store.layout import seal_pings
from flockwise.store.manifest import Manifest, Segment
from flockwise.store.pseudonym import Pseudonyms
from flockwise.store.runner import ProgressFn
from flockwise.store.writing import write_file

__all__ = ["KeepFn", "load", "renamed", "rewrite"]

KeepFn = Callable[[pa.Table], "np.ndarray[tuple[int], np.dtype[np.bool_]]"]
"""Which rows of a table of STORED_PINGS stay."""


def load(segments: Path, name: str, ring: Keyring) -> pa.Table:
    """The rows of one file of a segment.

    Raises:
        StoreError: STORE_DAMAGED.
    """
    return opened(segments.parent, ring.sealer(), name)


def rewrite(
    segments: Path,
    manifest: Manifest,
    ring: Keyring,
    into: Path,
    keep: KeepFn,
    *,
    new_ring: Keyring | None = None,
    change: Callable[[pa.Table], pa.Table] | None = None,
    progress: ProgressFn | None = None,
) -> tuple[Segment, ...]:
    """Writes every file anew; durable on return. Nothing of the store changes yet.

    Args:
        segments: folder of the segments.
        manifest: of the store.
        ring: opens the files.
        into: empty folder for the new segments.
        keep: which rows stay.
        new_ring: seals the new files, if it is another one.
        change: done to the rows that stay.
        progress: told how many files are done.

    Returns:
        The new segments, in their order.
    """
    sealer = (new_ring or ring).sealer()
    total, done, made = sum(len(s.files) for s in manifest.segments), 0, []
    for number, segment in enumerate(manifest.segments, start=manifest.made + 1):
        name = f"{number:06d}"
        (into / name).mkdir(mode=0o700)
        for file in segment.files:
            table = load(segments, f"{segment.name}/{file}", ring)
            table = table.filter(pa.array(keep(table)))
            if change is not None:
                table = change(table)
            write_file(into / name / file, seal_pings(sealer, table, f"{name}/{file}"))
            done += 1
            if progress is not None:
                progress("rewrite", done, total)
        made.append(Segment(name, segment.files, segment.deliveries))
    return tuple(made)


def renamed(old: Pseudonyms, new: Pseudonyms, table: pa.Table) -> pa.Table:
    """The rows with the pseudonyms of another window key, devices in the order of these; the rows of a device keep theirs."""
    high, low = new.of_bases(*old.to_bases(table["device_hi"].to_numpy(), table["device_lo"].to_numpy()))
    order: Any = pa.array(np.lexsort((low, high)))  # the stubs take it for truth values
    columns = [pa.array(high), pa.array(low), *table.columns[2:]]
    return pa.table(columns, schema=table.schema).take(order)
