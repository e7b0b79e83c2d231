from __future__ import annotations

import json
from typing import Any

import h3
import numpy as np
import pytest
from h3ronpy.vector import coordinates_to_cells

from flockwise.base import cellgrid
from flockwise.base.cellgrid import CellGrid
from flockwise.base.region import Region

PENTAGON = h3.cell_to_latlng(sorted(h3.get_pentagons(4))[3])


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
    ("centres", "resolution", "k"),
    [
        ([(48.1, 11.5), (52.4, 13.2), (41.2, -2.5)], 5, 4),
        ([(-33.9, 18.4), (-29.8, 31.0), (-26.2, 28.0)], 5, 3),
        ([(64.1, -21.9), (65.7, -18.1), (78.2, 15.6)], 4, 1),
        ([(0.05, 10.0), (-0.05, 14.0)], 6, 3),
        ([(25.2, -97.5), (27.9, -97.1), (24.6, -105.0)], 3, 2),
        ([PENTAGON, (45.0, 2.0)], 4, 2),
    ],
)
def test_the_library_is_asked_of_few_pixels_and_the_table_is_as_if_it_were_asked_of_all(
    centres: list[tuple[float, float]], resolution: int, k: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    disks = [h3.grid_disk(h3.latlng_to_cell(lat, lon, resolution), k) for lat, lon in centres]
    region = Region.from_cells(sorted({cell for disk in disks for cell in disk}), resolution)
    asked, real = [0], cellgrid._h3

    def counted(lat: np.ndarray, lon: np.ndarray, finer: int) -> np.ndarray:
        asked[0] += len(lat)
        return real(lat, lon, finer)

    monkeypatch.setattr(cellgrid, "_h3", counted)
    few = CellGrid.build(region)
    assert few.raster.size > 0
    number, asked[0] = asked[0], 0
    monkeypatch.setattr(cellgrid, "_leave_out", lambda *_: None)
    every = CellGrid.build(region)
    assert np.array_equal(few.raster, every.raster)
    assert number < asked[0] / 2


def test_a_cell_lies_in_its_box() -> None:
    rng = np.random.default_rng(5)
    lat, lon = np.degrees(np.arcsin(rng.uniform(-0.98, 0.98, 200_000))), rng.uniform(-180, 180, 200_000)
    for resolution in (0, 2, 5):
        cells = np.asarray(coordinates_to_cells(lat, lon, resolution)).view(np.int64)
        south, north, west, east = cellgrid._boxes(cells).T
        polar = np.isin(cells, np.asarray(coordinates_to_cells(np.array([90.0, -90.0]), np.zeros(2), resolution)).view(np.int64))
        inside = (lat * 1e6 >= south - 1) & (lat * 1e6 <= north + 1) & (lon * 1e6 >= west - 1) & (lon * 1e6 <= east + 1)
        around = east - west > 180e6  # the box of a cell across the antimeridian goes around the Earth: what counts for it is that it is never too small
        assert (inside | polar | around).all()


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
