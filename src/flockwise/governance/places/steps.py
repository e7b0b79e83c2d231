"""What the officer does with the list: build it, review it, ask how it stands. Each step gives a title, facts and notes for the console."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flockwise.base import clock
from flockwise.errors import RuleError
from flockwise.governance.places.coverage import coverage
from flockwise.governance.places.current import Current, current, required
from flockwise.governance.places.extent import Extent
from flockwise.governance.places.listing import Listing
from flockwise.governance.places.sources import build
from flockwise.governance.places.tags import read_tags

if TYPE_CHECKING:
    from flockwise.config import Study

__all__ = ["Told", "build_list", "state_of", "status", "summary"]

Told = tuple[str, dict[str, Any], tuple[str, ...]]


def build_list(study: Study, sources: Sequence[Path], out: Path | None) -> Told:
    """Writes the list. Reviews of an older one at the same place are kept: they hold if no place changed.

    Raises:
        RuleError: PLACES_MISSING: neither the study nor `out` says where to.
        DataError: a source can't be used. Nothing was written.
    """
    target = out or (study.places.file if study.places else None)
    if target is None:
        raise RuleError(
            "PLACES_MISSING",
            what="The study names no list of sensitive places.",
            expected='[places] file = "places.parquet" in the study file, or --out',
            state="Nothing was written.",
            fix="Name the list in the study file.",
        )
    table = read_tags(study.places.tags if study.places else None)
    made = build(sources, table, Extent.of(study.area), clock.today())
    if target.exists():
        made = replace(made, reviews=Listing.read(target).reviews)
    made.write(target)
    refused = sum(s.refused for s in made.sources)
    facts = {
        "list": str(target),
        "places": made.table.num_rows,
        "categories": made.counts,
        "not_in_the_list": [c.label for c in table.categories if c.name not in made.counts],
        "sources": [{"file": s.name, "read": s.read, "near_the_region": s.kept, "mended": s.mended, "refused": s.refused} for s in made.sources],
    }
    more = (f"{refused:,} geometries can't be used and are not cut: see to them.",) if refused else ()
    return f"Wrote {target}.", facts, (*more, "Look at it with flockwise places show, and record the review with flockwise places review.")


def state_of(found: Current, today: date) -> str:
    """One word for how a list stands: current, stale or not reviewed."""
    if found.last is None or found.review_by is None or found.last.day > today:
        return "not reviewed"
    return "stale" if today > found.review_by else "current"


def summary(study: Study) -> str:
    """How the list stands, in one line that begins with "current" if the study can be ingested and released."""
    if study.places is None:
        return "missing: the study names no list"
    if not study.places.file.exists():
        return "missing: make it with flockwise places build"
    found = current(study)
    state = state_of(found, clock.today()) if found else "missing"
    return f"current until {found.review_by}" if found and state == "current" else state


def status(study: Study, applied: str | None, unknown: str = "nothing is stored yet") -> Told:
    """How the list stands.

    Args:
        study: it names the list.
        applied: digest by which the store was cut, empty if it was not; None if that can't be said.
        unknown: why it can't.

    Raises:
        RuleError: PLACES_MISSING.
    """
    found = required(study)
    today, last = clock.today(), found.last
    cover = coverage(study.area, found.listing)
    done = unknown if applied is None else "yes" if applied == found.digest else f"no, due by {found.apply_by}" if found.apply_by else "no"
    facts: dict[str, Any] = {
        "list": str(study.places.file) if study.places else "",
        "digest": found.digest[:16],
        "state": state_of(found, today),
        "places": found.listing.table.num_rows,
        "gatherings": len(found.gatherings) if found.gatherings is not None else 0,
        "built": str(found.listing.built),
        "reviewed": "never" if last is None else f"{last.day} by {last.by}",
        "review_by": "-" if found.review_by is None else str(found.review_by),
        "applied_to_the_store": done,
        "area_cut": f"{100 * cover.whole:.2f} %",
        "area_cut_by_category": {name: f"{100 * share:.2f} %" for name, share in cover.categories.items()},
    }
    return f"The list of sensitive places is {facts['state']}.", facts, ("Made of public facts: no ping was read.",)
