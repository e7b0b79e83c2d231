"""One device more or less moves the whole weighted vector by at most the bound: exact integers, the real code path, planted bugs caught.

Nothing here is statistical: a failure is a counterexample to docs/claims/joint-clip.md or docs/claims/person-stage.md.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance.worlds import CELLS, HOUR, MINUTE, PLACES, START, Row, commuter, device_rows, make_rules, panels, pseudonym, table

from flockwise.base.h3bits import parent
from flockwise.engines import LocalEngine
from flockwise.person import (
    ARRIVALS,
    DEPARTURES,
    FLOWS,
    NORMS,
    PRESENCE,
    FlowsRules,
    Rules,
    SparseSum,
    TotalsRules,
    WeightRules,
    bounding,
    contributions,
    flow_rules,
    ordering,
)

Sums = dict[int, np.ndarray]

HOURS = 48
BOUND = 1 << 58


def shares(hours: int, trips_bound: int, slot_us: int = HOUR) -> dict[str, Any]:
    """Weights as a release chooses them: presence .6 + .1 + .05, pairs .16 + .04, margins .04 + .01 of the bound; totals have another."""
    slots = hours * HOUR // slot_us
    return {
        "hours": hours,
        "slot_us": slot_us,
        "bound": BOUND,
        "presence_weights": tuple(p * BOUND // 100 // (slots * 256**2) for p in (60, 10, 5)),
        "flows_weights": tuple(p * BOUND // 100 // (trips_bound * 256) ** 2 for p in (16, 4)),
        "margin_weights": tuple(p * BOUND // 200 // (trips_bound * 256) ** 2 for p in (4, 1)),
        "heavy_edge": trips_bound,
        "totals": TotalsRules(tuple(p * BOUND // 200 // (3 * trips_bound * 256) ** 2 for p in (80, 20)), BOUND),
    }


RULES = make_rules(**shares(HOURS, 6))


class Buckets:
    """Rows dealt to buckets by pseudonym, in the order given."""

    def __init__(self, rows: list[Row], count: int) -> None:
        self.parts: list[list[Row]] = [[] for _ in range(count)]
        for row in rows:
            self.parts[(row[0] ^ row[1]) % count].append(row)

    def buckets(self) -> list[int]:
        return list(range(len(self.parts)))

    def read(self, bucket: int) -> Any:
        return table(self.parts[bucket])


def sums(rows: list[Row], rules: Rules, buckets: int = 1, threads: int = 1) -> Sums:
    return LocalEngine(threads).sum(Buckets(rows, buckets), rules)


def summed(change: np.ndarray, up: np.ndarray | None, axes: int) -> np.ndarray:
    """Exact sums at a coarser level, by a loop over what is not zero."""
    if up is None:
        return change
    size = int(np.max(up)) + 1
    out = np.zeros((*(size,) * axes, *change.shape[axes:]), dtype=object)
    for at in np.argwhere(change):
        out[tuple(int(up[i]) if axis < axes else int(i) for axis, i in enumerate(at))] += int(change[tuple(at)])
    return out


def squares(change: np.ndarray) -> int:
    return sum(int(v) ** 2 for v in change[np.nonzero(change)])


def weighted_norms(change: Sums, rules: Rules) -> tuple[int, int]:
    """Sum of W |change|^2 over every block and level of the joint bound, and over the totals, in Python integers."""
    shapes = totals = 0
    if rules.presence is not None:
        for weight, up in zip(rules.presence.weights, [None, *rules.presence.parents], strict=True):
            shapes += int(weight) * squares(summed(change[PRESENCE], up, 1))
    if rules.flows is not None:
        for level, up in enumerate([None, *rules.flows.parents]):
            for band in change[FLOWS]:
                pairs = summed(band, up, 2)
                shapes += int(rules.flows.weights[level]) * squares(pairs)
                if rules.flows.margin_weights:
                    shapes += int(rules.flows.margin_weights[level]) * (squares(pairs.sum(axis=1)) + squares(pairs.sum(axis=0)))
            if rules.flows.totals is not None:
                ends = [summed(band, up, 1) for block in (DEPARTURES, ARRIVALS) for band in change[block]]
                totals += int(rules.flows.totals.weights[level]) * sum(squares(end) for end in ends)
    return shapes, totals


def check(others: list[Row], device: list[Row], rules: Rules, *, buckets: int = 1, seed: int = 0) -> int:
    """Adds a device to a panel and checks the claims; hands back the norm of the change."""
    everyone = [*others, *device]
    random.Random(seed).shuffle(everyone)
    without, together, alone = sums(others, rules), sums(everyone, rules, buckets, threads=2), sums(device, rules)
    change = {block: together[block] - without[block] for block in together}
    for block in change:
        np.testing.assert_array_equal(change[block], alone[block], "what a device contributes depends on something else than its own rows")
    norm, totals = weighted_norms(change, rules)
    assert norm <= rules.bound, f"moved by {norm / rules.bound} of the bound"
    if rules.flows is not None and rules.flows.totals is not None:
        assert totals <= rules.flows.totals.bound, f"totals moved by {totals / rules.flows.totals.bound} of their bound"
    return norm


@pytest.mark.rule(15)
@settings(max_examples=60, deadline=None)
@given(panels(devices=3), device_rows(number=9, most=24), st.integers(1, 5), st.integers(0, 1 << 30))
def test_any_device(panel: list[list[Row]], device: list[Row], buckets: int, seed: int) -> None:
    check([row for rows in panel for row in rows], device, RULES, buckets=buckets, seed=seed)


def weighted(rules: Rules, units: tuple[int, ...], otherwise: int) -> Rules:
    areas = np.unique(parent(CELLS, 6))
    found = np.resize(np.array(units), len(areas))
    return replace(rules, weights=WeightRules(areas[:-1], found[:-1], otherwise, HOUR, np.array([START]), np.array([-5 * HOUR])))


@pytest.mark.rule(15)
@settings(max_examples=60, deadline=None)
@given(
    panels(devices=3), device_rows(number=9, most=24), st.lists(st.integers(0, 256), min_size=1, max_size=4).map(tuple), st.integers(0, 256), st.integers(1, 5)
)
def test_any_device_with_weights(panel: list[list[Row]], device: list[Row], units: tuple[int, ...], otherwise: int, buckets: int) -> None:
    check([row for rows in panel for row in rows], device, weighted(RULES, units, otherwise), buckets=buckets)


@pytest.mark.rule(15)
@settings(max_examples=60, deadline=None)
@given(device_rows(number=9, most=24), st.integers(0, 40), st.integers(0, 40))
def test_any_device_under_tight_bounds(device: list[Row], presence_weight: int, left: int) -> None:
    """Bounds that leave flows next to nothing, and weights far apart."""
    weights = (presence_weight + 1, 1, 3)
    check([], device, make_rules(bound=HOURS * 256**2 * sum(weights) + left * 997, presence_weights=weights, flows_weights=(1 + left, 11)))


def _bits(width: int) -> st.SearchStrategy[int]:
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    return st.one_of(st.sampled_from([low, low + 1, -1, 0, 1, high - 1, high]), st.integers(low, high))


_ANY_ROW = st.tuples(
    _bits(64), _bits(64), st.one_of(_bits(64), st.integers(START, START + HOURS * HOUR)), _bits(32), _bits(32), _bits(32),
    st.one_of(_bits(64), st.sampled_from([int(c) for c in CELLS])),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(_ANY_ROW, max_size=12), st.booleans())
def test_no_row_can_raise(rows: list[Row], one_device: bool) -> None:
    """Whatever 64 and 32 bits hold: a sum comes back, and the others' part of it is untouched."""
    hi, lo = pseudonym(9)
    others = commuter(0, every=40)
    if one_device:
        check(others, [(hi, lo, *row[2:]) for row in rows], RULES)
        return
    together, apart, alone = (sums(part, RULES) for part in ([*others, *rows], others, rows))
    assert all((together[block] == apart[block] + alone[block]).all() for block in together)


OTHERS = [row for number in range(3) for row in commuter(number, every=40)]
HEAVY = {
    "a trip every twelve minutes for two days": (commuter(7), RULES),
    "four weeks of it, over three thousand trips": (commuter(7, hours=672, every=9), make_rules(**shares(672, 30))),
    "always between the same two places": (commuter(7, places=(0, 1)), RULES),
    "five-minute slots": (commuter(7), make_rules(**shares(HOURS, 6, 5 * MINUTE))),
    "present in every slot, one trip": (commuter(7, every=24 * 60), RULES),
}


@pytest.mark.rule(15)
@pytest.mark.parametrize("units", [(256,), (3, 200), (0,)])
@pytest.mark.parametrize("case", HEAVY)
def test_the_heaviest_devices(case: str, units: tuple[int, ...]) -> None:
    device, rules = HEAVY[case]
    check(OTHERS, device, weighted(rules, units, 17), buckets=3)


def test_the_bound_is_used() -> None:
    """The clip gives away less than a thousandth of the bound: a test that never comes near it would prove little."""
    device, rules = HEAVY["four weeks of it, over three thousand trips"]
    alone = sums(device, rules)
    assert np.count_nonzero(alone[PRESENCE]) == 672
    assert sums(device, make_rules(hours=672))[FLOWS].sum() > 3000 * 256
    assert check([], device, rules) > 0.999 * rules.bound


@pytest.mark.rule(15)
def test_who_is_heavy_fills_both_bands_with_the_same_numbers() -> None:
    for case, (device, rules) in HEAVY.items():
        found = sums(device, rules)
        hours = rules.presence.slots * rules.presence.slot_us // HOUR  # type: ignore[union-attr]
        norm = squares(sums(device, make_rules(hours=hours))[FLOWS] // 256)
        heavy = norm > rules.flows.heavy_edge  # type: ignore[union-attr]
        everyone, again = found[FLOWS]
        np.testing.assert_array_equal(again, everyone if heavy else 0 * everyone, case)
        for block in (DEPARTURES, ARRIVALS):
            assert [bool(band.any()) for band in found[block]] == [not heavy, heavy], case


def test_presence_is_never_shrunk() -> None:
    alone = sums(commuter(7), RULES)
    assert set(np.unique(alone[PRESENCE])) == {0, 256}
    assert alone[PRESENCE].sum() == HOURS * 256


def test_copies_of_every_row_change_nothing() -> None:
    once = sums(commuter(7), RULES)
    thrice = sums(commuter(7) * 3, RULES)
    assert all((once[block] == thrice[block]).all() for block in once)


@settings(max_examples=25, deadline=None)
@given(panels(devices=4), st.integers(2, 7), st.integers(0, 1 << 30))
def test_order_buckets_threads_and_batches_change_nothing(panel: list[list[Row]], buckets: int, seed: int) -> None:
    rows = [row for device in panel for row in device]
    expected = sums(rows, RULES)
    shuffled = random.Random(seed).sample(rows, len(rows))
    for result in (sums(shuffled, RULES, buckets, threads=2), sums(rows[::-1], RULES)):
        assert all((result[block] == expected[block]).all() for block in expected)
    assert contributions(table(rows), RULES).equals(contributions(table(shuffled), RULES))


EDGES = (1, 4, 16, 64, 256, 1024)


@pytest.mark.rule(15)
@settings(max_examples=40, deadline=None)
@given(panels(devices=3), device_rows(number=9, most=24), st.integers(1, 5))
def test_any_device_is_in_one_bin_of_the_norms(panel: list[list[Row]], device: list[Row], buckets: int) -> None:
    rules = make_rules(hours=HOURS, norm_edges=EDGES)
    others = [row for rows in panel for row in rows]
    change = sums([*others, *device], rules, buckets)[NORMS] - sums(others, rules)[NORMS]
    assert sorted(change.tolist())[:-1] == [0] * len(EDGES)
    assert change.max() in (0, 256)


@pytest.mark.parametrize("case", HEAVY)
def test_the_heaviest_device_is_in_the_bin_of_its_norm(case: str) -> None:
    device, rules = HEAVY[case]
    whole = make_rules(**({"hours": 672} if "four weeks" in case else {"hours": HOURS}))
    norm = squares(sums(device, whole)[FLOWS] // 256)
    found = sums(device, replace(rules, flows=replace(whole.flows, norm_edges=EDGES)))[NORMS]
    assert found.tolist() == [256 * (i == sum(edge < norm for edge in EDGES)) for i in range(len(EDGES) + 1)]


@settings(max_examples=25, deadline=None)
@given(panels(devices=4), st.integers(1, 5))
def test_sparse_sums_are_the_dense_ones(panel: list[list[Row]], buckets: int) -> None:
    rows = [row for device in panel for row in device]
    dense = sums(rows, RULES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_rules, "LARGEST_DENSE", 1)
        sparse = sums(rows, RULES, buckets, threads=2)
    found = sparse[FLOWS]
    assert isinstance(found, SparseSum)
    assert found.key.tolist() == np.flatnonzero(dense[FLOWS]).tolist()
    assert found.value.tolist() == dense[FLOWS].reshape(-1)[found.key].tolist()


# Planted bugs: each must be seen by `check` on the devices above.


def _clip_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounding, "_factors", lambda heavy, *_: np.full(len(heavy), bounding.K_ONE, dtype=np.int64))


def _round_to_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounding, "_quantised", lambda count, units, factor: (count * units * factor + (1 << 15)) >> 16)


def _int32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares in 32 bits: the heaviest wrap around and look light."""

    def factors(heavy: Any, counted: Any, left: Any, groupings: Any, _: FlowsRules) -> Any:
        out = np.zeros(len(heavy), dtype=np.int64)
        for i, device in enumerate(heavy):
            trips = counted.times[counted.begins[device] : counted.begins[device + 1]]
            for k in range(0, bounding.K_ONE + 1, 64):
                q = ((trips * 256 * k) >> 16).astype(np.int32)
                squares = int((q * q).sum(dtype=np.int32))
                if max(0, squares) * sum(g.weight for g in groupings) <= left[i]:
                    out[i] = k
        return out

    monkeypatch.setattr(bounding, "_factors", factors)


def _bounding_with(change: Callable[[Any, Any, Rules, FlowsRules], tuple[Any, Any, Rules, FlowsRules]]) -> Callable[[pytest.MonkeyPatch], None]:
    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stage_module(), "bound_flows", lambda *given: bounding.bound_flows(*change(*given)))

    return plant


def stage_module() -> Any:
    import sys

    return sys.modules["flockwise.person.contributions"]


def _limit_from_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody is shrunk like the heaviest of the batch: within the bound, but others change."""
    real = bounding._factors
    monkeypatch.setattr(bounding, "_factors", lambda *given: np.full(len(given[0]), real(*given).min()))


def _ties_left_as_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordering, "_settle_ties", lambda *_: True)


def _second_band_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heavy devices are let into the second band without their bound being halved."""
    real = bounding.bound_flows

    def bound(trips: Any, present: Any, rules: Rules, flows: FlowsRules) -> Any:
        found = real(trips, present, rules, replace(flows, heavy_edge=None))
        _, cells, _, slots = flows.shape
        both = (found.key, found.key + cells * cells * slots)
        return bounding.Bounded(np.tile(found.device, 2), np.concatenate(both), np.tile(found.value, 2))

    monkeypatch.setattr(stage_module(), "bound_flows", bound)


def _weights_from_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that bring the panel up to a number: everybody counts for less when one more is there."""
    monkeypatch.setattr(stage_module(), "device_units", lambda kept, *_: np.full(len(kept.first) - 1, 256 // max(1, len(kept.first) - 1)))


def _totals_not_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    loose = TotalsRules((1, 1), (1 << 63) - 1)
    monkeypatch.setattr(stage_module(), "bound_totals", lambda trips, flows: bounding.bound_totals(trips, replace(flows, totals=loose)))


PLANTED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "clip skipped": _clip_skipped,
    "rounded to nearest": _round_to_nearest,
    "squares in 32 bits": _int32,
    "parent level left out": _bounding_with(lambda trips, present, rules, flows: (trips, present, rules, replace(flows, weights=(*flows.weights[:1], 1)))),
    "the second band not charged": _second_band_free,
    "margins left out": _bounding_with(lambda trips, present, rules, flows: (trips, present, rules, replace(flows, margin_weights=()))),
    "totals not clipped": _totals_not_clipped,
    "weights from exact counts": _weights_from_the_batch,
    "presence not charged": _bounding_with(lambda trips, present, rules, flows: (trips, present * 0, rules, flows)),
    "each table its own bound": _bounding_with(lambda trips, present, rules, flows: (trips, present * 0, replace(rules, presence=None), flows)),
    "limit learnt from the batch": _limit_from_the_batch,
}


def seen() -> bool:
    for device, rules in HEAVY.values():
        for others in (OTHERS, [row for number in range(2) for row in commuter(number, every=20, places=(2, 3, 4))]):
            try:
                check(others, device, rules, buckets=2)
            except AssertionError:
                return True
    return False


@pytest.mark.rule(15)
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_seen(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    PLANTED[bug](monkeypatch)
    assert seen(), bug


def test_ties_that_depend_on_arrival_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    hi, lo = pseudonym(1)
    here, there = ((round(lat * 1e6), round(lon * 1e6)) for lat, lon in PLACES[:2])
    rows = [(hi, lo, START, *here, 1, 5), (hi, lo, START, *there, 1, int(RULES.presence.cells[0]))]  # type: ignore[union-attr]
    assert contributions(table(rows), RULES).equals(contributions(table(rows[::-1]), RULES))
    _ties_left_as_they_came(monkeypatch)
    assert not contributions(table(rows), RULES).equals(contributions(table(rows[::-1]), RULES))
