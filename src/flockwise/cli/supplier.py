"""`flockwise supplier` and `flockwise quarantine`: whose pings may come in, and what was not let in."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from flockwise.cli.lazy import api
from flockwise.cli.output import command_errors, json_option, show

__all__ = ["quarantine", "supplier"]


@click.group()
def supplier() -> None:
    """The record of a supplier."""


@supplier.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@command_errors
def supplier_check(file: Path, as_json: bool) -> None:
    """Say what is missing in a supplier's record, what keeps its pings out, and when it is due again. Exit code 3 if a delivery would be quarantined."""
    result = api.supplier_check(file)
    show(result, as_json)
    if not result.facts["in_order"]:
        sys.exit(3)


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@json_option
@command_errors
def quarantine(study: Path, as_json: bool) -> None:
    """Show the deliveries that were not let in: when, how large, why, and whether they were taken in later. No row of them was read."""
    show(api.quarantine(study), as_json)
