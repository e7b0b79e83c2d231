"""Brings the register's facts together. Reads study files, ledgers, trails and certificates; never a store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

from flockwise import artifact, noise, release, trail
from flockwise.base import clock
from flockwise.config import Study
from flockwise.config.supplier import read_supplier
from flockwise.errors import FlockwiseError
from flockwise.governance import places, suppliers
from flockwise.ledger import place
from flockwise.office.log import certificate_digest
from flockwise.office.register.model import Exposure, Incident, PlacesEntry, Recipient, Register, Release, StudyEntry, SupplierEntry, TrailEntry

__all__ = ["RECALL", "collect"]

RECALL = (
    "A published release cannot be recalled after a deletion. Who withdraws consent or asks for deletion is in no later release, and their pings are deleted; "
    "what was published stays, and the guarantee of that release is what protects them in it."
)


def collect(studies: Sequence[Study], folders: Sequence[Path] = ()) -> Register:
    """The register of some studies.

    Args:
        studies: their study files, read.
        folders: published folders, to name them beside their charges.

    Raises:
        LedgerError: a ledger is damaged.
        TrailError: a trail is damaged.
        ArtifactError: a folder is not a release.

    Privacy:
        Public facts alone: charges, certificates, what officers recorded, what studies declare.
    """
    for folder in folders:
        artifact.read(folder)
    names = {certificate_digest(folder): folder.resolve().name for folder in folders}
    logs = {study.trail.path.resolve(): trail.events(study) for study in studies if study.trail is not None}
    events = [event for log in logs.values() for event in log]
    recipients = [
        Recipient(day=e.time[:10], name=str(e.facts["name"]), purpose=str(e.facts["purpose"]), certificate=str(e.facts["release"]))
        for e in events
        if e.kind == "recipient"
    ]
    made: list[Release] = []
    exposures: list[Exposure] = []
    for study in {s.ledger.dataset: s for s in studies}.values():
        # A study that has not been released has no ledger yet, and looking must not begin one.
        if not place(study.ledger).begun():
            continue
        book = release.open_ledger(study)
        for entry in book.entries():
            digests = _certificates(logs.values(), entry.plan)
            made.append(
                Release(
                    dataset=study.ledger.dataset,
                    day=entry.time[:10],
                    title=entry.title,
                    first_day=entry.window[0] if entry.window else None,
                    days=entry.window[1] if entry.window else None,
                    epsilon=entry.epsilon,
                    delta=entry.delta,
                    rho=entry.rho,
                    noise="rounded" if entry.accounting == "rounded" else "discrete",
                    status="published" if entry.status == "published" else "drawn" if entry.status == "drawn" else "charged",
                    certificates=digests,
                    folders=tuple(names[d] for d in digests if d in names),
                    recipients=tuple(r for r in recipients if r.certificate in digests),
                )
            )
        exposures.append(_exposure(study))
    return Register(
        made=clock.today(),
        recall=RECALL,
        studies=tuple(_study(s) for s in studies),
        releases=tuple(sorted(made, key=lambda r: (r.day, r.dataset, r.title), reverse=True)),
        exposures=tuple(exposures),
        reviews=tuple(sorted({date.fromisoformat(str(e.facts["reviewed"])) for e in events if e.kind == "places_review"}, reverse=True)),
        incidents=tuple(Incident(day=e.time[:10], kind=str(e.facts["kind"]), what=str(e.facts["what"])) for e in events if e.kind == "incident"),
    )


def _certificates(logs: Iterable[list[trail.Event]], plan: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for log in logs:
        begun = {e.number for e in log if e.kind == "release_begun" and e.facts["study"] == plan}
        found.update({str(e.facts["certificate"]): None for e in log if e.kind == "release" and e.facts["of"] in begun})
    return tuple(found)


def _exposure(study: Study) -> Exposure:
    book = release.open_ledger(study)
    seen, delta = book.exposure(), study.privacy.delta
    kind: noise.Kind = "rounded" if seen.accounting == "rounded" else "discrete"

    def epsilon(rho: Fraction) -> float:
        return round(float(noise.epsilon_of(rho, delta, kind)), 4) if rho else 0.0

    return Exposure(
        dataset=study.ledger.dataset,
        spent_epsilon=epsilon(seen.rho),
        lifetime_epsilon=study.ledger.lifetime_epsilon,
        delta=delta,
        year_epsilon=epsilon(seen.greatest_year_rho),
        year_like_dearest=None if not seen.year_rho else f"{seen.year_windows} windows: epsilon {epsilon(seen.year_rho):g}",
    )


def _study(study: Study) -> StudyEntry:
    window, publisher = study.window, study.publisher
    return StudyEntry(
        name=study.name,
        dataset=study.ledger.dataset,
        purpose=study.purpose,
        organization=publisher.organization if publisher else None,
        contact=publisher.contact if publisher else None,
        first_day=window.start,
        days=window.days,
        timezone=window.timezone,
        retention_days=study.store.retention_days,
        deleted_by=window.start + timedelta(days=window.days + study.store.retention_days),
        supplier=_supplier(study),
        places=_places(study),
        trail=_trail(study),
    )


def _supplier(study: Study) -> SupplierEntry | None:
    found = None if study.supplier is None else read_supplier(study.supplier.file).supplier
    if found is None:
        return None
    return SupplierEntry(
        name=found.name,
        collected=found.collected,
        ad_auctions=found.ad_auctions,
        assessed=found.assessment.on,
        assess_again_by=suppliers.due(found),
        purposes=tuple(sorted({str(p) for c in found.consent for p in c.purposes})),
    )


def _places(study: Study) -> PlacesEntry | None:
    try:
        found = places.current(study)
    except FlockwiseError:
        # A list that can't be read is no list: the register says that there is none, and `check` says why.
        return None
    if found is None:
        return None
    return PlacesEntry(reviewed=found.last.day if found.last else None, review_by=found.review_by, digest=found.digest)


def _trail(study: Study) -> TrailEntry | None:
    if study.trail is None:
        return None
    head = trail.Trail(study.trail.path).head()
    return TrailEntry(key=head.key, last=head.last)
