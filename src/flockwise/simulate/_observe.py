"""When a device is observed, and what its pings say: bursts, gaps, noise in position, spoilt and repeated rows."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from flockwise.simulate._days import ARRIVE, DEPART, PLACE
from flockwise.simulate._geometry import KM_PER_DEGREE
from flockwise.simulate._jit import COUNTS, below, exponential, geometric, helper, kernel, mix, poisson, start, uniform
from flockwise.simulate._people import DAY_US, DRIVER, People
from flockwise.simulate._types import F32, F64, I8, I32, I64, U8, U64

BURST_SIZE = 5.0
BURST_SHARE = 0.75
GAP_LEAST_S = 20.0
GAP_MEAN_S = 160.0
OUTAGE_SHARE = 0.25
ASLEEP = 0.18  # chance of a ping from midnight to six, relative to the day
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
# A row is three integers, so that shuffling touches one stretch of memory: time; position (millionths of a degree, two halves); the rest.
TIME, POSITION, REST = 0, 1, 2
DEVICE_SHIFT, ACCURACY_SHIFT = 40, 8
LOW_HALF = (1 << 32) - 1

TABLE = 8192
TABLE_F = float(TABLE)
SINES = np.sin(np.arange(TABLE) * (2 * np.pi / TABLE)) * (ERROR_PER_ACCURACY * 0.1 / (KM_PER_DEGREE * 1000.0) * 1e6)
"""Sines of directions, times the error in millionths of a degree for a decimetre of accuracy."""


def _accuracies() -> I64:
    """Quantiles of the reported accuracy in decimetres: lognormal with a median of 18 m, at least 3 m."""
    log_metres = NormalDist(np.log(18.0), 0.7)
    metres = np.exp([log_metres.inv_cdf((k + 0.5) / TABLE) for k in range(TABLE)])
    return np.maximum(np.round(metres * 10), 30).astype(np.int64)


ACCURACIES = _accuracies()


class Observing(NamedTuple):
    """How devices are observed."""

    mean_pings: float  # of a device over the window
    bad: float
    duplicate: float
    start_us: int


@helper
def _bursts(s: U64, kind: int, mean: float) -> int:
    """Number of bursts of a device: its rate is gamma-distributed (shape 2), higher for drivers. A burst is one ping or several."""
    rate = 0.5 * (exponential(s, 1.0) + exponential(s, 1.0)) * (1.6 if kind == DRIVER else 0.975)
    per_burst = BURST_SHARE * BURST_SIZE + (1.0 - BURST_SHARE)
    return poisson(s, mean * rate / per_burst)


@helper
def _size(s: U64) -> int:
    return geometric(s, BURST_SIZE) if uniform(s) < BURST_SHARE else 1


@kernel
def count(seed: np.uint64, low: int, kind: I8, observing: Observing, first: I64) -> int:
    """Exact rows of each device (cumulative, in `first`), from the same stream that `observe` follows; tells the number of repeated rows."""
    s = np.empty(1, np.uint64)
    repeated = 0
    for i in range(len(kind)):
        start(s, seed, low + i, COUNTS)
        rows = 0
        for _ in range(_bursts(s, kind[i], observing.mean_pings)):
            for _ in range(_size(s)):
                rows += 1
                if uniform(s) < observing.duplicate:
                    rows += 1
                    repeated += 1
        first[i + 1] = first[i] + rows
    return repeated


@helper
def observe(
    counts: U64,
    s: U64,
    kind: int,
    span_s: int,
    local_hour: I64,
    route: I64,
    lat: F64,
    lon: F64,
    observing: Observing,
    position: int,
    row: int,
    rows: I64,
    flaws: I64,
) -> None:
    """Write one device's pings from row `row` on, in no order.

    `counts` and `s` are the streams of numbers of rows and of everything else, each at its beginning.
    """
    span = float(span_s)
    narrow = 1.0 / np.cos(np.radians(lat[0]))
    outage, outage_start = 0.0, 0.0
    if uniform(s) < OUTAGE_SHARE:
        outage = min(exponential(s, 86_400.0), 0.5 * span)
        outage_start = uniform(s) * (span - outage)
    for _ in range(_bursts(counts, kind, observing.mean_pings)):
        t = 0.0
        while True:
            t = uniform(s) * (span - outage)
            if t >= outage_start:
                t += outage
            hour = local_hour[int(t) // 3600]
            if uniform(s) < (ASLEEP if hour < 6 else 0.5 if hour == 23 else 1.0):
                break
        stay = _stay_at(t, route)
        for k in range(_size(counts)):
            if k > 0:
                t += GAP_LEAST_S + exponential(s, GAP_MEAN_S)
                if t >= span:  # a burst at the window's end folds back into it
                    t = max(0.0, 2.0 * span - t - 1.0)
                    stay = _stay_at(t, route)
                while stay + 1 < route[-1, 0] and route[stay + 1, ARRIVE] <= t:
                    stay += 1
            y, x = _position(t, stay, route, lat, lon)
            # the error: a uniform direction and a Rayleigh distance that grows with the reported accuracy
            accuracy_dm = ACCURACIES[below(s, TABLE_F)]
            flaw = 0
            if uniform(s) < observing.bad:
                flaw = 1 + below(s, 9.0)
                flaws[flaw] += 1
                if flaw == POOR_ACCURACY:
                    accuracy_dm = 5_000 + int(exponential(s, 15_000.0))
            radius = accuracy_dm * np.sqrt(-2.0 * np.log(1.0 - uniform(s)))
            angle = below(s, TABLE_F)
            lat_e6 = int(np.floor(y * 1e6 + radius * SINES[angle]))
            lon_e6 = int(np.floor(x * 1e6 + radius * SINES[(angle + TABLE // 4) % TABLE] * narrow))
            t_us = observing.start_us + int(t * 1000.0) * 1000
            if flaw != CLEAN:
                t_us, lat_e6, lon_e6 = _spoil(s, flaw, t_us, lat_e6, lon_e6, observing.start_us, span_s)
            rows[row, TIME] = t_us
            rows[row, POSITION] = (lat_e6 << 32) | (lon_e6 & LOW_HALF)
            rows[row, REST] = (position << DEVICE_SHIFT) | (accuracy_dm << ACCURACY_SHIFT) | flaw
            row += 1
            if uniform(counts) < observing.duplicate:
                for column in range(3):
                    rows[row, column] = rows[row - 1, column]
                row += 1


@helper
def _spoil(s: U64, flaw: int, t_us: int, lat_e6: int, lon_e6: int, start_us: int, span_s: int) -> tuple[int, int, int]:
    if flaw == OUT_OF_RANGE:
        return t_us, lat_e6 + 100_000_000, lon_e6 - 200_000_000
    if flaw == ZERO_ISLAND:
        return t_us, 0, 0
    if flaw == BAD_TIME:  # the years 1970 and 2100
        return 0 if uniform(s) < 0.5 else 4_102_444_800_000_000, lat_e6, lon_e6
    if flaw == OUTSIDE_WINDOW:
        shift = (1 + below(s, 30.0)) * DAY_US
        return start_us - shift if uniform(s) < 0.5 else start_us + span_s * 1_000_000 + shift, lat_e6, lon_e6
    if flaw == JUMP:
        return t_us, lat_e6 + 2_000_000 + below(s, 6e6), lon_e6 - 2_000_000 - below(s, 6e6)
    return t_us, lat_e6, lon_e6


@helper
def _stay_at(t: float, route: I64) -> int:
    """The last stay that began at an instant or before."""
    low, high = 0, route[-1, 0] - 1
    while low < high:
        middle = (low + high + 1) // 2
        if route[middle, ARRIVE] <= t:
            low = middle
        else:
            high = middle - 1
    return low


@helper
def _position(t: float, stay: int, route: I64, lat: F64, lon: F64) -> tuple[float, float]:
    """At a stay's place, or on a slightly bent way to the next one."""
    here = route[stay, PLACE]
    departure = route[stay, DEPART]
    if t <= departure or stay + 1 >= route[-1, 0]:
        return lat[here], lon[here]
    there = route[stay + 1, PLACE]
    f = (t - departure) / (route[stay + 1, ARRIVE] - departure)
    dy, dx = lat[there] - lat[here], lon[there] - lon[here]
    # the bend is the same at every ping of the trip: it comes from the trip's own times
    bend = (float(mix(np.uint64(departure * 7919 + here)) >> np.uint64(40)) / 16_777_216.0 - 0.5) * f * (1.0 - f)
    return lat[here] + f * dy + bend * dx, lon[here] + f * dx - bend * dy


@kernel
def unpack(part: I32, rows: I64, people: People, device: I64, t_us: I64, lat: F64, lon: F64, accuracy: F32, consented: I64, opted_out: U8, flaw: U8) -> None:
    """The columns of the rows named in `part`."""
    ids, consents, outs = people.device, people.consented_us, people.opted_out
    for i in range(len(part)):
        row = part[i]
        t_us[i] = rows[row, TIME]
        both = rows[row, POSITION]
        lat[i] = (both >> 32) / 1e6
        lon[i] = (((both & LOW_HALF) ^ 0x80000000) - 0x80000000) / 1e6
        rest = rows[row, REST]
        who = rest >> DEVICE_SHIFT
        device[i] = ids[who]
        consented[i] = consents[who]
        opted_out[i] = outs[who]
        accuracy[i] = ((rest >> ACCURACY_SHIFT) & LOW_HALF) * 0.1
        flaw[i] = rest & 255
