"""`flockwise places`: the list of sensitive places, from which no ping is stored."""

from __future__ import annotations

from pathlib import Path

import click

from flockwise.cli.lazy import api
from flockwise.cli.output import command_errors, json_option, progress, show

__all__ = ["places"]

_STUDY = click.argument("study", type=click.Path(path_type=Path))


@click.group()
def places() -> None:
    """Sensitive places and gatherings, from which no ping is stored."""


@places.command("build")
@_STUDY
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=None, help="GeoParquet list to write; by default the one that [places] names.")
@json_option
@command_errors
def places_build(study: Path, sources: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Make the list from OpenStreetMap, GeoJSON, GeoPackage or GeoParquet files: what lies near the study's region, by the table of tags."""
    show(api.places_build(study, sources, out), as_json)


@places.command("review")
@_STUDY
@click.option("--by", required=True, help="Who has looked at it.")
@click.option("--none-in-region", is_flag=True, help="State that there is no sensitive place near the region; for an empty list.")
@json_option
@command_errors
def places_review(study: Path, by: str, none_in_region: bool, as_json: bool) -> None:
    """Record that the list and the gatherings were looked at today and are current. It holds for 92 days."""
    show(api.places_review(study, by, none_in_region=none_in_region), as_json)


@places.command("status")
@_STUDY
@json_option
@command_errors
def places_status(study: Path, as_json: bool) -> None:
    """Say whether the list is current, until when, and whether the store has been cut by it."""
    show(api.places_status(study), as_json)


@places.command("show")
@_STUDY
@click.option("--out", type=click.Path(path_type=Path), required=True, help="HTML page to write.")
@json_option
@command_errors
def places_show(study: Path, out: Path, as_json: bool) -> None:
    """Write a page with a map of what the list cuts out of the region, by category. Public facts only: no ping is read."""
    show(api.places_show(study, out), as_json)


@places.command("apply")
@_STUDY
@json_option
@command_errors
def places_apply(study: Path, as_json: bool) -> None:
    """Purge from the store what the list covers now. Due 2 days after the list changed; no release before it is done."""
    with progress() as tick:
        result = api.places_apply(study, tick)
    show(result, as_json)
