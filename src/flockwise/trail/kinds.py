"""What the trail can say: a closed list of kinds of events, each with a closed set of typed facts. Pure functions.

No fact is a count of rows, a position or anything about a device: the types have no room for it. A digest is of a public file or of something keyed, never
a plain digest of pings or of a list of identifiers: whoever has a list can test guesses against its digest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date

from flockwise.config.purposes import PURPOSES
from flockwise.errors import InternalError, RuleError
from flockwise.trail.texts import refused_part

__all__ = ["INCIDENTS", "KINDS", "Facts", "Value", "check_facts"]

Value = str | int
Facts = Mapping[str, Value]
Check = Callable[[Value], bool]

INCIDENTS = ("loss", "disclosure", "unlawful_use", "supplier_breach", "late_deletion", "mistaken_release", "key_exposed", "damage", "other")
"""Kinds of incident that an officer can record."""


def _matches(pattern: str) -> Check:
    shape = re.compile(pattern)
    return lambda value: isinstance(value, str) and shape.fullmatch(value) is not None


def _one_of(*names: str) -> Check:
    return lambda value: isinstance(value, str) and value in names


def _day(value: Value) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value and "1990" <= value < "2200"
    except ValueError:
        return False


def _event(value: Value) -> bool:
    """The number of an earlier event; that there is one is checked when the line is written."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _year(value: Value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 2000 <= value < 2200


def _line(value: Value) -> bool:
    return isinstance(value, str) and refused_part(value) is None


_code = _matches(r"[A-Z]{2,24}(_[A-Z]{1,24}){1,7}")
_digest = _matches(r"[0-9a-f]{64}")
STEPS = ("ingest", "release", "risk", "forget", "purge", "rotate", "places", "supplier", "request")
_step = _one_of(*STEPS)
_answer = _one_of("current", "ambiguous", "refused")

KINDS: dict[str, dict[str, Check]] = {
    # The trail itself.
    "begun": {"key": _digest},
    "year_begun": {"year": _year},
    "mended": {"cause": _one_of("torn_line", "head_behind")},
    "expired": {"through": _year},
    # What was refused, and what stopped for another reason (bad data, a lost disk): the code alone.
    "refusal": {"step": _step, "code": _code},
    "stopped": {"step": _step, "code": _code},
    # The door.
    "ingest_begun": {},
    "ingest": {"of": _event},
    "quarantine": {"code": _code},
    "quarantine_lifted": {"of": _event},
    "supplier_assessed": {"file": _digest, "assessed": _day, "answer": _answer},
    "places_review": {"list": _digest, "reviewed": _day},
    "places_changed": {"before": _digest, "list": _digest},
    "places_applied": {"list": _digest},
    # The vault.
    "forget_received": {"received": _day, "stop_by": _day, "delete_by": _day},
    "forget_begun": {},
    "forget": {"of": _event},
    "forget_done": {"of": _event},
    "purge_begun": {},
    "purge": {"of": _event},
    "purge_due": {"due": _day},
    "rotate_begun": {},
    "rotate": {"of": _event},
    # What leaves. `study` is the plan's digest, which the certificate prints; `input` is a keyed one of the data, which it does not.
    "ledger_begun": {},
    "release_begun": {"study": _digest, "input": _digest},
    "release": {"of": _event, "certificate": _digest, "charged": _one_of("yes", "no")},
    "risk_begun": {},
    "risk": {"of": _event, "charged": _one_of("yes", "no")},
    "request_served": {"request": _digest},
    "request_refused": {"request": _digest, "code": _code},
    "caps_changed": {"caps": _digest},
    # What an officer writes.
    "recipient": {"release": _digest, "name": _line, "purpose": _one_of(*PURPOSES)},
    "incident": {"kind": _one_of(*INCIDENTS), "what": _line},
}


def check_facts(kind: str, facts: Facts) -> None:
    """Refuses an event that the trail has no room for.

    Raises:
        InternalError: the kind is unknown, or the facts are not exactly those of the kind. The values are not repeated.
        RuleError: a text that an officer wrote looks like an identifier or a position.

    Example:
        >>> check_facts("incident", {"kind": "loss", "what": "A backup disk was lost on 2026-05-04."})
        >>> check_facts("ingest", {"of": 3, "rows": 12})
        Traceback (most recent call last):
            ...
        flockwise.errors.InternalError: The trail has no room for this event.
          got:      ingest with of, rows
          expected: of
          state:    Nothing was recorded.
          code:     TRAIL_BAD_EVENT
    """
    wanted = KINDS.get(kind)
    if wanted is None or set(facts) != set(wanted):
        raise InternalError(
            "TRAIL_BAD_EVENT",
            what="The trail has no room for this event.",
            got=f"{kind if wanted is not None else 'an unknown kind'} with {', '.join(sorted(facts)) or 'no facts'}"[:200],
            expected=", ".join(sorted(wanted)) if wanted else "one of the kinds that are known",
            state="Nothing was recorded.",
        )
    for name, check in wanted.items():
        value = facts[name]
        if check(value):
            continue
        if check is _line and isinstance(value, str):
            raise RuleError(
                "TRAIL_TEXT",
                what="The text can't stand in the trail: it must hold nothing about a person.",
                got=f"{name}: {refused_part(value)}",
                expected="one line of 3 to 200 characters without identifiers, numbers of phones or devices, coordinates or addresses of mail",
                state="Nothing was recorded.",
                fix="Say it in words.",
            )
        raise InternalError("TRAIL_BAD_FACT", what="A fact of this event is not of its type.", got=f"{kind}: {name}", state="Nothing was recorded.")
