"""Before any data is read: practice pings, the study file, what it would publish and cost, the draft assessment."""

from __future__ import annotations

import os
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from flockwise import config, trail
from flockwise.api.outcome import Outcome, Progress
from flockwise.base.files import write_durably
from flockwise.errors import ConfigError

__all__ = ["assess", "check", "init", "plan", "simulate"]


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
    places: Path | None = None,
    gatherings: Path | None = None,
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
        places: the list of sensitive places; without it `places.parquet` beside the study is named, and has to be built.
        gatherings: the file of gatherings, if there is one.

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
        places="places.parquet" if places is None else os.path.relpath(Path(places).resolve(), folder),
        gatherings=None if gatherings is None else os.path.relpath(Path(gatherings).resolve(), folder),
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
    notes.append("Sensitive places: flockwise places build makes the list, show shows it, review records that somebody looked at it.")
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
    from flockwise.governance import places, suppliers

    study = config.load(Path(study_path))
    store.keys.load(study.store.key)
    allowed, listed = suppliers.state(study), places.summary(study)
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
    if not listed.startswith("current"):
        note = "Nothing could be ingested or released: the list of sensitive places is not current."
    return Outcome(
        f"{study_path} is in order.",
        {
            "study": study.name,
            "purpose": study.purpose,
            "supplier": allowed,
            "sensitive_places": listed,
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
            "eight_releases_in_ten": forecast.span(e),
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
    from flockwise.governance import places

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
    listed = places.current(study) if study.places is not None and study.places.file.exists() else None
    facts = releasing.facts_of(releasing.make_plan(study), listed=listed)
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
