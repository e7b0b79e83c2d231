"""Keys that are not public: exact tests on neighbouring inputs, an attack on a device that is alone in its keys, and planted bugs.

Statistical tests alarm falsely with probability at most 1e-8 each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from tests.unit.noise._exact import exact_tail

from flockwise import noise
from flockwise.noise import fallback, tails
from flockwise.noise.fallback import Caps
from flockwise.person import keycaps

ALARM = 1e-8
KINDS = ("rounded", "discrete")
SECRET = bytes(range(16))

Row = tuple[int, int, int]  # device, key, grid units


def summed(rows: list[Row], caps: Caps) -> dict[int, int]:
    """Exact sums by key of what is left of every device under the caps, zeros included where the code keeps them."""
    device, key, value = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)) if rows else (np.zeros(0, dtype=np.int64),) * 3
    capped = keycaps.cap_keys(keycaps.Additions(device, key, value), keycaps.key_tags(SECRET, device, -device, key), caps.keys, caps.units)
    keys, where = np.unique(capped.key, return_inverse=True)
    sums = np.zeros(len(keys), dtype=np.int64)
    np.add.at(sums, where, capped.value)
    return dict(zip(keys.tolist(), sums.tolist(), strict=True))


def present(sums: dict[int, int]) -> set[int]:
    return {key for key, value in sums.items() if fallback._present(np.array([value], dtype=np.int64))[0]}


def devices(least: int = 0) -> st.SearchStrategy[list[Row]]:
    rows = st.dictionaries(st.tuples(st.integers(1, 4), st.integers(0, 30)), st.one_of(st.just(0), st.integers(0, 600)), min_size=least, max_size=60)
    return rows.map(lambda found: [(device, key, value) for (device, key), value in found.items()])


def check(others: list[Row], one: list[Row], caps: Caps) -> None:
    """Adding one device moves at most L0 keys by at most L-infinity each, nothing else, and the keys that only it has are the only new ones."""
    before, after = summed(others, caps), summed([*others, *one], caps)
    moved = {key: after.get(key, 0) - before.get(key, 0) for key in before.keys() | after.keys()}
    moved = {key: q for key, q in moved.items() if q}
    new = present(after) - present(before)
    assert not present(before) - present(after)
    assert len(moved.keys() | new) <= caps.keys
    assert all(0 <= q <= caps.units for q in moved.values())
    assert all(after[key] <= caps.units for key in new)


@settings(max_examples=150, deadline=None)
@given(devices(), devices(1), st.integers(1, 6), st.integers(1, 300))
def test_neighbours_differ_within_the_caps(others: list[Row], one: list[Row], keys: int, units: int):
    one = [(0, key, value) for key, value in {row[1]: row[2] for row in one}.items()]
    check(others, one, Caps(keys, units, keys * units**2))


@settings(max_examples=50, deadline=None)
@given(devices(), devices(1), st.integers(1, 4), st.randoms(use_true_random=False))
def test_what_is_kept_of_a_device_depends_on_it_alone(others: list[Row], one: list[Row], keys: int, random: object):
    one = [(0, key, value) for key, value in {row[1]: row[2] for row in one}.items()]
    caps = Caps(keys, 250, keys * 250**2)
    mixed = [*others, *one]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    together, apart, alone = summed(mixed, caps), summed(others, caps), summed(one, caps)
    assert {key: value for key, value in together.items() if value} == {
        key: apart.get(key, 0) + alone.get(key, 0) for key in apart.keys() | alone.keys() if apart.get(key, 0) + alone.get(key, 0)
    }


def test_which_keys_are_kept_differs_between_devices():
    """Otherwise rare keys would be dropped for all alike, and a device could tell which."""
    chosen = {tuple(summed([(device, key, 1) for key in range(20)], Caps(3, 1, 3))) for device in range(60)}
    assert len(chosen) > 30
    counts = np.bincount([key for keys in chosen for key in keys], minlength=20)
    assert counts.min() > 0


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 20))
@example([12] * 5, 6)
def test_the_chance_to_be_exposed_is_within_delta(kind: noise.Kind, own: list[int], further: int):
    """Whatever a device adds to keys of its own, within the caps: the exact chance that one is printed."""
    caps, sigma = Caps(5, 12, 5 * 12**2), 4.0
    threshold = caps.alone + further
    hidden = math.prod(1 - Fraction(exact_tail(threshold - q, sigma, kind)) for q in own)
    bound = noise.fallback_delta(caps, sigma, threshold, kind)
    assert 1 - hidden <= bound
    if own == [12] * 5:
        assert 1 - hidden > bound * (1 - Fraction(1, 2**20))


def law(total: int, sigma: float, threshold: int, kind: noise.Kind) -> np.ndarray:
    """Chances of what a key may show: nothing, or a value from the threshold on (50 of them: twelve sigma)."""
    above = [float(exact_tail(threshold + i - total, sigma, kind)) for i in range(51)]
    return np.array([1 - above[0], *(-np.diff(above))])


def stick(p: np.ndarray, q: np.ndarray, epsilon: float) -> float:
    return float(np.maximum(p - math.exp(epsilon) * q, 0).sum())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epsilon", [0.05, 0.5, 1.0, 2.0])
def test_epsilon_and_delta_add_up_exactly(kind: noise.Kind, epsilon: float):
    """One key that others have, one of the device's own: both directions at most delta_t + (1 - delta_t) delta_g, delta_g of the noise alone."""
    sigma, q = 4.0, 5
    caps = Caps(2, q, q * q)
    grid = np.arange(-48, 48)
    plain = np.array([float(exact_tail(int(x), sigma, kind) - exact_tail(int(x) + 1, sigma, kind)) for x in grid])  # symmetric, so one direction says both
    noise_alone = max(stick(plain[s:], plain[:-s], epsilon) for s in range(1, q + 1))
    for threshold in (7, 10, 14):
        delta = float(noise.fallback_delta(caps, sigma, threshold, kind))
        for shared in (1, 6, 12):
            for on_shared, on_own in ((4, 3), (3, 4), (0, 5), (5, 0)):
                absent = np.zeros(51)
                absent[0] = 1.0
                without = np.outer(law(shared, sigma, threshold, kind), absent)
                withit = np.outer(law(shared + on_shared, sigma, threshold, kind), law(on_own, sigma, threshold, kind) if on_own else absent)
                for a, b in ((without, withit), (withit, without)):
                    assert stick(a, b, epsilon) <= delta + (1 - delta) * noise_alone + 1e-12


# The attack: one device, alone in its keys. Does any key appear more often than delta says?

CAPS = Caps(6, 2, 6 * 2**2)
SIGMA, DELTA, ROUNDS = 2.0, Fraction(1, 12), {"rounded": 5000, "discrete": 1500}
HEAVY = [(0, key, 40) for key in range(50)] + [(0, key, 0) for key in range(50, 600)]
"""A device with fifty keys of too much each, and hundreds that quantise to zero."""


def appearances(kind: noise.Kind) -> tuple[int, int, float]:
    """In how many releases any key appears, in how many it might have, and the delta that was charged."""
    sums = summed(HEAVY, CAPS)
    keys = np.array(sorted(sums), dtype=np.int64)
    exact = np.array([sums[key] for key in keys.tolist()], dtype=np.int64)
    threshold = fallback.fallback_threshold(CAPS, SIGMA, DELTA, kind)
    charged = fallback.fallback_delta(CAPS, SIGMA, threshold, kind)
    shown = [fallback.draw_fallback(keys, exact, CAPS, SIGMA, threshold, charged, kind) for _ in range(ROUNDS[kind])]
    return sum(len(one.keys) > 0 for one in shown), len(shown), float(charged)


def exceeds(found: int, rounds: int, delta: float) -> bool:
    return float(stats.binom.sf(found - 1, rounds, delta)) < ALARM


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_alone_in_its_keys_appears_as_often_as_charged(kind: noise.Kind):
    found, rounds, delta = appearances(kind)
    assert not exceeds(found, rounds, delta)
    assert float(stats.binom.cdf(found, rounds, delta)) > ALARM  # the bound is reached: the attack is as strong as can be


def zero_keys_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros count for no cap, and get noise like others."""

    def cap(rows: keycaps.Additions, tag: np.ndarray, keys: int, units: int) -> keycaps.Additions:
        zero = rows.value == 0
        return keycaps.Additions(*(np.append(some, column[zero]) for some, column in zip(real(rows, tag, keys, units), rows, strict=True)))

    real = keycaps.cap_keys
    monkeypatch.setattr(keycaps, "cap_keys", cap)
    monkeypatch.setattr(fallback, "_present", lambda sums: np.ones(len(sums), dtype=bool))


def no_cap_on_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    real = keycaps.cap_keys
    monkeypatch.setattr(keycaps, "cap_keys", lambda rows, tag, _, units: real(rows, tag, 10**6, units))


def no_cap_on_units(monkeypatch: pytest.MonkeyPatch) -> None:
    real = keycaps.cap_keys
    monkeypatch.setattr(keycaps, "cap_keys", lambda rows, tag, keys, _: real(rows, tag, keys, 10**6))


def continuous_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    def tail(k: int, sigma: Fraction, kind: noise.Kind, bits: int) -> object:
        with tails.working(bits):
            return (tails.exactly(k / sigma) / tails.exactly(2).sqrt()).erfc() / 2

    monkeypatch.setattr(fallback, "tail", tail)


def strictly_above(monkeypatch: pytest.MonkeyPatch) -> None:
    real = tails.tail
    monkeypatch.setattr(fallback, "tail", lambda k, *rest: real(k + 1, *rest))


def one_key_only(monkeypatch: pytest.MonkeyPatch) -> None:
    real = fallback._delta
    monkeypatch.setattr(fallback, "_delta", lambda caps, *rest: real(Caps(1, caps.units, caps.squares), *rest))


def noise_of_a_device_alone_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tail from the threshold on, as if the device added nothing."""
    real = tails.tail
    monkeypatch.setattr(fallback, "tail", lambda k, *rest: real(k + CAPS.alone, *rest))


@pytest.mark.parametrize(
    "plant", [zero_keys_kept, no_cap_on_keys, no_cap_on_units, continuous_tail, strictly_above, one_key_only, noise_of_a_device_alone_forgotten]
)
def test_a_planted_bug_is_seen_by_the_attack(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch)
    assert exceeds(*appearances("rounded"))


def cap_by_order_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    real = keycaps.key_tags
    monkeypatch.setattr(keycaps, "key_tags", lambda *given: np.arange(len(real(*given)), dtype=np.uint64))


def limit_on_all_devices_together(monkeypatch: pytest.MonkeyPatch) -> None:
    real = keycaps.cap_keys
    monkeypatch.setattr(keycaps, "cap_keys", lambda rows, *rest: real(rows._replace(device=rows.device * 0), *rest))


@pytest.mark.parametrize("plant", [zero_keys_kept, no_cap_on_keys, no_cap_on_units, limit_on_all_devices_together])
def test_a_planted_bug_is_seen_between_neighbours(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch)
    others = [(device, key, 5) for device in (1, 2) for key in range(600, 640)]
    with pytest.raises(AssertionError):
        check(others, HEAVY, CAPS)


def test_a_cap_by_order_is_seen(monkeypatch: pytest.MonkeyPatch):
    rows = HEAVY[:50]
    assert summed(rows, CAPS) == summed(rows[::-1], CAPS)
    cap_by_order_in_the_file(monkeypatch)
    assert summed(rows, CAPS) != summed(rows[::-1], CAPS)
