from __future__ import annotations

import os
import signal
import time
from fractions import Fraction

import numpy as np
import pytest

from flockwise import config, noise, release
from flockwise.audit import children
from flockwise.audit.charges import delta_of, worst_cost
from flockwise.audit.population import sitters
from flockwise.audit.trial import Trial, folder, loud, study


def test_a_trial_is_a_whole_study_and_leaves_nothing() -> None:
    with folder() as where:
        trial = Trial(where, study(where, rings=1))
        trial.ingest(sitters(1, trial.area, [0, 0, 3]))
        assert trial.publish("one").charged
        assert not trial.publish("two").charged
        noisy = trial.noisy()
        exact = trial.exact(noisy)
        assert np.asarray(exact["presence-7"]).sum() == 3 * 48 * 256
        for name, (residual, sigma) in trial.residuals(noisy).items():
            np.testing.assert_array_equal(noisy[name], np.asarray(exact[name]) + residual)
            assert sigma > 256
        assert where.stat().st_mode & 0o077 == 0
    assert not where.exists()


def test_a_loud_study_can_be_no_study_file() -> None:
    with folder() as where:
        for kind in ("rounded", "discrete"):
            found = loud(study(where, kind=kind), Fraction(2))
            plan = release.make_plan(found)
            assert Fraction(2) <= plan.rho < 2 + Fraction(1, 10**6)
            with pytest.raises(ValueError, match="at most 2"):
                config.Study.model_validate(found.model_dump())


def test_the_worst_device_costs_the_charge_and_a_quieter_block_more() -> None:
    with folder() as where:
        plan = release.make_plan(study(where))
    assert Fraction(999_999, 10**6) * plan.rho < worst_cost(plan) <= plan.rho
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noise, "sigma_for", lambda bound, weight, rho: 0.5 * (bound / (2 * float(rho) * weight)) ** 0.5)
        quiet = release.make_plan(plan.study)
    assert worst_cost(quiet) > 3.9 * plan.rho


@pytest.mark.parametrize("kind", ["rounded", "discrete"])
def test_the_audits_own_conversion_agrees_with_the_accounting(kind: noise.Kind) -> None:
    for epsilon in (Fraction(1, 2), Fraction(2)):
        rho = noise.rho_for(epsilon, Fraction(1, 10**6), kind)
        assert delta_of(float(rho), float(epsilon), kind) == pytest.approx(1e-6, rel=1e-3)


def test_a_child_gives_back_bytes_or_nothing() -> None:
    assert children.in_child(lambda: b"x" * 200_000) == b"x" * 200_000
    assert children.in_child(lambda: bytes(1 // 0)) is None

    def killed() -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""

    assert children.in_child(killed) is None


def test_a_child_that_hangs_is_ended_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "SECONDS", 0.3)
    began = time.monotonic()
    with folder() as where:

        def hangs() -> bytes:
            (where / f"{os.getpid()}").touch()
            time.sleep(60)
            return b"late"

        with pytest.raises(children.HungError):
            children.in_child(hangs, tries=2)
        assert len(list(where.iterdir())) == 2
    assert time.monotonic() - began < 30
