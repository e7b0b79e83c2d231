"""The figures and outlines as one gzip block in base64, read by viewer/src/data.ts.

Layout: 4 bytes little-endian length, that many bytes of JSON, then the blocks that the JSON lists. A block is int32 in four planes of bytes.
"""

from __future__ import annotations

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from flockwise.report._outlines import Places, basemap, box_around
from flockwise.report._read import Artifact, Flows, Presence, Zones

__all__ = ["area_km2", "names_of", "payload", "wall_minutes", "zone_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Names = dict[int, list[tuple[str, str]]]
_EARTH_KM = 6371.0088


def zone_of(timezone: str) -> ZoneInfo:
    """The named time zone, UTC if this machine does not know it."""
    try:
        return ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def wall_minutes(slots: Ints, timezone: str) -> Ints:
    """Local wall time of UTC seconds, as minutes since 1970-01-01 00:00 of the wall clock."""
    zone = zone_of(timezone)
    out = []
    for second in slots.tolist():
        offset = datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()
        out.append((second + (int(offset.total_seconds()) if offset else 0)) // 60)
    return np.array(out, dtype=np.int64)


def area_km2(zones: Zones) -> float:
    """Mean area of a level's cells, in square kilometres."""
    areas = []
    for ring, lat in zip(zones.rings, zones.lat, strict=True):
        x = np.radians(ring[:, 0]) * np.cos(np.radians(lat)) * _EARTH_KM
        y = np.radians(ring[:, 1]) * _EARTH_KM
        areas.append(abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2)
    return round(float(np.mean(areas)), 3) if areas else 0.0


def names_of(artifact: Artifact) -> Names:
    """(place, wider place) of every cell, by level."""
    lon = np.concatenate([zones.lon for zones in artifact.zones])
    lat = np.concatenate([zones.lat for zones in artifact.zones])
    near = (float(lon.min()) - 0.5, float(lat.min()) - 0.5, float(lon.max()) + 0.5, float(lat.max()) + 0.5)
    places = Places(near)
    return {zones.level: places.of(zones.lon, zones.lat) for zones in artifact.zones}


def payload(artifact: Artifact, names: Names) -> str:
    """Base64 text of everything that the interactive part shows; the same artifact gives the same text."""
    blocks = _Blocks()
    known = sorted({name for level in names.values() for name in level})
    number = {name: i for i, name in enumerate(known)}
    for zones in artifact.zones:
        _add_zones(blocks, zones)
    for kind, tables in (("presence", artifact.presence), ("typical_day", artifact.typical_day)):
        for presence in tables:
            _add_presence(blocks, kind, presence)
    for flows in artifact.flows:
        _add_flows(blocks, flows)
    timezone = str(artifact.certificate.get("window", {}).get("timezone", "UTC"))
    blocks.add("slots.wall", wall_minutes(artifact.slots, timezone))
    blocks.add("slots.day", [60 * int(label[:2]) + int(label[3:5]) for label in artifact.day_slots])
    lon = np.concatenate([zones.lon for zones in artifact.zones])
    lat = np.concatenate([zones.lat for zones in artifact.zones])
    box = box_around(lon, lat)
    outlines = basemap(box)
    meta: dict[str, Any] = {
        "timezone": timezone,
        "slotMinutes": int(np.diff(artifact.slots).min() // 60) if artifact.slots.size > 1 else 60,
        "zones": [{"level": z.level, "cells": z.cells, "names": [number[name] for name in names[z.level]], "areaKm2": area_km2(z)} for z in artifact.zones],
        "names": known,
        "presence": [p.level for p in artifact.presence],
        "typicalDay": [p.level for p in artifact.typical_day],
        "flows": [f.level for f in artifact.flows],
        "flowSlots": [[slot, label] for slot, label in artifact.flow_slots.items()],
        "box": [round(v, 4) for v in box],
        "basemap": {"land": outlines.land, "lines": outlines.lines, "places": outlines.places},
        "blocks": blocks.directory,
    }
    head = json.dumps(meta, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    raw = len(head).to_bytes(4, "little") + head + b"".join(blocks.parts)
    return base64.b64encode(gzip.compress(raw, compresslevel=9, mtime=0)).decode("ascii")


class _Blocks:
    def __init__(self) -> None:
        self.directory: dict[str, tuple[int, int]] = {}
        self.parts: list[bytes] = []
        self._at = 0

    def add(self, name: str, values: npt.ArrayLike) -> None:
        array = np.asarray(values).astype("<i4").ravel()
        planes = array.view(np.uint8).reshape(-1, 4).T.tobytes()
        self.directory[name] = (self._at, int(array.size))
        self.parts.append(planes)
        self._at += len(planes)


def _add_zones(blocks: _Blocks, zones: Zones) -> None:
    key = f"zones.{zones.level}"
    blocks.add(f"{key}.parents", zones.parents)
    blocks.add(f"{key}.lon", np.rint(zones.lon * 1e5))
    blocks.add(f"{key}.lat", np.rint(zones.lat * 1e5))
    blocks.add(f"{key}.cut", np.rint(zones.cut * 100))
    blocks.add(f"{key}.corners", [len(ring) for ring in zones.rings])
    flat = np.concatenate(zones.rings) if zones.rings else np.empty((0, 2))
    blocks.add(f"{key}.ring", np.rint(flat * 1e5))


def _add_presence(blocks: _Blocks, kind: str, presence: Presence) -> None:
    key = f"{kind}.{presence.level}"
    shown = ~np.isnan(presence.devices)
    bits = np.packbits(shown.ravel(), bitorder="little")
    blocks.add(f"{key}.shown", np.pad(bits, (0, -len(bits) % 4)).view("<i4"))
    devices = np.rint(np.nan_to_num(presence.devices) * 10).astype(np.int64)
    below = devices - np.rint(np.nan_to_num(presence.lower) * 10).astype(np.int64)
    above = np.rint(np.nan_to_num(presence.upper) * 10).astype(np.int64) - devices
    for name, matrix in (("devices", devices), ("lower", below), ("upper", above)):
        blocks.add(f"{key}.{name}", _zigzag(np.diff(np.where(shown, matrix, 0), axis=1, prepend=0)))


def _zigzag(values: Ints) -> Ints:
    out: Ints = (values << 1) ^ (values >> 63)
    return out


def _add_flows(blocks: _Blocks, flows: Flows) -> None:
    key = f"flows.{flows.level}"
    blocks.add(f"{key}.origin", flows.origin)
    blocks.add(f"{key}.destination", flows.destination)
    blocks.add(f"{key}.slot", flows.slot)
    for name, values in (("trips", flows.trips), ("lower", flows.lower), ("upper", flows.upper)):
        blocks.add(f"{key}.{name}", np.rint(values * 10))
