from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from flockwise.audit.bounds import epsilon_of_guesses, most_likely_below, mu_of_scores


@pytest.mark.parametrize(("count", "trials"), [(0, 50), (3, 40), (39, 40), (5, 5)])
def test_the_upper_limit_is_clopper_and_pearsons(count: int, trials: int) -> None:
    limit = most_likely_below(count, trials, 0.01)
    if count == trials:
        assert limit == 1
        return
    below = sum(math.comb(trials, i) * limit**i * (1 - limit) ** (trials - i) for i in range(count + 1))
    assert below == pytest.approx(0.01, rel=1e-6)


def test_the_bound_on_mu_is_below_the_truth_and_near_it() -> None:
    for mu in (0.25, 1.0, 2.0):
        found = []
        for seed in range(200):
            rng = np.random.default_rng(seed)
            found.append(mu_of_scores(rng.normal(0, 1, 4000), rng.normal(mu, 1, 4000), 1e-2))
        # The bound is wrong with 1 in 100 at most; 12 of 200 or more would happen with a chance under 1e-5.
        assert sum(f > mu for f in found) < 12
        assert np.mean(found) > mu - 0.35


def test_scores_that_tell_nothing_give_no_bound() -> None:
    rng = np.random.default_rng(3)
    assert mu_of_scores(rng.normal(size=400), rng.normal(size=400), 1e-3) < 0.1


def test_the_bound_on_epsilon_is_that_of_the_theorem() -> None:
    right, guesses, delta, canaries = 80, 100, 1e-9, 400
    epsilon = epsilon_of_guesses(right, guesses, delta, canaries, 1e-3)
    chance = math.exp(epsilon) / (1 + math.exp(epsilon))
    as_many = sum(math.comb(guesses, i) * chance**i * (1 - chance) ** (guesses - i) for i in range(right, guesses + 1))
    assert as_many + 2 * canaries * delta == pytest.approx(1e-3, rel=1e-6)


def test_no_guess_or_too_large_a_delta_gives_no_bound() -> None:
    assert epsilon_of_guesses(0, 0, 1e-9, 10, 1e-3) == 0
    assert epsilon_of_guesses(100, 100, 1e-3, 1000, 1e-3) == 0
    assert epsilon_of_guesses(50, 100, 0.0, 100, 1e-3) == 0


def test_randomised_response_is_bounded_from_below() -> None:
    """The extreme mechanism of the theorem: every coin is told truly with chance e / (1 + e)."""
    chance, found = math.e / (1 + math.e), []
    for seed in range(200):
        right = int(np.random.default_rng(seed).binomial(1000, chance))
        found.append(epsilon_of_guesses(right, 1000, 0.0, 1000, 1e-2))
    assert sum(f > 1 for f in found) < 12
    assert np.mean(found) > 1 - 4 * NormalDist().inv_cdf(0.99) / math.sqrt(1000 * chance * (1 - chance))
