"""One chunk of devices from seed to rows and true sums."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import numpy as np

from flockwise.simulate._days import Calendar, hourly, new_route, plan
from flockwise.simulate._geography import Geography
from flockwise.simulate._jit import COUNTS, DAYS, PINGS, kernel, shuffle, start
from flockwise.simulate._observe import FLAWS, Observing, count, observe
from flockwise.simulate._people import NO_CONSENT, Draws, People, draw
from flockwise.simulate._settings import Settings
from flockwise.simulate._truth import Truth, cells_of, lengthen, shorten, trip_keys
from flockwise.simulate._types import I32, I64, U8


class Chunk(NamedTuple):
    """Rows of some devices, in the order in which they are to be dealt to the files."""

    people: People
    rows: I64
    order: I32
    flaws: dict[str, int]
    duplicates: int


def calendar_of(settings: Settings) -> Calendar:
    """The window's days and hours; a change of clocks gives a day of 23 or 25 hours."""
    window = settings.window
    days = [settings.start + timedelta(days=d) for d in range(settings.days)]
    midnights = [type(window)(day, 1, settings.timezone).start_us for day in days]
    return Calendar(
        np.array([(m - window.start_us) // 1_000_000 for m in midnights], dtype=np.int64),
        np.array([day.weekday() for day in days], dtype=np.int64),
        (window.end_us - window.start_us) // 1_000_000,
        np.array([window.local(int(slot)).hour for slot in window.slots(60)], dtype=np.int64),
        settings.event,
    )


def make(settings: Settings, geography: Geography, draws: Draws, calendar: Calendar, index: int, truth: Truth) -> Chunk:
    """Simulate chunk `index`, add its truth, and hand back its rows in shuffled order."""
    low = index * settings.chunk_devices
    high = min(low + settings.chunk_devices, settings.devices)
    people = draw(settings, geography, draws, low, high)
    cells = shorten(cells_of(people.lat, people.lon))
    unique, rank = np.unique(cells, return_inverse=True)

    observing = Observing(
        settings.pings_per_device_week * settings.days / 7 / (1 + settings.duplicate_share),
        settings.bad_row_share,
        settings.duplicate_share,
        settings.window.start_us,
    )
    seed = np.uint64(settings.seed)
    first = np.zeros(high - low + 1, np.int64)
    duplicates = count(seed, low, people.kind, observing, first)
    rows = np.empty((int(first[-1]), 3), np.int64)

    counted = ((people.consented_us != NO_CONSENT) & (people.opted_out == 0)).astype(np.uint8)
    presence = np.zeros((len(unique), len(calendar.local_hour)), np.int32)
    route = new_route(settings.days)
    keys = np.empty((high - low) * len(route), np.int64)
    flaws = np.zeros(len(FLAWS) + 1, np.int64)
    trips = _live(seed, low, people, calendar, cells, rank.astype(np.int64), counted, observing, first, rows, presence, keys, flaws, route)

    commuting = (counted == 1) & (people.work_county >= 0)
    pairs = people.home_county[commuting] * len(geography.geoids) + people.work_county[commuting]
    truth.add(int(counted.sum()), lengthen(unique), presence.astype(np.int64), keys[:trips], pairs)

    order = np.empty(len(rows), np.int32)
    shuffle(order, seed, index)
    return Chunk(people, rows, order, {name: int(flaws[1 + i]) for i, name in enumerate(FLAWS)}, duplicates)


@kernel
def _live(
    seed: np.uint64,
    low: int,
    people: People,
    calendar: Calendar,
    cells: I64,
    rank: I64,
    counted: U8,
    observing: Observing,
    first: I64,
    rows: I64,
    presence: I32,
    keys: I64,
    flaws: I64,
    route: I64,
) -> int:
    """Every device's days, true sums (of counted devices) and pings; tells the number of trips."""
    s, counts = np.empty(1, np.uint64), np.empty(1, np.uint64)
    span, local_hour = calendar.span_s, calendar.local_hour
    kinds, first_place, lats, lons = people.kind, people.first_place, people.lat, people.lon
    dwell = np.zeros(presence.shape[0], np.int64)
    stayed = np.empty(len(local_hour), np.int32)
    trips = 0
    for i in range(len(kinds)):
        a, b = first_place[i], first_place[i + 1]
        kind, lat, lon = kinds[i], lats[a:b], lons[a:b]
        start(s, seed, low + i, DAYS)
        plan(s, calendar, kind, lat, lon, route)
        if counted[i] == 1:
            hourly(route, span, rank[a:b], dwell, stayed)
            for hour in range(len(stayed)):
                presence[stayed[hour], hour] += 1
            trips = trip_keys(route, lat, lon, cells[a:b], local_hour, span, keys, trips)
        start(counts, seed, low + i, COUNTS)
        start(s, seed, low + i, PINGS)
        observe(counts, s, kind, span, local_hour, route, lat, lon, observing, i, first[i], rows, flaws)
    return trips
