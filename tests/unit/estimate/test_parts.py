"""The steps of the smoother, each on its own."""

from __future__ import annotations

import numpy as np

from flockwise.estimate.events import rescue_events
from flockwise.estimate.intervals import lower_ends
from flockwise.estimate.lowrank import fit_low_rank, posterior_sizes
from flockwise.estimate.probes import signs
from flockwise.estimate.spectrum import shrink_spectrum


def test_posterior_sizes_beat_the_scores_and_leave_large_ones_alone() -> None:
    """2,000 sizes: the posterior's mean squared error is 0.5 (standard error 0.02) where the score's is 1."""
    rng = np.random.default_rng(0)
    truth = rng.gamma(0.5, 2.0, 2_000)
    score = truth + rng.standard_normal(2_000)
    fitted = posterior_sizes(score)
    assert np.mean((fitted - truth) ** 2) < 0.75 * np.mean((np.maximum(score, 0) - truth) ** 2)
    assert (fitted >= 0).all()
    big = np.array([50.0, 1e9])
    assert posterior_sizes(big).tolist() == big.tolist()


def test_posterior_sizes_do_not_decrease_and_take_any_number() -> None:
    score = np.linspace(-1e9, 1e9, 41)
    assert (np.diff(posterior_sizes(score)) >= 0).all()
    assert posterior_sizes(np.array([0.3])).shape == (1,)


def test_pure_noise_is_flattened_to_almost_nothing() -> None:
    """At 300 x 168 the energy kept is under 1 % of the noise's; 5 % is allowed."""
    noise = np.random.default_rng(1).standard_normal((300, 168))
    low = fit_low_rank(noise)
    fitted = low.fitted + shrink_spectrum(low.left, low.size, low.patterns)
    assert np.mean(fitted**2) < 0.05


def test_strong_signal_is_left_alone() -> None:
    rng = np.random.default_rng(2)
    signal = 1e4 * rng.lognormal(0, 1, (40, 1)) * (1 + 0.3 * rng.random((40, 60)))
    noisy = signal + rng.standard_normal(signal.shape)
    low = fit_low_rank(noisy)
    fitted = low.fitted + shrink_spectrum(low.left, low.size, low.patterns)
    assert np.mean((fitted - signal) ** 2) < 1.1


def test_an_event_comes_back_whole_and_nothing_else_moves() -> None:
    values = np.zeros((3, 48))
    values[1, 20:24] = 6.0
    fitted, touched = rescue_events(values, np.zeros_like(values), 12)
    np.testing.assert_allclose(fitted, values, atol=1e-12)
    assert touched.sum() == 4


def test_noise_hardly_ever_makes_an_event() -> None:
    """650 x 168 values, runs up to 12: about 0.3 false runs are expected, so more than 4 has a chance of about 2 in 10,000 (the seed is fixed)."""
    values = np.random.default_rng(4).standard_normal((650, 168))
    _, touched = rescue_events(values, np.zeros_like(values), 12)
    assert touched.any(axis=1).sum() <= 4


def test_events_longer_than_the_window_are_no_error() -> None:
    fitted, _ = rescue_events(np.full((1, 1), 9.0), np.zeros((1, 1)), 12)
    assert fitted[0, 0] == 9.0


def test_probe_signs_are_fixed_balanced_and_uncorrelated() -> None:
    """170,000 signs: sums have a standard deviation of 0.0024; 5 are allowed. The first ones are pinned: same input, same bytes, always."""
    first, second = signs(0, 0, 1027, 168), signs(1, 0, 1027, 168)
    other = signs(0, 1, 1027, 168)
    for product in (first, second, first * second, first * other, first[:, 1:] * first[:, :-1], first[1:] * first[:-1]):
        assert abs(product.mean()) < 0.0125
    assert signs(0, 0, 1, 8).tolist() == [[1.0, -1.0, -1.0, 1.0, -1.0, -1.0, -1.0, 1.0]]


def test_lower_ends_open_at_the_edge_and_close_away_from_it() -> None:
    """At the edge the interval goes down 2 standard errors, far above it is the symmetric one; never below 0, never above the symmetric end."""
    devices = np.array([33.0, 38.0, 90.0, 6.0])
    ends = lower_ends(devices, np.array([10.0, 10.0, 10.0, 3.5]), np.array([16.45, 16.45, 16.45, 5.76]), np.array([32.9, 32.9, 32.9, 5.76]))
    assert ends[0] == 13.0
    assert 18.0 <= ends[1] < 38.0 - 16.45
    assert abs(ends[2] - (90.0 - 16.45)) < 0.01
    assert ends[3] == 0.0
