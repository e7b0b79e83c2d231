"""The commands of the trail."""

from __future__ import annotations

from pathlib import Path

import click

from flockwise.cli.lazy import api
from flockwise.cli.output import command_errors, json_option, show

__all__ = ["log"]

_STUDY = click.argument("study", type=click.Path(path_type=Path))


@click.group()
def log() -> None:
    """The signed log of what is done with the pings."""


@log.command("begin")
@_STUDY
@json_option
@command_errors
def begin(study: Path, as_json: bool) -> None:
    """Begin the trail of a study that has none yet, and print its public key."""
    show(api.log_begin(study), as_json)


@log.command("show")
@_STUDY
@json_option
@command_errors
def show_events(study: Path, as_json: bool) -> None:
    """Show every event, after the whole trail was checked."""
    show(api.log_show(study), as_json)


@log.command("verify")
@_STUDY
@click.option("--key", help="Public key that must have signed it (hexadecimal), as flockwise init printed it.")
@click.option("--release", "folders", type=click.Path(path_type=Path), multiple=True, help="A published folder: its certificate saw the trail. Repeatable.")
@json_option
@command_errors
def verify(study: Path, key: str | None, folders: tuple[Path, ...], as_json: bool) -> None:
    """Find any change, gap, cut or other key in the trail."""
    show(api.log_verify(study, key=key, folders=folders), as_json)


@log.command("recipient")
@_STUDY
@click.argument("folder", metavar="RELEASE", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="The organisation, in words.")
@click.option("--purpose", required=True, help='One of the list, such as "transport-planning".')
@json_option
@command_errors
def recipient(study: Path, folder: Path, name: str, purpose: str, as_json: bool) -> None:
    """Record who gets a release, and for what."""
    show(api.log_recipient(study, folder, name=name, purpose=purpose), as_json)


@log.command("incident")
@_STUDY
@click.option("--kind", required=True, help='Such as "loss", "disclosure", "key_exposed" or "other".')
@click.option("--what", required=True, help="One line in words. Nothing about a person.")
@json_option
@command_errors
def incident(study: Path, kind: str, what: str, as_json: bool) -> None:
    """Record an incident."""
    show(api.log_incident(study, kind=kind, what=what), as_json)


@log.command("expire")
@_STUDY
@click.option("--through", type=int, help="The last year to drop; by default every one that is old enough.")
@json_option
@command_errors
def expire(study: Path, through: int | None, as_json: bool) -> None:
    """Drop years of the trail that ended more than five years ago. Younger ones are refused."""
    show(api.log_expire(study, through=through), as_json)
