"""The made-up population: whole, deterministic, and as uneven as it says."""

from __future__ import annotations

import h3
import numpy as np

from flockwise.estimate import Calendar
from flockwise.forecast import population

CELLS = np.array(sorted(int(c, 16) for c in h3.grid_disk("872a1072bffffff", 12)), dtype=np.int64)
WEEK = Calendar.regular(168, 24)


def test_presence_has_the_devices_that_were_asked_for() -> None:
    found = population.presence(CELLS, WEEK, 10_000.0)
    assert (found > 0).all()
    assert 0.9 * 10_000 < found.sum() / 168 < 1.1 * 10_000
    assert found[:, 3].sum() < 0.6 * found[:, 13].sum()  # fewer are seen at night


def test_it_is_made_of_hashes_and_comes_out_the_same() -> None:
    assert np.array_equal(population.presence(CELLS, WEEK, 10_000.0), population.presence(CELLS, WEEK, 10_000.0))
    mark = np.arange(200_000, dtype=np.uint64)
    normal = population.normals(mark, 1)
    assert abs(normal.mean()) < 0.02
    assert abs(normal.std() - 1.0) < 0.02
    assert abs(np.corrcoef(normal, population.normals(mark, 2))[0, 1]) < 0.02


def test_cells_near_each_other_are_alike() -> None:
    size = np.log(population.presence(CELLS, WEEK, 1e6).mean(axis=1))
    coarse = CELLS >> 52 << 52 | (CELLS & ((1 << 52) - 1)) >> 27  # the digits up to resolution 6
    groups = [size[coarse == c] for c in np.unique(coarse)]
    within = np.mean([np.var(g) for g in groups if len(g) > 3])
    assert within < 0.6 * size.var()


def test_trips_between_cells_are_whole_and_as_many_as_asked_for() -> None:
    lat, lon = np.array([h3.cell_to_latlng(h3.int_to_str(int(c))) for c in CELLS]).T
    shares = population.slot_shares(np.array([0, 360, 1140]))
    assert abs(shares.sum() - 1.0) < 1e-12
    found = population.pairs(CELLS, lat, lon, shares, 100_000.0)
    assert np.array_equal(found, np.floor(found))
    assert 0.95 * 100_000 < found.sum() < 1.05 * 100_000
    assert np.allclose(found.sum(axis=(0, 1)) / found.sum(), shares, atol=0.02)
    assert (found == 0).mean() > 0.5


def test_one_slot_is_the_whole_day() -> None:
    assert population.slot_shares(np.array([0])).tolist() == [1.0]


def test_trips_of_a_device_have_the_mean_that_was_asked_for() -> None:
    for mean in (0.2, 4.0, 50.0):
        trips, share = population.trip_counts(mean)
        assert abs(share.sum() - 1.0) < 1e-12
        assert abs((trips * share).sum() - mean) < 0.01 * mean
    norms = population.norms(np.arange(100))
    assert norms[0] == 0.0
    assert norms[1] == 1.0
    assert (np.diff(norms) > 0).all()
    assert (norms <= np.arange(100)).all()
