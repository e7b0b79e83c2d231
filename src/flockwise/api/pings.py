"""The steward's part: what comes in, what is deleted, and under which keys it rests."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flockwise import config, trail
from flockwise.api.outcome import Outcome, Progress
from flockwise.errors import ConfigError

if TYPE_CHECKING:
    from flockwise.store import Store

__all__ = ["forget", "ingest", "purge", "quarantine", "rotate", "supplier_check"]


def ingest(study_path: Path, sources: Sequence[str], progress: Progress | None = None, *, replace: Sequence[str] = ()) -> Outcome:
    """Takes pings into the study's store, all or nothing. The same content again adds nothing.

    Args:
        study_path: the study file.
        sources: files, folders, globs or addresses: of fsspec's kinds, and under [engine] kind = "spark" of Hadoop's.
        replace: files of a former ingest that the sources correct, as they were delivered: their rows go in the same step, their opt-outs hold.
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        ConfigError: the study can't be used.
        DataError: a file is broken as a whole. Nothing was stored.
        StoreError: the store was made for another study.
        RuleError: a rule refuses the delivery; PLACES_MISSING: the study names no list of sensitive places.
            If it is the supplier's record or data from an ad auction, it is noted in the quarantine.

    Privacy:
        The counts of refused rows are for the data steward alone: they are not private and are kept nowhere.
    """
    from flockwise.store.digests import EarlyDigests

    study = config.load(Path(study_path))
    trail.require(study)
    named = [str(s) for s in sources]
    # Spark lists files in its own way.
    with EarlyDigests(named if study.engine.kind == "local" else [], study.engine.workers) as digests:
        from flockwise import engines, person
        from flockwise.governance import places
        from flockwise.store.quarantine import guard as quarantine_guard

        order = partial(person.order, rules=person.rules_for(study))
        with (
            engines.ingesting(study.engine) as (runner, files_at),
            trail.step(study, "ingest"),
            quarantine_guard(study, named, files_at),
            _copied(study),
        ):
            cut = places.reviewed(study)
            again = [str(s) for s in replace]
            found = _store(study).ingest(named, order, cut, progress, replace=again, runner=runner, files_at=files_at, digests=digests)
    return Outcome("Ingested.", found.as_dict(), ("For the data steward alone: these counts are not private. Do not publish them.",))


def forget(
    study_path: Path,
    deletions: str | None = None,
    *,
    kind: str = "ids",
    column: str | None = None,
    received: date | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Deletes the devices of a list from a study's store, and bars them from every window of its data set.

    Args:
        study_path: the study file.
        deletions: CSV or Parquet file of identifiers; None carries out what waits.
        kind: "ids" or "hashed" (SHA-256 of normalised identifiers).
        column: the list's column of identifiers.
        received: when the request was received.
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        ConfigError, DataError: the study or the list can't be used. Nothing was changed.
        StoreError: the store can't be written.

    Privacy:
        Neither the result nor the files that change say whether a device of the list was stored.
    """
    from flockwise import store, trail

    study = config.load(Path(study_path))
    if kind not in store.KINDS:
        raise ConfigError("FORGET_KIND", what="This kind of list is not known.", got=kind, expected=" or ".join(store.KINDS), fix="Correct --kind.")
    with trail.step(study, "forget"), _copied(study):
        facts = store.forget(study, deletions, kind=kind, column=column, received=received, progress=progress)
        if deletions is not None:
            trail.record(study, "forget_received", {day: facts[day] for day in ("received", "stop_by", "delete_by")})
    notes = ["What was published before can't be recalled.", "Copies that you made yourself, such as backups of the store, are yours to delete."]
    if facts.get("entries_that_are_no_identifier"):
        notes.insert(0, "Rows without an identifier were passed over, all others were carried out. Ask who sent the list: what those rows ask for stays due.")
    return Outcome("Forgotten.", facts, tuple(notes))


def purge(study_path: Path, *, early: bool = False) -> Outcome:
    """Removes the pings of a study whose retention has ended, and destroys their keys.

    Args:
        study_path: the study file.
        early: also before the schedule ends.

    Raises:
        RuleError: the schedule has not ended.
        StoreError: there is no store, or it can't be written.
    """
    from flockwise import store, trail

    study = config.load(Path(study_path))
    with trail.step(study, "purge"), _copied(study):
        day = store.purge(study, early=early)
    return Outcome("Purged.", {"store": str(study.store.path), "on": day.isoformat()}, ("The suppression list, the ledger and what was published stay.",))


def rotate(study_path: Path, old: Path | str, *, data: bool = False, progress: Progress | None = None) -> Outcome:
    """Puts the keys of a study's store and suppression list under the master key that the study names now.

    Args:
        study_path: the study file; its [store] key names the new master key.
        old: the master key until now: a file, "env:NAME" or "command:...".
        data: also make a new window key: new pseudonyms, and every file encrypted anew.
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        ConfigError, RuleError, StoreError: a key can't be used, or the store can't be written.
    """
    from flockwise import store, trail

    study = config.load(Path(study_path))
    with trail.step(study, "rotate"), _copied(study):
        facts = store.rotate(study, old, data=data, progress=progress)
    return Outcome("Rotated.", facts, ("Run it for every study of the data set, then destroy the old key.",))


def _copied(study: config.Study) -> AbstractContextManager[None]:
    from flockwise import engines

    return engines.copied(study.engine, study.store.path)


def _store(study: config.Study) -> Store:
    from flockwise.store import Store

    exists = (study.store.path / "manifest.json").exists()
    return Store.open(study) if exists else Store.create(study)


def supplier_check(file: Path) -> Outcome:
    """What a supplier's record says, what is missing in it, and when it is due again.

    Args:
        file: the record (supplier.toml).

    Returns:
        `in_order` is true if a delivery would be let in today, as far as the record goes; `keeps_pings_out` lists what would not let it in.
    """
    from flockwise.base import clock
    from flockwise.config.supplier import read_supplier
    from flockwise.governance import suppliers

    reading, today = read_supplier(Path(file)), clock.today()
    found = suppliers.examine(reading, today)
    facts = suppliers.told(reading, found, today)
    title = f"{file} is in order." if not found else f"{file}: a delivery of this supplier would be quarantined."
    return Outcome(title, facts)


def quarantine(study_path: Path) -> Outcome:
    """The deliveries that were not let into a study.

    Args:
        study_path: the study file.

    Privacy:
        Names and contents are kept as keyed digests; no row was read.
    """
    from flockwise.store import quarantine as kept

    rows = [entry.as_dict() for entry in kept.entries(config.load(Path(study_path)))]
    waiting = sum(row["state"] == "quarantined" for row in rows)
    return Outcome(f"{len(rows)} deliveries were not let in, {waiting} of them wait.", {"entries": rows})
