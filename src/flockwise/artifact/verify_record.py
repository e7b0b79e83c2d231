"""Checks the record of a release against its certificate: the same promise, the same figures, the same words."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from flockwise import record
from flockwise.artifact import claims
from flockwise.artifact.certificate import Certificate
from flockwise.artifact.failures import fail
from flockwise.artifact.folder import Artifact

__all__ = ["check_record"]

NORMS = "norms"


def check_record(artifact: Artifact) -> str:
    """Checks the three files of the record.

    Raises:
        ArtifactError: a file is not what the record's facts make, or the facts are not the certificate's.
    """
    c = artifact.certificate
    # Bytes, not text: a changed line end would be lost in reading.
    facts = record.check({name: (artifact.path / name).read_bytes().decode("utf-8", "replace") for name in record.FILES})
    for what, mine, certified in _pairs(facts, c):
        if mine != certified:
            raise fail("ARTIFACT_RECORD", "The record does not say what the certificate says.", what)
    noise, delta = c.privacy.noise, c.privacy.delta
    for e in facts.exposures:
        sound = claims.gives_epsilon(e.rho, e.epsilon, delta, noise) and claims.is_tight(e.rho, e.epsilon, delta, noise)
        if not sound or Decimal(e.guess_percent) != claims.guess_percent(e.rho, noise):
            raise fail("ARTIFACT_RECORD", "An exposure does not follow from its rho.", f"{e.devices} devices, {e.windows} windows")
    if not claims.gives_epsilon(facts.charge.replace_rho, facts.charge.replace_epsilon, delta, noise):
        raise fail("ARTIFACT_RECORD", "The figures of a replacement do not follow from its rho.", "replace_epsilon")
    return "the record's entry, answers and draft are what its facts make, and the facts are the certificate's"


def _pairs(f: record.Facts, c: Certificate) -> Iterator[tuple[str, object, object]]:
    bounds, year, clip = c.bounds, f.exposure(1, f.year), c.bounds.clip
    yield "study", (f.study, f.digest, f.dataset, f.unit), (c.study.name, c.study.digest, c.dataset, c.unit)
    yield "panel_bound, weights", (f.panel_bound, f.weights), (bounds.panel_bound, bounds.weights)
    yield "window", (f.window.first_day, f.window.days, f.window.timezone), (c.window.first_day, c.window.days, c.window.timezone)
    account = "GDP" if c.privacy.noise == "rounded" else "zCDP"
    yield "charge", (f.charge.accounting, f.charge.rho, f.charge.epsilon, f.charge.delta), (account, c.privacy.rho, c.privacy.epsilon, c.privacy.delta)
    yield "replacement", f.charge.replace_rho, 2 * c.privacy.rho
    yield "exposures", [(e.devices, e.windows) for e in f.exposures], [(k, w) for k in (1, 2, 3) for w in sorted({1, c.year.windows})]
    yield "year", (year.windows, year.rho, year.epsilon), (c.year.windows, c.year.rho, c.year.epsilon)
    yield "groups", [(g.name, g.rho) for g in f.groups], [*((g.name, g.rho) for g in bounds.groups), *([(NORMS, clip.rho)] if clip else [])]
    mine = {(g.name, b.kind, b.level): (b.sigma, b.figures if b.level is None else None) for g in f.groups for b in g.blocks}
    blocks = {(b.group, b.table, b.level): (b.sigma, None) for b in bounds.levels}
    yield "noise", mine, blocks | ({(NORMS, NORMS, None): (clip.sigma, len(clip.devices))} if clip else {})
    shown = {
        (t.kind, t.level): (t.rows_public, t.published, t.sigma, t.threshold, t.typical_relative_error)
        for t in c.tables
        if t.kind not in ("typical_day", "margins")
    }
    told = {(b.kind, b.level): (b.rows, b.published, b.shown_sigma, b.threshold, b.typical_relative_error) for b in f.measured}
    yield "tables", {key: told.get(key) for key in shown}, shown
    yield "region", [(r.level, r.cells) for r in f.region], [(r.level, r.cells) for r in c.domain.levels]
    s = f.statements
    yield "statements", (s.neighbours, s.definition, s.mechanism, s.domain), (c.neighbours, c.privacy.definition, c.privacy.mechanism, c.domain.statement)
    yield "meaning, limits", (s.meaning, s.limits), (c.meaning, c.limits)
    yield "versions", f.versions, c.versions
    supplier = None if c.supplier is None else (c.supplier.name, c.supplier.assessed, c.supplier.retention_days)
    yield "purpose", f.purpose, c.purpose
    yield "supplier", [(s.name, s.assessed, s.retention_days) for s in f.suppliers], [] if supplier is None else [supplier]
    listed = None if f.sensitive_places is None else (f.sensitive_places.categories, f.sensitive_places.fence_m, f.sensitive_places.reviewed)
    yield "sensitive places", listed, None if c.places is None else (len(c.places.by_category), c.places.least_buffer_m, c.places.reviewed)
    yield "retention", f"Pings are deleted {f.input.retention_days} days" in c.retention, True
