"""The hash chain: what a line says, what it is signed over, and the checks that nothing was changed. Pure functions; no files.

A line is canonical JSON. Its hash is SHA-256 over its bytes, signature and all, and stands in the next line. The head says how many lines there are, the hash
of the last one and of the one before the first that is kept, and is signed as well. Without it a trail that was cut at its end would still be a whole chain.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flockwise.errors import FlockwiseError, TrailError
from flockwise.trail import keys
from flockwise.trail.kinds import Value, check_facts

__all__ = ["FORMAT", "NO_HASH", "Event", "Head", "damaged", "read_head", "read_lines", "sealed", "sealed_head"]

FORMAT = "flockwise-trail/1"
NO_HASH = "0" * 64
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_LINE = frozenset({"facts", "kind", "number", "previous", "signature", "time"})


@dataclass(frozen=True)
class Event:
    """One line of the trail.

    Attributes:
        number: its place, from 0.
        time: UTC, ISO 8601, to the second.
        kind: one of the closed list.
        facts: those of the kind.
        digest: hash of the line.
    """

    number: int
    time: str
    kind: str
    facts: Mapping[str, Value]
    digest: str

    def as_dict(self) -> dict[str, Any]:
        """The same, JSON-ready."""
        return {"number": self.number, "time": self.time, "kind": self.kind, "facts": dict(self.facts)}


@dataclass(frozen=True)
class Head:
    """How far a trail goes, signed.

    Attributes:
        key: public key in hexadecimal.
        first: number of the first line that is kept; 0 until whole years expired.
        before: hash of the line before it.
        count: number of the line that comes next.
        last: hash of the last line.
        since: first year whose file is kept.
        year: whose file the last line is in.
        size: bytes of that file that are acknowledged.
    """

    key: str
    first: int
    before: str
    count: int
    last: str
    since: int
    year: int
    size: int


def sealed(number: int, time: str, kind: str, facts: Mapping[str, Value], previous: str, key: keys.Ed25519PrivateKey) -> bytes:
    """The bytes of a line, with its line feed."""
    body: dict[str, Any] = {"facts": dict(facts), "kind": kind, "number": number, "previous": previous, "time": time}
    return _canonical({**body, "signature": key.sign(_message("line", body)).hex()})


def sealed_head(head: Head, key: keys.Ed25519PrivateKey) -> bytes:
    """The bytes of a head's file."""
    body = {"format": FORMAT, **vars(head)}
    return _canonical({**body, "signature": key.sign(_message("head", body)).hex()})


def read_head(content: bytes) -> Head:
    """The head in a file.

    Raises:
        TrailError: it is not one, or its signature is not that of the key it names.
    """
    found = _object(content, "the head")
    body = {name: value for name, value in found.items() if name != "signature"}
    try:
        head = Head(**{name: value for name, value in body.items() if name != "format"})
        numbers = (head.first, head.count, head.since, head.year, head.size)
        sound = (
            all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers)
            and head.first < head.count
            and head.since <= head.year
            and body["format"] == FORMAT
        )
        sound = sound and all(isinstance(t, str) and re.fullmatch("[0-9a-f]{64}", t) is not None for t in (head.key, head.before, head.last))
    except (TypeError, KeyError) as error:
        raise damaged("TRAIL_HEAD", "the head is not one") from error
    if not sound or _canonical(found) != content or not keys.is_signed(head.key, str(found["signature"]), _message("head", body)):
        raise damaged("TRAIL_HEAD", "the head was changed, or signed with another key")
    return head


def read_lines(content: bytes, key: str, number: int, previous: str) -> list[Event]:
    """The events of a file's whole lines, after the check that they follow one another and are signed.

    Args:
        content: whole lines.
        key: public key.
        number: of the first line.
        previous: hash of the line before it.

    Raises:
        TrailError: a line was changed, added, removed, moved or signed with another key.
    """
    events: list[Event] = []
    for raw in content.splitlines(keepends=True):
        what = f"line {number}"
        found = _object(raw, what)
        body = {name: value for name, value in found.items() if name != "signature"}
        if set(found) != _LINE or _canonical(found) != raw:
            raise damaged("TRAIL_LINE", f"{what} is not in the form in which lines are written")
        if found["number"] != number or isinstance(found["number"], bool) or found["previous"] != previous:
            raise damaged("TRAIL_CHAIN", f"{what} does not follow from the one before it")
        if not keys.is_signed(key, str(found["signature"]), _message("line", body)):
            raise damaged("TRAIL_SIGNATURE", f"{what} was changed, or signed with another key")
        event = Event(number, found["time"], found["kind"], found["facts"], hashlib.sha256(raw).hexdigest())
        _check_meaning(event, what)
        events.append(event)
        number, previous = number + 1, event.digest
    return events


def damaged(code: str, got: str) -> TrailError:
    """The error of a trail that can't be relied on."""
    return TrailError(
        code,
        what="The trail is damaged, or was cut or changed.",
        got=got,
        state="Nothing was recorded. Nothing will be ingested or released until the trail is whole.",
        fix="Put the trail's folder back from the latest backup and find out what happened.",
    )


def _check_meaning(event: Event, what: str) -> None:
    try:
        if not isinstance(event.time, str) or not _TIME.fullmatch(event.time) or not isinstance(event.facts, dict) or not isinstance(event.kind, str):
            raise ValueError
        check_facts(event.kind, event.facts)
        of = event.facts.get("of")
        if isinstance(of, int) and of >= event.number:
            raise ValueError
    except (FlockwiseError, ValueError, TypeError) as error:
        raise damaged("TRAIL_LINE", f"{what} says what no event can say") from error


def _message(of: str, body: Mapping[str, Any]) -> bytes:
    return f"{FORMAT} {of}\n".encode() + _canonical(body)


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _object(content: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(content.decode("ascii"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise damaged("TRAIL_LINE", f"{what} can't be read") from error
    if not isinstance(found, dict):
        raise damaged("TRAIL_LINE", f"{what} can't be read")
    return found
