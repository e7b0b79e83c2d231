"""Seeded faults are raised, and a release like those before raises nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner
from tests.conftest import World

from flockwise import api, quality
from flockwise.cli import main
from flockwise.errors import ArtifactError

CELLS, SLOTS, SIGMA = 40, 24, 5.0


@dataclass
class Made:
    """As much of a published folder as the warnings look at."""

    certificate: Any
    tables: dict[str, pa.Table]
    path: Path = Path("release")

    def table(self, kind: str, columns: list[str]) -> pa.Table:
        return self.tables[kind].select(columns)


def made(start: date, factors: list[float], *, trips: float = 3000.0, seed: int = 1, bound: int = 6000, sigma: float = SIGMA, dataset: str = "panel") -> Any:
    rng = np.random.default_rng(seed)
    days = len(factors)
    usual = np.repeat(np.array(factors), SLOTS)[None, :] * (100 + 5 * np.sin(np.arange(SLOTS * days) / 4))
    noisy = np.broadcast_to(usual, (CELLS, SLOTS * days)) + rng.normal(0, sigma, (CELLS, SLOTS * days))
    margins = np.full(CELLS, trips * days / CELLS) + rng.normal(0, 3 * sigma, CELLS)
    margins[:3] = np.nan
    first = datetime.fromisoformat(f"{start}T00:00:00+00:00")
    table = [
        SimpleNamespace(kind="presence", level=5, sigma=sigma, slots=SimpleNamespace(count=SLOTS * days, minutes=60, labels=None), rows_public=0),
        SimpleNamespace(kind="margins", level=5, sigma=3 * sigma, slots=SimpleNamespace(count=1, minutes=None, labels=("00:00-24:00",)), rows_public=CELLS),
    ]
    certificate = SimpleNamespace(
        dataset=dataset,
        domain=SimpleNamespace(levels=((5, CELLS),)),
        bounds=SimpleNamespace(weights=None, scale=1, panel_bound=bound),
        tables=table,
        kinds=lambda: ("presence", "margins"),
        window=SimpleNamespace(first_day=start, days=days, start=first, end=first + timedelta(days=days)),
    )
    return Made(
        certificate,
        {
            "presence": pa.table({"level": np.full(noisy.size, 5), "unbiased": noisy.ravel()}),
            "margins": pa.table({"level": np.full(CELLS, 5), "departures": margins}),
        },
    )


BEFORE = [made(date(2026, 3, 2) + timedelta(days=7 * i), [1, 1.02, 0.98, 1.01, 0.99, 1, 1], seed=i) for i in range(3)]
NOW = date(2026, 3, 23)


def rules(release: Any, before: list[Any] = BEFORE) -> set[tuple[str, str, str]]:
    return {(w.rule, w.figure, w.day) for w in quality.examine(release, before)[0]}


def test_a_week_like_the_ones_before_raises_nothing() -> None:
    for seed in range(20):
        assert rules(made(NOW, [1, 1.01, 0.99, 1, 1, 1.01, 0.99], seed=100 + seed)) == set()


@pytest.mark.rule(27)
def test_a_day_with_a_third_missing_is_raised_by_name() -> None:
    found = rules(made(NOW, [1, 1, 1, 0.65, 1, 1, 1], seed=7))
    assert found == {("off_average", "present devices", "2026-03-26"), ("outside_spread", "present devices", "2026-03-26")}


@pytest.mark.rule(27)
def test_a_day_twice_as_full_is_raised() -> None:
    assert ("off_average", "present devices", "2026-03-23") in rules(made(NOW, [2, 1, 1, 1, 1, 1, 1], seed=7))


@pytest.mark.rule(27)
def test_a_day_ten_percent_off_is_outside_the_spread_alone() -> None:
    assert rules(made(NOW, [1, 1, 1, 1.1, 1, 1, 1], seed=7)) == {("outside_spread", "present devices", "2026-03-26")}


@pytest.mark.rule(27)
def test_trips_that_broke_away_are_raised() -> None:
    assert ("off_average", "departures a day", "2026-03-23") in rules(made(NOW, [1] * 7, trips=1500, seed=7))


@pytest.mark.rule(27)
def test_devices_unseen_for_half_the_slots_are_raised_against_the_public_bound() -> None:
    assert ("unseen", "share of slots seen", "") in rules(made(NOW, [1] * 7, seed=7, bound=10_000))
    assert ("unseen", "share of slots seen", "") not in rules(made(NOW, [1] * 7, seed=7, bound=7_500))


@pytest.mark.rule(27)
def test_what_noise_could_explain_is_not_raised_but_said() -> None:
    found, left = quality.examine(made(NOW, [1, 1, 1, 0.65, 1, 1, 1], seed=7, sigma=20_000.0), BEFORE)
    assert [w for w in found if w.rule != "unseen"] == []
    assert any("too large to say" in line for line in left)
    assert quality.examine(made(NOW, [1] * 7), [])[1][:2] == [f"{f}: no earlier release to compare with" for f in ("present devices", "departures a day")]
    assert any("no spread" in line for line in quality.examine(made(NOW, [1] * 7), [made(date(2026, 3, 2), [1, 1])])[1])


@pytest.mark.parametrize("other", [made(date(2026, 3, 2), [1] * 7, dataset="another"), made(NOW, [1] * 7)], ids=["another panel", "not earlier"])
def test_only_earlier_releases_of_the_same_panel_are_compared(other: Any) -> None:
    with pytest.raises(ArtifactError, match="QUALITY"):
        quality.examine(made(NOW, [1] * 7), [other])


def test_a_real_folder_is_read(small_world: World) -> None:
    told = api.quality(small_world.published, [])
    assert told.facts["days"][0]["figure"] == "present devices"
    done = CliRunner().invoke(main, ["quality", str(small_world.published), "--json"])
    assert done.exit_code == 0, done.stderr
    again = CliRunner().invoke(main, ["quality", str(small_world.published), "--before", str(small_world.published)])
    assert "QUALITY_NOT_EARLIER" in again.stderr
