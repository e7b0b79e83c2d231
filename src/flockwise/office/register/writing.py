"""Writes the register: register.json, register.schema.json and register.html, one page that asks nothing of any network."""

from __future__ import annotations

import json
from pathlib import Path

from flockwise.base.files import write_durably
from flockwise.errors import ConfigError
from flockwise.office.register.model import Register, register_schema
from flockwise.office.register.page import page

__all__ = ["PAGE", "RECORD", "SCHEMA", "write"]

PAGE, RECORD, SCHEMA = "register.html", "register.json", "register.schema.json"


def write(register: Register, out: Path) -> None:
    """Writes the three files; those of an earlier register are replaced, each in one step.

    Raises:
        ConfigError: the folder can't be written, or is something else.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_durably(out / SCHEMA, (json.dumps(register_schema(), indent=2) + "\n").encode())
        write_durably(out / RECORD, (register.model_dump_json(indent=2) + "\n").encode())
        write_durably(out / PAGE, page(register).encode())
    except OSError as error:
        raise ConfigError(
            "REGISTER_NOT_WRITTEN", what="The register can't be written.", got=f"{out}: {type(error).__name__}", fix="Give another --out."
        ) from error
