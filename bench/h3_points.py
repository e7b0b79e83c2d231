"""Compare the cell grid with the H3 library point by point: random points over regions of every kind, and points on the sides of their cells.

    python bench/h3_points.py [--points 100000000] [--seed 1] [--json]

Regions: cities from the equator to the Arctic, all twelve pentagons, the seams of the icosahedron (where cells are distorted), both poles and the
antimeridian, at resolutions 5 to 9. Half of the points lie anywhere in the region and around it; half within a millionth or two of a degree of a side.
The reference is h3ronpy (h3o, vectorised); every 500th point is asked of the C library as well. bench/README.md says more.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import h3
import numpy as np
import numpy.typing as npt
from h3ronpy.vector import coordinates_to_cells

from _machine import machine, versions
from flockwise.base.cellgrid import CellGrid
from flockwise.base.region import Region

Ints32 = npt.NDArray[np.int32]

CHUNK = 500_000
EVERY = 500
CITIES = {
    "New York": (40.71, -74.0), "Paris": (48.86, 2.35), "Quito": (-0.18, -78.47), "Singapore": (1.35, 103.8), "Sydney": (-33.87, 151.2),
    "Reykjavik": (64.13, -21.9), "Tromso": (69.65, 18.96), "Longyearbyen": (78.22, 15.65), "Ushuaia": (-54.8, -68.3), "Greenwich": (51.48, 0.0),
}  # fmt: skip
ENDS = {"north pole": (90.0, 0.0), "south pole": (-90.0, 0.0), "Fiji": (-17.5, 179.99), "Chukotka": (66.0, -179.98)}


@dataclass(frozen=True)
class Place:
    """A region to look at: a disk of cells around a point."""

    kind: str
    name: str
    lat: float
    lon: float
    resolution: int


def places() -> list[Place]:
    """Every region, so that neighbours in the list differ in kind and resolution."""
    out = [Place("city", name, *at, resolution) for name, at in CITIES.items() for resolution in (5, 7, 8, 9)]
    out += [Place("edge of the map", name, *at, resolution) for name, at in ENDS.items() for resolution in (5, 7)]
    for resolution in (5, 6, 7, 8):
        pentagons = [h3.cell_to_latlng(p) for p in sorted(h3.get_pentagons(resolution))]
        out += [Place("pentagon", f"pentagon {n}", *at, resolution) for n, at in enumerate(pentagons)]
        if resolution in (5, 7):
            out += [Place("seam", f"seam {n}", *at, resolution) for n, at in enumerate(_seams(pentagons))]
    return out


def _seams(pentagons: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The middles of the thirty sides of the icosahedron, whose corners are the pentagons."""
    points = [_sphere(*at) for at in pentagons]
    close = [(a + b) / np.linalg.norm(a + b) for a, b in itertools.combinations(points, 2) if float(a @ b) > 0.4]
    return [(float(np.degrees(np.arcsin(z))), float(np.degrees(np.arctan2(y, x)))) for x, y, z in close]


def _sphere(lat: float, lon: float) -> npt.NDArray[np.float64]:
    phi, lam = np.radians([lat, lon])
    return np.array([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])


def points(region: Region, rng: np.random.Generator, n: int) -> Iterator[tuple[Ints32, Ints32]]:
    """About n points in millionths of a degree, in chunks: anywhere around the region, then on the sides of its cells."""
    corners = _corners(region, rng)
    lat, lon = corners[..., 0], corners[..., 1]
    crossing = float(lon.max() - lon.min()) > 180
    south, north = max(-90.0, float(lat.min()) - 0.05), min(90.0, float(lat.max()) + 0.05)
    west, east = (-180.0, 180.0) if crossing else (max(-180.0, float(lon.min()) - 0.05), min(180.0, float(lon.max()) + 0.05))
    for start in range(0, n, CHUNK):
        size = -(-min(CHUNK, n - start) // 2)
        x = rng.uniform(west, east, size)
        if crossing and north < 89:
            x = np.where(rng.random(size) < 0.5, 180.0 - 360.0 * (x > 0) + np.sign(x) * 0.3 * rng.random(size), x)
            x = (x + 180.0) % 360.0 - 180.0
        yield np.rint(rng.uniform(south, north, size) * 1e6).astype(np.int32), np.rint(x * 1e6).astype(np.int32)
        which, side, along = rng.integers(0, len(corners), size), rng.integers(0, corners.shape[1], size), rng.random((size, 1))
        a, b = corners[which, side], corners[which, (side + 1) % corners.shape[1]].copy()
        b[:, 1] += 360.0 * np.rint((a[:, 1] - b[:, 1]) / 360.0)
        at = np.rint((a + along * (b - a)) * 1e6).astype(np.int64) + rng.integers(-2, 3, (size, 2))
        at[:, 1] = (at[:, 1] + 180_000_000) % 360_000_000 - 180_000_000
        yield np.clip(at[:, 0], -90_000_000, 90_000_000).astype(np.int32), at[:, 1].astype(np.int32)


def _corners(region: Region, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Corners of up to 2,000 of the region's cells, the odd ones with their first corner repeated: (cells, most corners, 2)."""
    chosen = region.cells if len(region) <= 2000 else rng.choice(region.cells, 2000, replace=False)
    rings = [h3.cell_to_boundary(f"{int(c):x}") for c in chosen]
    most = max(len(r) for r in rings)
    return np.array([[*r, *([r[0]] * (most - len(r)))] for r in rings])


def compare(place: Place, n: int, seed: int) -> dict[str, Any]:
    """How many of n points the grid and the library put into different cells."""
    centre = h3.latlng_to_cell(place.lat, place.lon, place.resolution)
    region = Region.from_cells(h3.grid_disk(centre, 12), place.resolution)
    grid = CellGrid.build(region)
    row = {"points": 0, "wrong": 0, "wrong_c": 0, "asked_c": 0, "inside": 0, "grid_s": 0.0, "library_s": 0.0}
    for lat, lon in points(region, np.random.default_rng([seed, hash_of(place)]), n):
        began = time.perf_counter()
        got = grid.index(lat, lon)
        middle = time.perf_counter()
        cells = np.asarray(coordinates_to_cells(lat / 1e6, lon / 1e6, place.resolution)).view(np.int64)
        want = region.index_of(cells)
        row["grid_s"] += middle - began
        row["library_s"] += time.perf_counter() - middle
        row["points"] += len(lat)
        row["wrong"] += int((got != want).sum())
        row["inside"] += int((want >= 0).sum())
        some = slice(0, None, EVERY)
        of_c = np.array([int(h3.latlng_to_cell(y / 1e6, x / 1e6, place.resolution), 16) for y, x in zip(lat[some].tolist(), lon[some].tolist(), strict=True)])
        row["asked_c"] += len(of_c)
        row["wrong_c"] += int((got[some] != region.index_of(of_c)).sum())
    return {"kind": place.kind, "name": place.name, "resolution": place.resolution, "raster": bool(grid.raster.size), **row}


def hash_of(place: Place) -> int:
    """A fixed number for a place."""
    return int.from_bytes(f"{place.name} {place.resolution}".encode(), "big") % (1 << 32)


def measure(n: int, seed: int, say: Any) -> dict[str, Any]:
    """All regions, with the machine and the versions."""
    every = places()
    rows = []
    for place in every:
        rows.append(compare(place, -(-n // len(every)), seed))
        say(f"{place.kind}, {place.name}, resolution {place.resolution}: {rows[-1]['wrong']} wrong of {rows[-1]['points']:,}")
    kinds = []
    for kind in dict.fromkeys(p.kind for p in every):
        of = [r for r in rows if r["kind"] == kind]
        total = {name: sum(r[name] for r in of) for name in ("points", "inside", "wrong", "asked_c", "wrong_c", "grid_s", "library_s")}
        kinds.append({"method": kind, "regions": len(of), "with_raster": sum(r["raster"] for r in of), **total})
    return {"results": kinds, "regions": rows, "machine": machine(), "versions": versions()}


def show(report: dict[str, Any]) -> str:
    """The report as text."""
    lines = [f"{'regions':<18}{'n':>5}{'raster':>8}{'points':>14}{'in region':>14}{'wrong':>7}{'asked C':>10}{'wrong':>7}{'M/s grid':>10}{'M/s h3':>8}"]
    for r in report["results"]:
        rates = (r["points"] / 1e6 / max(r["grid_s"], 1e-9), r["points"] / 1e6 / max(r["library_s"], 1e-9))
        lines.append(
            f"{r['method']:<18}{r['regions']:>5}{r['with_raster']:>8}{r['points']:>14,}{r['inside']:>14,}{r['wrong']:>7}{r['asked_c']:>10,}{r['wrong_c']:>7}"
            f"{rates[0]:>10.1f}{rates[1]:>8.1f}"
        )
    lines.append(f"{sum(r['points'] for r in report['results']):,} points, {sum(r['wrong'] + r['wrong_c'] for r in report['results'])} differ")
    return "\n".join(lines)


def main() -> None:
    """Measure and print; exit code 1 if any point differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=100_000_000, help="points in all; default 100,000,000")
    parser.add_argument("--seed", type=int, default=1, help="of the points; default 1")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    a = parser.parse_args()
    report = measure(a.points, a.seed, lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(report, indent=1) if a.json else show(report))
    sys.exit(any(r["wrong"] or r["wrong_c"] for r in report["results"]))


if __name__ == "__main__":
    main()
