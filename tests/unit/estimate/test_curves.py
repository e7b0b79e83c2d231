"""Variance as a function of size."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import nnls

from flockwise.estimate.curves import fit_curve, signal_curve


def test_a_curve_without_noise_is_found() -> None:
    mean = np.array([0.0, 1.0, 2.0, 5.0, 20.0])
    target = np.column_stack([3 * mean, 0.5 * mean**2, 2 * mean + mean**2, -mean])
    expected = np.column_stack([3 * mean, 0.5 * mean**2, 2 * mean + mean**2, 0 * mean])
    np.testing.assert_allclose(fit_curve(target, mean, np.ones(4)), expected, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, 6, elements=st.floats(-100, 100)), arrays(np.float64, 6, elements=st.floats(0.125, 50)))
def test_the_fit_is_the_best_non_negative_one_for_its_weights(target: np.ndarray, mean: np.ndarray) -> None:
    """With a floor far above the curve all weights are equal: scipy's non-negative least squares is the reference."""
    found = fit_curve(target[:, None], mean, np.full(1, 1e9))[:, 0]
    best = nnls(np.column_stack([mean, mean**2]), target)[1]
    assert np.linalg.norm(target - found) <= best * (1 + 1e-6) + 1e-6


def test_noise_alone_leaves_almost_no_signal() -> None:
    """400 cells, 50 columns of unit noise: the mean signal is under 3 % of the noise (0.9 % measured)."""
    rng = np.random.default_rng(3)
    power = rng.standard_normal((400, 50)) ** 2
    signal = signal_curve(power, rng.gamma(1.0, 5.0, 400), np.ones(50), np.ones(50))
    assert (signal >= 0).all()
    assert signal.mean() < 0.03


def test_a_signal_far_over_the_noise_is_kept() -> None:
    rng = np.random.default_rng(4)
    size = rng.gamma(2.0, 5.0, 500)
    signal = 2.0 * size + 0.3 * size**2
    power = (np.sqrt(1.0 + signal) * rng.standard_normal(500))[:, None] ** 2
    found = signal_curve(power, size, np.ones(1), np.ones(1))[:, 0]
    assert abs(found.sum() / signal.sum() - 1) < 0.2  # 500 squares: standard error 0.07 and a tenth for the weights


def test_no_size_no_signal() -> None:
    assert (signal_curve(np.full((3, 2), 9.0), np.zeros(3), np.ones(2), np.ones(2)) == 0).all()
