"""How releases differ by the luck of their totals: as when the whole estimate is made again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from flockwise import config, forecast, release
from flockwise.estimate.flow_rescale import ratios, total_trips
from flockwise.forecast import flows, population
from flockwise.forecast import luck as lucky
from flockwise.forecast.facts import noise, noisy
from flockwise.forecast.luck import luck

Make = Callable[..., Path]
Floats: TypeAlias = npt.NDArray[np.float64]
FACTS = forecast.Facts(devices=20_000, seen=0.4, trips=0.6)
TOTALS = ("total_departures", "total_arrivals")


def made_up(path: Path, devices: int) -> tuple[release.Plan, dict[str, Floats]]:
    """A settled plan and exact figures of a made-up panel."""
    plan = release.settle(release.make_plan(config.load(path)), 6, 23)
    counts, share = population.trip_counts(FACTS.trips * 2)
    block, norms = plan.of("flows")[0], population.norms(counts)
    generator = np.random.default_rng(4)
    truth = generator.poisson(devices * FACTS.trips * 2 / block.size * 2 * generator.exponential(1.0, block.shape[1:])).astype(np.float64)
    return plan, flows._exact(plan, replace(FACTS, devices=devices), truth, counts * share, norms)


def test_a_factor_is_what_the_whole_estimate_would_have_made_of_other_totals(study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lucky, "DRAWS", 6)
    plan, exact = made_up(study(), 30_000)
    base = {b.name: noisy(b, exact[b.name]) for b in plan.blocks if b.name in exact}
    base |= {name: np.round(values * release.GRID).astype(np.int64) for name, values in exact.items() if name.startswith("total_")}
    found, usual = luck(plan, exact, base), release.flow_estimate(plan, base)
    factors = []
    for draw in range(6):
        again = {b.name: noisy(b, exact[b.name], draw) if b.kind in TOTALS else base[b.name] for b in plan.blocks if b.name in exact}
        estimate = release.flow_estimate(plan, again)
        factors.append(estimate.departures[0].trips.sum() / usual.departures[0].trips.sum())
        assert estimate.pairs[0].trips.sum() / usual.pairs[0].trips.sum() == pytest.approx(found.pairs[draw], rel=0.05)
        assert factors[-1] == pytest.approx(found.margins[draw].mean(), rel=0.15)
    assert max(factors) > 1.3 * min(factors)


def test_the_total_needs_no_more_of_pairs_than_their_sums(study: Make) -> None:
    plan, exact = made_up(study(), 30_000)
    base = {b.name: noisy(b, exact[b.name]) for b in plan.blocks if b.name in exact}
    levels = [release.noisy_flows(plan, base, band) for band in (0, 1)]
    summed = [[lucky._with_sums(level, level.dense.sum(axis=(0, 1)), np.zeros(level.shape[1])) for level in band] for band in levels]
    ratio = ratios(*levels)
    whole, less = (total_trips(list(zip(*of, strict=True)), ratio) for of in (levels, summed))
    assert less.trips == pytest.approx(whole.trips, rel=1e-9)
    assert less.variance == pytest.approx(whole.variance, rel=1e-9)


def test_large_panels_need_no_luck(study: Make) -> None:
    spread = []
    for devices in (5_000, 100_000, 2_000_000):
        plan, exact = made_up(study(), devices)
        base = {name: np.round(values * release.GRID).astype(np.int64) for name, values in exact.items()}
        found = luck(plan, exact, base)
        assert found.pairs.shape == (lucky.DRAWS,)
        assert found.margins.shape == (lucky.DRAWS, plan.of("flows")[0].shape[3])
        spread.append(found.pairs.std())
    assert spread[0] > 3 * spread[1] > 9 * spread[2]
    assert np.median(found.pairs) == pytest.approx(1.0, abs=0.02)
    assert np.median(found.margins) == pytest.approx(1.0, abs=0.02)


def test_an_odd_draw_has_the_opposite_noise_of_the_one_before() -> None:
    drawn = [noise("flows-6", (30, 40), draw) for draw in range(4)]
    assert np.array_equal(drawn[0], -drawn[1])
    assert np.array_equal(drawn[2], -drawn[3])
    assert abs(np.corrcoef(drawn[0].ravel(), drawn[2].ravel())[0, 1]) < 0.15


def test_the_mean_lies_among_the_releases(study: Make) -> None:
    for devices in (3_000, 20_000, 500_000):
        for e in forecast.expected(release.make_plan(config.load(study())), replace(FACTS, devices=devices), ("flows",)):
            assert e.low is not None
            assert e.high is not None
            assert e.relative_error is not None
            assert 0.0 < e.low < e.relative_error < e.high
            between = forecast.span(e)
            assert between is not None
            assert between.startswith(forecast.percent(e.low))


def test_presence_says_no_range(study: Make) -> None:
    found = forecast.expected(release.make_plan(config.load(study())), FACTS, ("presence",))
    assert {(e.low, e.high, forecast.span(e)) for e in found} == {(None, None, None)}
