"""Who is simulated: kinds of device, consent, homes, work places and the other places of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flockwise.simulate._geography import Geography, Popular
from flockwise.simulate._geometry import Land, distance_km, draw_index, draw_near_centre, draw_near_point
from flockwise.simulate._jit import WHERE, WHO, exponential, helper, kernel, mix, normal, start, uniform
from flockwise.simulate._settings import Settings
from flockwise.simulate._types import F64, I8, I64, U8, U64, whole

COMMUTER, FREE, HOMEBODY, NIGHT, DRIVER = 0, 1, 2, 3, 4
# places of a device
HOME, WORK, NEAR_FIRST, LUNCH, SOCIAL, POPULAR, STADIUM = (whole(k) for k in (0, 1, 2, 5, 6, 7, 8))
PLACES, DRIVER_PLACES = 9, 24
NO_CONSENT = -(2**63)
FIRST_SPOT = whole(0)
DAY_US = 86_400_000_000
REACH_KM = 15.0
ID_BITS = np.uint64(1)


class Draws(NamedTuple):
    """The public tables that devices are drawn from."""

    pairs: F64  # cumulative shares of the pairs home county x work county
    residents: F64  # cumulative shares of the counties
    county_count: int


class Shares(NamedTuple):
    """Shares of devices, as in Settings."""

    commuter: float
    very_mobile: float
    night: float
    homebody: float
    no_consent: float
    late_consent: float
    opted_out: float


class People(NamedTuple):
    """The devices of one chunk. Nothing of it is written but the pings."""

    device: I64
    kind: I8
    home_county: I64
    work_county: I64
    consented_us: I64
    opted_out: U8
    first_place: I64
    lat: F64
    lon: F64


def draws_of(geography: Geography) -> Draws:
    """Cumulative tables of a geography."""
    flat = geography.commuters.ravel()
    return Draws(np.cumsum(flat) / flat.sum(), np.cumsum(geography.population) / geography.population.sum(), len(geography.geoids))


def shares_of(settings: Settings) -> Shares:
    """The shares of devices in the settings."""
    return Shares(
        settings.commuter_share,
        settings.very_mobile_share,
        settings.night_share,
        settings.homebody_share,
        settings.no_consent_share,
        settings.late_consent_share,
        settings.opted_out_share,
    )


def draw(settings: Settings, geography: Geography, draws: Draws, low: int, high: int) -> People:
    """The devices low to high - 1, which depend on the seed and their own number alone."""
    n = high - low
    seed = np.uint64(settings.seed)
    device, home_county, work_county, consented = (np.empty(n, np.int64) for _ in range(4))
    kind, opted_out = np.empty(n, np.int8), np.empty(n, np.uint8)
    window = settings.window
    _who(seed, low, shares_of(settings), draws, window.start_us, window.end_us, device, kind, home_county, work_county, consented, opted_out)
    first = np.zeros(n + 1, np.int64)
    np.cumsum(np.where(kind == DRIVER, DRIVER_PLACES, PLACES), out=first[1:])
    lat, lon = np.empty(first[-1]), np.empty(first[-1])
    _where(seed, low, kind, home_county, work_county, geography.land, geography.popular, first, lat, lon)
    return People(device, kind, home_county, work_county, consented, opted_out, first, lat, lon)


@kernel
def _who(
    seed: np.uint64,
    low: int,
    shares: Shares,
    draws: Draws,
    start_us: int,
    end_us: int,
    device: I64,
    kind: I8,
    home_county: I64,
    work_county: I64,
    consented_us: I64,
    opted_out: U8,
) -> None:
    s = np.empty(1, np.uint64)
    for i in range(len(device)):
        start(s, seed, low + i, WHO)
        device[i] = np.int64(mix(s[0]) >> ID_BITS)
        u = uniform(s)
        if u < shares.commuter:
            kind[i] = DRIVER if u < shares.very_mobile else NIGHT if u < shares.very_mobile + shares.night else COMMUTER
            pair = draw_index(s, draws.pairs)
            home_county[i] = pair // draws.county_count
            work_county[i] = pair % draws.county_count
        else:
            kind[i] = HOMEBODY if u < shares.commuter + shares.homebody else FREE
            home_county[i] = draw_index(s, draws.residents)
            work_county[i] = -1
        u = uniform(s)
        moment = uniform(s)
        if u < shares.no_consent:
            consented_us[i] = NO_CONSENT
        elif u < shares.no_consent + shares.late_consent:
            consented_us[i] = start_us + int(moment * ((end_us - start_us) // 1_000_000)) * 1_000_000
        else:
            consented_us[i] = start_us - DAY_US - int(moment * 400 * 86_400) * 1_000_000
        opted_out[i] = 1 if uniform(s) < shares.opted_out else 0


@kernel
def _where(
    seed: np.uint64,
    low: int,
    kind: I8,
    home_county: I64,
    work_county: I64,
    land: Land,
    popular: Popular,
    first: I64,
    lat: F64,
    lon: F64,
) -> None:
    s = np.empty(1, np.uint64)
    weight = np.empty(len(popular.lat))
    spot_lat, spot_lon, spot_weight = popular.lat, popular.lon, popular.weight
    for i in range(len(kind)):
        start(s, seed, low + i, WHERE)
        p = first[i]
        home = home_county[i]
        work = work_county[i] if work_county[i] >= 0 else home
        # one call of each kind of draw, in a loop, because every call is compiled into the kernel
        for k in (HOME, WORK, SOCIAL):
            if k == WORK and work_county[i] < 0:
                continue
            county = home if k == HOME or (k == SOCIAL and uniform(s) < 0.75) else work
            lat[p + k], lon[p + k] = draw_near_centre(s, land, county, 1.0 if k == WORK else 0.0)
        for k in range(WORK, first[i + 1] - p):
            if SOCIAL <= k <= STADIUM or (k == WORK and work_county[i] >= 0):
                continue
            near, least, mean = p, 0.25, 2.2
            if k == WORK:
                least = 0.5
            elif k == NEAR_FIRST:
                mean = 0.7
            elif k == LUNCH:
                near, least, mean = p + WORK, 0.2, 0.3
            elif k > STADIUM:
                near, least, mean = p + (HOME if uniform(s) < 0.4 else WORK), 0.5, 6.0
            lat[p + k], lon[p + k] = draw_near_point(s, land, lat[near], lon[near], least, mean)
        total = 0.0
        for k in range(len(weight)):
            total += spot_weight[k] * np.exp(-distance_km(lat[p], lon[p], spot_lat[k], spot_lon[k]) / 12.0)
            weight[k] = total
        u = uniform(s) * total
        spot = 0
        while spot < len(weight) - 1 and weight[spot] <= u:
            spot += 1
        lat[p + POPULAR], lon[p + POPULAR] = _jitter(s, popular, spot)
        lat[p + STADIUM], lon[p + STADIUM] = _jitter(s, popular, FIRST_SPOT)


@helper
def _jitter(s: U64, popular: Popular, spot: int) -> tuple[float, float]:
    """A position in a popular place, never more than 1.5 spreads away, so that it stays in the place's zone."""
    spread = popular.spread_km[spot]
    distance = min(abs(normal(s, 0.0, spread)), 1.5 * spread)
    angle = exponential(s, 1.0) * 7.0
    lat = popular.lat[spot] + distance * np.sin(angle) / 111.32
    return lat, popular.lon[spot] + distance * np.cos(angle) / (111.32 * np.cos(np.radians(lat)))
