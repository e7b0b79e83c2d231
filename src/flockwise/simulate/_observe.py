"""When a device is observed, and what its pings say: bursts, gaps, noise in position, spoilt and repeated rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flockwise.simulate._days import Calendar, Route
from flockwise.simulate._geometry import KM_PER_DEGREE
from flockwise.simulate._jit import below, exponential, geometric, kernel, mix, normal, poisson, start, uniform
from flockwise.simulate._people import DAY_US, DRIVER
from flockwise.simulate._types import F32, F64, I8, I32, I64, U8, U64

BURST_SIZE = 5.0
BURST_SHARE = 0.75
GAP_LEAST_S = 20.0
GAP_MEAN_S = 160.0
OUTAGE_SHARE = 0.25
ASLEEP = 0.18  # chance of a ping from midnight to six, relative to the day
ACCURACY_M = 18.0
ACCURACY_SPREAD = 0.7
ERROR_PER_ACCURACY = 0.6

CLEAN, NULL_DEVICE, NULL_TIME, NULL_PLACE, OUT_OF_RANGE, ZERO_ISLAND, BAD_TIME, OUTSIDE_WINDOW, JUMP, POOR_ACCURACY = range(10)
FLAWS = (
    "null_device",
    "null_time",
    "null_place",
    "out_of_range",
    "zero_island",
    "bad_time",
    "outside_window",
    "impossible_jump",
    "poor_accuracy",
)


class Observing(NamedTuple):
    """How devices are observed."""

    mean_pings: float  # of a device over the window
    bad: float
    duplicate: float
    start_us: int


class Rows(NamedTuple):
    """Pings of a chunk, device by device; `device` is the position in the chunk."""

    device: I32
    t_us: I64
    lat: F64
    lon: F64
    accuracy_m: F32
    flaw: U8


def new_rows(n: int) -> Rows:
    """Room for n pings."""
    return Rows(np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n), np.empty(n), np.empty(n, np.float32), np.empty(n, np.uint8))


@kernel
def _bursts(s: U64, kind: int, mean: float) -> int:
    """Number of bursts of a device: its rate is gamma-distributed (shape 2), higher for drivers. A burst is one ping or several."""
    rate = 0.5 * (exponential(s, 1.0) + exponential(s, 1.0)) * (1.6 if kind == DRIVER else 0.975)
    per_burst = BURST_SHARE * BURST_SIZE + (1.0 - BURST_SHARE)
    return poisson(s, mean * rate / per_burst)


@kernel
def _size(s: U64) -> int:
    return geometric(s, BURST_SIZE) if uniform(s) < BURST_SHARE else 1


@kernel
def count(seed: np.uint64, low: int, kind: I8, observing: Observing, first: I64) -> int:
    """Exact rows of each device (cumulative, in `first`), from the same stream that `observe` follows; tells the number of repeated rows."""
    s = np.empty(1, np.uint64)
    repeated = 0
    for i in range(len(kind)):
        start(s, seed, low + i, 4)
        rows = 0
        for _ in range(_bursts(s, kind[i], observing.mean_pings)):
            for _ in range(_size(s)):
                rows += 1
                if uniform(s) < observing.duplicate:
                    rows += 1
                    repeated += 1
        first[i + 1] = first[i] + rows
    return repeated


@kernel
def observe(
    counts: U64, s: U64, kind: int, calendar: Calendar, route: Route, lat: F64, lon: F64, observing: Observing, position: int, row: int, rows: Rows, flaws: I64
) -> int:
    """Write one device's pings from row `row` on, in no order, and tell the next free row.

    `counts` and `s` are the streams of numbers of rows and of everything else, each at its beginning.
    """
    span = float(calendar.span_s)
    outage, outage_start = 0.0, 0.0
    if uniform(s) < OUTAGE_SHARE:
        outage = min(exponential(s, 86_400.0), 0.5 * span)
        outage_start = uniform(s) * (span - outage)
    for _ in range(_bursts(counts, kind, observing.mean_pings)):
        t = uniform(s) * (span - outage)
        while True:
            hour = calendar.local_hour[int(t + (outage if t >= outage_start else 0.0)) // 3600]
            if uniform(s) < (ASLEEP if hour < 6 else 0.5 if hour == 23 else 1.0):
                break
            t = uniform(s) * (span - outage)
        if t >= outage_start:
            t += outage
        size = _size(counts)
        for k in range(size):
            if k > 0:
                t += GAP_LEAST_S + exponential(s, GAP_MEAN_S)
                if t >= span:  # a burst at the window's end folds back into it
                    t = max(0.0, 2.0 * span - t - 1.0)
            _ping(s, t, calendar, route, lat, lon, observing, position, row, rows, flaws)
            row += 1
            if uniform(counts) < observing.duplicate:
                rows.device[row], rows.t_us[row] = rows.device[row - 1], rows.t_us[row - 1]
                rows.lat[row], rows.lon[row] = rows.lat[row - 1], rows.lon[row - 1]
                rows.accuracy_m[row], rows.flaw[row] = rows.accuracy_m[row - 1], rows.flaw[row - 1]
                row += 1
    return row


@kernel
def _ping(
    s: U64, t: float, calendar: Calendar, route: Route, lat: F64, lon: F64, observing: Observing, position: int, row: int, rows: Rows, flaws: I64
) -> None:
    y, x = _place_at(t, route, lat, lon)
    # one Box-Muller pair serves both directions of the error
    accuracy = max(3.0, np.round(ACCURACY_M * np.exp(normal(s, 0.0, ACCURACY_SPREAD)) * 10.0) / 10.0)
    flaw = CLEAN
    if uniform(s) < observing.bad:
        flaw = 1 + below(s, 9)
        flaws[flaw] += 1
        if flaw == POOR_ACCURACY:
            accuracy = np.round(500.0 + exponential(s, 1500.0))
    radius = ERROR_PER_ACCURACY * accuracy / (KM_PER_DEGREE * 1000.0) * np.sqrt(-2.0 * np.log(1.0 - uniform(s)))
    angle = 2.0 * np.pi * uniform(s)
    y += radius * np.sin(angle)
    x += radius * np.cos(angle) / np.cos(np.radians(y))
    t_us = observing.start_us + int(t * 1000.0) * 1000
    if flaw == OUT_OF_RANGE:
        y, x = y + 100.0, x - 200.0
    elif flaw == ZERO_ISLAND:
        y, x = 0.0, 0.0
    elif flaw == BAD_TIME:
        t_us = 0 if uniform(s) < 0.5 else 4_102_444_800_000_000  # the years 1970 and 2100
    elif flaw == OUTSIDE_WINDOW:
        shift = (1 + below(s, 30)) * DAY_US
        t_us = observing.start_us - shift if uniform(s) < 0.5 else observing.start_us + calendar.span_s * 1_000_000 + shift
    elif flaw == JUMP:
        y, x = y + 2.0 + 6.0 * uniform(s), x - 2.0 - 6.0 * uniform(s)
    rows.device[row] = position
    rows.t_us[row] = t_us
    rows.lat[row] = np.round(y * 1e6) / 1e6
    rows.lon[row] = np.round(x * 1e6) / 1e6
    rows.accuracy_m[row] = accuracy
    rows.flaw[row] = flaw


@kernel
def _place_at(t: float, route: Route, lat: F64, lon: F64) -> tuple[float, float]:
    """Position at an instant: at a place, or on a slightly bent way between two."""
    low, high = 0, route.size[0] - 1
    while low < high:
        middle = (low + high + 1) // 2
        if route.arrive_s[middle] <= t:
            low = middle
        else:
            high = middle - 1
    here = route.place[low]
    if t <= route.depart_s[low] or low + 1 >= route.size[0]:
        return lat[here], lon[here]
    there = route.place[low + 1]
    f = (t - route.depart_s[low]) / (route.arrive_s[low + 1] - route.depart_s[low])
    dy, dx = lat[there] - lat[here], lon[there] - lon[here]
    # the bend is the same at every ping of the trip: it comes from the trip's own times
    bend = (float(mix(np.uint64(route.depart_s[low] * 7919 + here)) >> np.uint64(40)) / 16_777_216.0 - 0.5) * 0.25 * np.sin(np.pi * f)
    return lat[here] + f * dy + bend * dx, lon[here] + f * dx - bend * dy
