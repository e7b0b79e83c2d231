"""`flockwise forget`, `flockwise purge` and `flockwise rotate`: what a steward does to a store as a whole."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from flockwise.cli.lazy import api
from flockwise.cli.output import command_errors, json_option, progress, show

__all__ = ["forget", "purge", "rotate"]

_STUDY = click.argument("study", type=click.Path(path_type=Path))


@click.command()
@_STUDY
@click.argument("deletions", metavar="[LIST]", required=False)
@click.option("--kind", type=click.Choice(["ids", "hashed"]), default="ids", show_default=True, help="What the list holds: identifiers, or their SHA-256.")
@click.option("--column", default=None, help="The list's column of identifiers; by default its only one besides received.")
@click.option("--received", type=click.DateTime(formats=["%Y-%m-%d"]), default=None, help="When it was received; by default as the list says, or today.")
@json_option
@command_errors
def forget(study: Path, deletions: str | None, kind: str, column: str | None, received: datetime | None, as_json: bool) -> None:
    """Delete the devices of a LIST (CSV or Parquet) and never take them in again; without one, carry out what waits. Never says who was found."""
    day = None if received is None else received.date()
    with progress() as tick:
        result = api.forget(study, deletions, kind=kind, column=column, received=day, progress=tick)
    show(result, as_json)


@click.command()
@_STUDY
@click.option("--early", is_flag=True, help="Also before the retention schedule ends.")
@json_option
@command_errors
def purge(study: Path, early: bool, as_json: bool) -> None:
    """Remove the pings of a study whose retention has ended, and destroy their keys. The suppression list, the ledger and releases stay."""
    show(api.purge(study, early=early), as_json)


@click.command()
@_STUDY
@click.option("--old", required=True, help='The master key until now: a file, "env:NAME" or "command:...".')
@click.option("--data", is_flag=True, help="Also a new window key: new pseudonyms, and every file encrypted anew.")
@json_option
@command_errors
def rotate(study: Path, old: str, data: bool, as_json: bool) -> None:
    """Put a study's keys under the master key that its [store] key names now."""
    with progress() as tick:
        result = api.rotate(study, old, data=data, progress=tick)
    show(result, as_json)
