from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise.errors import DataError
from flockwise.estimate import NoisyLevel
from flockwise.estimate._types import check_levels
from flockwise.estimate.tree import Family, families, own_weight, subtree_means, tree_means, tree_variances, variances


@pytest.mark.rule(28)
@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 5))
def test_projection_is_the_nearest_point_with_the_sums(seed: int, children: int, slots: int) -> None:
    rng = np.random.default_rng(seed)
    parents = int(rng.integers(1, children + 1))
    parent = rng.permutation(np.concatenate([np.arange(parents), rng.integers(0, parents, children - parents)]))
    family = Family(parent, parents)
    values = rng.normal(0, 10, (children, slots))
    totals = rng.gamma(1, 10, (parents, slots)) * rng.integers(0, 2, (parents, slots))
    fitted = family.project(values, totals)
    assert (fitted >= 0).all()
    np.testing.assert_allclose(family.sums(fitted), totals, atol=1e-9)
    # Optimal: one shift a family, and nothing above zero would like to be below it.
    shift = values - fitted
    for p in range(parents):
        for t in range(slots):
            inside = fitted[parent == p, t] > 0
            if inside.any():
                common = shift[parent == p, t][inside]
                assert np.ptp(common) < 1e-9
                assert (values[parent == p, t][~inside] <= common[0] + 1e-9).all()


def test_sums_follow_the_parents_in_any_order() -> None:
    family = Family(np.array([1, 0, 1]), 2)
    assert family.sums(np.array([[1.0], [2.0], [4.0]])).tolist() == [[2.0], [5.0]]


def test_subtree_means_are_unbiased_with_the_stated_variance_and_the_least() -> None:
    """3 cells under 2 parents, 20,000 slots of noise: a variance has a relative standard error of 1 %, 6 % allowed (6 standard errors)."""
    rng = np.random.default_rng(3)
    slots = 20_000
    levels = [
        NoisyLevel(rng.normal(0, 2.0, (3, slots)), 2.0, np.array([0, 0, 1])),
        NoisyLevel(rng.normal(0, 3.0, (2, slots)), 3.0, np.array([0, 0])),
        NoisyLevel(rng.normal(0, 1.0, (1, slots)), 1.0),
    ]
    tree = families(levels)
    spread = variances(levels, tree)
    means = subtree_means([level.noisy for level in levels], tree, own_weight(levels, tree, spread))
    assert spread[1].tolist() == pytest.approx([9 * 8 / 17, 9 * 4 / 13])
    for mean, variance in zip(means, spread, strict=True):
        np.testing.assert_allclose(mean.var(axis=1), variance, rtol=0.06)
    assert spread[2][0] < 1.0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 3))
def test_tree_means_are_the_least_squares_of_the_whole_tree(seed: int, cells: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    levels, rows, total = [], [np.eye(cells)], cells
    for place in range(count):
        parents = int(rng.integers(1, total + 1))
        parent = rng.permutation(np.concatenate([np.arange(parents), rng.integers(0, parents, total - parents)])) if place < count - 1 else None
        levels.append(NoisyLevel(rng.normal(0, 10, (total, 3)), float(rng.uniform(0.5, 5)), parent))
        if parent is not None:
            rows.append(np.array([rows[-1][parent == p].sum(axis=0) for p in range(parents)]))
            total = parents
    tree = families(levels)
    spread = variances(levels, tree)
    found = tree_means(subtree_means([level.noisy for level in levels], tree, own_weight(levels, tree, spread)), tree, spread)
    design = np.concatenate([row / level.sigma for row, level in zip(rows, levels, strict=True)])
    observed = np.concatenate([level.noisy / level.sigma for level in levels])
    finest = np.linalg.lstsq(design, observed, rcond=None)[0]
    covariance = np.linalg.inv(design.T @ design)
    for mean, variance, row in zip(found, tree_variances(spread, tree), rows, strict=True):
        np.testing.assert_allclose(mean, row @ finest, atol=1e-8)
        np.testing.assert_allclose(variance, np.diag(row @ covariance @ row.T), rtol=1e-8)


@pytest.mark.parametrize(
    "levels",
    [
        [],
        [NoisyLevel(np.zeros(3), 1.0)],
        [NoisyLevel(np.zeros((0, 3)), 1.0)],
        [NoisyLevel(np.array([[np.nan]]), 1.0)],
        [NoisyLevel(np.array([[1e11]]), 1.0)],
        [NoisyLevel(np.zeros((2, 3)), 0.0)],
        [NoisyLevel(np.zeros((2, 3)), 1.0, np.array([0, 0]))],
        [NoisyLevel(np.zeros((2, 3)), 1.0), NoisyLevel(np.zeros((1, 3)), 1.0)],
        [NoisyLevel(np.zeros((2, 3)), 1.0, np.array([0, 1])), NoisyLevel(np.zeros((1, 3)), 1.0)],
        [NoisyLevel(np.zeros((2, 3)), 1.0, np.array([0, 0])), NoisyLevel(np.zeros((2, 3)), 1.0)],
        [NoisyLevel(np.zeros((2, 3)), 1.0, np.array([0, 0])), NoisyLevel(np.zeros((1, 4)), 1.0)],
    ],
)
def test_levels_that_do_not_fit_are_refused(levels: list[NoisyLevel]) -> None:
    with pytest.raises(DataError) as caught:
        check_levels(levels)
    assert caught.value.code == "ESTIMATE_INPUT"
