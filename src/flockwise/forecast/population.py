"""A population made of public facts alone, to try a plan on before any data is read: how many where and when, how many from where to where.

Nothing is drawn at random: what differs between cells comes from a hash of the cell, so the same study gives the same forecast. Where the constants come
from and how near they are is told in docs/explanation/forecast.md.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise.base.h3bits import parent, resolution_of
from flockwise.estimate import Calendar

__all__ = ["normals", "norms", "pairs", "presence", "slot_shares", "trip_counts"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]

SPREADS = {4: 0.9, 5: 1.3, 6: 1.0, 7: 0.9}
"""Standard deviation of the log of a cell's size that each resolution adds: people live in towns, not evenly strewn."""
FINER_SPREAD = 0.5
"""The same for every resolution finer than these."""
WORK_SPREAD = 0.5
"""What is added to it for how many spend the day in a cell."""
ROUGH = 0.05
"""Unexplained relative change of a cell from slot to slot."""
SAMPLED = 0.75
"""Change because other devices are seen, in roots of the number seen."""
MEMORY = 0.5
"""How much of both stays for the next slot."""
NIGHT_SEEN = 0.4
"""Share of the pings of a day's hour that an hour from 0 to 6 has."""
DECAY_KM = 14.0
"""Distance over which a trip becomes e times rarer."""
TASTE = 0.5
"""Standard deviation of the log of how much a pair of cells differs from what its sizes and distance say."""
_TRIP_HOURS = ((6.0, 0.2), (19.0, 1.0), (24.0, 0.4))
"""Trips an hour until each hour of the day, in proportion."""
MOST_TRIPS = 2000


def presence(cells: Ints, calendar: Calendar, devices: float) -> Floats:
    """Devices in each cell and slot, cells x slots.

    Args:
        cells: H3 cells, int64.
        calendar: day and slot of the day of every slot.
        devices: devices seen in a slot, in the mean over the window.
    """
    log_home = _log_sizes(cells)
    home, work = _shares(log_home), _shares(log_home + WORK_SPREAD * normals(cells.astype(np.uint64), 2))
    hour = 24.0 * (calendar.slot + 0.5) / calendar.slots_per_day
    away = 0.08 + 0.5 * np.exp(-(((hour - 13.0) / 4.5) ** 2)) * np.where(calendar.day % 7 >= 5, 0.5, 1.0)
    seen = np.where(hour < 6.0, NIGHT_SEEN, 1.0)
    expected = devices * (np.outer(home, 1.0 - away) + np.outer(work, away)) * (seen / seen.mean())
    found: Floats = expected * _change(cells, expected)
    return found


def pairs(cells: Ints, lat: Floats, lon: Floats, shares: Floats, trips: float) -> Floats:
    """Trips between cells by slot of the day, cells x cells x slots, whole numbers.

    Args:
        cells: H3 cells, int64.
        lat: their centres in degrees.
        lon: the same.
        shares: share of trips that each slot has.
        trips: how many trips in all, about.
    """
    size = _shares(_log_sizes(cells))
    into = _shares(_log_sizes(cells) + WORK_SPREAD * normals(cells.astype(np.uint64), 4))
    x, y = lon * np.cos(np.radians(lat.mean())) * 111.3, lat * 111.3
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    count = len(cells)
    mark = np.arange(count * count * len(shares), dtype=np.uint64)
    taste = np.exp(TASTE * normals(mark[: count * count], 5)).reshape(count, count)
    pull = np.outer(size, into) * np.exp(-distance / DECAY_KM) * taste
    each = (trips / pull.sum() * pull)[:, :, None] * shares
    # Rounded up or down by a hash: small pairs are there or not, as in life.
    found: Floats = np.floor(each + _uniform(mark, 6).reshape(each.shape))
    return found


def slot_shares(starts_min: Ints) -> Floats:
    """Share of a day's trips that each slot of the day has.

    Args:
        starts_min: minutes of the day at which slots start, the first 0, rising.
    """
    until = np.array([0.0, *(hour for hour, _ in _TRIP_HOURS)])
    so_far = np.array([0.0, *np.cumsum([rate * hours for (_, rate), hours in zip(_TRIP_HOURS, np.diff(until), strict=True)])])
    at = np.interp([*(starts_min / 60.0), 24.0], until, so_far / so_far[-1])
    found: Floats = np.diff(np.asarray(at, dtype=np.float64))
    return found


def trip_counts(mean: float) -> tuple[Ints, Floats]:
    """How many trips a device makes in the window, from 0 on, and the share of devices with so many: geometric, as when rates differ exponentially."""
    trips = np.arange(MOST_TRIPS + 1)
    share: Floats = (mean / (1.0 + mean)) ** trips.astype(np.float64)
    share /= share.sum()
    return trips, share


def norms(trips: Ints) -> Floats:
    """The norm over pairs of a device with so many trips: a quarter each way between two places, the rest all different."""
    regular = 0.25 * trips
    found: Floats = np.maximum(np.sqrt(2.0 * regular**2 + 0.5 * trips), np.sqrt(np.minimum(trips, 2)))
    return found


def normals(mark: npt.NDArray[np.uint64], salt: int) -> Floats:
    """A standard normal number for each mark. It protects nobody: it is for made-up figures alone."""
    from scipy.special import ndtri

    found: Floats = ndtri(_uniform(mark, salt))
    return found


def _log_sizes(cells: Ints) -> Floats:
    level = int(resolution_of(cells[:1])[0])
    size = np.zeros(len(cells))
    for above in range(min(SPREADS), level + 1):
        size += SPREADS.get(above, FINER_SPREAD) * normals(parent(cells, above).astype(np.uint64), 1)
    return size


def _shares(log_size: Floats) -> Floats:
    size: Floats = np.exp(log_size)
    share: Floats = size / size.sum()
    return share


def _change(cells: Ints, expected: Floats) -> Floats:
    slots = expected.shape[1]
    mark = np.arange(expected.size, dtype=np.uint64) + cells.astype(np.uint64).repeat(slots)
    change = normals(mark, 7).reshape(expected.shape)
    for slot in range(1, slots):
        change[:, slot] = MEMORY * change[:, slot - 1] + np.sqrt(1.0 - MEMORY**2) * change[:, slot]
    variance = np.log1p(ROUGH**2 + SAMPLED**2 / np.maximum(expected, 0.05))
    factor: Floats = np.exp(np.sqrt(variance) * change - variance / 2)
    return factor


def _uniform(mark: npt.NDArray[np.uint64], salt: int) -> Floats:
    """A number between 0 and 1 for each mark, by the mixing steps of SplitMix64 (Steele, Lea and Flood 2014)."""
    with np.errstate(over="ignore"):
        z = (mark + np.uint64(salt)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    found: Floats = ((z >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52
    return found
