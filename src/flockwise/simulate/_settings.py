"""What is simulated: settings with defaults that give the demo."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flockwise.base.window import Window
from flockwise.errors import ConfigError

__all__ = ["DEMO_COUNTIES", "Settings"]

DEMO_COUNTIES = ("36005", "36047", "36059", "36061", "36081", "36085", "36087", "36119")
"""New York City's five counties, with Nassau, Rockland and Westchester (census GEOIDs)."""

COMPRESSIONS = ("none", "snappy", "lz4", "zstd")


@dataclass(frozen=True)
class Settings:
    """Everything that a simulation depends on; the same settings give the same bytes, whatever `threads` is.

    Args:
        devices: number of simulated devices.
        start: first local day of the window (the default is a Monday, in a week without a change of clocks).
        days: local days.
        timezone: IANA name of the local time zone.
        seed: any whole number from 0 to 2**63 - 1.
        counties: census GEOIDs of counties of New York State, two or more digits of state and county each ("36061").
        pings_per_device_week: mean number of pings of a device in seven days.
        commuter_share: share of devices with a work place.
        very_mobile_share: share of devices that drive for a living, with many short stops (taken from the commuters).
        night_share: share of devices that work at night (taken from the commuters).
        homebody_share: share of devices that hardly go out (taken from those who do not commute).
        no_consent_share: share of devices with a null `consented_at`.
        late_consent_share: share of devices whose consent falls inside the window, after some of their pings.
        opted_out_share: share of devices that opted out.
        bad_row_share: share of rows spoilt (nulls, out of range, zero island, bad times, jumps, poor accuracy).
        duplicate_share: share of rows that are repeated exactly.
        event: whether a stadium fills on each Saturday evening.
        files: number of Parquet files of pings.
        compression: "none", "snappy", "lz4" or "zstd". "none" still encodes repeated values as dictionaries.
        chunk_devices: devices simulated at a time by one thread; memory grows with it and rows are shuffled within it.
        threads: worker threads; None takes one for each available processor, at most 8.

    Raises:
        ConfigError: a value is out of its range.

    Example:
        >>> Settings(devices=1_000).days
        7
    """

    devices: int = 50_000
    start: date = date(2026, 5, 4)
    days: int = 7
    timezone: str = "America/New_York"
    seed: int = 1
    counties: tuple[str, ...] = DEMO_COUNTIES
    pings_per_device_week: float = 210.0
    commuter_share: float = 0.62
    very_mobile_share: float = 0.04
    night_share: float = 0.04
    homebody_share: float = 0.06
    no_consent_share: float = 0.02
    late_consent_share: float = 0.02
    opted_out_share: float = 0.01
    bad_row_share: float = 0.01
    duplicate_share: float = 0.005
    event: bool = True
    files: int = 8
    compression: str = "none"
    chunk_devices: int = 5_000
    threads: int | None = None

    def __post_init__(self) -> None:
        limits = {"devices": (1, 10**9), "days": (1, 366), "files": (1, 4096), "chunk_devices": (1, 10**6), "seed": (0, 2**63 - 1)}
        limits["pings_per_device_week"] = (1, 100_000)
        if self.threads is not None:
            limits["threads"] = (1, 256)
        limits |= {field.name: (0, 1) for field in fields(self) if field.name.endswith("_share")}
        for name, (least, greatest) in limits.items():
            value = getattr(self, name)
            if not least <= value <= greatest:
                raise _refused(name, str(value), f"{least} to {greatest}")
        if self.compression not in COMPRESSIONS:
            raise _refused("compression", self.compression, ", ".join(COMPRESSIONS))
        if self.very_mobile_share + self.night_share > self.commuter_share:
            raise _refused("commuter_share", str(self.commuter_share), "at least very_mobile_share + night_share")
        if self.commuter_share + self.homebody_share > 1:
            raise _refused("homebody_share", str(self.homebody_share), "at most 1 - commuter_share")
        if self.no_consent_share + self.late_consent_share > 1:
            raise _refused("late_consent_share", str(self.late_consent_share), "at most 1 - no_consent_share")
        if len(set(self.counties)) != len(self.counties) or not self.counties:
            raise _refused("counties", f"{len(self.counties)} names", "one or more GEOIDs, each once")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise _refused("timezone", self.timezone, "an IANA name such as America/New_York") from None
        if (self.window.end_us - self.window.start_us) % 3_600_000_000:
            raise _refused("timezone", self.timezone, "a window of whole hours")

    @property
    def window(self) -> Window:
        """The simulated window."""
        return Window(self.start, self.days, self.timezone)


def _refused(name: str, got: str, expected: str) -> ConfigError:
    return ConfigError(
        "SIMULATE_SETTING",
        what=f"The simulator's setting {name} can't be used.",
        got=got,
        expected=expected,
        state="Nothing was written.",
        fix=f"Change {name}.",
    )
