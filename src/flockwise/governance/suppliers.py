"""Whether a supplier's record allows a delivery or a release, on a day. A record that leaves a question open allows neither.

Sources: FTC final order, Gravy Analytics and Venntel (2025): assessment of each supplier at the start and yearly, evidence of consent, no use beyond it;
FTC v. Mobilewalla (2024): no data from ad auctions; GDPR Article 7(3): consent can be withdrawn; Article 28: a contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flockwise.base import clock
from flockwise.config import PURPOSES, Study
from flockwise.config.supplier import Reading, Supplier, read_supplier
from flockwise.errors import RuleError
from flockwise.governance.consent import ConsentTexts

__all__ = ["Finding", "consent_texts", "due", "examine", "findings", "reasons", "require_for_ingest", "require_for_release", "state", "supplier_of", "told"]

_HOW = "flockwise supplier check FILE says what is missing; docs/how-to/take-on-a-supplier.md says how to find it out."


@dataclass(frozen=True)
class Finding:
    """One thing that keeps a supplier's pings out.

    Attributes:
        code: of the error that it would raise.
        what: one sentence.
        since: from when on, if it came with time; a release is then allowed for the days of grace.
    """

    code: str
    what: str
    since: date | None = None


def due(supplier: Supplier) -> date:
    """Last day on which an assessment holds: a year after it was made."""
    on = supplier.assessment.on
    return on.replace(year=on.year + 1, day=28) if (on.month, on.day) == (2, 29) else on.replace(year=on.year + 1)


def examine(reading: Reading, today: date) -> list[Finding]:
    """What keeps a supplier's pings out of any study."""
    supplier = reading.supplier
    if supplier is None:
        if not reading.found:
            return [Finding("SUPPLIER_MISSING", "There is no record of the supplier.")]
        return [Finding("SUPPLIER_AMBIGUOUS", f"The supplier's record leaves something open. {'; '.join(reading.open)}")]
    found = []
    if supplier.ad_auctions == "yes":
        found.append(Finding("SUPPLIER_AD_AUCTION", "The supplier's data come from ad auctions (bid stream), to which nobody consented."))
    if supplier.minors == "yes":
        found.append(Finding("SUPPLIER_MINORS", "The supplier's data are in part about people under age, who can't consent for themselves."))
    if supplier.withdrawal.possible == "no":
        found.append(Finding("SUPPLIER_NO_WITHDRAWAL", "Consent that can't be withdrawn is no consent."))
    if supplier.assessment.on > today:
        found.append(Finding("SUPPLIER_AMBIGUOUS", "The supplier's record leaves something open. assessment.on: lies in the future"))
    if today > due(supplier):
        found.append(Finding("SUPPLIER_LAPSED", f"The supplier was last assessed on {supplier.assessment.on}, more than a year ago.", due(supplier)))
    if today > supplier.contract.ends:
        found.append(Finding("SUPPLIER_CONTRACT_ENDED", f"The contract with the supplier ended on {supplier.contract.ends}.", supplier.contract.ends))
    return found


def findings(study: Study, today: date) -> list[Finding]:
    """What keeps a study's supplier out of this study: all that `examine` finds, and what does not fit between the two."""
    reading = Reading(found=False) if study.supplier is None else read_supplier(study.supplier.file)
    found, supplier = examine(reading, today), reading.supplier
    if study.purpose is None:
        found.append(Finding("PURPOSE_MISSING", f"The study declares no purpose, one of {', '.join(PURPOSES)}."))
    if supplier is None:
        return found
    if study.purpose is not None and not any(study.purpose in c.purposes for c in supplier.consent):
        found.append(Finding("SUPPLIER_PURPOSE", f"No consent text of the supplier covers the study's purpose, {study.purpose}."))
    if study.store.retention_days > supplier.retention_days:
        what = f"The study keeps pings for {study.store.retention_days} days, and the supplier agreed to {supplier.retention_days}."
        found.append(Finding("SUPPLIER_RETENTION", what))
    return found


def reasons(study: Study) -> list[str]:
    """Codes of everything that keeps a delivery out today; empty if nothing does."""
    return [f.code for f in findings(study, clock.today())]


def require_for_ingest(study: Study, state: str = "Nothing was stored.") -> None:
    """Refuses a delivery whose supplier is not in order today.

    Args:
        study: the study.
        state: what has become of the delivery.

    Raises:
        RuleError: SUPPLIER_MISSING, SUPPLIER_AMBIGUOUS, SUPPLIER_AD_AUCTION, SUPPLIER_MINORS, SUPPLIER_NO_WITHDRAWAL, SUPPLIER_LAPSED,
            SUPPLIER_CONTRACT_ENDED, PURPOSE_MISSING, SUPPLIER_PURPOSE, SUPPLIER_RETENTION.
    """
    _refuse(findings(study, clock.today()), state, "Mend it and ingest again.")


def require_for_release(study: Study) -> None:
    """Refuses a release whose supplier is not in order today; what came with time alone has the study's days of grace.

    Raises:
        RuleError: as `require_for_ingest`.
    """
    today, grace = clock.today(), timedelta(days=study.supplier.grace_days if study.supplier is not None else 0)
    late = [f for f in findings(study, today) if f.since is None or today > f.since + grace]
    _refuse(late, "Nothing was spent and nothing was published.", "Mend it and release again.")


def told(reading: Reading, found: list[Finding], today: date) -> dict[str, Any]:
    """A record's state in names and values, for a console: who, until when, and what keeps its pings out."""
    supplier = reading.supplier
    facts: dict[str, Any] = {"in_order": not found}
    if supplier is not None:
        shown = [c.version for c in supplier.consent if c.shown_from <= today and (c.shown_until is None or today <= c.shown_until)]
        facts |= {
            "name": supplier.name,
            "collected": supplier.collected,
            "consent_texts": f"{len(supplier.consent)}, shown today: {', '.join(shown) or 'none'}",
            "purposes": sorted({p for c in supplier.consent for p in c.purposes}),
            "assess_again_by": due(supplier).isoformat(),
            "contract_ends": supplier.contract.ends.isoformat(),
        }
    if found:
        facts["keeps_pings_out"] = [*(f"{f.code}: {f.what}" for f in found if supplier is not None or f.code != "SUPPLIER_AMBIGUOUS"), *_listed(reading)]
    return facts


def state(study: Study) -> dict[str, Any]:
    """The state of a study's supplier in names and values, for `flockwise check`."""
    if study.supplier is None:
        return {"in_order": False, "keeps_pings_out": ["the study names no record: [supplier] file"]}
    today, reading = clock.today(), read_supplier(study.supplier.file)
    return told(reading, findings(study, today), today) | {"grace_days": study.supplier.grace_days}


def _listed(reading: Reading) -> list[str]:
    return [f"SUPPLIER_AMBIGUOUS: {text}" for text in reading.open] if reading.found else []


def supplier_of(study: Study) -> Supplier | None:
    """The study's supplier as its record says it; None without a record that answers every question."""
    return None if study.supplier is None else read_supplier(study.supplier.file).supplier


def consent_texts(study: Study) -> ConsentTexts | None:
    """The supplier's consent texts as the door needs them; None for a study without a supplier's record."""
    supplier = supplier_of(study)
    if supplier is None:
        return None
    return ConsentTexts.of([(c.version, c.shown_from, c.shown_until, study.purpose in c.purposes) for c in supplier.consent])


def _refuse(found: list[Finding], state: str, fix: str) -> None:
    if found:
        raise RuleError(
            found[0].code,
            what=found[0].what,
            got=" ".join(f"{f.what} ({f.code})" for f in found[1:]),
            expected="a purpose, and a record of the supplier with every question answered, an assessment at most a year old and a contract that holds",
            state=state,
            fix=f"{fix} {_HOW}",
        )
