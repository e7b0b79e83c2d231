"""The officer's side of the trail: show, check, recipients, incidents, expiry. Each gives a title, facts and notes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flockwise import artifact, trail
from flockwise.config import Study
from flockwise.config.purposes import PURPOSES, refuse_forbidden
from flockwise.errors import ArtifactError, ConfigError, RuleError

__all__ = ["Told", "begin", "certificate_digest", "expire", "incident", "recipient", "show", "verify", "witness_of"]

Told = tuple[str, dict[str, Any], tuple[str, ...]]
"""A title, facts and notes."""


def begin(study: Study) -> Told:
    """Makes the trail of a study that has none yet.

    Raises:
        ConfigError: there is one.
        RuleError: the study names none.
    """
    public = trail.begin(study)
    return "The trail was begun.", {"trail": str(trail.require(study).path), "public_key": public}, ("Keep the public key apart: it checks the trail.",)


def show(study: Study) -> Told:
    """Every event that is kept, once the whole trail was checked.

    Raises:
        TrailError: it is damaged.
        RuleError: the study names none.
    """
    trail.require(study)
    rows = [{"number": e.number, "time": e.time, "event": e.kind, "facts": _said(e.facts)} for e in trail.events(study)]
    open_steps = _unended(trail.events(study))
    notes = (f"Begun and not ended: {', '.join(open_steps)}. Such a step is running, or was killed.",) if open_steps else ()
    return f"Trail of {study.name}: {len(rows)} events.", {"events": rows}, ("The chain is whole.", *notes)


def verify(study: Study, key: str | None, folders: Sequence[Path]) -> Told:
    """The checks of a trail, with the certificates of published folders as witnesses.

    Args:
        study: the study.
        key: public key that must have signed it; None for the one its head names.
        folders: published folders of the study.

    Raises:
        TrailError: anything was changed, cut off, added or moved, or contradicts a certificate.
        ArtifactError: a folder's certificate can't be read.
    """
    where = trail.require(study)
    seen = [found for folder in folders if (found := witness_of(folder)) is not None]
    done = trail.verify(where.path, key, seen)
    head = trail.Trail(where.path).head()
    return f"The trail of {study.name} is whole.", {"public_key": head.key, "events": head.count - head.first, "checked": done}, ()


def recipient(study: Study, folder: Path, name: str, purpose: str) -> Told:
    """Records who gets a release, and for what.

    Args:
        study: the study.
        folder: the published folder.
        name: the organisation, in words.
        purpose: one of the closed list.

    Raises:
        RuleError: a purpose that nobody can have, a release that the trail does not know, or a text that looks like an identifier.
        ConfigError: a purpose that is not of the list.
    """
    trail.require(study)
    refuse_forbidden(purpose)
    if purpose not in PURPOSES:
        raise ConfigError("RECIPIENT_PURPOSE", what="This purpose is not one of the list.", expected=", ".join(PURPOSES), state="Nothing was recorded.")
    digest = certificate_digest(folder)
    if not any(e.kind == "release" and e.facts["certificate"] == digest for e in trail.events(study)):
        raise RuleError(
            "RECIPIENT_RELEASE",
            what="The trail knows no release with this certificate.",
            got=str(folder),
            state="Nothing was recorded.",
            fix="Name a folder that was released from this study, as it was published.",
        )
    trail.record(study, "recipient", {"release": digest, "name": name, "purpose": purpose})
    return "The recipient was recorded.", {"recipient": name, "purpose": purpose, "release": digest}, ("A published release cannot be recalled.",)


def incident(study: Study, kind: str, what: str) -> Told:
    """Records an incident.

    Raises:
        RuleError: the text looks like an identifier or a position.
        ConfigError: an unknown kind.
    """
    trail.require(study)
    if kind not in trail.INCIDENTS:
        raise ConfigError("INCIDENT_KIND", what="This kind of incident is not known.", expected=", ".join(trail.INCIDENTS), state="Nothing was recorded.")
    event = trail.record(study, "incident", {"kind": kind, "what": what})
    return "The incident was recorded.", {"kind": kind, "event": event.number if event else None}, ()


def expire(study: Study, through: int | None) -> Told:
    """Drops the trail's files of years that ended more than five years ago.

    Raises:
        RuleError: a year that is younger.
    """
    where = trail.require(study)
    years = trail.Trail(where.path).expire(trail.load_key(where.key), through)
    return f"{len(years)} years were dropped.", {"years": years, "kept_years": trail.KEPT_YEARS}, ("The chain goes on from the hash of the last line dropped.",)


def certificate_digest(folder: Path) -> str:
    """SHA-256 of a published folder's certificate, as the trail names it.

    Raises:
        ArtifactError: there is none.
    """
    try:
        return hashlib.sha256((folder / "certificate.json").read_bytes()).hexdigest()
    except (OSError, ValueError) as error:
        raise ArtifactError("ARTIFACT_NOT_FOUND", what="There is no certificate in this folder.", got=str(folder)) from error


def witness_of(folder: Path) -> tuple[trail.Witness, int] | None:
    """What a published folder's certificate says of the trail, and the year of its window; None if its study had none."""
    stated = artifact.read(folder).certificate
    return None if stated.trail is None else (trail.Witness(stated.trail.key, stated.trail.last), stated.window.first_day.year)


def _said(facts: Mapping[str, str | int]) -> str:
    return ", ".join(f"{name} {value[:12] if isinstance(value, str) and len(value) == 64 else value}" for name, value in facts.items())


def _unended(events: Sequence[trail.Event]) -> list[str]:
    """Steps without an end: neither done nor refused. A refusal names no beginning, so the latest of its step is taken."""
    still: list[trail.Event] = []
    for event in events:
        if event.kind.endswith("_begun") and event.kind not in ("year_begun", "ledger_begun"):
            still.append(event)
        elif event.kind in ("refusal", "stopped"):
            mine = [e for e in still if e.kind == f"{event.facts['step']}_begun"]
            still = [e for e in still if not mine or e is not mine[-1]]
        elif "of" in event.facts:
            still = [e for e in still if e.number != event.facts["of"]]
    return [f"{e.kind.removesuffix('_begun')} of {e.time}" for e in still]
