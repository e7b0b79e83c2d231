"""What `flockwise init` writes: a commented study, its column mapping filled from names and types alone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from flockwise.config.purposes import PURPOSES

__all__ = ["ColumnGuess", "guess_columns", "template"]

_NAMES = {
    "device": (
        "device_id",
        "deviceid",
        "device",
        "ad_id",
        "adid",
        "advertiser_id",
        "maid",
        "idfa",
        "gaid",
        "user_id",
        "userid",
        "user",
        "uid",
        "identifier",
        "caid",
        "id",
    ),
    "time": (
        "timestamp",
        "ts",
        "time",
        "datetime",
        "date_time",
        "local_timestamp",
        "utc_timestamp",
        "unix_timestamp",
        "epoch",
        "t",
        "located_at",
        "recorded_at",
    ),
    "lat": ("lat", "latitude", "y"),
    "lon": ("lon", "lng", "long", "longitude", "x"),
    "accuracy": ("accuracy_m", "accuracy", "horizontal_accuracy", "ha", "hacc", "precision", "loc_error"),
    "consent": ("consented_at", "consent_time", "consent", "consented", "consent_ts", "has_consent"),
    "opt_out": ("opted_out", "opt_out", "optout", "lat_enabled", "limit_ad_tracking", "do_not_track"),
}


@dataclass(frozen=True)
class ColumnGuess:
    """The mapping guessed for a file. A meaning that no column's name fits is None."""

    device: str | None
    device_type: str
    time: str | None
    time_format: str
    naive: bool
    lat: str | None
    lon: str | None
    accuracy: str | None
    consent: str | None
    opt_out: str | None


def guess_columns(schema: pa.Schema) -> ColumnGuess:
    """The mapping that a file's column names and types suggest. No row is looked at.

    Args:
        schema: names and types of the file's columns.

    Example:
        >>> guess = guess_columns(pa.schema([("uid", pa.string()), ("ts", pa.int64()), ("latitude", pa.float64()), ("lng", pa.float64())]))
        >>> guess.device, guess.time, guess.time_format, guess.lat, guess.lon
        ('uid', 'ts', 's', 'latitude', 'lng')
    """
    found: dict[str, str | None] = {}
    taken: set[str] = set()
    by_name = {re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"): name for name in schema.names}
    for meaning, names in _NAMES.items():
        found[meaning] = next((by_name[n] for n in names if n in by_name and by_name[n] not in taken), None)
        if found[meaning] is not None:
            taken.add(str(found[meaning]))
    device_kind = schema.field(found["device"]).type if found["device"] else pa.string()
    time_kind = schema.field(found["time"]).type if found["time"] else pa.int64()
    if pa.types.is_integer(device_kind):
        device_type = "integer"
    elif pa.types.is_fixed_size_binary(device_kind):
        device_type = "uuid"
    else:
        device_type = "text"
    if pa.types.is_timestamp(time_kind):
        time_format, naive = "timestamp", time_kind.tz is None
    elif pa.types.is_integer(time_kind) or pa.types.is_floating(time_kind):
        name = (found["time"] or "").lower()
        time_format = "ms" if name.endswith("ms") else "us" if name.endswith("us") else "s"
        naive = False
    else:
        time_format, naive = "iso8601", True
    return ColumnGuess(
        device=found["device"], device_type=device_type, time=found["time"], time_format=time_format, naive=naive,
        lat=found["lat"], lon=found["lon"], accuracy=found["accuracy"], consent=found["consent"], opt_out=found["opt_out"],
    )  # fmt: skip


def template(
    *,
    name: str,
    region: str,
    start: date,
    days: int,
    timezone: str,
    columns: ColumnGuess | None,
    purpose: str | None = None,
    supplier: str = "supplier.toml",
    places: str = "places.parquet",
    gatherings: str | None = None,
) -> str:
    """A commented study.toml that `check` accepts.

    Args:
        name: name of the study.
        region: path of a GeoJSON file, as it is to stand in the study.
        start: first local day.
        days: 1 to 28.
        timezone: IANA name.
        columns: the mapping guessed for a file, or None for the names that `flockwise simulate` writes.
        purpose: what the study is for; None leaves the line open.
        supplier: path of the supplier's record, as it is to stand in the study.
        places: path of the list of sensitive places, likewise.
        gatherings: path of the file of gatherings, likewise; None leaves the line open.
    """
    c = columns or ColumnGuess("device_id", "integer", "ts", "timestamp", False, "lat", "lon", "accuracy_m", "consented_at", "opted_out")
    slug = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "study"
    return _TEXT.format(
        name=name,
        purpose=f"# purpose = {_quote('')}" if purpose is None else f"purpose = {_quote(purpose)}",
        purposes=", ".join(PURPOSES),
        slug=slug,
        supplier=_quote(supplier),
        region=_quote(region),
        places=_quote(places),
        gatherings=f"# gatherings = {_quote('gatherings.csv')}" if gatherings is None else f"gatherings = {_quote(gatherings)}",
        start=start.isoformat(),
        days=days,
        timezone=_quote(timezone),
        columns=_columns(c, timezone),
    )


def _columns(c: ColumnGuess, timezone: str) -> str:
    rows = [
        _row("device", c.device or "device_id", "the device's identifier; it is replaced by a keyed hash at once"),
        _row("device_type", c.device_type, "integer, text or uuid"),
        _row("time", c.time or "timestamp", ""),
        _row("time_format", c.time_format, "timestamp (Parquet), s, ms or us since 1970, or iso8601 text"),
    ]
    zone = _row("time_zone", timezone, "of times that carry no zone")
    rows.append(zone if c.naive else f"# {zone}")
    rows += [_row("lat", c.lat or "lat", "degrees, WGS 84"), _row("lon", c.lon or "lon", "")]
    rows.append(_row("accuracy", c.accuracy, "metres") if c.accuracy else '# accuracy = "accuracy"  # metres')
    rows.append(
        _row("opt_out", c.opt_out, "true: this device contributes nothing") if c.opt_out else '# opt_out = "opted_out"  # true: this device contributes nothing'
    )
    if c.consent:
        rows.append(_row("consent", c.consent, "true or false, or the time from which consent holds"))
    else:
        rows.append('# consent = "consented_at"  # true or false, or the time from which consent holds')
        rows.append(_row("consent_basis", "stated by the supplier for every row", "no consent column was found: write here what the supplier states"))
    return "\n".join(rows)


def _row(key: str, value: str | None, note: str) -> str:
    return f"{key} = {_quote(value or '')}" + (f"  # {note}" if note else "")


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_TEXT = """\
# A Flockwise study: whose pings, where, when, under which promise, and what is published.
# Check it with: flockwise check THIS_FILE. Paths are relative to this file.
name = "{name}"
{purpose}  # one of {purposes}

[store]
path = "{slug}.store"  # pings rest here, pseudonymised; never publish it
key = "{slug}.key"  # the master key, mode 0600; keep it apart from the store. Or "env:NAME", or "command:..."
retention_days = 365  # the public retention schedule: pings are deleted this many days after the window's end

[ledger]
path = "{slug}.ledger"  # the privacy budget; every study about the same people must name the same one (docs/how-to/share-a-ledger.md: between hosts)
dataset = "{slug}-panel"  # population and supplier: purging or ingesting again resets nothing
lifetime_epsilon = "4"  # all releases together never exceed this

[trail]
path = "{slug}.trail"  # the signed log of what is done with the pings; holds nothing about a person
key = "{slug}.trail.key"  # signs it, mode 0600; the officer's, where roles are apart (docs/how-to/roles.md)

[supplier]
file = {supplier}  # the supplier's record: flockwise supplier check says what is open in it; until nothing is, deliveries wait in quarantine
grace_days = 30  # a lapsed record blocks ingests at once, and releases after this many days; at most 90

[region]
geojson = {region}  # or cells = ["872a1072bffffff", ...], or cells_file = "cells.txt"

[places]
file = {places}  # sensitive places: flockwise places build, show, review; no ping from them is stored
{gatherings}  # political and social gatherings, cut at their times
gathering_margin_min = 120  # and so long before and after

[window]
start = {start}  # first local day
days = {days}  # at most 28
timezone = {timezone}

[input]  # columns of the supplier's files, guessed from names and types: look at each
{columns}

[cleaning]
greatest_accuracy_m = 200  # pings that report worse are dropped
greatest_speed_kmh = 400  # pings that would need more are dropped

[stays]  # sliding window, Li et al. 2008
radius_m = 100
least_duration_min = 5
greatest_gap_min = 15

[privacy]  # required: nothing here has a default
unit = "device"  # one device, all of its pings
window = "whole"  # over the whole window: never per day or per trip
epsilon = "1"  # exact, as text; at most 2
delta = "1e-6"  # at most 1e-6 and 1 / (10 x panel_bound)
panel_bound = 100000  # PUBLIC upper bound of the number of devices; never checked against the data

[[tables]]
kind = "presence"  # present population by H3 cell and slot
resolution = 7  # about 5 km2; finer is refused
coarser = [6, 5]  # shown where a cell is too thin
slot_minutes = 60
greatest_hold_min = 60  # a ping stands for its device until the next one, at most this long
weight = "3/4"  # share of the budget

[[tables]]
kind = "flows"  # origin-destination flows by slot of the day
resolution = 6
coarser = [5]
slots = ["00:00", "06:00", "10:00", "15:00", "19:00"]
greatest_trip_h = 12  # stays further apart in time are not joined by a trip
# trips_bound = 4  # contribution bound: the norm of one device's trips that is kept whole; without it a private histogram chooses it
trips_cap = 100  # contribution bound of the totals by origin and destination, to which clipped flows are scaled up
weight = "1/4"

# [engine]  # who runs the work; decides no figure
# kind = "local"  # or "spark": docs/how-to/run-on-spark.md

# [publisher]  # goes into the record of the release word for word; decides no figure
# organization = ""
# contact = ""
# purpose = ""
# intended_use = ""
# legal_basis = ""
"""
