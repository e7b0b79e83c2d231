"""The person stage written a second time: plain loops from the text of docs/explanation/stays.md and docs/claims, slow and without numpy.

It shares no code with flockwise.person. `Switches` turn its stays step by step into those of trackintel 1.4.2.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

RESTART_LIMIT = 1024
EARTH_M = 6_371_008.8
DAY_US = 86_400_000_000


class Ping(NamedTuple):
    """One row, fields in the total order (the device apart)."""

    t: int
    cell: int
    lat: float
    lon: float
    accuracy: int


class Stay(NamedTuple):
    """One stay; the position is in the unit of the pings."""

    start: int
    end: int
    lat: float
    lon: float
    cell: int
    pings: int


@dataclass(frozen=True)
class Switches:
    """Which of the peer's rules to follow; all False: ours."""

    peer_numbers: bool = False  # full coordinates, R = 6,371,000 m, law of cosines, a ping exactly at the radius is outside
    keep_impossible: bool = False  # no speed rule
    gap_discards: bool = False  # a halt that a gap ends is no stay
    end_outside: bool = False  # a stay ends at the first ping outside, which also counts for its duration
    restart_after: bool = False  # after a halt that was too short go on at the ping outside, not at the second ping
    drop_last: bool = False  # the last halt of a device is no stay
    angle_mean: bool = False  # position: mean of the angles, not of whole millionths of a degree


def haversine_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great-circle distance of positions in millionths of a degree."""
    a, b = math.radians(lat_a / 1e6), math.radians(lat_b / 1e6)
    chord = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians((lon_b - lon_a) / 1e6) / 2) ** 2
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(chord)))


def peer_distance_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """The same as trackintel computes it, on degrees."""
    a, b = math.radians(lat_a), math.radians(lat_b)
    return 6_371_000 * math.acos(min(1.0, math.cos(a - b) - math.cos(a) * math.cos(b) * (1 - math.cos(math.radians(lon_a) - math.radians(lon_b)))))


def coarse(t: int, lat: int, lon: int, accuracy: int) -> tuple[int, int, int, int]:
    """What a store keeps of a ping (microseconds, millionths of a degree, decimetres): the one rounding of raw input, for everything it is compared with."""
    lat = (2 * lat + 50) // 100 * 50
    step = 50 if abs(lat) < 60_000_000 else 100 if abs(lat) < 75_522_488 else 200
    return t // 10**6 * 10**6, lat, (2 * lon + step) // (2 * step) * step, -(-accuracy // 10) * 10 if accuracy >= 0 else -1


def devices(rows: Iterable[Sequence[int]]) -> dict[tuple[int, int], list[Ping]]:
    """Rows (device_hi, device_lo, t, lat, lon, accuracy, cell) by device in the total order, exact duplicates dropped."""
    out: dict[tuple[int, int], set[Ping]] = defaultdict(set)
    for hi, lo, t, lat, lon, accuracy, cell in rows:
        out[(hi, lo)].add(Ping(t, cell, lat, lon, accuracy))
    return {device: sorted(pings) for device, pings in sorted(out.items())}


def clean(pings: list[Ping], rules: Any, switches: Switches = Switches()) -> list[Ping]:
    """One ping an instant, the window, accuracy, speed."""
    kept: list[Ping] = []
    last_t = None
    for p in pings:
        if p.t == last_t:
            continue
        last_t = p.t
        if not rules.start_us <= p.t < rules.end_us or p.accuracy > rules.accuracy_dm:
            continue
        if kept and not switches.keep_impossible:
            far = haversine_m(kept[-1].lat, kept[-1].lon, p.lat, p.lon)
            if far * 1e9 > rules.speed_mm_s * (p.t - kept[-1].t):
                continue
        kept.append(p)
    return kept


def stays(pings: list[Ping], rules: Any, switches: Switches = Switches(), positions: Sequence[tuple[float, float]] | None = None) -> list[Stay]:
    """Stays by the sliding window. `positions`: full coordinates in degrees for the peer's numbers."""

    def inside(i: int, j: int) -> bool:
        if switches.peer_numbers:
            assert positions is not None
            return peer_distance_m(*positions[i], *positions[j]) < rules.radius_m
        a, b = pings[i], pings[j]
        return haversine_m(a.lat, a.lon, b.lat, b.lon) <= rules.radius_m

    out: list[Stay] = []
    i, n = 0, len(pings)
    while i < n:
        j = i + 1
        while j < n and pings[j].t - pings[j - 1].t <= rules.gap_us and inside(i, j):
            j += 1
        by_gap = j < n and pings[j].t - pings[j - 1].t > rules.gap_us
        end = pings[j].t if switches.end_outside and j < n and not by_gap else pings[j - 1].t
        lost = (switches.gap_discards and by_gap) or (switches.drop_last and j == n)
        if end - pings[i].t >= rules.least_us and not lost:
            members = pings[i:j]
            if switches.angle_mean:
                assert positions is not None
                lat, lon = (sum(p[axis] for p in positions[i:j]) / (j - i) for axis in (0, 1))
            else:
                lat = sum(int(p.lat) for p in members) // len(members)
                turns = [(int(p.lon) - int(members[0].lon) + 180_000_000) % 360_000_000 - 180_000_000 for p in members]
                lon = (int(members[0].lon) + sum(turns) // len(members) + 180_000_000) % 360_000_000 - 180_000_000
            votes = Counter(p.cell for p in members)
            cell = min(votes, key=lambda c: (-votes[c], c))
            out.append(Stay(pings[i].t, end, lat, lon, cell, len(members)))
            i = j
        elif lost and end - pings[i].t >= rules.least_us:
            i = j
        else:
            i = j if switches.restart_after or j - i > RESTART_LIMIT else i + 1
    return out


def parent(cell: int, level: int) -> int:
    """The ancestor of an H3 cell."""
    return (cell & ~(15 << 52)) | (level << 52) | ((1 << (3 * (15 - level))) - 1)


def trips(found: list[Stay], rules: Any) -> Counter[int]:
    """Trips by key."""
    table = rules.flows
    index = {int(c): i for i, c in enumerate(table.cells)}
    out: Counter[int] = Counter()
    for a, b in pairwise(found):
        if b.start - a.end > table.trip_us or haversine_m(a.lat, a.lon, b.lat, b.lon) <= rules.radius_m:
            continue
        origin, destination = index.get(parent(a.cell, table.resolution)), index.get(parent(b.cell, table.resolution))
        if origin is None or destination is None:
            continue
        offset = [int(o) for s, o in zip(table.offset_starts_us, table.offset_us, strict=True) if s <= a.end][-1]
        minute = (a.end + offset) % DAY_US // 60_000_000
        slot = sum(1 for s in table.slot_starts_min if s <= minute) - 1
        out[(origin * len(index) + destination) * len(table.slot_starts_min) + slot] += 1
    return out


def presence(pings: list[Ping], rules: Any) -> set[int]:
    """Keys of presence: the cell held longest in each slot."""
    table = rules.presence
    index = {int(c): i for i, c in enumerate(table.cells)}
    held: dict[int, Counter[int]] = defaultdict(Counter)
    for i, p in enumerate(pings):
        place = index.get(parent(p.cell, table.resolution))
        until = min(p.t + table.hold_us, rules.end_us, pings[i + 1].t if i + 1 < len(pings) else rules.end_us)
        if place is None:
            continue
        for slot in range((p.t - rules.start_us) // table.slot_us, (until - 1 - rules.start_us) // table.slot_us + 1):
            begin = rules.start_us + slot * table.slot_us
            held[slot][place] += min(until, begin + table.slot_us) - max(p.t, begin)
    return {min(places, key=lambda c: (-places[c], c)) * table.slots + slot for slot, places in held.items()}


def norm(present: set[int], flows: dict[int, int], rules: Any) -> int:
    """The weighted squared norm over every block and level."""
    total = 0
    if rules.presence is not None:
        slots = rules.presence.slots
        for weight, up in zip(rules.presence.weights, [None, *rules.presence.parents], strict=True):
            sums: Counter[tuple[int, int]] = Counter()
            for key in present:
                cell, slot = divmod(key, slots)
                sums[(cell if up is None else int(up[cell]), slot)] += 256
            total += weight * sum(q * q for q in sums.values())
    if rules.flows is not None:
        _, cells, _, slots = rules.flows.shape
        for weight, up in zip(rules.flows.weights, [None, *rules.flows.parents], strict=True):
            pairs: Counter[tuple[int, int, int]] = Counter()
            for key, q in flows.items():
                pair, slot = divmod(key, slots)
                o, d = divmod(pair, cells)
                pairs[(o, d, slot) if up is None else (int(up[o]), int(up[d]), slot)] += q
            total += weight * sum(q * q for q in pairs.values())
    return total


def clip(present: set[int], counts: dict[int, int], rules: Any) -> dict[int, int]:
    """Grid units of flows under the largest k whose norm stays within the bound."""

    def at(k: int) -> dict[int, int]:
        return {key: (v * 256 * k) >> 16 for key, v in counts.items()}

    low, high = 0, 65537
    while high - low > 1:
        k = (low + high) // 2
        low, high = (k, high) if norm(present, at(k), rules) <= rules.bound else (low, k)
    return {key: q for key, q in at(low).items() if q}


def contributions(rows: Iterable[Sequence[int]], rules: Any) -> list[tuple[int, int, int]]:
    """(block, key, value), sorted, summed over the devices."""
    out: Counter[tuple[int, int]] = Counter()
    for pings in devices(rows).values():
        kept = clean(pings, rules)
        present = presence(kept, rules) if rules.presence is not None else set()
        for key in present:
            out[(0, key)] += 256
        if rules.flows is not None:
            for key, q in clip(present, trips(stays(kept, rules), rules), rules).items():
                out[(1, key)] += q
    return [(block, key, value) for (block, key), value in sorted(out.items())]
