"""A plausible published folder from public random numbers: no person, no pings, only the shapes of a city's day.

It follows the artifact's format 1. Counties come from the outlines that the package bundles.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import h3
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flockwise import viewer
from flockwise.base.window import Window
from flockwise.report._outlines import Topology

NEW_YORK = ("36005", "36047", "36061", "36081", "36085", "36059", "36087", "36119")
SLOT_LABELS = ("00:00-06:00", "06:00-10:00", "10:00-15:00", "15:00-19:00", "19:00-24:00")
Floats = npt.NDArray[np.float64]


def write(folder: Path, *, counties: tuple[str, ...] = NEW_YORK, days: int = 7, name: str = "How New York moves", seed: int = 7) -> Path:
    """A published folder at r7, r6 and r5 for presence and r6 and r5 for flows."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    window = Window(date(2025, 3, 3), days, "America/New_York")
    slots = np.asarray(window.slots(60)) // 1_000_000
    cells = {7: _region(counties)}
    for level in (6, 5):
        cells[level] = sorted({h3.cell_to_parent(c, level) for c in cells[7]})
    _zones(folder, cells)
    truth, work = _population(cells[7], slots, random)
    tables = _presence(folder, cells, slots, truth, random)
    tables += _typical_day(folder, window) + _flows(folder, cells, work, random)
    _certificate(folder, name, window, days, tables)
    return folder


def _region(counties: tuple[str, ...]) -> list[str]:
    outlines = Topology(viewer.outlines("counties"))
    found: set[str] = set()
    for county in outlines.objects["counties"]:
        if county["id"] in counties:
            for polygon in outlines.polygons(county):
                ring = outlines.ring(polygon[0])
                found.update(h3.polygon_to_cells(h3.LatLngPoly([(float(y), float(x)) for x, y in ring]), 7))
    return sorted(found)


def _cut(cell: str, level: int) -> float:
    """Made up: one cell in seven of the finest level is half cut."""
    cells = h3.cell_to_children(cell, 7) if level < 7 else [cell]
    return sum(0.5 for c in cells if int(c, 16) >> 24 & 7 == 3) / len(cells)


def _wkb(cell: str) -> bytes:
    ring = [(lon, lat) for lat, lon in h3.cell_to_boundary(cell)]
    points = np.array([*ring, ring[0]], dtype="<f8")
    return b"\x01" + (3).to_bytes(4, "little") + (1).to_bytes(4, "little") + len(points).to_bytes(4, "little") + points.tobytes()


def _line(a: str, b: str) -> bytes:
    points = np.array([h3.cell_to_latlng(a)[::-1], h3.cell_to_latlng(b)[::-1]], dtype="<f8")
    return b"\x01" + (2).to_bytes(4, "little") + (2).to_bytes(4, "little") + points.tobytes()


def _geo(kind: str) -> dict[str, str]:
    return {"geo": json.dumps({"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB", "geometry_types": [kind]}}})}


def _zones(folder: Path, cells: dict[int, list[str]]) -> None:
    rows = [(level, cell) for level in sorted(cells) for cell in cells[level]]
    table = pa.table(
        {
            "level": pa.array([level for level, _ in rows], pa.int8()),
            "cell": [cell for _, cell in rows],
            "parent": pa.array([h3.cell_to_parent(cell) if level > 5 else None for level, cell in rows], pa.string()),
            "lat": [h3.cell_to_latlng(cell)[0] for _, cell in rows],
            "lon": [h3.cell_to_latlng(cell)[1] for _, cell in rows],
            "area_cut": [_cut(cell, level) for level, cell in rows],
            "geometry": [_wkb(cell) for _, cell in rows],
        }
    )
    pq.write_table(table.replace_schema_metadata(_geo("Polygon")), folder / "zones.parquet")


def _population(cells: list[str], slots: npt.NDArray[np.int64], random: np.random.Generator) -> tuple[Floats, Floats]:
    """Expected devices by cell and slot: homes spread out, work places in the middle."""
    places = np.array([h3.cell_to_latlng(c) for c in cells])
    away = np.hypot((places[:, 0] - 40.74) * 111, (places[:, 1] + 73.97) * 84)
    lumps = np.exp(random.normal(0, 0.75, len(cells)))
    home, work = lumps * np.exp(-away / 14), lumps * np.exp(-away / 5.5)
    home, work = 50_000 * home / home.sum(), 50_000 * work / work.sum()
    local = [datetime.fromtimestamp(int(s), UTC) - timedelta(hours=5) for s in slots]
    hour = np.array([t.hour + 0.5 for t in local])
    weekday = np.array([t.weekday() < 5 for t in local])
    at_work = np.where(weekday, 0.46, 0.17) / (1 + np.exp(-(hour - 8.2) * 1.4)) / (1 + np.exp((hour - 17.6) * 1.1))
    seen = 0.55 + 0.25 * np.exp(-(((hour - 14) / 6) ** 2))
    return seen * (home[:, None] * (1 - at_work) + work[:, None] * at_work), work


def _presence(folder: Path, cells: dict[int, list[str]], slots: npt.NDArray[np.int64], truth: Floats, random: np.random.Generator) -> list[dict[str, Any]]:
    parts, tables = [], []
    fine = list(cells[7])
    for level in sorted(cells):
        index = {cell: i for i, cell in enumerate(cells[level])}
        sums = np.zeros((len(index), len(slots)))
        np.add.at(sums, [index[h3.cell_to_parent(c, level) if level < 7 else c] for c in fine], truth)
        sigma = {7: 5.2, 6: 10.4, 5: 20.8}[level]
        half = sigma * 0.75 + 0.015 * sums
        estimate = np.maximum(sums + random.normal(0, half / 1.645), 0)
        shown = estimate > 2.4 * sigma
        n = sums.size
        parts.append(
            pa.table(
                {
                    "level": pa.array(np.full(n, level), pa.int8()),
                    "cell": pa.array(np.repeat(cells[level], len(slots)), pa.string()),
                    "slot_start": pa.array(np.tile(slots, len(index)), pa.timestamp("s", "UTC")),
                    "devices": pa.array(estimate.ravel(), mask=~shown.ravel()),
                    "lower": pa.array(np.maximum(estimate - half, 0).ravel(), mask=~shown.ravel()),
                    "upper": pa.array((estimate + half).ravel(), mask=~shown.ravel()),
                    "status": pa.array(np.where(shown, "published", "withheld").ravel()).dictionary_encode(),
                    "unbiased": pa.array((sums + random.normal(0, sigma, sums.shape)).ravel()),
                    "geometry": pa.array([_wkb(c) for c in cells[level]], pa.binary()).take(pa.array(np.repeat(np.arange(len(index)), len(slots)))),
                }
            )
        )
        error = float(np.median((half / 1.645 / np.maximum(estimate, 1))[shown]))
        published = int(shown.sum())
        tables.append(_row("presence", level, n, published, sigma, 2.4 * sigma, error) | {"slots": {"count": len(slots), "minutes": 60, "labels": None}})
    pq.write_table(pa.concat_tables(parts).replace_schema_metadata(_geo("Polygon")), folder / "presence.parquet", compression="zstd")
    return tables[::-1]


def _typical_day(folder: Path, window: Window) -> list[dict[str, Any]]:
    """Means over days of what presence.parquet holds. A window of one day has none."""
    found_day = window.slots_of_day(60)
    if found_day is None:
        return []
    places, names = found_day
    days = np.bincount(places)
    mean = (places[:, None] == np.arange(24)) / days
    table = pq.read_table(folder / "presence.parquet")
    parts, tables = [], []
    for level in (5, 6, 7):
        rows = table.filter(pc.equal(table["level"], level))
        cells = rows["cell"].to_pylist()[:: len(places)]
        n = 24 * len(cells)
        found = {c: (np.nan_to_num(rows[c].to_numpy()).reshape(len(cells), -1) @ mean).ravel() for c in ("devices", "lower", "upper", "unbiased")}
        shown = found["devices"] > {7: 8.0, 6: 16.0, 5: 32.0}[level]
        parts.append(
            pa.table(
                {
                    "level": pa.array(np.full(n, level), pa.int8()),
                    "cell": pa.array(np.repeat(cells, 24), pa.string()),
                    "slot": pa.array(np.tile(np.arange(24), len(cells)), pa.int16()),
                    "slot_label": [*names] * len(cells),
                    "days": pa.array(np.tile(days, len(cells)), pa.int16()),
                    **{c: pa.array(found[c], mask=~shown) for c in ("devices", "lower", "upper")},
                    "status": pa.array(np.where(shown, "published", "withheld")).dictionary_encode(),
                    "unbiased": found["unbiased"],
                    "geometry": pa.array([_wkb(c) for c in cells], pa.binary()).take(pa.array(np.repeat(np.arange(len(cells)), 24))),
                }
            )
        )
        sigma = {7: 5.2, 6: 10.4, 5: 20.8}[level] / float(days.min()) ** 0.5
        tables.append(_row("typical_day", level, n, int(shown.sum()), sigma, 8.0, 0.1) | {"slots": {"count": 24, "minutes": None, "labels": list(names)}})
    pq.write_table(pa.concat_tables(parts).replace_schema_metadata(_geo("Polygon")), folder / "typical_day.parquet", compression="zstd")
    return tables[::-1]


def _flows(folder: Path, cells: dict[int, list[str]], work: Floats, random: np.random.Generator) -> list[dict[str, Any]]:
    rows: list[tuple[int, str, str, int, float, float]] = []
    tables = []
    for level in (5, 6):
        names = cells[level]
        index = {cell: i for i, cell in enumerate(names)}
        size = np.zeros(len(names))
        np.add.at(size, [index[h3.cell_to_parent(c, level)] for c in cells[7]], work + 12)
        places = np.array([h3.cell_to_latlng(c) for c in names])
        far = np.hypot((places[:, None, 0] - places[None, :, 0]) * 111, (places[:, None, 1] - places[None, :, 1]) * 84)
        pull = size[:, None] * size[None, :] * np.exp(-far / 7.5)
        pull *= 330_000 / pull.sum()
        sigma, threshold, count = {5: (38.0, 150.0), 6: (19.0, 90.0)}[level] + (0,)
        for slot, share in enumerate((0.06, 0.24, 0.26, 0.28, 0.16)):
            trips = pull * share * random.lognormal(0, 0.35, pull.shape) + random.normal(0, sigma, pull.shape)
            for o, d in zip(*np.nonzero(trips > threshold), strict=True):
                rows.append((level, names[o], names[d], slot, float(trips[o, d]), 1.645 * sigma))
                count += 1
        slots = {"slots": {"count": 5, "minutes": None, "labels": list(SLOT_LABELS)}}
        tables.append(_row("flows", level, 5 * len(names) ** 2, count, sigma, threshold, 0.11) | slots)
    rows.sort(key=lambda r: (r[0], r[3], r[1], r[2]))
    table = pa.table(
        {
            "level": pa.array([r[0] for r in rows], pa.int8()),
            "origin": [r[1] for r in rows],
            "destination": [r[2] for r in rows],
            "slot": pa.array([r[3] for r in rows], pa.int16()),
            "slot_label": [SLOT_LABELS[r[3]] for r in rows],
            "trips": [r[4] for r in rows],
            "lower": [max(r[4] - r[5], 0.0) for r in rows],
            "upper": [r[4] + r[5] for r in rows],
            "status": pa.array(["published"] * len(rows)).dictionary_encode(),
            "geometry": [_line(r[1], r[2]) for r in rows],
        }
    )
    pq.write_table(table.replace_schema_metadata(_geo("LineString")), folder / "flows.parquet")
    return tables[::-1]


def _row(kind: str, level: int, rows: int, published: int, sigma: float, threshold: float, error: float) -> dict[str, Any]:
    return {
        "name": kind,
        "kind": kind,
        "level": level,
        "rows_public": rows,
        "published": published,
        "withheld": rows - published,
        "sigma": sigma,
        "threshold": threshold,
        "interval": "90 %",
        "typical_relative_error": round(error, 4),
    }


def _certificate(folder: Path, name: str, window: Window, days: int, tables: list[dict[str, Any]]) -> None:
    files = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.parquet"))}
    content = {
        "format": "flockwise-artifact/1",
        "study": {"name": name, "digest": "f" * 64},
        "dataset": "fixture",
        "unit": "device",
        "neighbours": "add or remove one device with all of its pings",
        "window": {
            "start": "2025-03-03T05:00:00Z",
            "end": str(date(2025, 3, 3) + timedelta(days=days)) + "T05:00:00Z",
            "timezone": "America/New_York",
            "days": days,
            "first_day": "2025-03-03",
        },
        "privacy": {
            "epsilon": "1",
            "delta": "1e-6",
            "rho": "1541/63245",
            "definition": "zero-concentrated differential privacy",
            "mechanism": "discrete Gaussian noise on jointly clipped integer sums",
        },
        "meaning": [
            "Someone who knows everyone else's records and guesses whether this device was in the data is right at most 55.5 times in 100 (50 by a coin).",
            "The promise holds for one device over the whole window, the heaviest traveller included, whatever else is known.",
            "It covers what this device's own records add; facts that can be inferred from other people are not covered.",
        ],
        "places": {"area_cut": 0.0714},
        "year": {"windows": 13, "rho": "1541/4865", "epsilon": "4.4"},
        "bounds": {"presence": "one cell in each slot", "trips_bound": 30},
        "domain": {"region_cells": {"7": 600}, "slots": days * 24},
        "tables": tables,
        "limits": [
            "A person's other devices are not covered: two devices cost twice as much.",
            "The figures count devices of a panel, not the census population.",
            "A published release cannot be recalled after a deletion.",
        ],
        "retention": "Pings are deleted 90 days after the window's end.",
        "input": {"digest": "e" * 64},
        "versions": {"flockwise": "0.1.0"},
        "files": files,
    }
    (folder / "certificate.json").write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    import sys

    print(write(Path(sys.argv[1])))
