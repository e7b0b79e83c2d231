"""The register as a typed model; its JSON Schema is generated."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from flockwise.config.model import Exact

__all__ = ["Exposure", "Incident", "PlacesEntry", "Recipient", "Register", "Release", "StudyEntry", "SupplierEntry", "TrailEntry", "register_schema"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Recipient(_Part):
    """Who got a release."""

    day: str = Field(description="When it was recorded (UTC).")
    name: str = Field(description="The organisation.")
    purpose: str = Field(description="For what, from the closed list.")
    certificate: str = Field(description="SHA-256 of the release's certificate.")


class Release(_Part):
    """A charge of a ledger, and what was published under it. Assessments of disclosure risk are charges as well."""

    dataset: str = Field(description="Whose budget was charged.")
    day: str = Field(description="When it was charged (UTC).")
    title: str
    unit: Literal["device"] = Field("device", description="Who is protected: one device, all of its pings in the window.")
    first_day: date | None = Field(description="First local day of the window; null for old charges that did not note it.")
    days: int | None = Field(description="Local days of the window.")
    epsilon: Exact
    delta: Exact
    rho: Exact = Field(description="What was charged, exact.")
    noise: Literal["rounded", "discrete"] = Field(description="rounded: Gaussian differential privacy; discrete: zero-concentrated.")
    status: Literal["charged", "drawn", "published"] = Field(description="How far it came. It is spent in every case.")
    certificates: tuple[str, ...] = Field(description="SHA-256 of the certificates that were published under it, as the trail names them.")
    folders: tuple[str, ...] = Field(description="Names of the published folders that were given, by certificate.")
    recipients: tuple[Recipient, ...]


class Exposure(_Part):
    """What a device that was in every window of a data set has been exposed to."""

    dataset: str
    spent_epsilon: float = Field(description="All charges together, at delta.")
    lifetime_epsilon: Exact = Field(description="The most that will ever be charged.")
    delta: Exact
    year_epsilon: float = Field(description="The dearest 365 days so far, at delta.")
    year_like_dearest: str | None = Field(description="A year in which each window costs what the dearest did.")


class SupplierEntry(_Part):
    """Where the pings come from."""

    name: str
    collected: str = Field(description="How, as the supplier's record says.")
    ad_auctions: Literal["yes", "no"] = Field(description="Whether pings come from ad auctions. Such a supplier is refused.")
    assessed: date
    assess_again_by: date
    purposes: tuple[str, ...] = Field(description="What people consented to.")


class PlacesEntry(_Part):
    """The list of sensitive places, around which nothing is stored."""

    reviewed: date | None = Field(description="Last review; null: nobody has reviewed it as it is now.")
    review_by: date | None
    digest: str = Field(description="SHA-256 of the list.")


class TrailEntry(_Part):
    """The last line of the signed log when the register was made. Keep this: it shows later whether the log was cut or rewritten."""

    key: str = Field(description="Public key (Ed25519).")
    last: str = Field(description="SHA-256 of the last line. How many lines there are is not said: some are written because of one person.")


class StudyEntry(_Part):
    """One study."""

    name: str
    dataset: str
    purpose: str | None
    organization: str | None = Field(description="Who answers for the pings, as stated.")
    contact: str | None
    first_day: date
    days: int
    timezone: str
    retention_days: int = Field(description="Pings are deleted so many days after the window's end.")
    deleted_by: date = Field(description="The day that follows from it.")
    supplier: SupplierEntry | None = Field(description="Null: the study names none, or its record leaves something open.")
    places: PlacesEntry | None = Field(description="Null: the study names no list.")
    trail: TrailEntry | None


class Incident(_Part):
    """What went wrong."""

    day: str
    kind: str
    what: str


class Register(_Part):
    """The register."""

    format: Literal["flockwise-register/1"] = "flockwise-register/1"
    made: date
    recall: str = Field(description="What a deletion can and can't do.")
    studies: tuple[StudyEntry, ...]
    releases: tuple[Release, ...]
    exposures: tuple[Exposure, ...]
    reviews: tuple[date, ...] = Field(description="Days on which sensitive places were reviewed, as the trails say.")
    incidents: tuple[Incident, ...]


def register_schema() -> dict[str, Any]:
    """The JSON Schema of register.json."""
    return Register.model_json_schema(mode="serialization")
