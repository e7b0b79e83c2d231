"""The store's folder: its rights, its secrets, and what a crash or a change leaves behind in it."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flockwise.errors import RuleError, StoreError
from flockwise.store.buckets import SEGMENTS
from flockwise.store.keyring import Keyring
from flockwise.store.locking import alone
from flockwise.store.manifest import MANIFEST, Manifest, damaged
from flockwise.store.readers import write_lock
from flockwise.store.sealing import BrokenSealError

__all__ = ["STAGING", "check_mode", "clean", "remove", "ring_of", "staged", "unwritable"]

STAGING = "staging"


@contextmanager
def staged(root: Path) -> Iterator[Path]:
    """An empty folder for what is being made, gone when the block ends, however it ends."""
    folder = Path(tempfile.mkdtemp(dir=root / STAGING))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ring_of(root: Path, manifest: Manifest, key: bytes) -> Keyring:
    """The store's own secrets, unwrapped; the manifest's seal is checked with them.

    Raises:
        StoreError: STORE_DAMAGED.
    """
    try:
        ring = Keyring.unwrapped(key, manifest.keys)
    except BrokenSealError as error:
        raise damaged(root, f"{MANIFEST}: its keys can't be unwrapped") from error
    manifest.check_seal(root, ring.marks)
    return ring


def unwritable(root: Path, error: OSError) -> StoreError:
    """The error for a folder that can't be written."""
    return StoreError(
        "STORE_WRITE",
        what="The store can't be written.",
        got=f"{root}: {os.strerror(error.errno) if error.errno else type(error).__name__}",
        state="The store is as it was before.",
        fix="Check the room on the disk and the rights on the folder.",
    )


def check_mode(root: Path) -> None:
    """Refuses a store on which others than its owner have rights.

    Raises:
        RuleError: STORE_MODE.
    """
    mode = stat.S_IMODE(root.stat().st_mode)
    if mode & 0o077:
        raise RuleError(
            "STORE_MODE",
            what="Others than its owner have rights on the store.",
            got=f"{root}: mode {mode:04o}",
            expected="mode 0700",
            fix=f"Run: chmod 700 {root}",
        )


def clean(root: Path, manifest: Manifest) -> None:
    """Removes what a crashed ingest has left, and segments that count no more."""
    for leftover in (root / STAGING).iterdir():
        shutil.rmtree(leftover)
    known = {s.name for s in manifest.segments}
    unknown = [p for p in (root / SEGMENTS).iterdir() if p.name not in known]
    with write_lock(root / SEGMENTS) as unread:
        for leftover in unknown if unread else ():  # a release may still read what was merged or replaced: the next ingest removes it
            shutil.rmtree(leftover)
    for draft in root.glob(".*.part"):
        draft.unlink()


def remove(segments: Path, names: list[str]) -> None:
    """Removes segments that count no more, as soon as nobody reads them."""
    try:
        with alone(segments):
            for name in names:
                shutil.rmtree(segments / name)
    except OSError as error:
        raise StoreError(
            "STORE_LEFTOVER",
            what="Old files of the store can't be removed.",
            got=os.strerror(error.errno) if error.errno else type(error).__name__,
            state="The change is done: nothing reads the old files any more. But they are still there.",
            fix="Check the rights on the folder, and run the command again: it removes them.",
        ) from error
