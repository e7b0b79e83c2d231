"""The library's front door: one function for each thing that Flockwise does.

Every function takes paths and gives back a small result with `as_dict()` and a readable `str()`. Heavy parts are imported when they are used.
No function takes or gives a device.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flockwise import config, trail
from flockwise.base.files import write_durably
from flockwise.errors import ConfigError

if TYPE_CHECKING:
    from flockwise.store import Store

__all__ = [
    "assess",
    "audit",
    "caps_key",
    "caps_show",
    "caps_sign",
    "check",
    "demo",
    "forget",
    "ingest",
    "init",
    "ledger",
    "ledger_check",
    "log_begin",
    "log_expire",
    "log_incident",
    "log_recipient",
    "log_show",
    "log_verify",
    "places_apply",
    "places_build",
    "places_review",
    "places_show",
    "places_status",
    "plan",
    "purge",
    "quality",
    "quarantine",
    "register",
    "release",
    "report",
    "request",
    "risk",
    "rotate",
    "serve",
    "simulate",
    "supplier_check",
    "verify",
    "weights",
]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What a function of the api gives back.

    Attributes:
        title: one line that says what was done.
        facts: names and values, in the order to show them.
        notes: sentences that go with them.
    """

    title: str
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The outcome as JSON-ready values."""
        return {"title": self.title, **self.facts, "notes": list(self.notes)}

    def __str__(self) -> str:
        return "\n".join([self.title, *_lines(self.facts, 2), *self.notes])


def _lines(facts: dict[str, Any], indent: int) -> list[str]:
    out = []
    width = max((len(k.replace("_", " ")) for k in facts), default=0) + 1
    for key, value in facts.items():
        label = " " * indent + f"{key.replace('_', ' ') + ':':<{width}} "
        if isinstance(value, dict):
            out += [label.rstrip(), *_lines(value, indent + 2)]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            out += [label.rstrip(), *_grid(value, indent + 2)]
        elif isinstance(value, list):
            out += [label.rstrip(), *(" " * (indent + 2) + str(v) for v in value)]
        else:
            out.append(label + _text(value))
    return out


def _grid(rows: list[dict[str, Any]], indent: int) -> list[str]:
    head = list(rows[0])
    cells = [[h.replace("_", " ") for h in head], *([_text(r.get(h)) for h in head] for r in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    number = [all(isinstance(r.get(h), int | float | None) for r in rows) for h in head]
    return [" " * indent + "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, number, strict=True)).rstrip() for row in cells]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return "-" if value is None else str(value)


def simulate(
    out: Path,
    *,
    devices: int = 50_000,
    start: date = date(2026, 5, 4),
    days: int = 7,
    seed: int = 1,
    progress: Progress | None = None,
) -> Outcome:
    """Writes the pings of a simulated population, and its true aggregates.

    Args:
        out: folder to write; `out/pings`, `out/truth`, `out/region.geojson` and the made-up supplier's record `out/supplier.toml` are made in it.
        devices: how many devices.
        start: first local day.
        days: 1 to 28.
        seed: same seed, same bytes.
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        ConfigError: the folder is there already and was not made by a simulation.
    """
    from flockwise import simulate as simulation

    settings = simulation.Settings(devices=devices, start=start, days=days, seed=seed)
    tick = None if progress is None else partial(progress, "simulate")
    summary = simulation.write(settings, Path(out), progress=tick)
    return Outcome(f"Simulated {devices:,} devices in {out}.", summary.as_dict(), ("These pings are made up: no person is behind any of them.",))


def init(
    out: Path,
    *,
    region: Path,
    start: date,
    days: int,
    timezone: str,
    name: str = "my study",
    pings: Path | None = None,
    purpose: str | None = None,
    supplier: Path | None = None,
) -> Outcome:
    """Writes a commented study file, the secret key of its pseudonyms, the draft of the supplier's record, and an empty trail with the key that signs it.

    Args:
        out: the study file to write; it must not exist.
        region: GeoJSON polygons.
        start: first local day of the window.
        days: 1 to 28.
        timezone: IANA name.
        name: name of the study.
        pings: a file whose columns' names and types fill the mapping. None of its rows is read.
        purpose: what the study is for, from the closed list; without it the line is left open, and deliveries are not let in.
        supplier: the supplier's record; without it `supplier.toml` beside the study is used, and written with every question open if it is not there.

    Raises:
        RuleError: PURPOSE_FORBIDDEN.
        ConfigError: the file exists, or what would be written does not pass `check`. Nothing is written then.
        DataError: `pings` can't be read.
    """
    from flockwise import store

    out = Path(out)
    if out.exists():
        raise ConfigError(
            "INIT_EXISTS",
            what="The study file is there already.",
            got=str(out),
            state="It was not touched.",
            fix="Name another file with --out, or move this one away.",
        )
    columns = config.guess_columns(store.file_schema(str(pings))) if pings is not None else None
    folder = out.resolve().parent
    record = folder / "supplier.toml" if supplier is None else Path(supplier).resolve()
    text = config.template(
        name=name,
        region=os.path.relpath(Path(region).resolve(), folder),
        start=start,
        days=days,
        timezone=timezone,
        columns=columns,
        purpose=purpose,
        supplier=os.path.relpath(record, folder),
    )
    study = config.parse(text, folder)
    cells = len(study.area)
    folder.mkdir(parents=True, exist_ok=True)
    if study.store.key_file is not None and not study.store.key_file.exists():
        store.keys.create(study.store.key_file)
    public = trail.begin(study, again=True)
    write_durably(out, text.encode())
    if not record.exists():
        write_durably(record, config.supplier_draft().encode())
    notes = ["Look at every line of [input] and [privacy], then run flockwise check."]
    if columns is not None and None in (columns.device, columns.time, columns.lat, columns.lon):
        notes.append("No column's name told the device, the time or the position: fill in [input] by hand.")
    if purpose is None:
        notes.append("Declare the study's purpose: no delivery is let in without one.")
    if config.read_supplier(record).supplier is None:
        notes.append(f"Answer every question in {record.name}: until then deliveries wait in quarantine. flockwise supplier check says what is open.")
    return Outcome(
        f"Wrote {out} and its key.",
        {
            "study": str(out),
            "key": str(study.store.key),
            "supplier": str(record),
            "trail_key": public,
            "cells": cells,
            "input": study.input.model_dump(),
        },
        tuple(notes),
    )


def check(study_path: Path) -> Outcome:
    """Checks a study before any data is read: the file, the region, the key, the ledger, and what a release would publish.

    Args:
        study_path: the study file.

    Raises:
        ConfigError: the study can't be used.
        RuleError: the key is missing or open to others.
        LedgerError: the ledger is damaged.

    Privacy:
        Reads no data and charges nothing.
    """
    from flockwise import record, store
    from flockwise import release as releasing
    from flockwise.governance import suppliers

    study = config.load(Path(study_path))
    store.keys.load(study.store.key)
    allowed = suppliers.state(study)
    trail.require(study)
    trail.events(study)
    plan = releasing.make_plan(study)
    facts = releasing.facts_of(plan)
    record.texts(facts)
    made = record.record(facts)
    budget = releasing.budget(study, plan)
    fits = budget["left_rho"] >= plan.rho
    note = "The study can be ingested and released." if fits else "The ledger has too little left for this release: it would be refused."
    if "keeps_pings_out" in allowed:
        note = "A delivery would be quarantined: see what keeps pings out."
    return Outcome(
        f"{study_path} is in order.",
        {
            "study": study.name,
            "purpose": study.purpose,
            "supplier": allowed,
            "window": f"{study.window.start}, {study.window.days} days, {study.window.timezone}",
            "promise": releasing.promise(plan),
            "tables": releasing.table_facts(plan),
            "budget": {k: str(v) for k, v in budget.items()},
            "due": [d.text() for d in store.due(study)],
            "record": f"tier {made.tier} of 3" + (f"; not stated in [publisher]: {', '.join(m.key for m in made.missing)}" if made.missing else ""),
        },
        (note,),
    )


def plan(study_path: Path, *, out: Path | None = None, devices: int | None = None, seen: float = 1 / 3, trips: float = 0.6, variants: bool = True) -> Outcome:
    """What a release would be like, before any budget is spent and without reading the data: the expected error of each table and level.

    Args:
        study_path: the study file.
        out: an HTML page to write, with plots.
        devices: how many devices take part, about; by default the study's panel bound.
        seen: share of the slots in which a device is seen.
        trips: trips a device and day that the pings show.
        variants: whether to try other values of epsilon, zone size and slot, too.

    Raises:
        ConfigError: the study can't be used, or an assumption is out of range.
        LedgerError: the ledger is damaged.

    Privacy:
        Reads the study, its region and its ledger, no data; charges nothing. The assumptions are the user's and must be public.
    """
    from flockwise import forecast
    from flockwise import release as releasing

    study = config.load(Path(study_path))
    panel = study.privacy.panel_bound if devices is None else devices
    if not (panel >= 1 and 0 < seen <= 1 and 0 < trips <= 100):
        raise ConfigError(
            "PLAN_ASSUMPTION",
            what="An assumption about the panel is out of range.",
            got=f"devices {panel}, seen {seen:g}, trips {trips:g}",
            expected="at least one device, seen above 0 and at most 1, trips above 0 and at most 100",
            state="Nothing was read and nothing was spent.",
            fix="Correct --devices, --seen or --trips.",
        )
    settled, facts = releasing.make_plan(study), forecast.Facts(panel, seen, trips)
    if variants:
        epsilons = forecast.by_epsilon(study, facts)
    else:
        epsilons = [forecast.Variant("this study", study.privacy.epsilon, settled.rho, forecast.expected(settled, facts))]
    own = next(v for v in epsilons if v.epsilon == study.privacy.epsilon)
    found = own.found
    more = forecast.others(study, facts, found) if variants else []
    budget = releasing.budget(study, settled)
    after = budget["left_rho"] - settled.rho
    left = releasing.epsilon_text(study, after)
    rows = [
        {
            "table": e.table,
            "level": e.level,
            "noise_sd": round(e.noise_sd, 1),
            "expected_error": forecast.percent(e.relative_error),
            "figures_printed": e.printed,
            "figures": e.rows,
        }
        for e in found
    ]
    tried = [
        {"setting": v.change, **{f"{e.table}_r{e.level}": forecast.percent(e.relative_error) for e in v.found}}
        for v in (*(v for v in epsilons if v is not own), *more)
    ]
    facts_shown: dict[str, Any] = {
        "study": study.name,
        "promise": releasing.promise(settled),
        "assumed": f"{panel:,} devices, seen in {100 * seen:.0f} % of the slots, {trips:g} trips a device and day",
        "tables": rows,
        "other_settings": tried,
        "ledger": {"charge_rho": str(settled.rho), "left_rho_after": str(after), "left_after": left},
    }
    if out is not None:
        shown = [
            ("This release", f"epsilon {study.privacy.epsilon}"),
            ("The ledger after it", left),
            ("Panel, at most", f"{study.privacy.panel_bound:,} devices"),
        ]
        write_durably(Path(out), forecast.page(settled, facts, epsilons, more, shown).encode())
        facts_shown["page"] = str(out)
    note = "No data was read and nothing was charged." if after >= 0 else "The ledger has too little left for this release: it would be refused."
    return Outcome(f"What to expect of {study.name}.", facts_shown, (note,))


def ingest(study_path: Path, sources: Sequence[str], progress: Progress | None = None, *, replace: Sequence[str] = ()) -> Outcome:
    """Takes pings into the study's store, all or nothing. The same content again adds nothing.

    Args:
        study_path: the study file.
        sources: files, folders, globs or fsspec-style addresses.
        replace: files of a former ingest that the sources correct, as they were delivered: their rows go in the same step, their opt-outs hold.
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        ConfigError: the study can't be used.
        DataError: a file is broken as a whole. Nothing was stored.
        StoreError: the store was made for another study.
        RuleError: a rule refuses the delivery. If it is the supplier's record or data from an ad auction, it is noted in the quarantine.

    Privacy:
        The counts of refused rows are for the data steward alone: they are not private and are kept nowhere.
    """
    from flockwise import person
    from flockwise.store.quarantine import guard as quarantine_guard

    study = config.load(Path(study_path))
    trail.require(study)
    order = partial(person.order, rules=person.rules_for(study))
    named = [str(s) for s in sources]
    with trail.step(study, "ingest"), quarantine_guard(study, named):
        found = _store(study).ingest(named, order, progress, replace=[str(s) for s in replace])
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
    with trail.step(study, "forget"):
        facts = store.forget(study, deletions, kind=kind, column=column, received=received, progress=progress)
        if deletions is not None:
            trail.record(study, "forget_received", {day: facts[day] for day in ("received", "stop_by", "delete_by")})
    return Outcome(
        "Forgotten.",
        facts,
        ("What was published before can't be recalled.", "Copies that you made yourself, such as backups of the store, are yours to delete."),
    )


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
    with trail.step(study, "purge"):
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
    with trail.step(study, "rotate"):
        facts = store.rotate(study, old, data=data, progress=progress)
    return Outcome("Rotated.", facts, ("Run it for every study of the data set, then destroy the old key.",))


def _store(study: config.Study) -> Store:
    from flockwise.store import Store

    exists = (study.store.path / "manifest.json").exists()
    return Store.open(study) if exists else Store.create(study)


def release(study_path: Path, out: Path, progress: Progress | None = None) -> Outcome:
    """Charges the ledger, draws the noise and writes the release to a folder.

    The same plan on unchanged data gives back the same bytes and charges nothing.

    Args:
        study_path: the study file.
        out: folder to publish into; new, empty, or an earlier release.
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        BudgetError: the ledger does not allow the charge. Nothing was spent.
        RuleError: the supplier's record does not allow it. Nothing was spent.
        StoreError: nothing has been ingested.

    Privacy:
        Charges rho of the plan once to the study's ledger, before anything is drawn.
    """
    from flockwise import release as releasing
    from flockwise.governance import suppliers
    from flockwise.office import caps

    study = config.load(Path(study_path))
    trail.require(study)
    with trail.refusals(study, "release"):
        suppliers.require_for_release(study)
        caps.require(study)
        done = releasing.publish(study, Path(out), progress)
    return Outcome(f"Released to {out}.", done.as_dict(), done.notes)


def assess(study_path: Path, out: Path | None = None) -> Outcome:
    """Writes the draft of a data-protection impact assessment, before any data is read.

    Args:
        study_path: the study file.
        out: the Markdown file to write; it must not exist. By default `impact-assessment.md` beside the study.

    Raises:
        ConfigError: the study can't be used, or the file is there already: it may have been edited.

    Privacy:
        Reads the study file and the region's file, no data, and charges nothing.
    """
    from flockwise import record
    from flockwise import release as releasing

    study = config.load(Path(study_path))
    out = Path(study_path).resolve().parent / record.ASSESSMENT if out is None else Path(out)
    if out.exists():
        raise ConfigError(
            "ASSESS_EXISTS",
            what="The draft is there already.",
            got=str(out),
            state="It was not touched.",
            fix="Name another file with --out, or move this one away.",
        )
    facts = releasing.facts_of(releasing.make_plan(study))
    text = record.assessment(facts)
    write_durably(out, text.encode())
    made = record.record(facts)
    open_questions = text.count("[to be completed")
    return Outcome(
        f"Wrote {out}.",
        {
            "draft": str(out),
            "to_be_completed": open_questions,
            "registry_tier": made.tier,
            "not_stated_in_publisher": [m.key for m in made.missing],
        },
        ("It is a draft: the controller completes it, and it is no legal advice.",),
    )


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
    return Outcome("The review is recorded.", facts, ("If the list changed, run flockwise places apply.",))


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
    exists = (study.store.path / "manifest.json").exists()
    return Outcome(*places.status(study, Store.open(study).places_digest if exists else None))


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
    from flockwise.store import Store

    study = config.load(Path(study_path))
    vault = Store.open(study)
    fresh = vault.cut(progress)
    if fresh:
        trail.record(study, "places_applied", {"list": vault.places_digest})
    done = "The store was cut by the list as it is now." if fresh else "The store had been cut by this list before."
    return Outcome(done, {"list": vault.places_digest[:16]}, ("Releases that are published can't be recalled.",))


def report(folder: Path, out: Path | None = None) -> Outcome:
    """Writes the report of a published folder: one HTML file that asks nothing of any network.

    Args:
        folder: a published folder.
        out: the page to write; by default `folder/report.html`.

    Raises:
        ArtifactError: the folder is not a whole release.

    Privacy:
        Reads the published folder and nothing else.
    """
    from flockwise import report as reporting

    page = reporting.build(Path(folder), None if out is None else Path(out))
    return Outcome(f"Wrote {page}.", {"report": str(page), "bytes": page.stat().st_size})


def risk(study_path: Path, out: Path, *, epsilon: str, progress: Progress | None = None) -> Outcome:
    """Writes what a study's pings would reveal if they leaked: a table, a page and a certificate. Charges the ledger.

    The same epsilon on unchanged data gives back the same figures and charges nothing.

    Args:
        study_path: the study file; its delta, window, region, cleaning and ledger hold.
        out: folder to write into; new, empty, or an earlier assessment.
        epsilon: what the assessment may cost, exact, as text, such as "0.5".
        progress: called with a stage's name, how much is done and how much there is.

    Raises:
        ConfigError: epsilon is not exact, out of range, or too small to learn anything.
        BudgetError: the ledger does not allow the charge. Nothing was spent.
        StoreError: nothing has been ingested.
        ArtifactError: something else is in the way at `out`. Nothing was spent.

    Privacy:
        Charges epsilon at the study's delta once to its ledger, before anything is drawn. Every figure is noisy; none is about a device.
    """
    from flockwise import risk as assessing
    from flockwise.governance import suppliers
    from flockwise.office import caps

    study = config.load(Path(study_path))
    trail.require(study)
    with trail.refusals(study, "risk"):
        suppliers.require_for_release(study)
        begun = trail.record(study, "risk_begun", {})
        caps.require(study, epsilon=assessing.make_plan(study, epsilon).privacy.epsilon)
        done = assessing.publish(study, epsilon, Path(out), progress)
        if begun is not None:
            trail.record(study, "risk", {"of": begun.number, "charged": "yes" if done.charged else "no"})
    return Outcome(f"Assessed in {out}.", done.as_dict(), done.notes)


def verify(folder: Path) -> Outcome:
    """Checks a published folder: every byte, every table, and that the certificate's figures agree with each other.

    Args:
        folder: a published folder.

    Raises:
        ArtifactError: something is missing, was changed or does not agree.
    """
    from flockwise import artifact

    return Outcome(f"{folder} is whole.", {"checked": artifact.verify(Path(folder))})


def weights(folder: Path, census: Path, out: Path, *, level: int, greatest: int) -> Outcome:
    """Makes weights to the census for a later study from a published folder, and says where the panel covers too few people.

    Args:
        folder: a published folder with presence, without weights.
        census: CSV file with the columns "cell" (H3, `level` or finer) and "people".
        out: CSV file to write, with the columns "cell" and "weight", for `[weights] file` of a study; `out` + ".json" says where it comes from.
        level: H3 resolution of the areas, one of the release's, 6 or coarser.
        greatest: no weight is larger; the study's `[weights] greatest` must be the same.

    Raises:
        ArtifactError: the folder can't be read, was changed, or can't be set against a census.
        DataError: the census can't be used.
        ConfigError: a level or a greatest weight that can't be used.

    Privacy:
        Post-processing of a release that was charged, and a public census: no new charge. No data is read.
    """
    from flockwise import artifact
    from flockwise import census as people

    artifact.verify(Path(folder))
    published, living = artifact.read(Path(folder)), people.read_census(Path(census))
    found = people.weigh(people.device_nights(published), living, level, greatest)
    write_durably(Path(out), people.table(found).encode())
    beside = Path(f"{out}.json")
    write_durably(beside, people.side_file(published, living, found, greatest).encode())
    facts = {**people.told(found), "source": people.source_of(published, living), "files": [str(out), str(beside)]}
    skew = "The panel is skewed: areas with a tenth of the people or more are covered otherwise than the whole." if found.skewed else None
    notes = ("Made of published figures and the census: nothing was charged.", *([skew] if skew else []))
    return Outcome(f"Weights for {facts['areas_with_a_weight']} areas.", facts, notes)


def ledger(study_path: Path) -> Outcome:
    """What has been charged to a study's ledger and what is left, after the chain of entries was checked.

    Args:
        study_path: the study file.

    Raises:
        LedgerError: the ledger is damaged or was tampered with.
    """
    from flockwise import release as releasing

    study = config.load(Path(study_path))
    return Outcome(f"Ledger of {study.ledger.dataset}.", releasing.ledger_facts(study), ("The chain of entries is whole.",))


def ledger_check(study_path: Path, folders: Sequence[Path]) -> Outcome:
    """Finds the charge of every published folder in a study's ledger: one that was put back to an earlier day has forgotten a release.

    Args:
        study_path: the study file.
        folders: published folders, of releases and of assessments.

    Raises:
        LedgerError: the ledger lacks a charge (LEDGER_FORGOT), is damaged or was tampered with.
        ArtifactError: a folder can't be read, or is of another data set.
    """
    from flockwise import release as releasing

    found = releasing.check_published(config.load(Path(study_path)), [Path(f) for f in folders])
    return Outcome(f"The ledger holds the charges of {len(found)} published folders.", {"folders": found}, ("Run flockwise verify on each folder, too.",))


def log_begin(study_path: Path) -> Outcome:
    """Begins the trail of a study that has none yet (`office.log.begin`)."""
    from flockwise.office import log

    return Outcome(*log.begin(config.load(Path(study_path))))


def log_show(study_path: Path) -> Outcome:
    """Every event of a study's trail, after the check of all of it (`office.log.show`)."""
    from flockwise.office import log

    return Outcome(*log.show(config.load(Path(study_path))))


def log_verify(study_path: Path, *, key: str | None = None, folders: Sequence[Path] = ()) -> Outcome:
    """Checks a study's trail, with published folders as witnesses (`office.log.verify`)."""
    from flockwise.office import log

    return Outcome(*log.verify(config.load(Path(study_path)), key, [Path(f) for f in folders]))


def log_recipient(study_path: Path, folder: Path, *, name: str, purpose: str) -> Outcome:
    """Records who gets a release, and for what (`office.log.recipient`)."""
    from flockwise.office import log

    return Outcome(*log.recipient(config.load(Path(study_path)), Path(folder), name, purpose))


def log_incident(study_path: Path, *, kind: str, what: str) -> Outcome:
    """Records an incident (`office.log.incident`)."""
    from flockwise.office import log

    return Outcome(*log.incident(config.load(Path(study_path)), kind, what))


def log_expire(study_path: Path, *, through: int | None = None) -> Outcome:
    """Drops years of a trail that ended more than five years ago (`office.log.expire`)."""
    from flockwise.office import log

    return Outcome(*log.expire(config.load(Path(study_path)), through))


def register(study_paths: Sequence[Path], out: Path, *, folders: Sequence[Path] = ()) -> Outcome:
    """Writes the public register of some studies (`office.register`)."""
    from flockwise.office import register as book

    found = book.collect([config.load(Path(p)) for p in study_paths], [Path(f) for f in folders])
    book.write(found, Path(out))
    return Outcome(f"Wrote the register to {out}.", {"page": str(Path(out) / book.PAGE), "releases": len(found.releases)}, (found.recall,))


def quality(folder: Path, before: Sequence[Path] = ()) -> Outcome:
    """Warns where a release is far off earlier ones of the same panel (`quality.examine`). Published figures alone; charges nothing."""
    from flockwise import artifact
    from flockwise import quality as checking

    release_, past = artifact.read(Path(folder)), [artifact.read(Path(f)) for f in before]
    found, left = checking.examine(release_, past)
    days = [{"figure": s.figure, "day": d.day.isoformat(), "value": round(d.value, 1)} for s in checking.series(release_) for d in s.days]
    facts = {"warnings": [vars(w) for w in found], "days": days, "not_compared": left}
    return Outcome(
        f"{len(found)} warnings on {folder}.",
        facts,
        ("Made of published figures: nothing was charged. The share of slots seen is against the panel's public bound.",),
    )


def caps_key(out: Path) -> Outcome:
    """Makes a key for an officer or an analyst (`office.caps.make_key`)."""
    from flockwise.office import caps

    return Outcome(*caps.make_key(Path(out)))


def caps_sign(path: Path, key: Path) -> Outcome:
    """Checks a caps file and signs it (`office.caps.sign`)."""
    from flockwise.office import caps

    return Outcome(*caps.sign(Path(path), Path(key)))


def caps_show(study_path: Path) -> Outcome:
    """A study's caps and its plan's digest (`office.caps.show`)."""
    from flockwise.office import caps

    return Outcome(*caps.show(config.load(Path(study_path))))


def request(study_path: Path, key: Path, requests: Path) -> Outcome:
    """Asks for a release with a signed file; opens no store, ledger or key of the study (`office.requests.ask`)."""
    from flockwise.office import requests as asking

    return Outcome(*asking.ask(config.load(Path(study_path)), Path(key), Path(requests)))


def serve(study_path: Path, requests: Path, out: Path) -> Outcome:
    """Carries out the requests that wait, once each (`office.requests.serve`)."""
    from flockwise.office import requests as asking

    done = asking.serve(config.load(Path(study_path)), Path(requests), Path(out), lambda folder: release(Path(study_path), folder))
    return Outcome(f"{len(done)} requests were answered.", {"answers": [a.as_dict() for a in done]})


def audit(*, full: bool = False, seed: int = 1, progress: Progress | None = None) -> Outcome:
    """Attacks Flockwise's own mechanism on simulated devices and says what each attack found.

    Args:
        full: minutes instead of about one.
        seed: of the simulated devices, never of the noise.
        progress: called with a stage's name, how much is done and how much there is.

    Returns:
        One row a check, with "passed" or "FAILED"; `passed` is true if all of them did.

    Privacy:
        Takes no study and no pings, and charges no ledger but throw-away ones. Evidence, not a proof (docs/claims/audit.md).
    """
    from flockwise import audit as auditing

    rows = [row.as_dict() for row in auditing.carry_out(auditing.CHECKS, auditing.Settings(seed=seed, full=full), progress)]
    failed = [row["check"] for row in rows if row["result"] == "FAILED"]
    title = f"{len(rows)} attacks on the mechanism: " + (f"{len(failed)} FAILED ({', '.join(failed)})." if failed else "all passed.")
    facts = {"form": "full" if full else "short", "passed": not failed, "checks": rows, "seconds": round(sum(row["seconds"] for row in rows), 1)}
    return Outcome(title, facts, ("Simulated devices only. What an attack finds is a lower bound: evidence, not a proof.",))


def demo(out: Path, *, devices: int = 50_000, days: int = 7, seed: int = 1, progress: Progress | None = None) -> Outcome:
    """Runs the main job on a simulated New York: simulate, init, ingest, release, report, verify.

    Args:
        out: folder for everything the demo makes.
        devices: simulated devices.
        days: days of the window.
        seed: seed of the simulation, never of the noise.
        progress: called with a stage's name, how much is done and how much there is.
    """
    out = Path(out)
    start, study = date(2026, 5, 4), out / "study.toml"
    seconds: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], Outcome]) -> Outcome:
        began = time.perf_counter()
        result = work()
        seconds[stage] = round(time.perf_counter() - began, 1)
        return result

    world, settings = out / "world", {"devices": devices, "days": days, "seed": seed}
    _same_settings(out / "demo.json", settings)
    if not (world / "pings").exists():
        timed("simulate", lambda: simulate(world, devices=devices, start=start, days=days, seed=seed, progress=progress))
    if not study.exists():
        init(
            study,
            name="Greater New York, a simulated week",
            region=world / "region.geojson",
            start=start,
            days=days,
            timezone="America/New_York",
            pings=next(iter(sorted((world / "pings").glob("*.parquet")))),
            purpose="official-statistics",
            supplier=world / "supplier.toml",
        )
    taken = timed("ingest", lambda: ingest(study, [str(world / "pings")], progress))
    published = timed("release", lambda: release(study, out / "release", progress))
    page = timed("report", lambda: report(out / "release"))
    timed("verify", lambda: verify(out / "release"))
    return Outcome(
        f"The report is at {page.facts['report']}",
        {
            "report": page.facts["report"],
            "guarantee": published.facts["promise"],
            "pings_read": taken.facts["rows_read"],
            "tables": published.facts["tables"],
            "seconds": seconds,
        },
        ("Open it in a browser. It asks nothing of any network. The population is simulated.",),
    )


def _same_settings(path: Path, settings: dict[str, int]) -> None:
    """Keeps a demo folder to the settings it was begun with: other pings in the same study would be another panel under one ledger."""
    text = json.dumps(settings)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ConfigError(
            "DEMO_OTHER_SETTINGS",
            what="The folder holds a demo that was made with other settings.",
            got=text,
            expected=path.read_text(encoding="utf-8")[:200],
            state="Nothing was changed.",
            fix="Give another folder with --out, or remove this one.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
