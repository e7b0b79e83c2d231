"""The suppression list of a data set: bases of devices that withdrew, opted out or were deleted, and the requests that they came with.

It lies beside the stores, sealed, and holds in every window of the data set: what is on it is neither stored nor read. Beside the bases it knows no person:
a request is a number, its dates and how it came.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import stat
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from flockwise.base import clock
from flockwise.base.files import write_durably
from flockwise.config import Study
from flockwise.errors import RuleError, StoreError
from flockwise.store import keys
from flockwise.store.keyring import Keyring, key_id
from flockwise.store.locking import LOCK, locked
from flockwise.store.optouts import OptOuts
from flockwise.store.sealing import BrokenSealError

__all__ = ["DELETE_DAYS", "STOP_DAYS", "Request", "Suppression", "folder_of"]

FORMAT, INDEX = 1, "list.json"
STOP_DAYS, DELETE_DAYS = 15, 30
"""Days after a request is received by which use has to stop, and by which the data have to be gone (FTC order, Gravy Analytics and Venntel, 2025)."""


@dataclass(frozen=True)
class Request:
    """A batch of requests.

    Args:
        number: 1, 2, ...
        received: when it reached whoever holds the data.
        listed: when it was put on the list: from then on nothing of it is used.
        kind: "delivery" (opt-outs in a supplier's file) or "list".
    """

    number: int
    received: date
    listed: date
    kind: str

    @property
    def delete_by(self) -> date:
        """The last day for its deletion."""
        return self.received + timedelta(days=DELETE_DAYS)

    @property
    def stopped_late(self) -> bool:
        """Whether its data were used for longer than allowed."""
        return self.listed > self.received + timedelta(days=STOP_DAYS)


@dataclass(frozen=True)
class _State:
    key_id: str
    keys: str
    requests: tuple[Request, ...] = ()
    files: int = 0
    seal: str = ""

    @property
    def file(self) -> str:
        return f"{self.files:06d}.parquet"

    def text(self, marks: bytes) -> str:
        body: dict[str, Any] = {
            "format": FORMAT,
            "key_id": self.key_id,
            "keys": self.keys,
            "files": self.files,
            "requests": [{"number": r.number, "received": r.received.isoformat(), "listed": r.listed.isoformat(), "kind": r.kind} for r in self.requests],
        }
        seal = hmac.new(marks, json.dumps(body, sort_keys=True).encode(), hashlib.sha256).hexdigest()
        return json.dumps(body | {"seal": seal}, indent=1, sort_keys=True) + "\n"


def folder_of(study: Study) -> Path:
    """Where the list of a study's data set lies: beside the store, named by the data set, unless [store] suppression_list says otherwise."""
    if study.store.suppression_list is not None:
        return study.store.suppression_list
    name = study.ledger.dataset
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return study.store.path.parent / f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.suppressed"


class Suppression:
    """The list of one data set. Make it with `Suppression.open`.

    Args:
        folder: of the list.
        master: the master key.
        ring: the list's own secrets.
        state: as read.
    """

    def __init__(self, folder: Path, master: bytes, ring: Keyring, state: _State) -> None:
        self._folder, self._master, self.ring, self._state = folder, master, ring, state
        self._read: tuple[int, OptOuts] | None = None

    @classmethod
    def open(cls, study: Study, master: bytes) -> Suppression:
        """The list of a study's data set; a new, empty one if there is none.

        Raises:
            StoreError: it is damaged (SUPPRESSION_DAMAGED) or under another master key (SUPPRESSION_OTHER_KEY); no room or rights (SUPPRESSION_WRITE).
            RuleError: others have rights on it (SUPPRESSION_MODE).
        """
        folder = folder_of(study)
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if stat.S_IMODE(folder.stat().st_mode) & 0o077:
                raise RuleError(
                    "SUPPRESSION_MODE",
                    what="Others than its owner have rights on the suppression list.",
                    got=str(folder),
                    expected="mode 0700",
                    fix=f"Run: chmod 700 {folder}",
                )
            if not (folder / INDEX).exists():
                with locked(folder, wait=True):
                    if not (folder / INDEX).exists():
                        ring = Keyring.new()
                        state = _State(key_id(master), ring.wrapped(master))
                        write_durably(folder / INDEX, state.text(ring.marks).encode(), 0o600)
        except OSError as error:
            raise _write_error(folder, error) from error
        while True:
            state = _read(folder)
            found = cls(folder, master, _unwrapped(folder, state, master), state)
            try:
                # Read now: what another process adds later replaces the file, and belongs to whoever opens the list then.
                found.bases()
            except StoreError:
                if _read(folder).files == state.files:
                    raise
            else:
                return found

    @property
    def id(self) -> str:
        """Tells this list from every other, whatever is on it."""
        return keys.derive(self.ring.marks, "list id").hex()[:16]

    def require(self, list_id: str, number: int) -> None:
        """Refuses a list that is not the one that a store knows, or that has fewer requests than the store has seen.

        Raises:
            StoreError: SUPPRESSION_DAMAGED.
        """
        if self.id != list_id or self.number < number:
            raise _damaged(self._folder, "another list, or an older one, than the store knows")

    @property
    def number(self) -> int:
        """Number of the newest request; 0 without any."""
        return len(self._state.requests)

    @property
    def version(self) -> str:
        """Names the list's content: another one after every change."""
        return str(self._state.files)

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests, oldest first."""
        return self._state.requests

    def refresh(self) -> None:
        """Reads what another process may have added."""
        state = _read(self._folder)
        self.ring = _unwrapped(self._folder, state, self._master)
        self._state = state

    def bases(self) -> OptOuts:
        """The bases on the list, each with its reason."""
        if not self._state.files:
            return OptOuts.union([])
        if self._read is None or self._read[0] != self._state.files:
            name = self._state.file
            try:
                self._read = self._state.files, OptOuts.from_table(self.ring.sealer().unseal((self._folder / name).read_bytes(), name))
            except (BrokenSealError, OSError) as error:
                raise _damaged(self._folder, f"{name}: {type(error).__name__}") from error
        return self._read[1]

    def add(self, bases: OptOuts, received: date, kind: str, *, always: bool = False, noted: bool = False) -> int:
        """Puts bases on the list; durable on return.

        Args:
            bases: which, and why.
            received: when the request was received.
            kind: of the request.
            always: note the request, and name the list's content anew, even if all of its bases are listed already.
            noted: note the request even then, but leave the content and its name as they are.

        Returns:
            Number of the newest request.
        """
        try:
            with locked(self._folder, wait=True):
                self.refresh()
                known = self.bases()
                fresh = always or len(bases.without(known)) > 0
                if not fresh and not noted:
                    return self.number
                request = Request(self.number + 1, received, clock.today(), kind)
                state = replace(self._state, files=self._state.files + fresh, requests=(*self._state.requests, request))
                if fresh:
                    sealed = self.ring.sealer().seal(OptOuts.union([known, bases]).table(), state.file)
                    write_durably(self._folder / state.file, bytes(sealed), 0o600)
                write_durably(self._folder / INDEX, state.text(self.ring.marks).encode(), 0o600)
                self._state = state
                _tidy(self._folder, state)
                return self.number
        except OSError as error:
            raise _write_error(self._folder, error) from error

    @classmethod
    def rotate(cls, study: Study, old: bytes, new: bytes) -> bool:
        """Wraps the secrets of the study's list under another master key; durable on return.

        Returns:
            Whether there was anything to do.
        """
        folder = folder_of(study)
        if not (folder / INDEX).exists():
            return False
        try:
            with locked(folder, wait=True):
                state = _read(folder)
                _tidy(folder, state)
                if state.key_id == key_id(new):
                    return False
                ring = _unwrapped(folder, state, old)
                state = replace(state, key_id=key_id(new), keys=ring.wrapped(new))
                write_durably(folder / INDEX, state.text(ring.marks).encode(), 0o600)
        except OSError as error:
            raise _write_error(folder, error) from error
        return True


def _tidy(folder: Path, state: _State) -> None:
    """Removes what counts no more, and what a crash or a failing disk left. Under the lock."""
    for old in folder.iterdir():
        if old.name not in (INDEX, LOCK, state.file):
            old.unlink()


def _read(folder: Path) -> _State:
    try:
        body = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if body["format"] != FORMAT:
            raise _damaged(folder, f"format {body['format']}")
        requests = tuple(
            Request(int(r["number"]), date.fromisoformat(r["received"]), date.fromisoformat(r["listed"]), str(r["kind"])) for r in body["requests"]
        )
        return _State(str(body["key_id"]), str(body["keys"]), requests, int(body["files"]), str(body["seal"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"{INDEX}: {type(error).__name__}") from error


def _unwrapped(folder: Path, state: _State, master: bytes) -> Keyring:
    if state.key_id != key_id(master):
        raise StoreError(
            "SUPPRESSION_OTHER_KEY",
            what="The suppression list of this data set is under another master key.",
            got=str(folder),
            fix="Name the newest key in [store] key. After a change of the key run flockwise rotate for every study of the data set.",
        )
    try:
        ring = Keyring.unwrapped(master, state.keys)
    except BrokenSealError as error:
        raise _damaged(folder, f"{INDEX}: its keys can't be unwrapped") from error
    if not hmac.compare_digest(str(json.loads(state.text(ring.marks))["seal"]), state.seal):
        raise _damaged(folder, f"{INDEX}: it is not what Flockwise wrote")
    return ring


def _damaged(folder: Path, what: str) -> StoreError:
    return StoreError(
        "SUPPRESSION_DAMAGED",
        what="The suppression list of this data set is damaged.",
        got=f"{folder}: {what}",
        state="Nothing is read or stored without it: devices that were deleted would come back.",
        fix="Bring the folder back from a backup.",
    )


def _write_error(folder: Path, error: OSError) -> StoreError:
    return StoreError(
        "SUPPRESSION_WRITE",
        what="The suppression list can't be written.",
        got=f"{folder}: {os.strerror(error.errno) if error.errno else type(error).__name__}",
        state="It is as it was before, or holds the whole request; what it holds is in force.",
        fix="Check the room on the disk and the rights on the folder, and run the same command again.",
    )
