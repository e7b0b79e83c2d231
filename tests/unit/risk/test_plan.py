from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from tests.unit.risk._made import study

from flockwise import noise
from flockwise.errors import ConfigError
from flockwise.risk import plan as plans
from flockwise.risk.plan import BOUND, make_plan

HERE = Path("nowhere")


def test_every_block_has_enough_noise_and_all_of_them_fit_into_the_budget() -> None:
    for panel in (4_000, 100_000, 5_000_000):
        plan = make_plan(study(HERE, panel), "1")
        noise.certify(BOUND, [b.weight for b in plan.blocks], [b.sigma_units for b in plan.blocks], plan.rho, plan.privacy.noise)
        assert sum(b.weight * b.norm for b in plan.blocks) <= BOUND
        assert sum((b.share for b in plan.blocks), Fraction(0)) == 1
        # A device that moves every block by its norm at once costs rho.
        worst = sum(Fraction(b.norm) / (2 * Fraction(b.sigma_units) ** 2) for b in plan.blocks)
        assert Fraction(999, 1000) * plan.rho < worst <= plan.rho


def test_epsilon_is_exact_and_within_the_rules() -> None:
    assert make_plan(study(HERE), "1/3").privacy.epsilon == Fraction(1, 3)
    for bad in ("0", "-1", "2.5", "much", "nan", "1e", ""):
        with pytest.raises(ConfigError, match="RISK_BAD_EPSILON"):
            make_plan(study(HERE), bad)
    with pytest.raises(ConfigError, match="RISK_BAD_EPSILON"):
        make_plan(study(HERE), 0.5)  # type: ignore[arg-type]


def test_groups_come_from_public_facts_and_are_nested() -> None:
    for panel, epsilon in ((50_000, "1"), (1_000_000, "1"), (2_000_000, "0.3"), (50_000_000, "2")):
        plan = make_plan(study(HERE, panel), epsilon)
        sizes = [panel / (1 << b) for b in plan.bits]
        assert len(sizes) >= 2
        assert all(plans.LEAST_GROUP <= size <= plans.MOST_GROUP for size in sizes)
        top = [b for b in plan.of("singled_out") if b.bits == plan.bits[0]]
        assert 1.645 * (20 / 9) ** 0.5 * top[0].sigma_units / (256 * top[0].groups) <= plans.WANTED


def test_a_small_panel_gets_wider_intervals_before_it_loses_the_trend() -> None:
    def widest(panel: int, epsilon: str) -> tuple[int, float]:
        plan = make_plan(study(HERE, panel), epsilon)
        block = plan.of("singled_out")[0]
        return len(plan.bits), 1.645 * (20 / 9) ** 0.5 * block.sigma_units / (256 * block.groups)

    sizes, width = widest(50_000, "0.5")
    assert sizes == 2
    assert plans.WANTED < width <= 2 * plans.WANTED
    sizes, width = widest(10_000, "0.2")
    assert sizes == 1
    assert width <= plans.WORST


def test_an_assessment_that_would_teach_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="RISK_TOO_NOISY"):
        make_plan(study(HERE, 1_000), "0.1")


def test_the_plan_is_public_json_without_paths_and_its_digest_tells_epsilons_apart(tmp_path: Path) -> None:
    plan = make_plan(study(tmp_path), "1")
    assert str(tmp_path) not in json.dumps(plan.describe())
    assert plan.digest == make_plan(study(HERE), "1.0").digest
    assert plan.digest != make_plan(study(HERE), "0.9").digest


def test_days_are_local_days() -> None:
    rules = make_plan(study(HERE), "1").rules()
    hours, days = rules.views[0].starts_us, rules.views[1].starts_us
    assert len(hours) == 48
    assert days.tolist() == [hours[0], hours[24]]
