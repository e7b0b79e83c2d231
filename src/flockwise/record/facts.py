"""What the record of a release is made of: public facts, typed and complete. Every text of the record is a function of one `Facts`."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from flockwise.config import Publisher
from flockwise.config.model import Exact

__all__ = ["Charge", "Exposure", "Facts", "Group", "Input", "Measured", "Region", "SensitivePlaces", "Statements", "Supplier", "Table", "Window"]

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Words = Annotated[str, Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Window(_Part):
    """The window that the promise covers."""

    first_day: date = Field(description="First local day.")
    days: int = Field(ge=1, description="Whole local days.")
    timezone: Words = Field(description="IANA time zone of the local days.")


class Charge(_Part):
    """The promise in exact figures."""

    accounting: Literal["zCDP", "GDP"] = Field(description="zCDP: rho is charged. GDP: mu is charged, and rho is mu^2 / 2.")
    rho: Exact = Field(description="What the release was charged.")
    epsilon: Exact = Field(description="What that gives at delta.")
    delta: Exact = Field(description="Of the derived epsilon.")
    lifetime_epsilon: Exact = Field(description="The cap on all releases of the data set together, at delta.")
    replace_rho: Exact = Field(description="The charge when one device's pings are replaced by another's, instead of added or removed.")
    replace_epsilon: Exact = Field(description="What that gives at delta, rounded up.")


class Exposure(_Part):
    """What `devices` devices of one person are exposed to over `windows` windows like this one."""

    devices: int = Field(ge=1, description="Devices that one person carries, all of them in every window.")
    windows: int = Field(ge=1, description="Windows of this length, one after the other.")
    rho: Exact = Field(description="devices^2 x windows x the release's rho.")
    epsilon: Exact = Field(description="What that gives at delta, rounded up.")
    guess_percent: str = Field(
        pattern=r"^[0-9]{1,3}(\.[0-9])?$", description="A guess of whether these devices were in the data is right at most this often in 100."
    )


class Measured(_Part):
    """One block: noisy figures of one kind at one level."""

    kind: Words = Field(description="What is counted, such as presence, flows, departures.")
    level: int | None = Field(None, ge=0, le=15, description="H3 resolution; none for a figure that is not about places.")
    figures: int = Field(ge=1, description="How many figures get noise: the whole public domain.")
    unit: Literal["devices", "trips"] = Field(description="Unit of the figures and of the noise.")
    sigma: FiniteFloat = Field(gt=0, description="Standard deviation of the noise as drawn, before weights scale it.")
    shown_sigma: FiniteFloat | None = Field(
        None, gt=0, description="Standard deviation of the noise in the published table; none for blocks without rows of their own."
    )
    rows: int | None = Field(None, ge=1, description="Rows that the published table could have; none for blocks without rows of their own.")
    published: int | None = Field(None, ge=0, description="Rows with a figure; none before a release, and for blocks without rows of their own.")
    threshold: FiniteFloat | None = Field(None, ge=0, description="Noisy values below it are withheld.")
    typical_relative_error: FiniteFloat | None = Field(None, ge=0, description="Of what is published: sum of standard errors over sum of figures.")


class Group(_Part):
    """A reserved part of the charge: blocks that share one contribution bound."""

    name: Words = Field(description="Name in the certificate.")
    rho: Exact = Field(description="Its part of the charge. The parts add up to the whole.")
    clip: Words = Field(description="How one device's contribution to these blocks is bounded.")
    blocks: tuple[Measured, ...] = Field(min_length=1)


class Table(_Part):
    """A published table."""

    kind: Literal["presence", "flows"] = Field(description="Which table.")
    levels: tuple[int, ...] = Field(min_length=1, description="H3 resolutions, finest first.")
    slots: int = Field(ge=1, description="Slots in the window (presence) or in a day (flows).")
    slot_minutes: int | None = Field(None, ge=1, description="Length of a slot (presence).")


class Region(_Part):
    """The public region at one level."""

    level: int = Field(ge=0, le=15, description="H3 resolution.")
    cells: int = Field(ge=1, description="Cells of the region at that resolution.")


class Input(_Part):
    """What is done to pings before anything is counted."""

    consent: Literal["column", "statement"] = Field(description="Checked row by row, or stated by the supplier for every row.")
    opt_out: bool = Field(description="Whether the pings say whose owner opted out of tracking.")
    greatest_accuracy_m: int = Field(ge=1, description="Pings that report worse are dropped.")
    greatest_speed_kmh: int = Field(ge=1, description="Pings that would need more are dropped.")
    retention_days: int = Field(ge=1, description="Pings are deleted this many days after the window's end.")


class Statements(_Part):
    """What the certificate says in words; the record says the same words."""

    neighbours: Words = Field(description="Which two data sets are hard to tell apart.")
    definition: Words = Field(description="The definition of privacy that is met.")
    mechanism: Words = Field(description="How: bounding, noise, and what drew it.")
    domain: Words = Field(description="Where the public domain comes from.")
    estimates: Words = Field(description="What is computed from noisy values.")
    meaning: tuple[Words, ...] = Field(min_length=1, description="The promise in plain sentences.")
    limits: tuple[Words, ...] = Field(min_length=1, description="What is not promised.")


class Supplier(_Part):
    """Where pings come from, and when that was looked into."""

    name: Words = Field(description="Who delivers the pings.")
    assessed: date | None = Field(None, description="Day of the last assessment of how consent is obtained.")
    retention_days: int | None = Field(None, ge=1, description="How long its pings may be kept, in days after a window, as its record says.")


class SensitivePlaces(_Part):
    """The programme that keeps pings at sensitive places out of the store."""

    categories: int = Field(ge=0, description="Categories of places in the list.")
    fence_m: int = Field(ge=1, description="Distance from the perimeter of a place within which pings are dropped.")
    reviewed: date = Field(description="Day of the last review of the list.")


class Facts(_Part):
    """Everything the record says, and nothing about a person: settings, public sizes, noise scales, and summaries of what was published.

    Raises:
        ValidationError: the charge's parts, or the exposures, do not follow from rho.

    Privacy:
        Hold public facts and released summaries only. Nothing here may depend on the pings in another way.
    """

    study: Words = Field(description="The study's name.")
    digest: Digest = Field(description="SHA-256 of the plan, as in the certificate.")
    dataset: Words = Field(description="The population and supplier whose lifetime budget is charged.")
    unit: Literal["device"] = Field("device", description="Who is protected: one device, all of its pings in the window.")
    panel_bound: int = Field(ge=1, description="Public upper bound of the number of devices. Never checked against the data.")
    window: Window
    charge: Charge
    exposures: tuple[Exposure, ...] = Field(min_length=1, description="One device first, then more; for each, one window and then a year of windows.")
    groups: tuple[Group, ...] = Field(min_length=1, description="The parts of the charge.")
    tables: tuple[Table, ...] = Field(min_length=1, description="What is published.")
    region: tuple[Region, ...] = Field(min_length=1, description="Coarsest first.")
    input: Input
    statements: Statements
    versions: dict[str, str] = Field(description="Software that makes the release.")
    publisher: Publisher | None = Field(None, description="What the publisher states, word for word.")
    weights: Words | None = Field(None, description="Where the weights to the population come from; none if the figures are not weighted.")
    purpose: Words | None = Field(None, description="The study's declared purpose, from the closed list.")
    suppliers: tuple[Supplier, ...] = Field((), description="Suppliers, if the study names them.")
    sensitive_places: SensitivePlaces | None = Field(None, description="The sensitive-places programme; null before its list was reviewed.")

    @model_validator(mode="after")
    def _consistent(self) -> Facts:
        rho = self.charge.rho
        if rho <= 0 or sum((g.rho for g in self.groups), Fraction(0)) != rho:
            raise ValueError("the parts of the charge do not add up to rho")
        cases = [(e.devices, e.windows) for e in self.exposures]
        first = self.exposures[0]
        if cases != sorted(set(cases)) or cases[0] != (1, 1) or any(e.rho != e.devices**2 * e.windows * rho for e in self.exposures):
            raise ValueError("the exposures do not follow from rho")
        if first.epsilon != self.charge.epsilon or self.charge.replace_rho < rho:
            raise ValueError("the charge's figures do not fit together")
        return self

    @property
    def year(self) -> int:
        """Windows of this length in a year."""
        return max(e.windows for e in self.exposures)

    def exposure(self, devices: int, windows: int) -> Exposure:
        """The exposure of so many devices over so many windows.

        Raises:
            StopIteration: it is not among the facts.
        """
        return next(e for e in self.exposures if (e.devices, e.windows) == (devices, windows))

    @property
    def measured(self) -> tuple[Measured, ...]:
        """All blocks of all groups."""
        return tuple(b for g in self.groups for b in g.blocks)
