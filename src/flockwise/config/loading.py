"""Reads study.toml into the model; every mistake becomes one ConfigError that names the key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flockwise.config.model import Study
from flockwise.config.purposes import refuse_forbidden
from flockwise.errors import ConfigError

__all__ = ["load", "parse", "schema"]


def load(path: Path) -> Study:
    """The study of a file; relative paths in it are taken from the file's folder.

    Raises:
        ConfigError: the file is missing, is not TOML, has unknown keys or values that do not fit.
        RuleError: PURPOSE_FORBIDDEN, for a purpose that no study can declare.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "STUDY_NOT_FOUND",
            what="The study file can't be read.",
            got=f"{path}: {type(error).__name__}",
            expected="a TOML file, such as flockwise init writes",
            fix="Give the path of a study file, or write one with flockwise init.",
        ) from error
    return parse(text, path.resolve().parent)


def parse(text: str, folder: Path) -> Study:
    """The study in a TOML text; relative paths are taken from `folder`.

    Raises:
        ConfigError: as for `load`.
        RuleError: PURPOSE_FORBIDDEN, for a purpose that no study can declare.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("STUDY_NOT_TOML", what="The study file is not valid TOML.", got=str(error), fix="Correct the line that is named.") from error
    for section, key in (
        ("store", "path"),
        ("store", "key"),
        ("ledger", "path"),
        ("ledger", "folder"),
        ("region", "geojson"),
        ("region", "cells_file"),
        ("weights", "file"),
        ("places", "file"),
        ("places", "gatherings"),
        ("places", "tags"),
        ("supplier", "file"),
        ("trail", "path"),
        ("trail", "key"),
        ("roles", "caps"),
    ):
        part = raw.get(section)
        if isinstance(part, dict) and isinstance(part.get(key), str):
            part[key] = str(folder / part[key])
    refuse_forbidden(raw.get("purpose"))
    engine = raw.get("engine")
    spark = engine.get("spark") if isinstance(engine, dict) else None
    if isinstance(spark, dict) and isinstance(spark.get("secret_file"), str):
        spark["secret_file"] = str(folder / spark["secret_file"])
    try:
        return Study.model_validate(raw)
    except ValidationError as error:
        raise _explain(error) from error


def schema() -> dict[str, Any]:
    """The JSON Schema of study.toml."""
    return Study.model_json_schema()


def _explain(error: ValidationError) -> ConfigError:
    lines, unknown = [], False
    for item in error.errors(include_url=False, include_context=False):
        unknown = unknown or item["type"] == "extra_forbidden"
        where = ".".join(str(p) for p in item["loc"] if p not in ("presence", "flows")) or "the study"
        text = "this key is not known" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
        lines.append(f"{where}: {text}")
    return ConfigError(
        "STUDY_UNKNOWN_KEY" if unknown else "STUDY_INVALID",
        what="The study file does not fit the model.",
        got="; ".join(lines),
        state="No data was read.",
        fix="Correct these keys. flockwise init writes a commented example.",
    )
