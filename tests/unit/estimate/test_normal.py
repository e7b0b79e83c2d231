from __future__ import annotations

import numpy as np
from scipy.stats import norm

from flockwise.estimate.normal import log_survival, mills


def test_log_survival_agrees_with_scipy_far_out() -> None:
    z = np.linspace(-30, 200, 20_001)
    np.testing.assert_allclose(log_survival(z), norm.logsf(z), rtol=2e-13, atol=1e-300)


def test_mills_ratio_agrees_with_scipy() -> None:
    z = np.linspace(0, 35, 5_001)
    np.testing.assert_allclose(mills(z), np.exp(norm.logsf(z) - norm.logpdf(z)), rtol=1e-12)


def test_log_survival_is_finite_at_the_ends() -> None:
    assert np.isfinite(log_survival(np.array([-1e8, 1e8]))).all()
