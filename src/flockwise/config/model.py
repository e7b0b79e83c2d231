"""The typed model behind study.toml. Unknown keys fail; budgets are exact; the promise is required, never defaulted."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema, field_validator, model_validator

from flockwise.base.plain import exact_number
from flockwise.base.region import Region
from flockwise.base.window import Window
from flockwise.config.conninfo import without_secret
from flockwise.config.engine import EngineSpec
from flockwise.config.places import PlacesSpec
from flockwise.config.publisher import Publisher
from flockwise.config.purposes import Purpose
from flockwise.config.roles import Roles
from flockwise.config.weights import UNITS, AreaWeights, read_weights

__all__ = [
    "Cleaning",
    "EngineSpec",
    "Exact",
    "FlowsTable",
    "Input",
    "Ledger",
    "PlacesSpec",
    "PresenceTable",
    "Privacy",
    "Publisher",
    "RegionSpec",
    "Stays",
    "Store",
    "Study",
    "SupplierSpec",
    "Table",
    "Trail",
    "Weights",
    "WindowSpec",
]

FINEST_LEVEL = 7
LONGEST_WINDOW_DAYS = 28
LARGEST_EPSILON = Fraction(2)


def _exact(value: Any) -> Fraction:
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError('write it as text, so that it stays exact: "0.5", "1e-6" or "1/3"')
    try:
        return Fraction(value) if isinstance(value, int) else exact_number(value.strip())
    except ValueError as error:
        raise ValueError('expected an exact decimal or fraction in text, such as "0.5", "1e-6" or "1/3"') from error


Exact = Annotated[
    Fraction,
    BeforeValidator(_exact),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {"type": ["string", "integer"], "pattern": r"^[0-9.eE+/-]+$", "description": 'Exact decimal or fraction, as text: "1", "0.5", "1e-6", "1/3".'}
    ),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,), arbitrary_types_allowed=True)


def _key_source(value: object) -> Path | str:
    """A path, unless it names the environment or a command: these stay text, because a path would lose some of their slashes."""
    if not isinstance(value, str | Path):
        raise ValueError("expected a path, env:NAME or command:...")
    return value if isinstance(value, str) and value.startswith(("env:", "command:")) else Path(value)


KeySource = Annotated[Path | str, PlainValidator(_key_source), PlainSerializer(str, return_type=str), WithJsonSchema({"type": "string"})]


class Store(_Part):
    """Where the pings rest. Never published."""

    path: Path = Field(description="Folder of the store, relative to the study file.")
    key: KeySource = Field(
        description='The master key: a file (mode 0600) outside the store, "env:NAME" (an environment variable) or "command:..." (a command that prints it).'
    )
    retention_days: int = Field(ge=1, le=1830, description="The public retention schedule: pings are deleted this many days after the window's end.")
    suppression_list: Path | None = Field(
        None, description="Folder of the data set's suppression list, if its studies lie in several folders. By default it lies beside the store."
    )

    @property
    def key_file(self) -> Path | None:
        """The key's file; None if the key comes from the environment or a command."""
        return None if isinstance(self.key, str) else self.key


class Ledger(_Part):
    """The privacy budget of a panel. Every study about the same people must name the same ledger and data set."""

    path: Path | None = Field(None, description="SQLite file on a local disk, relative to the study file. Exactly one of path and postgres is given.")
    postgres: str | None = Field(
        None,
        description='PostgreSQL server that several hosts share, as a libpq connection string without a password, such as "service=flockwise".',
    )
    folder: Path | None = Field(None, description="With postgres: folder on a local disk, relative to the study file, for what this host has seen.")
    dataset: str = Field(min_length=1, max_length=100, description="Name of the population and supplier. Purging or ingesting again resets nothing.")
    lifetime_epsilon: Exact = Field(description="All releases from this data set together never exceed this epsilon (at the study's delta).")

    @field_validator("postgres")
    @classmethod
    def _no_secret(cls, value: str | None) -> str | None:
        return None if value is None else without_secret(value)

    @field_validator("lifetime_epsilon")
    @classmethod
    def _positive(cls, value: Fraction) -> Fraction:
        if value <= 0:
            raise ValueError("must be above 0")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> Ledger:
        if (self.path is None) == (self.postgres is None):
            raise ValueError("give exactly one of path and postgres")
        if (self.folder is None) != (self.postgres is None):
            raise ValueError("folder goes with postgres: a folder on a local disk, for what this host has seen of the ledger")
        return self


class Trail(_Part):
    """The signed log of what was done with the pings: ingests, refusals, releases, recipients, incidents. Holds nothing about a person."""

    path: Path = Field(description="Folder of the trail, relative to the study file. Studies about the same people may share one.")
    key: Path = Field(description="File with the key that signs it (mode 0600), outside the folder.")


class RegionSpec(_Part):
    """The public region: exactly one of the three."""

    geojson: Path | None = Field(None, description="GeoJSON polygons; the region is every H3 cell that overlaps them.")
    cells: tuple[str, ...] | None = Field(None, description="H3 cells in hexadecimal.")
    cells_file: Path | None = Field(None, description="Text file with one H3 cell a line.")

    @model_validator(mode="after")
    def _one(self) -> RegionSpec:
        if sum(x is not None for x in (self.geojson, self.cells, self.cells_file)) != 1:
            raise ValueError("give exactly one of geojson, cells, cells_file")
        return self


class WindowSpec(_Part):
    """The window that the guarantee covers: whole local days."""

    start: date = Field(description="First local day.")
    days: int = Field(ge=1, le=LONGEST_WINDOW_DAYS, description="Number of local days, at most 28.")
    timezone: str = Field(description='IANA time zone, such as "America/New_York".')

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError("not an IANA time zone, such as America/New_York") from error
        return value


class Input(_Part):
    """Which columns of the supplier's files mean what."""

    device: str = Field(description="Column of the device identifier.")
    device_type: Literal["integer", "text", "uuid"] = Field(description="Kind of identifier: 42 and '42' are one device under integer, two under text.")
    time: str = Field(description="Column of the time.")
    time_format: Literal["timestamp", "s", "ms", "us", "iso8601"] = Field(
        description="timestamp: a Parquet timestamp; s, ms, us: numbers since 1970 UTC; iso8601: text."
    )
    time_zone: str | None = Field(None, description="Zone of times that carry none. Needed for naive timestamps and naive text.")
    lat: str = Field(description="Column of the latitude in degrees (WGS 84).")
    lon: str = Field(description="Column of the longitude in degrees (WGS 84).")
    accuracy: str | None = Field(None, description="Column of the horizontal accuracy in metres.")
    consent: str | None = Field(None, description="Column of consent: true or false, or the time from which it holds (null: none).")
    consent_text: str | None = Field(None, description="Column of the consent text that was agreed to: a version of the supplier record's [[consent]].")
    purposes: str | None = Field(
        None, description="Column of the purposes that the row was given for: text with ; , or | between them, or a list. Others than the study's are refused."
    )
    withdrawn: str | None = Field(None, description="Column of withdrawal: true, or its time. Acts on all rows of the device, whenever and however delivered.")
    opt_out: str | None = Field(None, description="Column that is true where the device's owner opted out of tracking. Acts on all rows of the device.")
    consent_basis: str | None = Field(None, description="Without a consent column: the supplier's statement that every row was given with consent.")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return None if value is None else WindowSpec._known_zone(value)

    @model_validator(mode="after")
    def _consented(self) -> Input:
        if self.consent is None and not (self.consent_basis or "").strip():
            raise ValueError("name the consent column, or write in consent_basis what the supplier states about consent")
        if self.consent_text is not None and self.consent is None:
            raise ValueError("consent_text goes with the consent column")
        named = self.columns
        if len(set(named)) != len(named):
            raise ValueError("two meanings name the same column")
        return self

    @property
    def columns(self) -> list[str]:
        """Every column that is read, in a fixed order."""
        rights = (self.consent, self.consent_text, self.purposes, self.withdrawn, self.opt_out)
        return [c for c in (self.device, self.time, self.lat, self.lon, self.accuracy, *rights) if c is not None]


class SupplierSpec(_Part):
    """Whose pings these are: the supplier's record, and how long a release may follow after it has lapsed."""

    file: Path = Field(description="The supplier's record (supplier.toml), relative to the study file.")
    grace_days: int = Field(30, ge=0, le=90, description="A lapsed record blocks ingests at once, and releases after this many days. Public.")


class Cleaning(_Part):
    """Which pings are too poor to count."""

    greatest_accuracy_m: int = Field(200, ge=1, le=100_000, description="Pings whose reported accuracy is worse are dropped.")
    greatest_speed_kmh: int = Field(400, ge=1, le=100_000, description="Pings that would need a higher speed from the last kept one are dropped.")


class Stays(_Part):
    """What a stay is (Li et al. 2008)."""

    radius_m: int = Field(100, ge=1, le=10_000, description="All pings of a stay lie within this distance of its first.")
    least_duration_min: int = Field(5, ge=1, le=24 * 60, description="Shorter halts are not stays.")
    greatest_gap_min: int = Field(15, ge=1, le=24 * 60, description="A longer silence ends a stay.")


class Privacy(_Part):
    """The promise. Required, never defaulted."""

    unit: Literal["device"] = Field(description='Who is protected: "device", all of its pings.')
    window: Literal["whole"] = Field(description='Over what: "whole", the entire window (never a day or a trip).')
    epsilon: Exact = Field(description="Above 0, at most 2.")
    delta: Exact = Field(description="At most 1e-6 and at most 1 / (10 x panel_bound).")
    panel_bound: int = Field(ge=1, le=10_000_000_000, description="Public upper bound of the number of devices. Never checked against the data.")
    noise: Literal["rounded", "discrete"] = Field(
        "rounded",
        description='How noise is drawn: "rounded", a continuous Gaussian rounded to whole numbers, exactly (Gaussian differential privacy), '
        'or "discrete", the discrete Gaussian of OpenDP (zero-concentrated differential privacy; 7 % more noise for the same epsilon).',
    )

    @model_validator(mode="after")
    def _sound(self) -> Privacy:
        if not 0 < self.epsilon <= LARGEST_EPSILON:
            raise ValueError("epsilon must be above 0 and at most 2")
        if not 0 < self.delta <= min(Fraction(1, 10**6), Fraction(1, 10 * self.panel_bound)):
            raise ValueError("delta must be above 0, at most 1e-6 and at most 1 / (10 x panel_bound)")
        return self


class Weights(_Part):
    """Optional: what each device counts for, by its usual area. Weights must come from public figures, or from figures that were already charged."""

    file: Path = Field(description='CSV file with the columns "cell" (H3, resolution 6 or coarser) and "weight" (people that one device stands for).')
    greatest: int = Field(ge=1, le=100_000, description="The greatest weight. Noise is scaled by it; applied weights are multiples of a 256th of it.")
    otherwise: Exact = Field(Fraction(0), description="Weight of a device that was in none of the areas.")
    source: str = Field(
        min_length=10, max_length=500, description="Where the weights come from: the census and the charged release, printed in the certificate."
    )

    @model_validator(mode="after")
    def _in_range(self) -> Weights:
        if not 0 <= self.otherwise <= self.greatest:
            raise ValueError("otherwise must lie between 0 and greatest")
        return self

    @property
    def otherwise_units(self) -> int:
        """The other weight in 256ths of the greatest."""
        return round(self.otherwise * UNITS / self.greatest)


class _TableBase(_Part):
    resolution: int = Field(ge=0, le=FINEST_LEVEL, description="H3 resolution of the finest level (7 or coarser: no zone under 1.2 km2).")
    coarser: tuple[int, ...] = Field((), description="Coarser levels that are measured too, finest first.")
    weight: Exact = Field(Fraction(1), description="Share of the budget relative to the other tables.")

    @model_validator(mode="after")
    def _levels(self) -> _TableBase:
        if list(self.levels) != sorted(set(self.levels), reverse=True) or min(self.levels) < 0:
            raise ValueError("coarser must list resolutions below the table's own, finest first")
        if not 0 < self.weight <= 1000:
            raise ValueError("weight must be above 0 and at most 1000")
        return self

    @property
    def levels(self) -> tuple[int, ...]:
        """All resolutions of the table, finest first."""
        return (self.resolution, *self.coarser)


class PresenceTable(_TableBase):
    """Present population by cell and slot."""

    kind: Literal["presence"]
    slot_minutes: int = Field(60, ge=5, le=24 * 60, description="Length of a slot; slots must fill the window exactly.")
    greatest_hold_min: int = Field(60, ge=1, le=24 * 60, description="A ping stands for its device until the next one, at most this long.")


class FlowsTable(_TableBase):
    """Origin-destination flows by slot of the day."""

    kind: Literal["flows"]
    slots: tuple[str, ...] = Field(("00:00",), description='Starts of the slots of the day in local time; the first is "00:00".')
    greatest_trip_h: int = Field(12, ge=1, le=72, description="Two stays further apart in time are not joined by a trip.")
    trips_bound: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description="Contribution bound: norm of one device's trips that is kept whole whatever else it does. "
        "Leave it out and a private histogram of norms, paid with a hundredth of the table's charge, chooses it.",
    )
    trips_cap: int = Field(
        100, ge=1, le=10_000, description="Contribution bound of the totals by origin and destination, to which clipped flows are scaled up: a norm of trips."
    )
    ghosts: int = Field(
        5,
        ge=1,
        le=1000,
        description="Expected number of published rows that are empty in truth, at most, for a table of more than 50 million figures; at most one in 1,000 "
        "of the domain. Smaller tables have a rule of their own.",
    )

    @field_validator("slots")
    @classmethod
    def _times(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or value[0] != "00:00" or not all(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", v) for v in value) or list(value) != sorted(set(value)):
            raise ValueError('give times as "HH:MM" in rising order, the first "00:00"')
        return value

    @property
    def starts_min(self) -> tuple[int, ...]:
        """Starts of the slots in minutes after local midnight."""
        return tuple(int(v[:2]) * 60 + int(v[3:]) for v in self.slots)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the slots, such as "06:00-10:00"."""
        return tuple(f"{a}-{b}" for a, b in zip(self.slots, [*self.slots[1:], "24:00"], strict=True))


Table = Annotated[PresenceTable | FlowsTable, Field(discriminator="kind")]


class Study(_Part):
    """A study: whose pings, where, when, under which promise, and what is published."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 .,_-]{0,79}$", description="Letters, digits, spaces, commas, dots, underscores and hyphens.")
    purpose: Purpose | None = Field(None, description="What the figures are for, from the closed list at the end of docs/reference/study.md.")
    store: Store
    ledger: Ledger
    supplier: SupplierSpec | None = None
    region: RegionSpec
    window: WindowSpec
    input: Input
    cleaning: Cleaning = Cleaning.model_construct(greatest_accuracy_m=200, greatest_speed_kmh=400)
    stays: Stays = Stays.model_construct(radius_m=100, least_duration_min=5, greatest_gap_min=15)
    privacy: Privacy
    tables: tuple[Table, ...] = Field(min_length=1)
    weights: Weights | None = None
    publisher: Publisher | None = None
    trail: Trail | None = None
    roles: Roles | None = None
    places: PlacesSpec | None = None
    engine: EngineSpec = EngineSpec()

    @model_validator(mode="after")
    def _fits(self) -> Study:
        kinds = [t.kind for t in self.tables]
        if len(set(kinds)) != len(kinds):
            raise ValueError("a study has at most one table of each kind")
        if self.input.purposes is not None and self.purpose is None:
            raise ValueError("[input] purposes is held against the study's purpose: declare one")
        for table in self.tables:
            if isinstance(table, PresenceTable):
                self.time_window.slots(table.slot_minutes)
        return self

    @cached_property
    def time_window(self) -> Window:
        """The window, with its instants."""
        return Window(self.window.start, self.window.days, self.window.timezone)

    @property
    def store_resolution(self) -> int:
        """The finest level of any table: the resolution at which the store keeps cells."""
        return max(t.resolution for t in self.tables)

    @property
    def presence(self) -> PresenceTable | None:
        """The presence table, if the study has one."""
        return next((t for t in self.tables if isinstance(t, PresenceTable)), None)

    @property
    def flows(self) -> FlowsTable | None:
        """The flows table, if the study has one."""
        return next((t for t in self.tables if isinstance(t, FlowsTable)), None)

    @property
    def scale(self) -> int:
        """What a device of the greatest weight counts for: 1 without weights."""
        return 1 if self.weights is None else self.weights.greatest

    @cached_property
    def area_weights(self) -> AreaWeights | None:
        """The weights by area, if the study has any. Reads their file."""
        return None if self.weights is None else read_weights(self.weights.file, self.weights.greatest)

    @cached_property
    def area(self) -> Region:
        """The region at the store's resolution. Reads the region's file."""
        spec, level = self.region, self.store_resolution
        if spec.geojson is not None:
            return Region.from_geojson(spec.geojson, level)
        if spec.cells_file is not None:
            return Region.from_cells_file(spec.cells_file, level)
        return Region.from_cells(spec.cells or (), level)
