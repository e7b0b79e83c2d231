"""Estimates from noisy figures. Statistical tests draw with numpy and say how often they would fail by chance."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tests.unit.risk._made import study

from flockwise.risk.estimating import rows_of
from flockwise.risk.plan import RiskPlan, make_plan
from flockwise.risk.table import COLUMNS, to_csv

RUNS = 1500


@pytest.fixture(scope="module")
def plan() -> RiskPlan:
    return make_plan(study(Path("nowhere"), 200_000), "1")


def exact_of(plan: RiskPlan) -> dict[str, np.ndarray]:
    """Figures as of 150,000 devices, away from the ends of the scale."""
    out = {}
    for block in plan.blocks:
        if block.kind == "singled_out":
            parts = np.array([25, 25, 20, 20, 15, 15, 10, 10, 116]) * block.groups
        elif block.kind == "place_sets":
            parts = np.array([20_000, 6_000, 3_000, 2_000, 1_500, 1_200, 1_000, 900, 800, 2_000]) * 256
        else:
            parts = np.full(block.size, 15_000 * 256)
        out[block.name] = parts.astype(np.int64)
    return out


def noisy_of(plan: RiskPlan, exact: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {b.name: exact[b.name] + np.rint(rng.normal(0, b.sigma_units, b.size)).astype(np.int64) for b in plan.blocks}


def test_without_noise_the_estimates_are_the_figures(plan: RiskPlan) -> None:
    rows = rows_of(plan, exact_of(plan))
    assert rows[0].value == 150_000
    curve = [r.value for r in rows if r.figure == "singled_out"][:8]
    assert curve == pytest.approx(np.cumsum([25, 25, 20, 20, 15, 15, 10, 10]) / 256)
    small = {r.bin: r.value for r in rows if r.figure == "in_small_sets" and r.places == 2 and r.level == 7}
    assert small["1"] == pytest.approx(20_000 / 150_000)
    assert small["1-4"] == pytest.approx((20_000 + 2 * 6_000 + 3 * 3_000 + 4 * 2_000) / 150_000)


def test_ninety_per_cent_intervals_cover_ninety_per_cent(plan: RiskPlan) -> None:
    """RUNS runs of each kind of figure: standard error below 0.5 % pooled, so that 88 to 92 is passed by chance but in 1 of 10,000 tests."""
    exact, rng = exact_of(plan), np.random.default_rng(8)
    truth = {r[:7]: r.value for r in rows_of(plan, exact)}
    covered: dict[str, list[bool]] = {}
    for _ in range(RUNS):
        for row in rows_of(plan, noisy_of(plan, exact, rng)):
            want = truth[row[:7]]
            assert row.lower is not None
            assert row.upper is not None
            assert want is not None
            covered.setdefault(row.figure, []).append(row.lower <= want <= row.upper)
    assert set(covered) == {"devices", "singled_out", "in_small_sets", "place_sets", "points"}
    for figure, hits in covered.items():
        assert 0.88 <= np.mean(hits) <= 0.92, figure


def test_settling_on_the_public_total_is_worth_it(plan: RiskPlan) -> None:
    """The printed standard deviation is that of the estimate: 6 % is 4 standard errors at RUNS runs."""
    exact, rng = exact_of(plan), np.random.default_rng(9)
    block = plan.of("singled_out")[0]
    total = block.groups * 256
    found = []
    for _ in range(RUNS):
        noise = rng.normal(0, block.sigma_units, block.size)
        found.append(np.cumsum(noise - noise.mean())[:8] / total)
    printed = [r.noise_sd for r in rows_of(plan, exact) if r.figure == "singled_out"][:8]
    assert np.std(found, axis=0) == pytest.approx(printed, rel=0.08)


def test_values_rise_and_stay_in_their_interval(plan: RiskPlan) -> None:
    rng = np.random.default_rng(10)
    nothing = {b.name: np.zeros(b.size, dtype=np.int64) for b in plan.blocks}
    for exact in (exact_of(plan), nothing):
        for _ in range(30):
            rows = [r for r in rows_of(plan, noisy_of(plan, exact, rng)) if r.value is not None]
            assert all(r.lower <= r.value <= r.upper for r in rows)  # type: ignore[operator]
            for a, b in pairwise(rows):
                if a.figure == b.figure == "singled_out" and b.points == (a.points or 0) + 1 and b.lower == 0.0 == a.lower:
                    assert a.value <= b.value  # type: ignore[operator]


def test_shares_of_a_number_that_is_not_known_are_withheld(plan: RiskPlan) -> None:
    nothing = {b.name: np.zeros(b.size, dtype=np.int64) for b in plan.blocks}
    rows = rows_of(plan, noisy_of(plan, nothing, np.random.default_rng(1)))
    shares = [r for r in rows if r.figure == "in_small_sets"]
    assert shares
    assert all(r.value is None and r.lower is None and r.upper is None for r in shares)


def test_the_table_has_one_line_a_figure(plan: RiskPlan) -> None:
    rows = rows_of(plan, exact_of(plan))
    lines = to_csv(rows).decode().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert len(lines) == len(rows) + 1
    assert len({line.split(",share")[0] for line in lines if line.startswith("singled_out")}) == 8 * len(plan.of("singled_out"))
