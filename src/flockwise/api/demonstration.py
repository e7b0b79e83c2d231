"""The main job on a simulated New York."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from flockwise import config
from flockwise.api.outcome import Outcome, Progress
from flockwise.api.pings import ingest
from flockwise.api.places import places_review
from flockwise.api.preparing import init, simulate
from flockwise.api.publishing import release, report, verify
from flockwise.base import clock
from flockwise.errors import ConfigError

__all__ = ["demo"]


def demo(out: Path, *, devices: int = 50_000, days: int = 7, seed: int = 1, progress: Progress | None = None) -> Outcome:
    """Runs the main job on a simulated New York: simulate, init, ingest, release, report, verify.

    Args:
        out: folder for everything the demo makes.
        devices: simulated devices.
        days: days of the window.
        seed: seed of the simulation, never of the noise.
        progress: called with a stage's name, how much is done and how much there is.
    """
    from flockwise.governance import places

    out = Path(out)
    study = out / "study.toml"
    seconds: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], Outcome]) -> Outcome:
        began = time.perf_counter()
        result = work()
        seconds[stage] = round(time.perf_counter() - began, 1)
        return result

    world, settings = out / "world", {"devices": devices, "days": days, "seed": seed}
    start = _begun(out / "demo.json", settings)
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
            places=world / "places.parquet",
            gatherings=world / "gatherings.csv",
        )
    if not places.summary(config.load(study)).startswith("current"):
        places_review(study, "the demo")
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


def _begun(path: Path, settings: dict[str, int]) -> date:
    """The first day of the demo in a folder.

    A folder is kept to the settings it was begun with: other pings in the same study would be another panel under one ledger.
    """
    if not path.exists():
        start = _first_day(settings["days"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings | {"start": start.isoformat()}), encoding="utf-8")
        return start
    text = path.read_text(encoding="utf-8")
    try:
        kept: dict[str, Any] = json.loads(text)
        start = date.fromisoformat(kept.pop("start"))
    except (ValueError, KeyError, TypeError, AttributeError):
        kept, start = {}, date.min
    if kept != settings:
        raise ConfigError(
            "DEMO_OTHER_SETTINGS",
            what="The folder holds a demo that was made with other settings.",
            got=json.dumps(settings),
            expected=text[:200],
            state="Nothing was changed.",
            fix="Give another folder with --out, or remove this one.",
        )
    return start


def _first_day(days: int) -> date:
    """The last first Monday of a May or a December from which the days are over: pings of one fixed day would some time be past their retention."""
    today = clock.today()
    firsts = [date(year, month, 1) for year in (today.year - 2, today.year - 1, today.year) for month in (5, 12)]
    mondays = [first + timedelta(days=-first.weekday() % 7) for first in firsts]
    return max((monday for monday in mondays if monday + timedelta(days=days) <= today), default=mondays[0])
