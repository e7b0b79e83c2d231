"""What is expected of a study: from public facts, the same every time, better for a larger budget and a larger panel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flockwise import config, forecast, release
from flockwise.forecast import flows, population
from flockwise.forecast.variants import LARGEST

FACTS = forecast.Facts(devices=20_000, seen=0.4, trips=0.6)
Make = Callable[..., Path]


def rows(path: Path, facts: forecast.Facts = FACTS) -> dict[tuple[str, int], forecast.Expected]:
    return {(e.table, e.level): e for e in forecast.expected(release.make_plan(config.load(path)), facts)}


def test_every_table_and_level_has_a_row(study: Make) -> None:
    found = rows(study())
    levels = {"presence": (7, 6, 5), "typical_day": (7, 6, 5), "flows": (6, 5), "margins": (6, 5)}
    assert list(found) == [(table, level) for table, of in levels.items() for level in of]
    for e in found.values():
        assert e.relative_error is not None
        assert e.printed is not None
        assert 0 < e.relative_error < 2
        assert 0 <= e.printed <= e.rows
    plan = release.make_plan(config.load(study()))
    assert found["presence", 7].noise_sd == plan.of("presence")[0].sigma
    assert found["typical_day", 7].noise_sd == pytest.approx(plan.of("presence")[0].sigma / 2**0.5)
    assert (found["typical_day", 7].relative_error or 1.0) < (found["presence", 7].relative_error or 0.0)
    assert found["typical_day", 7].rows == len(plan.of("presence")[0].region) * 24


def test_the_same_study_gives_the_same_forecast(study: Make) -> None:
    assert rows(study()) == rows(study())


def test_nothing_is_drawn(study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(*_: object, **__: object) -> None:
        raise AssertionError("noise was drawn")

    monkeypatch.setattr("flockwise.noise.add", drawn)
    monkeypatch.setattr("os.urandom", drawn)
    assert rows(study())


@pytest.mark.parametrize(("table", "level"), [("presence", 7), ("presence", 6), ("presence", 5), ("margins", 6), ("margins", 5), ("flows", 6)])
def test_errors_fall_as_epsilon_rises(study: Make, table: str, level: int) -> None:
    errors = [rows(study(epsilon=e))[table, level].relative_error or 0.0 for e in ("0.25", "0.5", "1", "2")]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.7 * errors[0]


def test_errors_fall_as_the_panel_grows(study: Make) -> None:
    few, many = rows(study()), rows(study(), replace(FACTS, devices=200_000))
    for key in few:
        assert (many[key].relative_error or 0.0) < (few[key].relative_error or 0.0)


def test_what_presence_leaves_is_for_flows(study: Make) -> None:
    plan = release.settle(release.make_plan(config.load(study())), 16, 64)
    counts = np.arange(1, 60)
    norms = population.norms(counts)
    light = norms**2 < 0
    never, always = (flows._kept(plan, replace(FACTS, seen=seen), norms, light) for seen in (1e-9, 1.0))
    assert (never >= always).all()
    assert (never > always).any()
    assert (never[norms <= 3.9] == 1.0).all()
    assert (flows._kept(plan, FACTS, norms, ~light) <= flows._kept(plan, FACTS, norms, light)).all()


def test_variants_that_the_study_does_not_allow_are_left_out(study: Make) -> None:
    loaded = config.load(study(("days = 2", "days = 1"), ("coarser = [6, 5]\n", "coarser = [6, 5]\nslot_minutes = 120\n")))
    own = forecast.expected(release.make_plan(loaded), FACTS)
    changes = [v.change for v in forecast.others(loaded, FACTS, own)]
    assert "presence: zones at resolution 6" in changes
    assert "presence: zones at resolution 8" not in changes  # finer than a study may be, or than its region's cells
    assert "presence: slots of 2880 minutes" not in changes  # longer than the window
    assert "presence: slots of 60 minutes" in changes
    assert "flows: one slot, the whole day" in changes


def test_a_variant_keeps_the_other_table_as_it_is(study: Make) -> None:
    loaded = config.load(study())
    own = forecast.expected(release.make_plan(loaded), FACTS)
    for variant in forecast.others(loaded, FACTS, own):
        kept = "flows" if variant.change.startswith("presence") else "presence"
        assert [e for e in variant.found if e.table == kept] == [e for e in own if e.table == kept]
        assert sum(e.rows for e in variant.found if e.table == "flows") < 2 * LARGEST


def test_every_epsilon_is_tried_with_the_study_s_own_among_them(study: Make) -> None:
    found = forecast.by_epsilon(config.load(study(epsilon="0.7")), FACTS)
    assert [str(v.epsilon) for v in found] == ["1/4", "1/2", "7/10", "1", "2"]
    assert [v.rho for v in found] == sorted(v.rho for v in found)


def test_pairs_too_many_to_be_held_are_not_forecast(study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flockwise.person.LARGEST_DENSE", 6_000)
    found = rows(study(("resolution = 6\ncoarser = [5]", "resolution = 7\ncoarser = [6]")))
    assert found["flows", 7].relative_error is None
    assert found["flows", 7].printed is None
    assert found["presence", 7].relative_error is not None
