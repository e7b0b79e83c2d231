"""The two kinds of noise side by side."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from flockwise import noise
from flockwise.errors import InternalError
from flockwise.noise import gaussian, rounded

MICRO = Fraction(1, 10**6)


def test_a_sum_converts_by_gdp_only_if_every_charge_is_of_rounded_noise():
    third = Fraction(1, 3)
    assert noise.total([]) == (0, "rounded")
    assert noise.total([(third, "rounded")] * 3) == (1, "rounded")
    assert noise.total([(third, "rounded"), (third, "discrete"), (third, "rounded")]) == (1, "discrete")
    with pytest.raises(InternalError):
        noise.total([(third, "laplace")])  # type: ignore[list-item]  # the refusal is the test
    with pytest.raises(InternalError):
        noise.total([(-third, "rounded")])


def test_a_mixed_sum_is_worth_more_epsilon_than_one_of_rounded_noise():
    rho = noise.rho_for(Fraction(1), MICRO, "rounded")
    alone = noise.epsilon_of(*_at(noise.total([(rho, "rounded")] * 2)))
    mixed = noise.epsilon_of(*_at(noise.total([(rho, "rounded"), (rho, "discrete")])))
    assert alone < mixed


def _at(found: tuple[Fraction, noise.Kind]) -> tuple[Fraction, Fraction, noise.Kind]:
    return found[0], MICRO, found[1]


def test_each_kind_goes_to_its_own_sampler(monkeypatch: pytest.MonkeyPatch):
    called = []
    for module, name in ((gaussian, "discrete"), (rounded, "rounded")):
        monkeypatch.setattr(module, "add", lambda values, *_, name=name: called.append(name) or values)
    for kind in ("rounded", "discrete"):
        noise.add(np.zeros(1, dtype=np.int64), 1.0, kind=kind)  # type: ignore[arg-type]  # both are kinds
    assert called == ["rounded", "discrete"]


def test_unknown_kinds_are_refused_everywhere():
    bad: noise.Kind = "laplace"  # type: ignore[assignment]  # the refusal is the test
    rho = Fraction(1, 50)
    for call in (
        lambda: noise.rho_for(Fraction(1), MICRO, bad),
        lambda: noise.epsilon_of(rho, MICRO, bad),
        lambda: noise.certify(1, [1], [100.0], rho, bad),
        lambda: noise.guess_percent(rho, bad),
        lambda: noise.certainty_percent(rho, MICRO, bad),
        lambda: noise.meaning(rho, Fraction(1), MICRO, 13, bad),
        lambda: noise.limits(bad),
        lambda: noise.year(rho, MICRO, 13, bad),
    ):
        with pytest.raises(InternalError) as got:
            call()
        assert got.value.code == "NOISE_BAD_KIND"


def test_importing_noise_loads_no_heavy_library():
    code = "import sys, flockwise.noise; print(sorted({'flint', 'opendp', 'numba'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
