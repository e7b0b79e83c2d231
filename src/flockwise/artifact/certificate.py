"""The certificate: who is protected, how strongly, against what, and what that means. One typed page; its JSON Schema is generated."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, PlainSerializer, WithJsonSchema

from flockwise.config.model import Exact

__all__ = [
    "FORMAT",
    "Bounds",
    "Certificate",
    "Domain",
    "DomainLevel",
    "GroupBound",
    "InputRef",
    "LevelBound",
    "PlacesRef",
    "PrivacyClaim",
    "PrivateClip",
    "Slots",
    "StudyRef",
    "SupplierRef",
    "TableSummary",
    "TrailRef",
    "WindowRef",
    "YearClaim",
    "certificate_schema",
]

FORMAT = "flockwise-artifact/1"


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("expected a whole number, as text")
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= 100):
        raise ValueError("expected a whole number of at most 100 digits")
    return int(value)


# Beyond 2^53 a number in JSON is not safe in every reader.
BigInt = Annotated[
    int,
    BeforeValidator(_whole),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]+$", "description": "Whole number, as text."}),
]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Kind = Literal["presence", "typical_day", "flows", "margins"]
Block = Literal["presence", "flows", "departures", "arrivals", "total_departures", "total_arrivals"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StudyRef(_Part):
    """Which study."""

    name: str = Field(min_length=1, description="The study's name.")
    digest: Digest = Field(description="SHA-256 of the study's settings in canonical form. The settings are public facts.")


class WindowRef(_Part):
    """The window that the promise covers."""

    start: AwareDatetime = Field(description="First instant, UTC.")
    end: AwareDatetime = Field(description="First instant after the window, UTC.")
    timezone: str = Field(description="IANA time zone of the local days.")
    days: int = Field(ge=1, le=366, description="Whole local days.")
    first_day: date = Field(description="First local day.")


class PrivacyClaim(_Part):
    """The promise in figures, all exact."""

    epsilon: Exact = Field(description="Derived from rho at delta: Balle and Wang 2018 (rounded), Canonne, Kamath and Steinke 2020 (discrete).")
    delta: Exact = Field(description="Of the derived epsilon.")
    rho: Exact = Field(description="What was charged: mu^2 / 2 of Gaussian differential privacy (rounded noise), rho of zero-concentrated (discrete noise).")
    noise: Literal["rounded", "discrete"] = Field(description="rounded: a continuous Gaussian rounded to whole numbers; discrete: the discrete Gaussian.")
    definition: str = Field(description="The definition of privacy that is met.")
    mechanism: str = Field(description="How: bounding, noise, and the library that drew it.")
    charge: Digest = Field(description="Hash of the charge in the ledger, which covers all entries before it: a ledger without it was put back.")


class YearClaim(_Part):
    """What a device that is in every window of a year has been exposed to."""

    windows: int = Field(ge=1, le=366, description="Windows of this length in a year, one after the other.")
    rho: Exact = Field(description="Sum of their charges, exact.")
    epsilon: Exact = Field(description="What that sum gives at delta, rounded up.")


class GroupBound(_Part):
    """A reserved part of the charge. Its blocks share one bound: sum over them of W |q|^2 <= bound for every device."""

    name: Literal["shapes", "totals"] = Field(description="shapes: presence, flows and the margins of clipped flows; totals: trips by origin and destination.")
    rho: Exact = Field(description="Its part of rho, exact.")
    bound: BigInt = Field(description="B of its bound.")


class LevelBound(_Part):
    """One block: a table at a level."""

    table: Block = Field(description="Which figures. departures and arrivals are margins of the clipped flows; those of total have a clip of their own.")
    level: int = Field(ge=0, le=15, description="H3 resolution.")
    group: Literal["shapes", "totals"] = Field(description="Whose bound it shares.")
    share: Exact = Field(description="Share of the group's bound given to this block.")
    norm: BigInt = Field(description="Squared norm in grid units that one device may reach here without being shrunk.")
    weight: BigInt = Field(description="W of this block: floor(share x bound / norm).")
    sigma: FiniteFloat = Field(gt=0, description="Standard deviation of its noise in devices or trips, before weights scale it.")


class PrivateClip(_Part):
    """The histogram of norms that was drawn first and chose the contribution bound of flows. One device is in one bin."""

    rho: Exact = Field(description="Its part of rho, exact.")
    sigma: FiniteFloat = Field(gt=0, description="Standard deviation of its noise in devices.")
    edges: tuple[int, ...] = Field(min_length=1, description="Squared norms (in trips) between the bins, public.")
    devices: tuple[FiniteFloat, ...] = Field(min_length=2, description="Noisy numbers of devices by bin; may be negative.")


class Bounds(_Part):
    """How one device's contribution is bounded: in every group, sum over its blocks of W |q|^2 <= bound, in whole numbers."""

    units: int = Field(ge=1, description="Grid units in one device (presence) or one trip (flows) of the greatest weight.")
    scale: int = Field(1, ge=1, description="What a device of the greatest weight counts for in the tables; 1 without weights.")
    weights: str | None = Field(None, description="Where the weights come from, as the publisher states; null without weights.")
    groups: tuple[GroupBound, ...] = Field(min_length=1, description="The reserved parts of the charge; with the clip's they add up to rho.")
    levels: tuple[LevelBound, ...] = Field(min_length=1, description="The blocks, group by group, each kind's finest level first.")
    clip: PrivateClip | None = Field(None, description="How the bound of flows was chosen; null if the study fixed it.")
    norm: int | None = Field(None, ge=1, description="Squared norm of one device's trips that is kept whole (flows).")
    trips_cap: int | None = Field(None, ge=1, description="Norm of one device's departures and arrivals that is kept whole in the totals (flows).")
    greatest_trip_h: int | None = Field(None, ge=1, description="Stays further apart in time are not joined by a trip (flows).")
    greatest_hold_min: int | None = Field(None, ge=1, description="How long a ping stands for its device (presence).")
    panel_bound: int = Field(ge=1, description="Public upper bound of the number of devices. Never checked against the data.")
    statement: str = Field(description="The bound in words.")

    def block(self, table: str, level: int) -> LevelBound | None:
        """The block of a table at a level."""
        return next((b for b in self.levels if (b.table, b.level) == (table, level)), None)


class DomainLevel(_Part):
    """Number of public cells at one level."""

    level: int = Field(ge=0, le=15, description="H3 resolution.")
    cells: int = Field(ge=1, le=1 << 24, description="Cells of the declared region at that resolution.")


class Domain(_Part):
    """What could have been published: public facts alone."""

    levels: tuple[DomainLevel, ...] = Field(min_length=1, description="Coarsest first.")
    statement: str = Field(description="Where the domain comes from.")


class Slots(_Part):
    """The time slots of a table."""

    count: int = Field(ge=1, le=100_000, description="Slots in the window (presence) or in a day (the other tables).")
    minutes: int | None = Field(None, ge=1, description="Length of a slot (presence).")
    labels: tuple[str, ...] | None = Field(None, description='Slots of the day in local time, such as "06:00-10:00" (null for presence).')


class PlacesRef(_Part):
    """The sensitive places from which no ping was stored. Public facts; no count of pings."""

    digest: Digest = Field(description="SHA-256 of the list, its gatherings and their margin.")
    built: date = Field(description="Day on which the list was made from its sources.")
    reviewed: date = Field(description="Day on which somebody last looked at it and found it current.")
    review_by: date = Field(description="Last day on which it counts as current.")
    places: int = Field(ge=0, description="Places near the region.")
    gatherings: int = Field(ge=0, description="Gatherings, cut at their times only; they are in no share below.")
    gathering_margin_min: int = Field(ge=0, description="Minutes before and after a gathering that are cut with it.")
    least_buffer_m: int = Field(ge=610, description="Metres from the perimeter that are cut, at least.")
    area_cut: FiniteFloat = Field(ge=0, le=1, description="Share of the region's area that is cut, about.")
    cells_cut: FiniteFloat = Field(ge=0, le=1, description="Share of the finest cells of which something is cut.")
    by_category: dict[str, FiniteFloat] = Field(description="Share of the region's area by category. Categories overlap: they do not add up.")


class SupplierRef(_Part):
    """Who delivered the pings, as the supplier's record says. Public facts."""

    name: str = Field(min_length=1, description="The supplier.")
    assessed: date = Field(description="Day on which somebody last assessed how it obtains consent.")
    retention_days: int = Field(ge=1, description="How long it allows its pings to be kept, in days after a study's window.")


class TableSummary(_Part):
    """One table at one level."""

    name: str = Field(min_length=1, description="For people.")
    kind: Kind = Field(description="Which table.")
    level: int = Field(ge=0, le=15, description="H3 resolution.")
    rows_public: int = Field(ge=1, description="Size of the public domain: cells x slots, or cells x cells x slots of the day (flows).")
    published: int = Field(ge=0, description="Rows with a figure.")
    withheld: int = Field(ge=0, description="The others. Withheld flows are not listed.")
    sigma: FiniteFloat = Field(gt=0, description="Standard deviation of the noise in devices or trips; of a mean, of its slot with the fewest days.")
    threshold: FiniteFloat = Field(
        ge=0, description="Noisy values (for presence and the typical day: estimates) below it are withheld. Never applied to true values."
    )
    interval: Literal["90 %"] = Field("90 %", description="Nominal coverage of lower to upper, for what they are said to cover.")
    typical_relative_error: FiniteFloat | None = Field(None, ge=0, description="Of what is published: sum of standard errors over sum of figures, or null.")
    slots: Slots = Field(description="The time slots.")
    adds_up: bool = Field(False, description="Whether figures add up to those of the next coarser level, where all are published.")


class InputRef(_Part):
    """Which data, without saying anything about it."""

    digest: Digest = Field(
        description="HMAC-SHA-256 of the charge and the data's digest under a secret key: a plain digest would answer guesses of the whole data."
    )
    kind: Literal["hmac-sha256"] = Field("hmac-sha256", description="How the digest was made.")


class TrailRef(_Part):
    """The line of the publisher's signed log with which this release was begun: whoever keeps the certificate can tell if it is cut or rewritten later."""

    key: Digest = Field(description="Public key (Ed25519) that signs the log.")
    last: Digest = Field(description="SHA-256 of the line.")


class Certificate(_Part):
    """What a release promises and how it can be checked."""

    format: Literal["flockwise-artifact/1"] = Field("flockwise-artifact/1", description="Format of the folder.")
    study: StudyRef
    dataset: str = Field(min_length=1, description="The population and supplier whose lifetime budget was charged.")
    unit: Literal["device"] = Field("device", description="Who is protected: one device, all of its pings in the window.")
    neighbours: str = Field(description="Which two data sets are hard to tell apart.")
    window: WindowRef
    privacy: PrivacyClaim
    meaning: tuple[str, ...] = Field(min_length=1, description="The promise in plain sentences.")
    year: YearClaim
    bounds: Bounds
    domain: Domain
    tables: tuple[TableSummary, ...] = Field(min_length=1, description="Presence, typical day, flows, margins; each finest level first.")
    limits: tuple[str, ...] = Field(min_length=1, description="What is not promised.")
    retention: str = Field(min_length=1, description="How long the pings behind the release are kept.")
    purpose: str | None = Field(None, min_length=1, description="What the study declares its figures to be for, from the closed list of purposes.")
    supplier: SupplierRef | None = Field(None, description="Who delivered the pings; null if the study names no record of a supplier.")
    places: PlacesRef | None = Field(None, description="Sensitive places; none if the study names no list.")
    input: InputRef
    trail: TrailRef | None = Field(None, description="The publisher's log as it was; null if the study had none.")
    versions: dict[str, str] = Field(description="Software that made the release.")
    files: dict[str, Digest] = Field(default_factory=dict, description="SHA-256 of every other published file; filled in when the folder is written.")

    def to_json(self) -> str:
        """The certificate as published: indented, fields in a fixed order, one line feed at the end."""
        return self.model_dump_json(indent=2) + "\n"

    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of table in the release, in order."""
        return tuple(dict.fromkeys(t.kind for t in self.tables))

    def levels(self, kind: str) -> tuple[int, ...]:
        """The levels of a kind of table, finest first."""
        return tuple(sorted((t.level for t in self.tables if t.kind == kind), reverse=True))

    def slot_starts(self) -> list[datetime]:
        """Starts of the presence table's slots, UTC."""
        summary = next(t for t in self.tables if t.kind == "presence")
        step = (self.window.end - self.window.start) / summary.slots.count
        return [self.window.start + step * i for i in range(summary.slots.count)]


def certificate_schema() -> dict[str, Any]:
    """The JSON Schema of certificate.json."""
    return Certificate.model_json_schema(mode="serialization")
