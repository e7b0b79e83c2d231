"""Reads study.toml into the model; every mistake becomes one ConfigError that names the key."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from flockwise.config.model import Study
from flockwise.config.purposes import refuse_forbidden
from flockwise.errors import ConfigError

__all__ = ["load", "parse", "schema"]

_PROSE = ("publisher.", "input.")
"""Sections whose texts may have several lines."""


def load(path: Path) -> Study:
    """The study of a file; relative paths in it are taken from the file's folder.

    Raises:
        ConfigError: the file is missing, is not TOML, has unknown keys or values that do not fit.
        RuleError: PURPOSE_FORBIDDEN, for a purpose that no study can declare.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
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
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits is a ValueError of another kind, arrays in arrays without end a RecursionError.
        got = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        raise ConfigError("STUDY_NOT_TOML", what="The study file is not valid TOML.", got=got, fix="Correct the line that is named.") from error
    if (key := _control(raw)) is not None:
        raise ConfigError(
            "STUDY_CONTROL", what="A text in the study file holds a control character.", got=key, expected="plain text on one line", fix="Write it again."
        )
    for section, key in (
        ("store", "path"),
        ("store", "key"),
        ("store", "suppression_list"),
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
        if not isinstance(part, dict) or not isinstance(part.get(key), str):
            continue
        if (section, key) != ("store", "key") or not part[key].startswith(("env:", "command:")):
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


def _control(node: object, where: str = "") -> str | None:
    """The key of the first text with a control character: it could break a path, a log line or a page. Names of keys are checked by the model."""
    if isinstance(node, str):
        text = re.sub(r"[\n\t]", "", node) if where.startswith(_PROSE) else node
        return where if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text) else None
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return next((found for name, part in parts if (found := _control(part, f"{where}.{name}".lstrip("."))) is not None), None)


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
