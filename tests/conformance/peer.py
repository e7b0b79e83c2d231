"""trackintel's stays out of ours, one rule after another (docs/explanation/stays.md has the table)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tests.conformance.reference import Ping, Stay, Switches, clean, stays

STEPS: tuple[tuple[str, str], ...] = (
    ("keep_impossible", "no speed rule"),
    ("peer_numbers", "full coordinates, R = 6,371,000 m, the radius itself is outside"),
    ("gap_discards", "a halt that a silence ends is no stay"),
    ("end_outside", "a stay lasts until the first ping outside"),
    ("restart_after", "after a short halt go on at the ping outside"),
    ("drop_last", "the last halt of a device is no stay"),
    ("angle_mean", "position: mean of the angles"),
)
"""The peer's rules in the order in which they are switched on; without the last but one it is the peer with include_last."""


@dataclass(frozen=True)
class StayRules:
    """The parameters of stays, and those of cleaning."""

    radius_m: int = 100
    least_us: int = 5 * 60_000_000
    gap_us: int = 15 * 60_000_000
    speed_mm_s: int = 111_111
    accuracy_dm: int = 2_000
    start_us: int = -(1 << 60)
    end_us: int = 1 << 60


@dataclass(frozen=True)
class Track:
    """One device's pings in time order with their full coordinates in degrees."""

    pings: list[Ping]
    positions: list[tuple[float, float]]


Found = list[tuple[int, Stay]]


def tracks_of(device: Sequence[int], t_us: Sequence[int], lat: Sequence[float], lon: Sequence[float]) -> dict[int, Track]:
    """Tracks by device number; rows of one instant stay in the order given."""
    out: dict[int, Track] = {}
    for row in sorted(range(len(t_us)), key=lambda i: (device[i], t_us[i])):
        track = out.setdefault(device[row], Track([], []))
        track.pings.append(Ping(t_us[row], 0, round(lat[row] * 1e6), round(lon[row] * 1e6), -1))
        track.positions.append((lat[row], lon[row]))
    return out


def found_by(tracks: dict[int, Track], rules: StayRules, switches: Switches) -> Found:
    """The stays of every device under our rules with some of the peer's."""
    out: Found = []
    for device, track in tracks.items():
        pings, positions = track.pings, track.positions
        if not switches.peer_numbers:
            position = {id(p): at for p, at in zip(pings, positions, strict=True)}
            pings = clean(sorted(pings), rules, switches)
            positions = [position[id(p)] for p in pings]
        out += [(device, stay) for stay in stays(pings, rules, switches, positions)]
    return out


def steps(tracks: dict[int, Track], rules: StayRules) -> list[tuple[str, Found]]:
    """Our stays, then those after each switch, the last of them the peer's."""
    switches = Switches()
    out = [("flockwise", found_by(tracks, rules, switches))]
    for name, _ in STEPS:
        switches = replace(switches, **{name: True})
        out.append((name, found_by(tracks, rules, switches)))
    return out


def spans(found: Found) -> set[tuple[int, int, int]]:
    """Device number, start and end of each."""
    return {(device, stay.start, stay.end) for device, stay in found}


def digest(found: Any) -> str:
    """One number for a whole list of (device number, start_us, end_us)."""
    text = "\n".join(f"{device} {start} {end}" for device, start, end in sorted(found))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
