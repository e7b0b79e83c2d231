"""supplier.toml as a typed model: who delivers the pings, how they were collected, to which consent texts and under which contract."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from flockwise.config.purposes import PURPOSES, Purpose

__all__ = ["OPEN", "Assessment", "ConsentVersion", "Contract", "Reading", "Supplier", "Withdrawal", "read_supplier", "supplier_schema"]

OPEN = frozenset({"", "-", "?", "n/a", "na", "none", "not known", "open", "tba", "tbc", "tbd", "to be completed", "todo", "unclear", "unknown", "xxx"})
"""What is no answer, whatever its capitals: a record that holds one of these is ambiguous."""

_LARGEST = 1 << 20


def _line(text: str) -> str:
    text = " ".join(text.split())
    if not text or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise ValueError("must be one line of text")
    return text


Line = Annotated[str, Field(min_length=2, max_length=500), AfterValidator(_line)]
Answer = Literal["yes", "no"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConsentVersion(_Part):
    """One text to which people agreed. A new wording is a new version; earlier ones stay in the record."""

    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$", description="Name of the version, as a consent_text column gives it.")
    text: str = Field(min_length=20, max_length=50_000, description="The text that was shown, word for word.")
    shown_from: date = Field(description="First day on which it was shown (UTC). A consent from before is none.")
    shown_until: date | None = Field(None, description="Last day on which it was shown (UTC). Left out: it is still shown.")
    purposes: tuple[Purpose, ...] = Field(min_length=1, description="Which purposes the text covers, from the closed list of docs/reference/study.md.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.shown_until is not None and self.shown_until < self.shown_from:
            raise ValueError("shown_until is before shown_from")
        return self


class Withdrawal(_Part):
    """How people take their consent back."""

    possible: Answer = Field(description="Whether consent can be withdrawn. Consent that can't be is refused.")
    how: Line = Field(description="What a person does to withdraw, and how the supplier passes it on.")


class Assessment(_Part):
    """Who looked at the supplier, when, and at what."""

    on: date = Field(description="Day of the assessment. It holds for one year.")
    assessor: Line = Field(description="Who assessed.")
    evidence: tuple[Line, ...] = Field(min_length=1, description="What was seen: screenshots, audit reports, a test of the consent dialogue. At least one.")


class Contract(_Part):
    """Under which contract the pings come."""

    reference: Line = Field(description="Number or name of the contract.")
    ends: date = Field(description="Last day on which it holds.")


class Supplier(_Part):
    """The record of a supplier. Every question has to be answered: an open one keeps deliveries out."""

    name: Line = Field(description="Name of the supplier.")
    address: Line = Field(description="Where it has its seat.")
    contact: Line = Field(description="Who answers questions about the pings.")
    collected: Literal["app-sdk", "own-app", "survey-app", "operator-network", "vehicle-fleet", "public-wifi", "simulation"] = Field(
        description="How the pings were collected: by an SDK in other makers' apps, the supplier's own app, an app of a survey's panel, a mobile operator's "
        "network, vehicles, public wireless networks, or made up by a simulation."
    )
    services: tuple[Line, ...] = Field(min_length=1, description="The apps or services that people used when their pings were collected.")
    ad_auctions: Answer = Field(description='Whether any of the data come from ad auctions (bid stream): "yes" or "no". Such data are refused.')
    minors: Answer = Field(description='Whether any of the data are about people under age: "yes" or "no". Such data are refused.')
    retention_days: int = Field(ge=1, le=1830, description="How long pings may be kept, in days after a study's window. A study may not keep them longer.")
    consent: tuple[ConsentVersion, ...] = Field(min_length=1, max_length=64, description="The consent texts, one [[consent]] each.")
    withdrawal: Withdrawal
    assessment: Assessment
    contract: Contract

    @model_validator(mode="after")
    def _versions(self) -> Self:
        names = [c.version for c in self.consent]
        if len(set(names)) != len(names):
            raise ValueError("two consent texts have the same version")
        return self


class Reading(_Part):
    """What a record says, or what keeps it from saying anything.

    Attributes:
        supplier: the record, if every question is answered.
        found: whether there is a file.
        open: what is missing, open or does not fit: "where: what".
    """

    supplier: Supplier | None = None
    found: bool = True
    open: tuple[str, ...] = ()


def read_supplier(path: Path) -> Reading:
    """The record in a file. It never raises: whatever is wrong with it is listed."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except (OSError, ValueError):  # a ValueError is of the path: it holds a zero byte
        return Reading(found=False, open=("there is no such file, or it can't be read",))
    if len(raw) > _LARGEST:
        return Reading(open=("the file is larger than a megabyte",))
    try:
        body = tomllib.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return Reading(open=(f"the file is not valid TOML: {type(error).__name__}",))
    unanswered = _unanswered(body, "")
    try:
        supplier = Supplier.model_validate(body)
    except ValidationError as error:
        told = {where for where, _ in unanswered}
        wrong = [(".".join(str(p) for p in item["loc"]) or "the record", _say(item["type"], item["msg"])) for item in error.errors(include_url=False)]
        unanswered += [(where, what) for where, what in wrong if where not in told]
        return Reading(open=tuple(f"{where}: {what}" for where, what in unanswered))
    if unanswered:
        return Reading(open=tuple(f"{where}: {what}" for where, what in unanswered))
    return Reading(supplier=supplier)


def supplier_schema() -> dict[str, Any]:
    """The JSON Schema of supplier.toml."""
    return Supplier.model_json_schema()


def _unanswered(value: Any, where: str) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [(where, "not answered")] if " ".join(value.split()).lower().strip(".…[]()<> ") in OPEN else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, part in items for found in _unanswered(part, f"{where}.{key}" if where else str(key))]


def _say(kind: str, message: str) -> str:
    if kind == "missing":
        return "missing"
    if kind == "extra_forbidden":
        return "this key is not known"
    if "official-statistics" in message:
        return f"expected some of {', '.join(PURPOSES)}"
    return message.removeprefix("Value error, ")
