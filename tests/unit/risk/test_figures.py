from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tests.conformance.worlds import CELLS, table
from tests.unit.risk._made import Buckets, everywhere, halves, ping, sets_by_loops, small_plan, units_by_loops, wanderer

from flockwise import config
from flockwise.errors import InternalError
from flockwise.person.riskgroups import MOST_POINTS, draw_points
from flockwise.person.riskpoints import RiskRules, risk_figures
from flockwise.risk import plan as plans
from flockwise.risk import summing
from flockwise.risk.summing import exact_figures
from flockwise.store import Store


def panel(devices: int, least: int = 1, most: int = 30) -> list[tuple[int, ...]]:
    return [row for n in range(devices) for row in wanderer(n, least + n % (most - least))]


@pytest.mark.parametrize(
    "rows", [panel(60), panel(25, 1, 4), panel(12) + everywhere(99), everywhere(1), []], ids=["many", "few points", "heavy", "one", "none"]
)
def test_figures_are_those_of_plain_loops(rows: list, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = small_plan(monkeypatch).rules()
    found = risk_figures(table(random.Random(3).sample(rows, len(rows))), rules)
    np.testing.assert_array_equal(found.singled_out, units_by_loops(rows, rules))
    for keys, expected in zip(found.place_sets, sets_by_loops(rows, rules), strict=True):
        assert [sorted(np.unique(k, return_counts=True)[1].tolist()) for k in keys] == expected
    devices = len({row[:2] for row in rows})
    assert found.points.sum() == devices


def test_order_buckets_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small_plan(monkeypatch, (2, 4))
    rows = panel(80)
    expected = exact_figures(Buckets(rows, 2), plan, 1)
    for bits, threads in ((1, 1), (3, 2), (5, 2)):
        found = exact_figures(Buckets(rows[::-1], bits), plan, threads)
        assert all((found[name] == expected[name]).all() for name in expected), bits


def test_groups_are_whole_however_a_store_deals_its_buckets(ingested: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store's buckets have nothing to do with groups: the figures must be those of all pings in one table, whatever the portions."""
    monkeypatch.setattr(plans, "_group_bits", lambda *_: (2, 4))
    study = config.load(ingested)
    vault, plan = Store.open(study), plans.make_plan(study, "1")
    everything = pa.concat_tables([vault.read(bucket) for bucket in vault.buckets()])

    class Whole:
        def buckets(self) -> list[int]:
            return [0]

        def read(self, bucket: int) -> pa.Table:
            return everything

    expected = exact_figures(Whole(), plan, 1)
    assert all(expected[block.name][:-1].any() for block in plan.of("singled_out"))
    for most in (1, 16, 1024):
        monkeypatch.setattr(summing, "BUCKETS_PER_PORTION", most)
        found = exact_figures(vault, plan, 2)
        assert all((found[name] == expected[name]).all() for name in expected), most


def test_all_units_of_all_groups_add_up_to_a_public_total(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = small_plan(monkeypatch, (2, 4))
    for rows in (panel(40), everywhere(1), []):
        exact = exact_figures(Buckets(rows, 2), plan, 1)
        for block in plan.of("singled_out"):
            assert exact[block.name].sum() == 256 * block.groups
            assert exact[block.name].min() >= 0


def test_the_draw_is_uniform_and_nested() -> None:
    """Each of twelve points comes first, and fourth, about as often: chi-square on 11 degrees of freedom, false alarm below 1e-6 for all four."""
    devices, points = 24_000, 12
    high, low = (np.array(h, dtype=np.int64) for h in zip(*(halves(n) for n in range(devices)), strict=True))
    first = np.arange(devices + 1, dtype=np.int64) * points
    key = np.tile(np.arange(points, dtype=np.int64) * 7, devices)
    drawn, count = draw_points(high, low, first, key, 0)
    assert (count == MOST_POINTS).all()
    local = drawn.reshape(devices, MOST_POINTS) - first[:-1, None]
    assert (np.diff(np.sort(local, axis=1), axis=1) > 0).all()
    again, _ = draw_points(high, low, first, key, 1)
    for positions in (local[:, 0], local[:, 3], (again.reshape(devices, MOST_POINTS) - first[:-1, None])[:, 0], (local[:, 0] - local[:, 1]) % points):
        seen = np.bincount(positions, minlength=points).astype(float)
        seen = seen[seen > 0]
        expected = devices / len(seen)
        assert ((seen - expected) ** 2 / expected).sum() < 55


def test_what_a_device_draws_does_not_depend_on_others() -> None:
    rng = np.random.default_rng(5)
    key = np.sort(rng.choice(10_000, 40, replace=False)).astype(np.int64)
    high, low = (np.array([h], dtype=np.int64) for h in halves(3))
    alone, _ = draw_points(high, low, np.array([0, 40]), key, 2)
    among, _ = draw_points(np.r_[high - 1, high], np.r_[low, low], np.array([0, 5, 45]), np.r_[key[:5], key], 2)
    assert (among[MOST_POINTS:] - 5 == alone).all()


def test_cells_outside_the_region_make_no_point(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = small_plan(monkeypatch).rules()
    inside, far = ping(1, 0, 0), (*ping(1, 1, 0)[:6], 0x8700000000FFFFFF >> 4)
    with_it, without = (risk_figures(table(rows), rules) for rows in ([inside, far], [inside]))
    assert with_it.points.tolist() == without.points.tolist()
    nothing = risk_figures(table([far]), rules)
    assert nothing.points.sum() == 0
    assert not nothing.singled_out.any()
    assert all(k.shape == (3, 0) for k in nothing.place_sets)


def test_ties_of_places_go_to_the_smaller_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = small_plan(monkeypatch).rules()
    one = risk_figures(table([ping(1, h, p) for h, p in ((0, 3), (1, 1), (2, 1), (3, 2))]), rules).place_sets[0]
    base = len(CELLS) + 1
    assert one[:, 0].tolist() == [2, 3 * base + 2, (4 * base + 3) * base + 2]


@pytest.mark.parametrize("change", [{"bits": ()}, {"bits": (0, 2)}, {"bits": (3, 2)}, {"bits": (33,)}, {"views": ()}, {"point_edges": (3, 1)}])
def test_unsound_rules_are_refused(change: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    good = small_plan(monkeypatch).rules()
    parts = {name: getattr(good, name) for name in ("person", "views", "bits", "places", "point_edges")}
    with pytest.raises(InternalError, match="RISK_BAD_RULES"):
        RiskRules(**{**parts, **change})
