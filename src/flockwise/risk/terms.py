"""The certificate of an assessment as a model, and the check of a folder against it."""

from __future__ import annotations

import hashlib
import os
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from flockwise.artifact import SupplierRef
from flockwise.base.plain import exact_number
from flockwise.errors import ArtifactError
from flockwise.risk.table import COLUMNS

__all__ = ["CERTIFICATE", "FORMAT", "PAGE", "TABLE", "Terms", "terms_schema", "verify"]

FORMAT = "flockwise-risk/2"
CERTIFICATE, TABLE, PAGE = "risk.json", "risk.csv", "risk.html"
_LARGEST = 64 << 20

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Window(_Part):
    """What the guarantee is about in time."""

    first_day: date
    days: int = Field(ge=1)
    timezone: str = Field(min_length=1)


class Terms(_Part):
    """risk.json: what an assessment charged, on whose pings and for what, and what its figures mean. Exact numbers are text."""

    format: Literal["flockwise-risk/2"]
    study: str = Field(min_length=1, description="Name of the study.")
    plan: Digest = Field(description="Digest of the plan.")
    dataset: str = Field(min_length=1, description="The population and supplier whose lifetime budget was charged.")
    purpose: str | None = Field(min_length=1, description="What the study declares its figures to be for, from the closed list of purposes.")
    supplier: SupplierRef | None = Field(description="Who delivered the pings; null if the study names no record of a supplier.")
    unit: Literal["device"] = Field(description="The unit of privacy: one device over the whole window.")
    neighbours: str = Field(min_length=1)
    window: Window
    privacy: dict[str, str] = Field(description="Epsilon, delta, rho, the kind of noise, its definition and mechanism, and the hash of the charge.")
    meaning: list[str] = Field(min_length=1, description="What the guarantee means for one person.")
    limits: list[str] = Field(min_length=1, description="What it does not mean.")
    bounds: dict[str, int | str] = Field(description="Contribution bound and grid.")
    blocks: list[dict[str, int | FiniteFloat | str | None]] = Field(
        min_length=1, description="Each group of figures with its share of the charge and its noise."
    )
    reading: dict[str, str] = Field(description="How to read the figures.")
    input: Digest = Field(description="Keyed digest of the data.")
    versions: dict[str, str] = Field(description="Versions of what made it.")
    files: dict[Literal["risk.csv", "risk.html"], Digest] = Field(min_length=2, description="SHA-256 of the table and of the page.")


def terms_schema() -> dict[str, Any]:
    """The JSON Schema of risk.json."""
    return Terms.model_json_schema()


def verify(folder: Path) -> list[str]:
    """Checks the folder of an assessment: every byte of it, and that table, page and certificate say the same.

    Returns:
        What was checked.

    Raises:
        ArtifactError: something is missing, was changed or does not agree.
    """
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  names alone
        contents = {name: _content(folder / name) for name in (CERTIFICATE, TABLE, PAGE)}
    except (OSError, ValueError) as error:
        _differs(folder, f"{type(error).__name__} while it was read")
    if names != sorted(contents):
        _differs(folder, "files that are not an assessment's")
    try:
        terms = Terms.model_validate_json(contents[CERTIFICATE])
        spent = [exact_number(terms.privacy[name]) for name in ("epsilon", "delta", "rho")]
    except (ValueError, KeyError, RecursionError) as error:
        _differs(folder, f"{CERTIFICATE}: {type(error).__name__}")
    if min(spent) <= 0:
        _differs(folder, f"{CERTIFICATE}: a charge of nothing")
    for name, digest in terms.files.items():
        if hashlib.sha256(contents[name]).hexdigest() != digest:
            _differs(folder, name)
    head, *rows = contents[TABLE].decode("utf-8", "replace").splitlines()
    if head != ",".join(COLUMNS) or not rows:
        _differs(folder, f"{TABLE}: other columns")
    return ["certificate", "checksums", "table", "page"]


def _content(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
        raise ValueError(path.name)
    return path.read_bytes()


def _differs(folder: Path, got: str) -> NoReturn:
    raise ArtifactError(
        "RISK_CHANGED",
        what="The folder is not an assessment as it was written.",
        got=f"{folder}: {got}",
        expected="risk.json, risk.csv and risk.html",
        fix="Get the folder again.",
    )
