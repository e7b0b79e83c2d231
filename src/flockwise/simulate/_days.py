"""What a device does: a list of stays (place, arrival, departure) over the whole window."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flockwise.simulate._geometry import distance_km
from flockwise.simulate._jit import below, exponential, helper, normal, uniform
from flockwise.simulate._people import (
    COMMUTER,
    DRIVER,
    HOME,
    HOMEBODY,
    LUNCH,
    NEAR_FIRST,
    NIGHT,
    POPULAR,
    REACH_KM,
    SOCIAL,
    STADIUM,
    WORK,
)
from flockwise.simulate._types import F64, I32, I64, U64, whole

LEAST_DWELL_S = 360
STAYS_PER_DAY = 36
H = 3600.0
EVENT_SHARE = 0.04
ONE = whole(1)


class Calendar(NamedTuple):
    """Local days as seconds since the window's start; Monday is 0; local hour of each UTC hour of the window."""

    midnight_s: I64
    weekday: I64
    span_s: int
    local_hour: I64
    event: bool


# A route is one table (fast to hand around in numba): a row a stay, in order, with the columns below, and in its very last row the number of stays.
# The last stay may begin after the window: a trip that is under way at its end.
PLACE, ARRIVE, DEPART = 0, 1, 2


def new_route(days: int) -> I64:
    """Room for one device's stays."""
    return np.zeros((days * STAYS_PER_DAY + 16, 3), np.int64)


@helper
def travel_s(km: float) -> float:
    """Seconds for a distance on the map: on foot up to 1 km, by vehicle beyond, faster for longer ways."""
    road = km * 1.25
    if km < 1.0:
        return road * 1000.0 / 1.35
    return 240.0 + 3600.0 * road / (17.0 + 45.0 * road / (road + 20.0))


@helper
def _go(s: U64, route: I64, lat: F64, lon: F64, leave: float, place: int) -> float:
    """Leave for a place not before `leave` (nor before six minutes of stay) and tell when one arrives."""
    k = route[-1, 0] - 1
    here = route[k, PLACE]
    if here == place or k + 3 >= len(route):
        return max(leave, float(route[k, ARRIVE]))
    departure = max(int(leave), route[k, ARRIVE] + LEAST_DWELL_S)
    km = distance_km(lat[here], lon[here], lat[place], lon[place])
    arrival = departure + int(travel_s(km) * (0.9 + 0.35 * uniform(s))) + 1
    route[k, DEPART] = departure
    route[k + 1, PLACE] = place
    route[k + 1, ARRIVE] = arrival
    route[-1, 0] = k + 2
    return float(arrival)


@helper
def _outings(s: U64, route: I64, lat: F64, lon: F64, day: float, first: float, count: int, far: float) -> None:
    """Some visits from home, near it or (with chance `far`) to friends or a popular place, and home again."""
    t = day + first
    for _ in range(count):
        if t > day + 20.5 * H:
            break
        u = uniform(s)
        place = NEAR_FIRST + below(s, 3.0)
        dwell = 600.0 + exponential(s, 2200.0)
        if u < far:
            place = POPULAR if uniform(s) < 0.45 else SOCIAL
            dwell = 2400.0 + exponential(s, 4200.0)
        t = _go(s, route, lat, lon, t, place) + min(dwell, 5.0 * H)
        if uniform(s) < 0.6:
            t = _go(s, route, lat, lon, t, HOME) + 1.0 * H + exponential(s, 1.2 * H)
    _go(s, route, lat, lon, t, HOME)


@helper
def _evening(s: U64, route: I64, lat: F64, lon: F64, day: float, chance: float) -> None:
    """Perhaps out again in the evening, and home before two."""
    if uniform(s) < chance:
        out = max(day + 18.5 * H + exponential(s, 0.8 * H), float(route[route[-1, 0] - 1, ARRIVE]) + 0.5 * H)
        if out < day + 22.5 * H:
            u = uniform(s)
            place = SOCIAL if u < 0.4 else POPULAR if u < 0.55 else NEAR_FIRST + below(s, 3.0)
            t = _go(s, route, lat, lon, out, place) + 2400.0 + min(exponential(s, 1.1 * H), 3.0 * H)
            _go(s, route, lat, lon, t, HOME)


@helper
def _office_day(s: U64, route: I64, lat: F64, lon: F64, day: float, leave: float, hours: float) -> None:
    """To work (perhaps by a shop or a school), perhaps out for lunch, back (perhaps by other places)."""
    t = day + leave * H
    if uniform(s) < 0.18:
        t = _go(s, route, lat, lon, t, NEAR_FIRST + below(s, 3.0)) + 420.0 + exponential(s, 500.0)
    at_work = _go(s, route, lat, lon, t, WORK)
    if uniform(s) < 0.35:
        lunch = max(at_work + H, day + normal(s, 12.4, 0.5) * H)
        t = _go(s, route, lat, lon, lunch, LUNCH) + 1300.0 + uniform(s) * 1900.0
        _go(s, route, lat, lon, t, WORK)
    t = at_work + max(2.0, hours + normal(s, 0.0, 0.6)) * H
    u = uniform(s)
    if u < 0.30:
        t = _go(s, route, lat, lon, t, NEAR_FIRST + below(s, 3.0)) + 500.0 + exponential(s, 1500.0)
    elif u < 0.41:
        t = _go(s, route, lat, lon, t, SOCIAL) + 3600.0 + exponential(s, 3600.0)
    elif u < 0.46:
        t = _go(s, route, lat, lon, t, POPULAR) + 3000.0 + exponential(s, 3000.0)
    _go(s, route, lat, lon, t, HOME)


@helper
def _rounds(s: U64, route: I64, lat: F64, lon: F64, day: float, places: int) -> None:
    """A driver's day: 10 to 24 short stops all over, then home."""
    t = day + max(5.0, normal(s, 7.0, 0.8)) * H
    for _ in range(10 + below(s, 15.0)):
        if t > day + 17.5 * H:
            break
        t = _go(s, route, lat, lon, t, STADIUM + ONE + below(s, places - STADIUM - 1.0)) + 400.0 + exponential(s, 500.0)
    _go(s, route, lat, lon, t, HOME)


@helper
def plan(s: U64, calendar: Calendar, kind: int, lat: F64, lon: F64, route: I64) -> None:
    """Fill `route` with one device's stays over the window; it begins at home."""
    span = calendar.span_s
    route[-1, 0] = 1
    route[0, PLACE] = HOME
    route[0, ARRIVE] = 0
    leave = min(max(normal(s, 7.9, 1.1), 4.5), 11.5)
    hours = min(max(normal(s, 8.2, 1.0), 4.0), 10.5)
    at_home = 0.45 if uniform(s) < 0.22 else 0.06
    reach = distance_km(lat[HOME], lon[HOME], lat[STADIUM], lon[STADIUM]) <= REACH_KM
    midnight_s, weekdays = calendar.midnight_s, calendar.weekday
    for d in range(len(midnight_s)):
        day = float(midnight_s[d])
        weekday = weekdays[d]
        weekend = weekday >= 5
        if calendar.event and weekday == 5 and reach and kind != HOMEBODY and uniform(s) < EVENT_SHARE:
            _outings(s, route, lat, lon, day, normal(s, 10.5, 0.7) * H, below(s, 2.0), 0.0)
            km = distance_km(lat[HOME], lon[HOME], lat[STADIUM], lon[STADIUM])
            t = day + normal(s, 18.6, 0.25) * H - travel_s(km)
            _go(s, route, lat, lon, t, STADIUM)
            _go(s, route, lat, lon, day + normal(s, 21.75, 0.2) * H, HOME)
            continue
        if kind == HOMEBODY:
            if uniform(s) < 0.35:
                _outings(s, route, lat, lon, day, normal(s, 12.0, 2.0) * H, ONE, 0.03)
        elif kind == DRIVER and (not weekend or (weekday == 5 and uniform(s) < 0.5)):
            _rounds(s, route, lat, lon, day, len(lat))
        elif kind == NIGHT and not weekend:
            if uniform(s) < 0.45:
                _outings(s, route, lat, lon, day, normal(s, 15.0, 0.7) * H, ONE, 0.1)
            at_work = _go(s, route, lat, lon, day + normal(s, 21.4, 0.5) * H, WORK)
            _go(s, route, lat, lon, at_work + max(4.0, hours) * H, HOME)
        elif kind == COMMUTER and not weekend and uniform(s) >= at_home:
            _office_day(s, route, lat, lon, day, max(3.0, leave + normal(s, 0.0, 0.35)), hours)
            _evening(s, route, lat, lon, day, 0.16)
        else:
            u = uniform(s)
            count = int(u > 0.14) + int(u > 0.5) + int(u > 0.82)
            first = normal(s, 11.0 if weekend else 10.0, 1.5)
            _outings(s, route, lat, lon, day, max(first, 6.0) * H, count, 0.4 if weekend else 0.2)
            _evening(s, route, lat, lon, day, 0.3 if weekend and weekday < 6 else 0.14)
    _cut(route, span)


@helper
def _cut(route: I64, span: int) -> None:
    """Keep the stays that begin in the window and at most one that begins after it; the last stay goes on."""
    n = route[-1, 0]
    route[n - 1, DEPART] = max(span, route[n - 1, ARRIVE])
    while n > 1 and route[n - 2, DEPART] >= span:
        n -= 1
    route[-1, 0] = n


@helper
def hourly(route: I64, span: int, rank: I64, dwell: I64, stayed: I32) -> None:
    """The zone of longest dwell in each hour; where a whole hour is spent under way, the zone that is headed for.

    `rank` gives each place's zone. `dwell` is room for one number a zone, all zero before and after.
    """
    n = route[-1, 0]
    k = 0
    for hour in range(len(stayed)):
        low, high = hour * 3600, hour * 3600 + 3600
        while k < n - 1 and route[k, DEPART] <= low:
            k += 1
        if route[k, ARRIVE] <= low and route[k, DEPART] >= high:
            stayed[hour] = rank[route[k, PLACE]]
            continue
        best = np.int64(-1)
        j = k
        while j < n and route[j, ARRIVE] < high:
            inside = min(route[j, DEPART], high, span) - max(route[j, ARRIVE], low)
            if inside > 0:
                p = rank[route[j, PLACE]]
                dwell[p] += inside
                if best < 0 or dwell[p] > dwell[best] or (dwell[p] == dwell[best] and p < best):
                    best = p
            j += 1
        for i in range(k, j):
            dwell[rank[route[i, PLACE]]] = 0
        stayed[hour] = best if best >= 0 else rank[route[min(k, n - 1), PLACE]]
