from __future__ import annotations

import math

import numpy as np
import pytest

from flockwise import noise
from flockwise.audit import laws

KINDS: tuple[noise.Kind, ...] = ("rounded", "discrete")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sigma", [0.6, 3.0, 25.0])
def test_masses_and_tails_are_those_of_the_law(kind: noise.Kind, sigma: float) -> None:
    far = math.ceil(12 * sigma)
    numbers = np.arange(-far, far + 1)
    found = laws.masses(numbers, sigma, kind)
    assert found.sum() == pytest.approx(1, abs=1e-12)
    if kind == "rounded":
        wanted = [(math.erf((n + 0.5) / sigma / 2**0.5) - math.erf((n - 0.5) / sigma / 2**0.5)) / 2 for n in numbers]
        assert np.allclose(found, wanted, rtol=1e-9, atol=1e-15)
    else:
        assert np.allclose(found / found[far], np.exp(-(numbers**2) / (2 * sigma**2)), rtol=1e-12)
    least = math.ceil(2 * sigma)
    assert laws.tail(least, sigma, kind) == pytest.approx(found[numbers >= least].sum(), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_chances_of_true_noise_are_spread_evenly(kind: noise.Kind) -> None:
    """Of 300 chances about 30 lie under a tenth, for each statistic; 60 or more would happen with a chance under 1e-6."""
    rng, sigma = np.random.default_rng(5), 40.0
    far = np.arange(-500, 501)
    mass = laws.masses(far, sigma, kind)
    low = np.zeros(4)
    for _ in range(300):
        x, y = (rng.choice(far, 3000, p=mass / mass.sum()) for _ in range(2))
        chances = [laws.chance_of_law(x, sigma, kind), laws.chance_of_spread(x, sigma), laws.chance_of_relation(x, y, sigma)]
        chances.append(laws.chance_of_count(int((x >= 30).sum()), 3000, laws.tail(30, sigma, kind)))
        low += np.array(chances) < 0.1
    assert (low < 60).all()
    assert (low > 8).all()


def test_noise_of_another_kind_scale_or_origin_has_no_chance() -> None:
    rng, sigma = np.random.default_rng(6), 40.0
    x = np.rint(rng.normal(0, sigma, 4000)).astype(np.int64)
    assert laws.chance_of_spread(x, 2 * sigma) < 1e-9
    assert laws.chance_of_spread(x, 0.8 * sigma) < 1e-9
    assert laws.chance_of_relation(x, x // 3, sigma / 3) < 1e-9
    assert laws.chance_of_law(np.rint(rng.laplace(0, sigma / 2**0.5, 4000)).astype(np.int64), sigma, "rounded") < 1e-9
    above = np.abs(x[np.abs(x) > 50])
    assert laws.chance_of_law(above, sigma, "rounded", 51) > 1e-6
    assert laws.chance_of_law(above, sigma, "rounded", 44) < 1e-6
    assert laws.chance_of_law(np.zeros(0, dtype=np.int64), sigma, "rounded") == 1


def test_runs_that_occur_twice_are_counted_wherever_they_are() -> None:
    rng = np.random.default_rng(7)
    one, other = rng.integers(-(10**6), 10**6, (20, 10)), rng.integers(-(10**6), 10**6, 50)
    assert laws.repeats([one, other]) == 0
    assert laws.repeats([one, np.concatenate([other, one.ravel()[7:12]])]) == 2
