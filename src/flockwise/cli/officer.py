"""The commands of those who answer for the pings: the register, caps, requests."""

from __future__ import annotations

import time
from pathlib import Path

import click

from flockwise.cli.lazy import api
from flockwise.cli.output import command_errors, json_option, show

__all__ = ["caps", "quality", "register", "request", "serve"]

_STUDY = click.argument("study", type=click.Path(path_type=Path))


@click.command()
@click.argument("studies", metavar="STUDY...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for register.html, register.json and its schema.")
@click.option("--folders", type=click.Path(path_type=Path), multiple=True, help="A published folder, to be named beside its charge. Repeatable.")
@json_option
@command_errors
def register(studies: tuple[Path, ...], out: Path, folders: tuple[Path, ...], as_json: bool) -> None:
    """Write the public register: releases and their guarantees, a year's exposure, recipients, suppliers, retention, reviews, incidents."""
    show(api.register(studies, out, folders=folders), as_json)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--before", type=click.Path(path_type=Path), multiple=True, help="An earlier release of the same panel. Repeatable.")
@json_option
@command_errors
def quality(folder: Path, before: tuple[Path, ...], as_json: bool) -> None:
    """Warn where a release's figures are far off those of earlier releases. Reads published folders alone; charges nothing."""
    show(api.quality(folder, before), as_json)


@click.group()
def caps() -> None:
    """What the officer allows."""


@caps.command("key")
@click.argument("out", type=click.Path(path_type=Path))
@json_option
@command_errors
def caps_key(out: Path, as_json: bool) -> None:
    """Make a key for an officer or an analyst and print its public key."""
    show(api.caps_key(out), as_json)


@caps.command("sign")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", type=click.Path(path_type=Path), required=True, help="The officer's key.")
@json_option
@command_errors
def caps_sign(file: Path, key: Path, as_json: bool) -> None:
    """Check a caps file and sign it."""
    show(api.caps_sign(file, key), as_json)


@caps.command("show")
@_STUDY
@json_option
@command_errors
def caps_show(study: Path, as_json: bool) -> None:
    """Show a study's caps and the digest of its plan."""
    show(api.caps_show(study), as_json)


@click.command()
@_STUDY
@click.option("--key", type=click.Path(path_type=Path), required=True, help="The analyst's key.")
@click.option("--requests", type=click.Path(path_type=Path), required=True, help="Folder that the steward's account reads.")
@json_option
@command_errors
def request(study: Path, key: Path, requests: Path, as_json: bool) -> None:
    """Ask for a release, as an analyst who can't read the pings."""
    show(api.request(study, key, requests), as_json)


@click.command()
@_STUDY
@click.option("--requests", type=click.Path(path_type=Path), required=True, help="Folder of requests.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for published folders and answers.")
@click.option("--once", is_flag=True, help="One pass, instead of one every half minute.")
@json_option
@command_errors
def serve(study: Path, requests: Path, out: Path, once: bool, as_json: bool) -> None:
    """Carry out the analysts' requests, as the steward's account."""
    while True:
        show(api.serve(study, requests, out), as_json)
        if once:
            return
        time.sleep(30)
