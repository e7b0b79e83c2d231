"""What a steward does to a store as a whole: carry out deletions, change keys, and end it."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from flockwise.base import clock
from flockwise.config import Study
from flockwise.errors import ConfigError, RuleError, StoreError
from flockwise.store import keys
from flockwise.store.buckets import SEGMENTS
from flockwise.store.expiry import expires
from flockwise.store.folder import STAGING, clean
from flockwise.store.forgetting import Kind, read_list
from flockwise.store.keyring import Keyring, key_id
from flockwise.store.locking import alone, locked
from flockwise.store.manifest import MANIFEST, Manifest, damaged
from flockwise.store.placetables import TABLES
from flockwise.store.pseudonym import Pseudonyms
from flockwise.store.runner import ProgressFn
from flockwise.store.sealing import BrokenSealError
from flockwise.store.store import Store
from flockwise.store.suppression import DELETE_DAYS, STOP_DAYS, Suppression

__all__ = ["forget", "purge", "rotate"]


def forget(
    study: Study,
    address: str | None,
    *,
    kind: Kind = "ids",
    column: str | None = None,
    received: date | None = None,
    progress: ProgressFn | None = None,
) -> dict[str, Any]:
    """Deletes the devices of a list from the study's store and bars them from every window of the data set.

    Args:
        study: the study.
        address: the list; None carries out what waits (opt-outs of deliveries, lists given to other studies of the data set).
        kind: "ids" or "hashed".
        column: of the list, with the identifiers.
        received: when the request was received; by default what the list's column `received` says, or today.
        progress: told ("rewrite", files done, files).

    Returns:
        Facts for the steward: about the list and the files, never about who was found.

    Raises:
        ConfigError, DataError: the list can't be read; nothing was changed.
        StoreError: the store can't be opened or written.
    """
    today = clock.today()
    if received is not None and received > today:
        raise ConfigError("FORGET_RECEIVED", what="A request can't be received in the future.", got=str(received), fix="Correct --received.")
    master = keys.load(study.store.key)
    known = Suppression.open(study, master)
    exists = (study.store.path / MANIFEST).exists() and not Manifest.read(study.store.path).purged
    facts: dict[str, Any] = {}
    listed = None
    if address is not None:
        names = Pseudonyms(study.input.device_type, window=known.ring.window, marks=Keyring.new().marks, dataset=known.ring.window)
        found = read_list(address, kind, study.input.device_type, names, column, received)
        received, listed = min(found.received or today, today), found.bases
        late = today > received + timedelta(days=STOP_DAYS)
        facts = {
            "entries_of_the_list": found.entries,
            "entries_that_are_no_identifier": found.unreadable,
            "entries_without_a_day": found.undated,
            "received": received.isoformat(),
            "stop_by": (received + timedelta(days=STOP_DAYS)).isoformat(),
            "use_stopped": today.isoformat() + (f" (later than {STOP_DAYS} days)" if late else ""),
            "delete_by": (received + timedelta(days=DELETE_DAYS)).isoformat(),
        }
    day = received or today
    if exists:
        facts["files_rewritten"] = Store.open(study).forget(listed, day, progress)
    elif listed is not None:
        known.add(listed, day, "list", always=True)
        facts["files_rewritten"] = 0
    return facts


def purge(study: Study, *, early: bool = False) -> date:
    """Removes the pings of a study's store and destroys its keys. What stays: the suppression list, the ledger, releases.

    Needs no key.

    Args:
        study: the study.
        early: also before the retention schedule ends.

    Returns:
        The day on which the store was purged.

    Raises:
        RuleError: the schedule has not ended (PURGE_EARLY).
        StoreError: STORE_NOT_FOUND, STORE_DAMAGED, STORE_BUSY, STORE_WRITE.
    """
    if not early and clock.today() < expires(study):
        raise RuleError(
            "PURGE_EARLY",
            what="The retention schedule of this study has not ended.",
            got=f"today is {clock.today()}",
            expected=f"{expires(study)} or later",
            state="Nothing was removed.",
            fix="Wait, or give --early.",
        )
    root = study.store.path
    manifest = Manifest.read(root)
    try:
        with locked(root):
            manifest = Manifest.read(root)
            if not manifest.purged:
                manifest = manifest.emptied(clock.today().isoformat())
                manifest.write(root, b"purged")  # from here on no key opens what is left; the rest is tidying up
            with alone(root / SEGMENTS):
                for folder in (root / SEGMENTS, root / STAGING):
                    for left in folder.iterdir():
                        shutil.rmtree(left)
            for left in (*root.glob(".*.part"), root / TABLES):
                left.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(root, error, "Run flockwise purge again.") from error
    return date.fromisoformat(manifest.purged)


def rotate(study: Study, old: Path | str, *, data: bool = False, progress: ProgressFn | None = None) -> dict[str, Any]:
    """Puts the store's and the list's keys under the master key that [store] key names now. Safe to repeat, and to kill at any moment.

    Args:
        study: names the new master key.
        old: the master key until now: a file, "env:NAME" or "command:...".
        data: also make a new window key: new pseudonyms, and every file sealed anew.
        progress: told ("rewrite", files done, files).

    Returns:
        Facts for the steward.

    Raises:
        ConfigError, RuleError, StoreError: a key can't be used, or is neither of the two; the store can't be written.
    """
    before, now = keys.load(old), keys.load(study.store.key)
    root = study.store.path
    moved = Suppression.rotate(study, before, now)
    facts: dict[str, Any] = {"suppression_list": "under the new key" if moved else "was under the new key"}
    if (root / MANIFEST).exists():
        try:
            with locked(root):
                manifest = Manifest.read(root)
                manifest.require_pings()
                if manifest.key_id == key_id(before) != key_id(now):
                    ring = Keyring.unwrapped(before, manifest.keys)
                    manifest.check_seal(root, ring.marks)
                    replace(manifest, key_id=key_id(now), keys=ring.wrapped(now)).write(root, ring.marks)
                    facts["store"] = "under the new key"
                else:
                    facts["store"] = "was under the new key"
                clean(root, manifest)
        except BrokenSealError as error:
            raise damaged(root, f"{MANIFEST}: its keys can't be unwrapped") from error
        except OSError as error:
            raise _unwritable(root, error, "Run flockwise rotate again.") from error
        vault = Store.open(study)
        if data:
            facts["files_rewritten"] = vault.renew(progress)
    return facts


def _unwritable(root: Path, error: OSError, fix: str) -> StoreError:
    return StoreError(
        "STORE_WRITE",
        what="The store can't be written.",
        got=f"{root}: {os.strerror(error.errno) if error.errno else type(error).__name__}",
        state="Nothing is lost; what was begun may be half done.",
        fix=f"Check the room on the disk and the rights on the folder. {fix}",
    )
