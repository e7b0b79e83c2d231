from __future__ import annotations

import json
from typing import Any

import h3
import numpy as np
import pytest
from h3ronpy.vector import coordinates_to_cells

from flockwise.base.cellgrid import CellGrid
from flockwise.base.region import Region


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]]}


def around(lat: float, lon: float, resolution: int, k: int) -> Region:
    return Region.from_cells(h3.grid_disk(h3.latlng_to_cell(lat, lon, resolution), k), resolution)


def points(region: Region, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Half of the points anywhere in and around the region, half within a hundredth of a millimetre to a hundred metres of a side."""
    rng = np.random.default_rng(seed)
    rings = [h3.cell_to_boundary(f"{c:x}") for c in region.cells.tolist()[:2000]]
    flat = np.array([p for ring in rings for p in ring])
    pad = 0.3 * (flat[:, 0].max() - flat[:, 0].min())
    lat = rng.uniform(flat[:, 0].min() - pad, flat[:, 0].max() + pad, n)
    lon = rng.uniform(flat[:, 1].min() - pad, flat[:, 1].max() + pad, n)
    for i in range(n // 2):
        ring = rings[rng.integers(len(rings))]
        j, f = rng.integers(len(ring)), rng.random()
        a, b = np.array(ring[j]), np.array(ring[(j + 1) % len(ring)])
        lat[i], lon[i] = a + f * (b - a) + rng.normal(0, 1, 2) * 10 ** rng.uniform(-7, -3)
    to_int = [np.rint(np.clip(v, -limit, limit) * 1e6).astype(np.int32) for v, limit in ((lat, 90), (lon, 180))]
    return to_int[0], to_int[1]


def mismatches(region: Region, n: int = 30_000, seed: int = 1, **options: int) -> int:
    grid = CellGrid.build(region, **options)
    lat, lon = points(region, n, seed)
    cells = np.asarray(coordinates_to_cells(lat / 1e6, lon / 1e6, region.resolution)).view(np.int64)
    return int((grid.index(lat, lon) != region.index_of(cells)).sum())


@pytest.mark.parametrize("resolution", [3, 4, 5, 6, 7])
@pytest.mark.parametrize(("lat", "lon"), [(40.7, -74.0), (-33.9, 18.4), (64.1, -21.9), (0.05, 10.0), (-1.3, 36.8)])
def test_every_answer_is_that_of_the_library(lat: float, lon: float, resolution: int) -> None:
    assert mismatches(around(lat, lon, resolution, 4), 10_000) == 0


@pytest.mark.parametrize("resolution", [3, 5, 7])
@pytest.mark.parametrize("which", [0, 3, 5, 8, 11])
def test_pentagons_and_distorted_cells(resolution: int, which: int) -> None:
    pentagon = sorted(h3.get_pentagons(resolution))[which]
    assert mismatches(Region.from_cells(h3.grid_disk(pentagon, 6), resolution), 10_000) == 0


def test_a_large_region_at_the_resolution_of_the_standard_set() -> None:
    region = Region.from_geojson(box(-4, 41, 17, 55), 5)
    grid = CellGrid.build(region)
    assert grid.raster.size > 0
    rng = np.random.default_rng(3)
    lat, lon = rng.integers(40_000_000, 56_000_000, 2_000_000).astype(np.int32), rng.integers(-5_000_000, 18_000_000, 2_000_000).astype(np.int32)
    cells = np.asarray(coordinates_to_cells(lat / 1e6, lon / 1e6, 5)).view(np.int64)
    assert (grid.index(lat, lon) == region.index_of(cells)).all()


def test_holes_and_islands() -> None:
    rng = np.random.default_rng(4)
    disk = h3.grid_disk(h3.latlng_to_cell(48.1, 11.5, 7), 12)
    assert mismatches(Region.from_cells([c for c in disk if rng.random() < 0.3], 7)) == 0


@pytest.mark.parametrize(
    ("lat", "lon", "resolution"),
    [(10.0, 180.0, 5), (-17.0, 179.99, 6), (88.0, 10.0, 4), (-89.9, 0.0, 3)],
)
def test_the_antimeridian_and_the_poles_go_to_the_library(lat: float, lon: float, resolution: int) -> None:
    region = around(lat, lon, resolution, 3)
    assert CellGrid.build(region).raster.size == 0
    assert mismatches(region, 5_000) == 0


@pytest.mark.parametrize("most", [0, 300, 3_000, 30_000])
def test_small_rasters_give_the_same_answers(most: int) -> None:
    assert mismatches(around(40.7, -74.0, 7, 6), 5_000, most_pixels=most) == 0


def test_two_towns_far_apart_are_too_sparse_for_a_raster() -> None:
    region = Region.from_cells([*h3.grid_disk(h3.latlng_to_cell(40, -74, 7), 2), *h3.grid_disk(h3.latlng_to_cell(48, 11, 7), 2)], 7)
    assert CellGrid.build(region).raster.size == 0
    assert mismatches(region, 5_000) == 0


def test_corners_and_middles_of_cells() -> None:
    region = Region.from_geojson(json.loads(json.dumps(box(-74.1, 40.6, -73.8, 40.9))), 7)
    at = np.array([p for c in region.cells.tolist() for p in (*h3.cell_to_boundary(f"{c:x}"), h3.cell_to_latlng(f"{c:x}"))])
    lat, lon = np.rint(at * 1e6).astype(np.int32).T
    cells = np.asarray(coordinates_to_cells(lat / 1e6, lon / 1e6, 7)).view(np.int64)
    assert (CellGrid.build(region).index(np.ascontiguousarray(lat), np.ascontiguousarray(lon)) == region.index_of(cells)).all()
