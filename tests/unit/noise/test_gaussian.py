"""The law of the noise. Every statistical test here alarms falsely with probability at most 1e-6 (so the file: under 1e-5)."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import flockwise
from flockwise.errors import InternalError
from flockwise.noise import gaussian

ALARM = 1e-6


def pmf(sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """The exact discrete Gaussian: exp(-x^2 / 2 sigma^2), normalised over the integers (tails below 1e-40 left out)."""
    x = np.arange(-math.ceil(14 * sigma) - 2, math.ceil(14 * sigma) + 3)
    p = np.exp(-(x.astype(float) ** 2) / (2 * sigma**2))
    return x, p / p.sum()


@pytest.mark.rule(19)
@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.25])
def test_chi_square_against_the_exact_law(sigma: float):
    n = 20_000
    drawn = gaussian.add(np.zeros(n, dtype=np.int64), sigma, threads=2)
    x, p = pmf(sigma)
    inner = p * n >= 10
    observed = np.array([(drawn == v).sum() for v in x[inner]] + [(~np.isin(drawn, x[inner])).sum()])
    expected = np.append(p[inner], p[~inner].sum()) * n
    if expected[-1] < 10:
        observed, expected = np.append(observed[:-2], observed[-2:].sum()), np.append(expected[:-2], expected[-2:].sum())
    assert stats.chisquare(observed, expected).pvalue > ALARM


@pytest.mark.rule(19)
def test_kolmogorov_smirnov_at_a_large_fractional_scale():
    sigma, n = 7116.803, 20_000
    drawn = gaussian.add(np.zeros(n, dtype=np.int64), sigma, threads=2)
    # Over steps this fine the discrete law is within 1e-4 of the continuous one at x + 1/2; KS at n = 20,000 sees 1e-2.
    assert stats.kstest(drawn + 0.5, "norm", args=(0.5, sigma)).pvalue > ALARM
    assert stats.kstest(drawn / 2, "norm", args=(0, sigma)).pvalue < ALARM  # a halved sigma is seen
    assert len(np.unique(drawn)) > 10_000


def test_chunks_and_threads_are_independent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gaussian, "CHUNK", 100)
    n = 20_000
    a = gaussian.add(np.zeros(n, dtype=np.int64), 50.0, threads=4).reshape(-1, 100).astype(float)
    b = gaussian.add(np.zeros(n, dtype=np.int64), 50.0, threads=4).reshape(-1, 100).astype(float)
    assert len({tuple(row) for row in (*a, *b)}) == 2 * len(a)  # no chunk was drawn twice
    for x, y in ((a[1:], a[:-1]), (a[:, 1:], a[:, :-1]), (a, b), (a[4:], a[:-4])):
        r = np.corrcoef(x.ravel(), y.ravel())[0, 1]
        assert abs(r) * math.sqrt(x.size) < stats.norm.isf(ALARM / 8)


def test_shape_type_and_input_are_kept():
    values = np.arange(24, dtype=np.int64).reshape(2, 3, 4)[:, ::-1]
    before = values.copy()
    seen: list[tuple[str, int, int]] = []
    out = gaussian.add(values, 0.5, threads=2, progress=lambda *x: seen.append(x))
    assert out.shape == values.shape
    assert out.dtype == np.int64
    assert (values == before).all()
    assert abs(out - values).max() < 20
    assert seen[-1] == ("noise", 24, 24)
    assert gaussian.add(np.zeros((0, 5), dtype=np.int64), 1.0).shape == (0, 5)


def test_every_value_gets_its_noise_at_its_own_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gaussian, "CHUNK", 64)
    values = (np.arange(1000, dtype=np.int64) * 10**6).reshape(8, 125)
    assert abs(gaussian.add(values, 2.0, threads=4) - values).max() < 100


@pytest.mark.rule(19)
def test_the_ends_of_int64_saturate_and_never_wrap():
    top = gaussian.add(np.full(200, 2**63 - 1, dtype=np.int64), 1e6)
    low = gaussian.add(np.full(200, -(2**63), dtype=np.int64), 1e6)
    assert top.min() > 2**63 - 1 - 10**8
    assert low.max() < -(2**63) + 10**8
    assert top.max() == 2**63 - 1
    assert low.min() == -(2**63)
    near = np.full(50, 2**62, dtype=np.int64)
    assert abs(gaussian.add(near, 3.0) - near).max() < 100  # no rounding to floats on the way


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_bad_scales_draw_nothing(bad: float):
    with pytest.raises(InternalError):
        gaussian.add(np.zeros(3, dtype=np.int64), bad)


@pytest.mark.rule(19)
def test_floats_are_refused():
    with pytest.raises(InternalError):
        gaussian.add(np.zeros(3), 1.0)  # type: ignore[arg-type]  # the refusal is the test


def test_errors_in_a_thread_reach_the_caller(monkeypatch: pytest.MonkeyPatch):
    def broken(_: float):
        def draw(_: list[int]) -> list[int]:
            raise ValueError("no draw")

        return draw

    monkeypatch.setattr(gaussian, "_measurement", broken)
    with pytest.raises(ValueError, match="no draw"):
        gaussian.add(np.zeros(10_000, dtype=np.int64), 1.0, threads=2)


@pytest.mark.rule(19)
@pytest.mark.parametrize("room", ["noise", "release"])
def test_no_other_source_of_randomness(room: str):
    for path in sorted((Path(flockwise.__file__).parent / room).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = []
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{a.name}" for a in node.names]
            elif isinstance(node, ast.Attribute):
                names = [node.attr]
            found = [n for n in names if n in ("random", "default_rng", "RandomState") or n.startswith(("random.", "numpy.random", "secrets", "scipy.stats"))]
            assert not found, f"{path.name}: {found}"
