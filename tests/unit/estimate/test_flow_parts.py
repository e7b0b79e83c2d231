from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise.estimate.flow_index import Gravity, distance_rings, gravity_index
from flockwise.estimate.flow_posterior import outlook, spread
from flockwise.estimate.flow_prior import fit_prior
from flockwise.estimate.flow_rescale import ratios
from flockwise.estimate.margin_tree import drawn
from flockwise.estimate.pair_sums import Rows, agree, shares_of

from .flow_worlds import make_flows


def test_rings_are_by_distance_and_symmetric() -> None:
    at = np.array([[48.0, 2.0], [48.0, 2.01], [48.0, 2.1], [48.3, 2.0]] * 8) + np.random.default_rng(0).normal(0, 1e-3, (32, 2))
    rings = distance_rings(at)
    assert (rings == rings.T).all()
    assert (np.diag(rings) == 0).all()
    assert rings[0, 4] < rings[0, 2] < rings[0, 3]
    assert distance_rings(at[:1]).tolist() == [[0]]


def test_the_index_finds_a_gravity_world() -> None:
    everyone, _, at, truth = make_flows(100, 1, 1, 3, sigma=5.0, size=20.0)
    gravity = Gravity(distance_rings(at), [], 1)
    index, _ = gravity_index([everyone[0].dense], [5.0], gravity)
    best = np.argsort(-index.ravel())[:1000]
    assert (truth[0].ravel()[best] > 0).mean() > 0.85 > 4 * (truth[0] > 0).mean()


def test_a_pairs_own_noise_is_taken_off_its_index() -> None:
    """One pair of an empty world is raised: what is left of its index after taking off its own part moves far less than the index does."""
    rng = np.random.default_rng(4)
    at = rng.uniform(0, 0.1, (25, 2))
    noisy = 5.0 * rng.standard_normal((25, 25, 1)) + 2.0
    raised = noisy.copy()
    raised[3, 7] += 15.0
    results = [gravity_index([y], [5.0], Gravity(distance_rings(at), [], 1)) for y in (noisy, raised)]
    moved = results[1][0][3, 7, 0] - results[0][0][3, 7, 0]
    left = (results[1][0] - results[1][1])[3, 7, 0] - (results[0][0] - results[0][1])[3, 7, 0]
    assert moved > 0.1
    assert abs(left) < 0.5 * moved


def test_the_prior_learns_how_many_are_empty_and_how_large_the_rest_are() -> None:
    rng = np.random.default_rng(0)
    truth = np.where(rng.random(20_000) < 0.8, 0.0, rng.gamma(4.0, 2.0, 20_000))
    noisy = truth + rng.standard_normal(20_000)
    prior = fit_prior([noisy], np.zeros(20_000))
    weights = prior.weights[0, :, 0]
    assert abs(weights.sum() - 1) < 1e-9
    assert abs(weights[prior.atoms < 0.8].sum() - 0.8) < 0.03
    assert abs(weights @ prior.atoms - truth.mean()) < 0.1
    seen = outlook(prior, [noisy])
    # The posterior mean is better than the noisy value, and its own variance says how good.
    error = np.mean((seen.means[0] - truth) ** 2)
    assert error < 0.4
    assert 0.8 < seen.variance.mean() / error < 1.2


def test_two_tables_share_what_they_know() -> None:
    """Heavy devices' flows are a part of everyone's: the pair of values says more than either."""
    rng = np.random.default_rng(1)
    every = np.where(rng.random(30_000) < 0.7, 0.0, rng.gamma(3.0, 2.0, 30_000))
    part = 0.5 * every
    noisy = [x + rng.standard_normal(30_000) for x in (every, part)]
    seen = outlook(fit_prior(noisy, np.zeros(30_000)), noisy)
    alone = outlook(fit_prior(noisy[:1], np.zeros(30_000)), noisy[:1])
    assert np.mean((seen.means[0] - every) ** 2) < 0.95 * np.mean((alone.means[0] - every) ** 2)


def test_intervals_of_the_posterior_cover() -> None:
    rng = np.random.default_rng(2)
    truth = np.where(rng.random(20_000) < 0.5, 0.0, rng.gamma(2.0, 4.0, 20_000))
    noisy = truth + rng.standard_normal(20_000)
    rows = np.flatnonzero(noisy > 2.0)
    found = spread(fit_prior([noisy], np.zeros(20_000)), [noisy], rows, [np.full(len(rows), 3.0)], tail=0.05)
    inside = (found.lower <= 3.0 * truth[rows] + 1e-9) & (3.0 * truth[rows] <= found.upper + 1e-9)
    # 7,000 rows: four standard errors of 0.9 are 0.015, and the prior is learnt.
    assert 0.87 < inside.mean() < 0.94
    assert ((found.lower <= found.median) & (found.median <= found.upper)).all()


@pytest.mark.parametrize("sigma", [0.5, 30.0])
def test_ratios_come_from_totals_and_from_the_parent_where_the_zone_is_unsure(sigma) -> None:
    everyone, heavy, _, _ = make_flows(64, 1, 3, 2, sigma=sigma, size=60.0, heavy=True, totals=True, ratio=1.5, heavy_ratio=9.0)
    light, of_heavy = ratios(everyone, heavy)
    assert abs(light.overall - 1.5) < 0.05 + 4 * light.variance**0.5 * 1.5
    assert abs(of_heavy.overall - 9.0) < 0.2 + 4 * of_heavy.variance**0.5 * 9.0
    assert np.abs(of_heavy.origin / of_heavy.overall - 1).max() < 0.35


def test_a_zone_under_ten_noise_units_takes_its_parents_ratio() -> None:
    everyone, _, _, _ = make_flows(16, 1, 2, 2, sigma=0.01, size=60.0, totals=True, ratio=2.0)
    fine = everyone[0]
    assert fine.departures is not None
    assert fine.total_departures is not None
    poor = fine.departures.copy()
    poor[5] = 9.9 * fine.margins_sigma
    much = fine.total_departures.copy()
    much[5] = 50.0
    changed = [dataclasses.replace(fine, departures=poor, total_departures=much), everyone[1]]
    (found,) = ratios(changed, None)
    own = everyone[1].total_departures[1, 0] / everyone[1].departures[1, 0]
    assert abs(found.origin[5] / own - 1) < 0.02


def test_without_totals_nothing_is_rescaled() -> None:
    everyone, _, _, _ = make_flows(16, 1, 2, 2)
    (found,) = ratios(everyone, None)
    assert (found.origin == 1).all()
    assert found.overall == 1


def test_drawn_lies_between_and_knows_its_error() -> None:
    rng = np.random.default_rng(3)
    truth = rng.gamma(2.0, 500.0, 3_000)
    variance = 40.0 * truth
    expected = np.maximum(truth + np.sqrt(variance) * rng.standard_normal(3_000), 0.0)
    measured = truth + 200.0 * rng.standard_normal(3_000)
    found = drawn(expected, variance, measured, np.full(3_000, 200.0), 1.5)
    error = found.trips - truth
    assert np.mean(error**2) < 0.85 * min(np.mean((expected - truth) ** 2), np.mean((measured - truth) ** 2))
    assert 0.85 < np.mean(error**2) / np.mean(found.deviation**2) < 1.2


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 5), st.integers(1, 3))
def test_shares_add_up_and_are_never_negative(seed, members, groups, slots) -> None:
    rng = np.random.default_rng(seed)
    group = np.concatenate([np.arange(min(groups, members)), rng.integers(0, min(groups, members), max(members - groups, 0))])
    totals = rng.integers(0, 10 ** rng.integers(1, 13), (min(groups, members), slots))
    wanted = np.where(rng.random((len(group), slots)) < 0.3, 0.0, rng.lognormal(0, 5, (len(group), slots)))
    found = shares_of(totals, wanted, group)
    sums = np.zeros_like(totals)
    np.add.at(sums, group, found)
    assert (sums == totals).all()
    assert (found >= 0).all()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 20), st.integers(1, 6))
def test_parents_hold_their_children(seed, children, parents) -> None:
    rng = np.random.default_rng(seed)
    up = rng.integers(0, parents, children)
    levels = [
        Rows(np.arange(children), rng.lognormal(3, 2, children), rng.lognormal(3, 2, children), up),
        Rows(np.arange(parents), rng.lognormal(4, 2, parents), rng.lognormal(4, 2, parents), None),
    ]
    fine, coarse = agree(levels)
    below = np.zeros(parents, dtype=np.int64)
    np.add.at(below, up, fine)
    assert (below <= coarse).all()
    assert (fine > 0).all()
    # Where there is room nothing moves.
    room = np.bincount(up, levels[0].trips, parents) < levels[1].trips * (1 - 1e-6) - 1
    assert np.abs(fine / 256 - levels[0].trips)[room[up]].max(initial=0.0) <= 1 / 256
    assert np.abs(coarse / 256 - levels[1].trips)[room].max(initial=0.0) <= 1 / 256
