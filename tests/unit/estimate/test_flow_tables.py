from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise.errors import DataError
from flockwise.estimate import NoisyFlowLevel, SparsePairs, estimate_flows

from .flow_worlds import assert_adds_up, make_flows, summed


@pytest.mark.rule(28)
@pytest.mark.parametrize(
    ("cells", "slots", "levels", "options"),
    [
        (20, 4, 1, {"margins": False}),
        (20, 4, 1, {}),
        (1, 1, 1, {}),
        (2, 3, 2, {"heavy": True, "totals": True}),
        (64, 2, 3, {"heavy": True, "totals": True, "ratio": 1.5, "heavy_ratio": 6.0}),
        (48, 6, 2, {"totals": True}),
        (30, 1, 1, {"size": 0.0}),
    ],
)
def test_all_sums_agree_exactly(cells, slots, levels, options) -> None:
    everyone, heavy, at, _ = make_flows(cells, slots, levels, 3, **options)
    assert_adds_up(estimate_flows(everyone, heavy, at), everyone)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans(), st.floats(-2, 6))
def test_sums_agree_whatever_the_noisy_values(seed, cells, slots, levels, heavy, totals, power) -> None:
    """Values that are nothing like flows: the promises are about arithmetic."""
    everyone, of_heavy, at, _ = make_flows(cells, slots, levels, seed, heavy=heavy, totals=totals)
    rng = np.random.default_rng(seed)

    def wild(level: NoisyFlowLevel) -> NoisyFlowLevel:
        changed = {
            name: rng.standard_cauchy(getattr(level, name).shape).clip(-1e5, 1e5) * 10**power
            for name in ("pairs", "departures", "arrivals", "total_departures", "total_arrivals")
            if getattr(level, name) is not None
        }
        return dataclasses.replace(level, **changed)

    everyone = [wild(level) for level in everyone]
    of_heavy = None if of_heavy is None else [wild(level) for level in of_heavy]
    assert_adds_up(estimate_flows(everyone, of_heavy, at), everyone)


def test_the_same_values_give_the_same_tables() -> None:
    everyone, heavy, at, _ = make_flows(40, 2, 2, 5, heavy=True, totals=True)
    first, second = (estimate_flows(everyone, heavy, at) for _ in range(2))
    for a, b in zip((*first.pairs, *first.departures, *first.arrivals), (*second.pairs, *second.departures, *second.arrivals), strict=True):
        for name in vars(a):
            assert np.array_equal(getattr(a, name), getattr(b, name))


def test_the_order_of_cells_does_not_matter() -> None:
    everyone, _, at, _ = make_flows(40, 1, 1, 7, totals=True)
    order = np.random.default_rng(0).permutation(40)
    level = everyone[0]
    margins = {n: getattr(level, n)[order] for n in ("departures", "arrivals", "total_departures", "total_arrivals")}
    turned = dataclasses.replace(level, pairs=level.pairs[order][:, order], **margins)
    straight, other = estimate_flows([level], None, at), estimate_flows([turned], None, at[order])
    dense = np.zeros((2, 40, 40))
    for k, (found, names) in enumerate(((straight, np.arange(40)), (other, order))):
        rows = found.pairs[0]
        dense[k][names[rows.origin], names[rows.destination]] = rows.trips
    # Sums are rounded to the grid in the order of the cells.
    assert np.abs(dense[0] - dense[1]).max() <= 2 / 256
    assert np.abs(straight.departures[0].trips[order] - other.departures[0].trips).max() <= 2 / 256


def test_nothing_is_estimated_from_noise_alone() -> None:
    """30 worlds without a trip: of 900 pairs each, at most ten are printed in all (2 were)."""
    printed = 0
    for seed in range(30):
        everyone, _, at, _ = make_flows(30, 1, 1, seed, size=0.0)
        printed += len(estimate_flows(everyone, None, at).pairs[0].trips)
    assert printed <= 10


@pytest.mark.rule(23)
@pytest.mark.parametrize("heavy", [False, True])
def test_ghosts_and_coverage_stay_within_what_is_said(heavy) -> None:
    """Three worlds of 120 cells, about 7,500 printed rows. The least flows are a sixth of the noise; some pairs that had a trip coming came out empty."""
    inside, ghosts, rows = 0, 0, 0
    for seed in range(3):
        everyone, of_heavy, at, truth = make_flows(120, 1, 1, seed, sigma=6.0, size=10.0, heavy=heavy, totals=True, ratio=1.4, heavy_ratio=8.0)
        found = estimate_flows(everyone, of_heavy, at, ghosts=0.02).pairs[0]
        true = truth[0][found.origin, found.destination, found.slot]
        inside += int(((found.lower <= true + 1e-9) & (true <= found.upper + 1e-9)).sum())
        ghosts += int((true == 0).sum())
        rows += len(true)
    assert rows > 6_000
    assert 0.85 < inside / rows < 0.95
    assert ghosts / rows < 0.04


def test_more_is_printed_and_less_is_missed_than_by_a_threshold() -> None:
    everyone, _, at, truth = make_flows(150, 1, 1, 11, sigma=6.0, size=6.0)
    found = estimate_flows(everyone, None, at).pairs[0]
    estimate = np.zeros_like(truth[0])
    estimate[found.origin, found.destination, found.slot] = found.trips
    plain = np.where(everyone[0].pairs >= 3.5 * 6.0, everyone[0].pairs, 0.0)
    assert np.abs(estimate - truth[0]).sum() < 0.9 * np.abs(plain - truth[0]).sum()
    assert len(found.trips) > 1.3 * (plain > 0).sum()


def test_heavy_devices_who_move_differently_are_put_in_their_place() -> None:
    """Heavy devices move on other pairs and count 12 times as much: their own table puts them there, a common ratio can't."""
    light, _, at, _ = make_flows(100, 1, 1, 1, sigma=4.0, size=40.0)
    other, _, _, _ = make_flows(100, 1, 1, 2, sigma=4.0, size=40.0)
    rng = np.random.default_rng(5)
    lights, heavies = (np.maximum(np.round(w[0].pairs - 12.0), 0.0) for w in (light, other))

    def level(flows: np.ndarray, total: np.ndarray) -> NoisyFlowLevel:
        def noisy(values: np.ndarray) -> np.ndarray:
            return values + 4.0 * rng.standard_normal(values.shape)

        margins = noisy(flows.sum(1)), noisy(flows.sum(0)), 4.0, noisy(total.sum(1)), noisy(total.sum(0)), 4.0
        return NoisyFlowLevel(noisy(flows), 4.0, *margins)

    truth = lights + 12.0 * heavies
    apart = estimate_flows([level(lights + heavies, lights)], [level(heavies, 12.0 * heavies)], at)
    together = estimate_flows([level(lights + heavies, truth)], None, at)
    errors = []
    for found in (apart, together):
        estimate = np.zeros_like(truth)
        rows = found.pairs[0]
        estimate[rows.origin, rows.destination, rows.slot] = rows.trips
        errors.append(np.abs(estimate - truth).sum() / truth.sum())
    assert errors[0] < 0.6 * errors[1]


def test_sparse_rows_are_printed_with_sums_that_agree() -> None:
    everyone, _, at, _ = make_flows(64, 2, 3, 9, totals=True, size=60.0)
    dense = everyone[0]
    origin, destination, slot = np.nonzero(dense.pairs >= 20.0)
    order = np.random.default_rng(0).permutation(len(origin))
    pairs = SparsePairs(origin[order], destination[order], slot[order], dense.pairs[origin, destination, slot][order], 20.0, 64, 2)
    levels = [dataclasses.replace(dense, pairs=pairs), *everyone[1:]]
    found = estimate_flows(levels, None, at)
    assert_adds_up(found, levels)
    assert len(found.pairs[0].trips) == len(origin)
    alone = [dataclasses.replace(levels[0], parent=None)]
    assert_adds_up(estimate_flows(alone, None, at), alone)


def test_the_coarse_truth_is_hit_closer_than_by_its_noisy_values() -> None:
    everyone, _, at, truth = make_flows(160, 1, 2, 4, sigma=12.0, size=6.0)
    found = estimate_flows(everyone, None, at).pairs[1]
    estimate = np.zeros_like(truth[1])
    estimate[found.origin, found.destination, found.slot] = found.trips
    assert np.abs(estimate - truth[1]).sum() < 0.9 * np.abs(np.maximum(everyone[1].pairs, 0) - truth[1]).sum()


def test_what_does_not_fit_is_refused() -> None:
    everyone, heavy, at, _ = make_flows(8, 2, 2, 0, heavy=True, totals=True)
    level = everyone[0]
    assert heavy is not None
    sparse = SparsePairs(np.array([0]), np.array([1]), np.array([0]), np.array([50.0]), 40.0, 8, 2)
    bad = [
        ([], None, at),
        (everyone, heavy[:1], at),
        (everyone, heavy, at[:3]),
        ([dataclasses.replace(level, pairs=level.pairs[:4]), everyone[1]], None, at),
        ([dataclasses.replace(level, pairs=np.full_like(level.pairs, np.nan)), everyone[1]], None, at),
        ([dataclasses.replace(level, pairs_sigma=0.0), everyone[1]], None, at),
        ([dataclasses.replace(level, parent=None), everyone[1]], None, at),
        ([dataclasses.replace(level, parent=np.zeros(8, dtype=np.int64)), everyone[1]], None, at),
        ([dataclasses.replace(level, arrivals=None), everyone[1]], None, at),
        ([dataclasses.replace(level, pairs=sparse), everyone[1]], heavy, at),
        ([dataclasses.replace(level, pairs=dataclasses.replace(sparse, values=np.array([30.0]))), everyone[1]], None, at),
        ([dataclasses.replace(level, pairs=dataclasses.replace(sparse, origin=np.array([8]))), everyone[1]], None, at),
        ([level, dataclasses.replace(everyone[1], pairs=sparse)], None, at),
    ]
    for levels, of_heavy, centroids in bad:
        with pytest.raises(DataError):
            estimate_flows(levels, of_heavy, centroids)
    for share in (0.0, 0.5, float("nan")):
        with pytest.raises(DataError):
            estimate_flows(everyone, heavy, at, ghosts=share)


def test_the_helper_sums_over_children() -> None:
    flows = np.arange(16.0).reshape(4, 4, 1)
    assert summed(flows, np.array([0, 0, 1, 1]))[:, :, 0].tolist() == [[10.0, 18.0], [42.0, 50.0]]
