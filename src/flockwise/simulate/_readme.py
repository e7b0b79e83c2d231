"""The note that lies beside the truth."""

from __future__ import annotations

from flockwise.simulate._geography import Geography
from flockwise.simulate._settings import Settings

TEXT = """\
SIMULATED. Nobody in these files is real.

This folder holds the true aggregates of a population that flockwise.simulate made up: sums over devices, no device. Real data never come with such a
folder. It serves to measure how far a private release is from the truth.

devices simulated   {devices}
devices counted     {counted} (with a consent, not opted out; consents given late count from the start)
window              {days} days from {start}, {timezone}
seed                {seed}
counties            {counties}

The truth is of all of them, also where sensitive places (places.parquet) and gatherings are cut: no ping from there is stored, so that a release lacks it.

presence.parquet      cell (H3, resolution 7), slot_start (UTC), devices. A device is in the cell where it dwells longest within the hour; within an hour
                      that is spent wholly under way, in the cell that it is heading for. Every counted device is in one cell in every hour, seen or not.
flows.parquet         origin, destination (H3, resolution 7), slot_start_hour (local hour of departure), trips over the whole window. A trip leads from one
                      place to another more than 100 m away, with at least five minutes of stay within the window at each end.
county_flows.parquet  home, work (census GEOIDs), devices: counted devices with a work place. Correlation with the real commuting table: {match:.4f}.
"""


def readme(settings: Settings, geography: Geography, counted: int, match: float) -> str:
    """The text of truth/README.txt."""
    return TEXT.format(
        devices=settings.devices,
        counted=counted,
        days=settings.days,
        start=settings.start.isoformat(),
        timezone=settings.timezone,
        seed=settings.seed,
        counties=", ".join(f"{name} ({geoid})" for name, geoid in zip(geography.names, geography.geoids, strict=True)),
        match=match,
    )
