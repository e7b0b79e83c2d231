"""The officer's list of sensitive places."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flockwise import config, trail
from flockwise.api.outcome import Outcome, Progress
from flockwise.base.files import write_durably
from flockwise.errors import FlockwiseError

__all__ = ["places_apply", "places_build", "places_review", "places_show", "places_status"]

_NO_KEY = "not known: the store's key is not at hand"


def places_build(study_path: Path, sources: Sequence[Path], out: Path | None = None) -> Outcome:
    """Makes the list of sensitive places near a study's region. Reviews of an older list at the same place are kept; they hold if nothing changed.

    Args:
        study_path: the study file.
        sources: OpenStreetMap files (by the table of tags), GeoJSON, GeoPackage or GeoParquet (by a column "category").
        out: GeoParquet file to write; by default the one that `[places]` names.

    Raises:
        DataError: a source can't be used. Nothing was written.
        RuleError: PLACES_MISSING: the study names no list, and `out` was not given.

    Privacy:
        Public facts only: no ping is read.
    """
    from flockwise.governance import places

    return Outcome(*places.build_list(config.load(Path(study_path)), [Path(s) for s in sources], None if out is None else Path(out)))


def places_review(study_path: Path, by: str, *, none_in_region: bool = False) -> Outcome:
    """Records that somebody looked at the list and the gatherings today, and that they are current. It holds for 92 days.

    Args:
        study_path: the study file.
        by: who.
        none_in_region: the statement that no sensitive place is near the region, for an empty list.

    Raises:
        RuleError: PLACES_MISSING, PLACES_NONE.
    """
    from flockwise.governance import places

    study = config.load(Path(study_path))
    made = places.review(study, by, none_in_region=none_in_region)
    before = [r.digest for r in made.listing.reviews if r.digest != made.digest]
    if before and made.changed == made.listing.reviews[-1].day:
        trail.record(study, "places_changed", {"before": before[-1], "list": made.digest})
    trail.record(study, "places_review", {"list": made.digest, "reviewed": made.listing.reviews[-1].day.isoformat()})
    facts = {"list": made.digest[:16], "places": made.listing.table.num_rows, "holds_until": str(made.review_by), "apply_by": str(made.apply_by)}
    return Outcome("The review is recorded.", facts, ("What is stored already has to be cut by this list before the next release: flockwise places apply.",))


def places_status(study_path: Path) -> Outcome:
    """Whether the list of sensitive places is current, until when, and whether the store was cut by it.

    Args:
        study_path: the study file.

    Raises:
        RuleError: PLACES_MISSING.
    """
    from flockwise.governance import places
    from flockwise.store import Store

    study = config.load(Path(study_path))
    try:
        store = Store.open(study) if (study.store.path / "manifest.json").exists() else None
    except PermissionError:
        return Outcome(*places.status(study, None, _NO_KEY))
    except FlockwiseError as error:
        if error.code not in ("STORE_KEY_MISSING", "STORE_KEY_COMMAND"):
            raise
        return Outcome(*places.status(study, None, _NO_KEY))
    return Outcome(*places.status(study, store.places_digest if store is not None and store.any_delivery else None))


def places_show(study_path: Path, out: Path) -> Outcome:
    """Writes a page with a map of what the list cuts out of the region, by category.

    Args:
        study_path: the study file.
        out: HTML file to write.

    Raises:
        RuleError: PLACES_MISSING.

    Privacy:
        Public facts only: no ping is read.
    """
    from flockwise import report as reporting
    from flockwise.governance import places

    study = config.load(Path(study_path))
    found = places.required(study)
    table = places.read_tags(study.places.tags if study.places else None)
    write_durably(Path(out), reporting.places_page(study.name, study.area, found, table).encode())
    return Outcome(f"Wrote {out}.", {"page": str(out)}, ("Made of public facts: no ping was read.",))


def places_apply(study_path: Path, progress: Progress | None = None) -> Outcome:
    """Purges from the store what the list of sensitive places covers now. Due two days after a changed list was first reviewed.

    Args:
        study_path: the study file.
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        RuleError: the list is missing, stale or not reviewed.
        StoreError: there is no store, or it can't be written. It is as it was.

    Privacy:
        How many rows went is told to nobody. The store's content has another name afterwards: a release from it is another charge.
    """
    from flockwise import engines
    from flockwise.store import Store

    study = config.load(Path(study_path))
    vault = Store.open(study)
    with engines.copied(study.engine, study.store.path):
        fresh = vault.cut(progress)
        if fresh:
            trail.record(study, "places_applied", {"list": vault.places_digest})
    done = "The store was cut by the list as it is now." if fresh else "The store had been cut by this list before."
    return Outcome(done, {"list": vault.places_digest[:16]}, ("Releases that are published can't be recalled.",))
