"""Deliveries that were not let in: noted beside the store by keyed digests, so that the steward sees them. No row of them is opened.

A line is added for each refusal, and one when the same content was taken in later. Nothing is ever rewritten.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flockwise import trail
from flockwise.base import clock
from flockwise.base.files import sync
from flockwise.config import Study, read_supplier
from flockwise.errors import RuleError
from flockwise.governance import suppliers
from flockwise.store import keys
from flockwise.store.sources import FilesAtFn, SourceFile, find

__all__ = ["Entry", "entries", "guard", "place"]

AUCTION = "INGEST_AD_AUCTION"


@dataclass(frozen=True)
class Entry:
    """A delivery that was not let in.

    Attributes:
        day: when (UTC), as YYYY-MM-DD.
        mark: first digits of a keyed digest of its files' names.
        files: how many.
        size: bytes of all of them.
        reasons: codes.
        taken: the day on which all of its content had been taken in after all; "" if it waits.
        event: number of the trail's event, if the study has a trail.
    """

    day: str
    mark: str
    files: int
    size: int
    reasons: tuple[str, ...]
    taken: str = ""
    event: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The entry as plain values."""
        return {
            "day": self.day,
            "delivery": self.mark,
            "files": self.files,
            "bytes": self.size,
            "reasons": ", ".join(self.reasons),
            "state": f"taken in on {self.taken}" if self.taken else "quarantined",
        }


def place(study: Study) -> Path:
    """The file of a study's quarantine: beside its store."""
    return study.store.path.with_name(f"{study.store.path.name}.quarantine")


@contextmanager
def guard(study: Study, sources: Sequence[str], files_at: FilesAtFn | None = None) -> Iterator[None]:
    """Around an ingest: refuses the delivery before a row is read if its supplier is not in order, and notes what is refused.

    Args:
        study: the study.
        sources: files, folders, globs or addresses.
        files_at: finds the file system of an address; default: fsspec.

    Raises:
        RuleError: as `governance.suppliers.require_for_ingest`, and whatever the ingest itself raises.
        DataError: a source is not there.
    """
    reasons = suppliers.reasons(study)
    _tell_of_record(study, "refused" if reasons else "current")
    if reasons:
        mark = _note(study, find(sources, files_at), reasons)
        suppliers.require_for_ingest(study, f"The delivery is quarantined as {mark}: nothing of it was read into the store.")
    try:
        yield
    except RuleError as error:
        if error.code == AUCTION:
            _note(study, find(sources, files_at), [AUCTION])
        raise
    if place(study).exists():
        _settle(study, find(sources, files_at))


def entries(study: Study) -> list[Entry]:
    """Every delivery that was not let in, in order of time."""
    out, taken = [], dict[str, str]()
    lines = _read(place(study))
    for line in lines:
        taken.update(dict.fromkeys(line.get("taken", ()), line["day"]))
    for line in lines:
        if "reasons" in line:
            contents = [f["content"] for f in line["files"]]
            later = max(taken[c] for c in contents) if all(c in taken for c in contents) else ""
            out.append(
                Entry(line["day"], line["mark"], len(contents), sum(f["bytes"] for f in line["files"]), tuple(line["reasons"]), later, line.get("event"))
            )
    return out


def _note(study: Study, files: list[SourceFile], reasons: Sequence[str]) -> str:
    """Notes a refusal. Returns the delivery's mark."""
    key = keys.derive(keys.load(study.store.key), "quarantine")
    told = [{"name": _digest(key, f.path.encode()), "content": _digest(key, f.sha256()), "bytes": f.size} for f in files]
    mark = _digest(key, json.dumps([f["name"] for f in told]).encode())[:12]
    event = trail.record(study, "quarantine", {"code": reasons[0]})
    number = None if event is None else event.number
    _add(place(study), {"day": clock.today().isoformat(), "mark": mark, "reasons": list(reasons), "files": told, "event": number})
    return mark


def _settle(study: Study, files: list[SourceFile]) -> None:
    key = keys.derive(keys.load(study.store.key), "quarantine")
    waiting = {f["content"] for line in _read(place(study)) for f in line.get("files", ())}
    done = sorted(waiting & {_digest(key, f.sha256()) for f in files})
    if done:
        waited = [e for e in entries(study) if not e.taken and e.event is not None]
        _add(place(study), {"day": clock.today().isoformat(), "taken": done})
        still = {e.event for e in entries(study) if not e.taken}
        for entry in waited:
            if entry.event not in still and entry.event is not None:
                trail.record(study, "quarantine_lifted", {"of": entry.event})


def _tell_of_record(study: Study, answer: str) -> None:
    """Records in the trail under which record of the supplier deliveries come from now on; once for each record and answer."""
    if study.supplier is None or study.trail is None:
        return
    supplier = read_supplier(study.supplier.file).supplier
    if supplier is None:  # it has no date of assessment to speak of; the quarantine is recorded
        return
    digest = hashlib.sha256(study.supplier.file.read_bytes()).hexdigest()
    facts: dict[str, str | int] = {"file": digest, "assessed": supplier.assessment.on.isoformat(), "answer": answer}
    told = [e.facts for e in trail.events(study) if e.kind == "supplier_assessed"]
    if not told or dict(told[-1]) != facts:
        trail.record(study, "supplier_assessed", facts)


def _digest(key: bytes, content: bytes) -> str:
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _read(path: Path) -> list[dict[str, Any]]:
    """The whole lines; one that a crash cut off is no entry."""
    if not path.exists():
        return []
    out = []
    for line in path.read_bytes().split(b"\n"):
        try:
            out.append(dict(json.loads(line)))
        except ValueError:
            continue
    return out


def _add(path: Path, line: dict[str, Any]) -> None:
    """Adds a line; durable on return. It begins on a line of its own even if the one before was cut off."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.write(handle, b"\n" + json.dumps(line, sort_keys=True).encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    sync(path.parent)
