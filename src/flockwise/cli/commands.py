"""The commands. Each one reads its arguments, calls the api and shows what came back."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from flockwise import __version__
from flockwise.base.machine import collect_rarely
from flockwise.cli.lazy import api
from flockwise.cli.output import command_errors, json_option, progress, show

__all__ = ["main"]

_STUDY = click.argument("study", type=click.Path(path_type=Path))
_FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
_DATE = click.DateTime(formats=["%Y-%m-%d"])


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="flockwise")
def main() -> None:
    """Population statistics from phone location pings, in which no person can be found.

    Exit codes: 0 done, 2 usage or configuration, 3 refused by a rule, 4 bad data, 5 our bug.
    """
    collect_rarely()


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("flockwise-demo"), show_default=True, help="Folder for everything the demo makes.")
@click.option("--devices", type=click.IntRange(100, 5_000_000), default=50_000, show_default=True, help="Simulated devices.")
@click.option("--days", type=click.IntRange(1, 28), default=7, show_default=True, help="Days of the window.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the simulation (never of the noise).")
@json_option
@command_errors
def demo(out: Path, devices: int, days: int, seed: int, as_json: bool) -> None:
    """Run the main job on a simulated New York: pings, store, private release, report."""
    with progress() as tick:
        result = api.demo(out, devices=devices, days=days, seed=seed, progress=tick)
    show(result, as_json)


@main.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--devices", type=click.IntRange(1, 50_000_000), default=50_000, show_default=True, help="Simulated devices.")
@click.option("--start", type=_DATE, default="2026-05-04", show_default=True, help="First local day.")
@click.option("--days", type=click.IntRange(1, 28), default=7, show_default=True, help="Days.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same pings.")
@json_option
@command_errors
def simulate(out: Path, devices: int, start: datetime, days: int, seed: int, as_json: bool) -> None:
    """Write the pings of a simulated population to OUT, and the true aggregates beside them."""
    with progress() as tick:
        result = api.simulate(out, devices=devices, start=start.date(), days=days, seed=seed, progress=tick)
    show(result, as_json)


@main.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("study.toml"), show_default=True, help="The study file to write.")
@click.option("--name", default="my study", show_default=True, help="Name of the study.")
@click.option("--pings", type=click.Path(path_type=Path), default=None, help="A file of pings: its columns' names and types are read, never its rows.")
@click.option("--region", type=click.Path(path_type=Path), required=True, help="GeoJSON polygons of the region.")
@click.option("--start", type=_DATE, required=True, help="First local day of the window.")
@click.option("--days", type=int, required=True, help="Days of the window, 1 to 28.")
@click.option("--timezone", required=True, help='Time zone, such as "America/New_York".')
@click.option("--purpose", default=None, help="What the study is for, from the closed list of docs/reference/study.md, such as transport-planning.")
@click.option("--supplier", type=click.Path(exists=True, path_type=Path), default=None, help="The supplier's record; by default a draft beside the study.")
@click.option(
    "--places", type=click.Path(exists=True, path_type=Path), default=None, help="The list of sensitive places; by default one that is still to be built."
)
@click.option("--gatherings", type=click.Path(exists=True, path_type=Path), default=None, help="CSV file of political and social gatherings.")
@json_option
@command_errors
def init(
    out: Path,
    name: str,
    pings: Path | None,
    region: Path,
    start: datetime,
    days: int,
    timezone: str,
    purpose: str | None,
    supplier: Path | None,
    places: Path | None,
    gatherings: Path | None,
    as_json: bool,
) -> None:
    """Write a commented study file, the secret key of its pseudonyms, and the draft of the supplier's record."""
    records = {"supplier": supplier, "places": places, "gatherings": gatherings}
    result = api.init(out, name=name, pings=pings, region=region, start=start.date(), days=days, timezone=timezone, purpose=purpose, **records)
    show(result, as_json)


@main.command()
@_STUDY
@json_option
@command_errors
def check(study: Path, as_json: bool) -> None:
    """Check a study file without reading any data: what it would publish, how exact, and what the ledger has left."""
    show(api.check(study), as_json)


@main.command()
@_STUDY
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Markdown file to write; by default impact-assessment.md beside the study.")
@json_option
@command_errors
def assess(study: Path, out: Path | None, as_json: bool) -> None:
    """Write the draft of a data-protection impact assessment from the study file alone: no data is read."""
    show(api.assess(study, out), as_json)


@main.command()
@_STUDY
@click.option("--out", type=click.Path(path_type=Path), help="HTML page with plots to write.")
@click.option("--devices", type=click.IntRange(min=1), help="Devices that take part, about; by default the study's panel bound.")
@click.option("--seen", type=float, default=1 / 3, show_default="a third", help="Share of the slots in which a device is seen.")
@click.option("--trips", type=float, default=0.6, show_default=True, help="Trips a device and day that the pings show.")
@click.option("--only-this", is_flag=True, help="Do not try other settings.")
@json_option
@command_errors
def plan(study: Path, out: Path | None, devices: int | None, seen: float, trips: float, only_this: bool, as_json: bool) -> None:
    """Say what a release would be like: the expected error of every table, other settings, and what the ledger would have left. Reads no data."""
    show(api.plan(study, out=out, devices=devices, seen=seen, trips=trips, variants=not only_this), as_json)


@main.command()
@_STUDY
@click.argument("files", nargs=-1, required=True)
@click.option("--replace", multiple=True, metavar="FORMER", help="A file of a former ingest that these files correct; may be repeated.")
@json_option
@command_errors
def ingest(study: Path, files: tuple[str, ...], replace: tuple[str, ...], as_json: bool) -> None:
    """Take pings into the study's store: files, folders, globs or addresses of Parquet or CSV. All or nothing."""
    with progress() as tick:
        result = api.ingest(study, files, progress=tick, replace=replace)
    show(result, as_json)


@main.command()
@_STUDY
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to publish into.")
@json_option
@command_errors
def release(study: Path, out: Path, as_json: bool) -> None:
    """Charge the ledger, draw the noise and write the release to a folder. Repeating it on unchanged data costs nothing."""
    with progress() as tick:
        result = api.release(study, out, progress=tick)
    show(result, as_json)


@main.command()
@_FOLDER
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Where to write the page; by default DIR/report.html.")
@json_option
@command_errors
def report(folder: Path, out: Path | None, as_json: bool) -> None:
    """Write the report of a release: one HTML file that asks nothing of any network."""
    show(api.report(folder, out), as_json)


@main.command()
@_STUDY
@click.option("--epsilon", required=True, help='What it may cost, exact: such as "0.5" or "1/3".')
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write into.")
@json_option
@command_errors
def risk(study: Path, epsilon: str, out: Path, as_json: bool) -> None:
    """Write what the pings would reveal if they leaked, as private figures. Charges the ledger; repeating it costs nothing."""
    with progress() as tick:
        result = api.risk(study, out, epsilon=epsilon, progress=tick)
    show(result, as_json)


@main.command()
@_FOLDER
@click.option("--census", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="CSV file with the columns cell and people.")
@click.option("--level", type=click.IntRange(0, 15), required=True, help="H3 resolution of the areas: one of the release's, 6 or coarser.")
@click.option("--greatest", type=click.IntRange(1, 100_000), required=True, help="No weight is larger.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="CSV file of weights to write; a .json file goes beside it.")
@json_option
@command_errors
def weights(folder: Path, census: Path, level: int, greatest: int, out: Path, as_json: bool) -> None:
    """Make weights to the census from a published folder, and say where its panel covers too few people. Charges nothing."""
    show(api.weights(folder, census, out, level=level, greatest=greatest), as_json)


@main.command()
@_FOLDER
@json_option
@command_errors
def verify(folder: Path, as_json: bool) -> None:
    """Check a published folder: every byte, every table, and that the certificate's figures agree with each other."""
    show(api.verify(folder), as_json)


@main.command()
@click.option("--full", is_flag=True, help="More devices, runs and plans: minutes instead of about one.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of the simulated devices (never of the noise).")
@json_option
@command_errors
def audit(full: bool, seed: int, as_json: bool) -> None:
    """Attack the mechanism itself on simulated devices, and show what each attack found. Takes no study; exit code 3 if any finds too much."""
    with progress() as tick:
        result = api.audit(full=full, seed=seed, progress=tick)
    show(result, as_json)
    if not result.facts["passed"]:
        sys.exit(3)


@main.group()
def ledger() -> None:
    """The privacy budget of a panel."""


@ledger.command("show")
@_STUDY
@json_option
@command_errors
def ledger_show(study: Path, as_json: bool) -> None:
    """Show what has been charged, what is left, and that the chain of entries is whole."""
    show(api.ledger(study), as_json)


@ledger.command("check")
@_STUDY
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@command_errors
def ledger_check(study: Path, folders: tuple[Path, ...], as_json: bool) -> None:
    """Find the charge of every published folder in the ledger: one that was put back to an earlier day is found out."""
    show(api.ledger_check(study, folders), as_json)
