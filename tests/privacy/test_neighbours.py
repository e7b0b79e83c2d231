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

from flockwise.engines import LocalEngine
from flockwise.person import FLOWS, PRESENCE, FlowsRules, Rules, bounding, contributions, ordering

Sums = dict[int, np.ndarray]

HOURS = 48
BOUND = 1 << 58


def shares(hours: int, trips_bound: int, slot_us: int = HOUR) -> dict[str, Any]:
    """Weights as a release chooses them: presence .6 + .1 + .05, flows .2 + .05 of the bound."""
    slots = hours * HOUR // slot_us
    return {
        "hours": hours,
        "slot_us": slot_us,
        "bound": BOUND,
        "presence_weights": tuple(p * BOUND // 100 // (slots * 256**2) for p in (60, 10, 5)),
        "flows_weights": tuple(p * BOUND // 100 // (trips_bound * 256) ** 2 for p in (20, 5)),
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


def weighted_norm(change: Sums, rules: Rules) -> int:
    """Sum over blocks and levels of W |change|^2, in Python integers."""
    total = 0
    for block, spec in ((PRESENCE, rules.presence), (FLOWS, rules.flows)):
        if spec is None:
            continue
        for weight, up in zip(spec.weights, [None, *spec.parents], strict=True):
            level: dict[tuple[int, ...], int] = {}
            for at in np.argwhere(change[block]):
                zone_axes = 1 if block == PRESENCE else 2
                key = tuple(int(i) if up is None or axis >= zone_axes else int(up[i]) for axis, i in enumerate(at))
                level[key] = level.get(key, 0) + int(change[block][tuple(at)])
            total += int(weight) * sum(v * v for v in level.values())
    return total


def check(others: list[Row], device: list[Row], rules: Rules, *, buckets: int = 1, seed: int = 0) -> int:
    """Adds a device to a panel and checks the claims; hands back the norm of the change."""
    everyone = [*others, *device]
    random.Random(seed).shuffle(everyone)
    without, together, alone = sums(others, rules), sums(everyone, rules, buckets, threads=2), sums(device, rules)
    change = {block: together[block] - without[block] for block in together}
    for block in change:
        np.testing.assert_array_equal(change[block], alone[block], "what a device contributes depends on something else than its own rows")
    norm = weighted_norm(change, rules)
    assert norm <= rules.bound, f"moved by {norm / rules.bound} of the bound"
    return norm


@settings(max_examples=60, deadline=None)
@given(panels(devices=3), device_rows(number=9, most=24), st.integers(1, 5), st.integers(0, 1 << 30))
def test_any_device(panel: list[list[Row]], device: list[Row], buckets: int, seed: int) -> None:
    check([row for rows in panel for row in rows], device, RULES, buckets=buckets, seed=seed)


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


@pytest.mark.parametrize("case", HEAVY)
def test_the_heaviest_devices(case: str) -> None:
    device, rules = HEAVY[case]
    check(OTHERS, device, rules, buckets=3)


def test_the_bound_is_used() -> None:
    """The clip gives away less than a thousandth of the bound: a test that never comes near it would prove little."""
    device, rules = HEAVY["four weeks of it, over three thousand trips"]
    alone = sums(device, rules)
    assert np.count_nonzero(alone[PRESENCE]) == 672
    assert sums(device, make_rules(hours=672))[FLOWS].sum() > 3000 * 256
    assert check([], device, rules) > 0.999 * rules.bound


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


# Planted bugs: each must be seen by `check` on the devices above.


def _clip_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounding, "_factors", lambda heavy, *_: np.full(len(heavy), bounding.K_ONE, dtype=np.int64))


def _round_to_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounding, "_quantised", lambda count, factor: (count * 256 * factor + (1 << 15)) >> 16)


def _int32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Squares in 32 bits: the heaviest wrap around and look light."""

    def factors(heavy: Any, begins: Any, rows_of: Any, key: Any, count: Any, left: Any, table: FlowsRules) -> Any:
        out = np.zeros(len(heavy), dtype=np.int64)
        for i, device in enumerate(heavy):
            trips = count[begins[device] : begins[device] + rows_of[device]]
            for k in range(0, bounding.K_ONE + 1, 64):
                q = ((trips * 256 * k) >> 16).astype(np.int32)
                squares = int((q * q).sum(dtype=np.int32))
                if max(0, squares) * sum(table.weights) <= left[i]:
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


PLANTED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "clip skipped": _clip_skipped,
    "rounded to nearest": _round_to_nearest,
    "squares in 32 bits": _int32,
    "parent level left out": _bounding_with(
        lambda trips, present, rules, flows: (trips, present, rules, replace(flows, parents=(), weights=flows.weights[:1]))
    ),
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
