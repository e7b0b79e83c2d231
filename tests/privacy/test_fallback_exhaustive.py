"""Keys that are not public, attacked with all of the law: every outcome of the real code path, with its exact chance, for a device present and absent.

Unlike the attacks of test_fallback.py nothing is sampled and no statistic is chosen: the sum over all outcomes of max(P - e^epsilon P', 0) is what the best
possible attacker gets from whatever leaves (which keys, how many, their values and order). The account of the noise is that of `artifact.claims`, which shares
no code with the noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.noise._exact import exact_tail

from flockwise import noise
from flockwise.artifact import claims
from flockwise.noise import fallback
from flockwise.noise.fallback import Caps
from flockwise.person import keycaps

SIGMA, REACH = 3.0, 22
"""Noise further out than REACH has a chance below 1e-12 and is put at REACH."""
CAPS = Caps(keys=2, units=2, squares=8)
THRESHOLD = 9
SECRET = bytes(range(16))
UNIVERSE = 3
"""Keys 0 to 2: with two devices every way to share and not to share is there."""

Row = tuple[int, int, int]  # device, key, grid units
Law = dict[tuple[tuple[int, ...], tuple[int, ...]], float]


def chances(kind: noise.Kind) -> np.ndarray:
    """Of noise from -REACH to REACH."""
    reached = np.array([float(exact_tail(x, SIGMA, kind)) for x in range(-REACH, REACH + 2)])
    reached[0], reached[-1] = 1.0, 0.0
    return -np.diff(reached)


LAWS = {kind: chances(kind) for kind in ("rounded", "discrete")}


def law(rows: list[Row], kind: noise.Kind, monkeypatch: pytest.MonkeyPatch) -> Law:
    """All that may leave of these rows, and its chance: caps, sums, noise, threshold and sorting are the code's own; noise takes every value in turn."""
    columns = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)) if rows else (np.zeros(0, dtype=np.int64) for _ in range(3))
    device, key, value = columns
    capped = keycaps.cap_keys(keycaps.Additions(device, key, value), keycaps.key_tags(SECRET, device, -device, key), CAPS.keys, CAPS.units)
    keys, where = np.unique(capped.key, return_inverse=True)
    sums = np.zeros(len(keys), dtype=np.int64)
    np.add.at(sums, where, capped.value)
    drawn = int(fallback._present(sums).sum())
    every = np.array(list(product(range(-REACH, REACH + 1), repeat=drawn)), dtype=np.int64).reshape((2 * REACH + 1) ** drawn, drawn)
    # All outcomes in one call: each has keys of its own, in the order of the outcomes.
    monkeypatch.setattr(fallback, "add", lambda exact, *_, **__: exact + every.ravel()[: len(exact)])
    many = len(every)
    far = (np.arange(many) * UNIVERSE)[:, None] + keys[None, :]
    charged = fallback.fallback_delta(CAPS, SIGMA, THRESHOLD, kind)
    shown = fallback.draw_fallback(far.ravel(), np.tile(sums, many), CAPS, SIGMA, THRESHOLD, charged, kind)
    monkeypatch.undo()
    weight = LAWS[kind][every + REACH].prod(axis=1)
    cuts = np.searchsorted(shown.keys, np.arange(1, many) * UNIVERSE)
    out: Law = {}
    parts = zip(np.split(shown.keys % UNIVERSE, cuts), np.split(shown.values, cuts), weight, strict=True)
    for some, values, chance in parts:
        seen = tuple(some.tolist()), tuple(values.tolist())
        out[seen] = out.get(seen, 0.0) + float(chance)
    return out


def gain(p: Law, q: Law, epsilon: float) -> float:
    """The most by which one law exceeds e^epsilon times the other, over all sets of outcomes."""
    return math.fsum(max(chance - math.exp(epsilon) * q.get(seen, 0.0), 0.0) for seen, chance in p.items())


def exceeds(others: list[Row], one: list[Row], kind: noise.Kind) -> bool:
    """Whether the best attacker beats the claim in either direction, at any of several epsilons."""
    with pytest.MonkeyPatch.context() as patch:
        absent, present = law(others, kind, patch), law([*others, *one], kind, patch)
    delta_t = float(fallback.fallback_delta(CAPS, SIGMA, THRESHOLD, kind))
    rho = Fraction(CAPS.squares) / (2 * Fraction(SIGMA) ** 2)
    for epsilon in (0.0625, 0.25, 0.5, 1.0, 2.0):
        allowed = delta_t + (1 - delta_t) * float(claims.delta_of(rho, Fraction(epsilon), kind))
        if max(gain(present, absent, epsilon), gain(absent, present, epsilon)) > allowed + 1e-9:
            return True
    return False


def rows_of(device: int, most: int = 9) -> st.SearchStrategy[list[Row]]:
    """Any rows: keys several times, zeros, more than the caps."""
    return st.lists(st.tuples(st.just(device), st.integers(0, UNIVERSE - 1), st.sampled_from([0, 0, 1, 2, 3, 50])), max_size=most)


@pytest.mark.parametrize("kind", ["rounded", "discrete"])
@settings(max_examples=12, deadline=None)
@given(rows_of(1, 3), rows_of(2))
def test_the_best_attacker_gains_no_more_than_was_charged(kind: noise.Kind, others: list[Row], one: list[Row]) -> None:
    assert not exceeds(others, one, kind)


FULL = [(2, 0, 50), (2, 1, 50), (2, 2, 50)]


def test_the_claim_is_nearly_reached() -> None:
    """Alone in as many keys as it may have, a device is printed with nearly the chance that was charged: the bound is no tale."""
    with pytest.MonkeyPatch.context() as patch:
        absent, present = law([], "rounded", patch), law(FULL, "rounded", patch)
    delta = float(fallback.fallback_delta(CAPS, SIGMA, THRESHOLD, "rounded"))
    assert absent == {((), ()): 1.0}
    assert 0.999 * delta < gain(present, absent, 2.0) <= delta * (1 + 1e-9)


def test_a_key_that_comes_in_several_rows_counts_once() -> None:
    """A supplier's place may come in many rows of a device: together they are one key, lowered to the cap."""
    tags = keycaps.key_tags(SECRET, *(np.array(column, dtype=np.int64) for column in ([7] * 4, [-7] * 4, [5, 5, 5, 6])))
    rows = keycaps.Additions(*(np.array(column, dtype=np.int64) for column in ([0] * 4, [5, 5, 5, 6], [2, 2, 1, 1])))
    capped = keycaps.cap_keys(rows, tags, keys=2, units=3)
    assert (capped.key.tolist(), capped.value.tolist()) == ([5, 6], [3, 1])


def zeros_stay(patch: pytest.MonkeyPatch) -> None:
    """No key is left out for being zero, neither of a device nor of a sum."""
    patch.setattr(keycaps, "cap_keys", lambda rows, tag, keys, units: rows._replace(value=np.minimum(rows.value, units)))
    patch.setattr(fallback, "_present", lambda sums: np.ones(len(sums), dtype=bool))


def lower_threshold(patch: pytest.MonkeyPatch) -> None:
    """What is printed begins two units under what was charged for."""
    real = fallback.reached
    patch.setattr(fallback, "reached", lambda keys, values, threshold: real(keys, values, threshold - 2))


def rows_of_a_key_apart(patch: pytest.MonkeyPatch) -> None:
    """Each row of a device is capped for itself."""

    def cap(rows: keycaps.Additions, _tag: np.ndarray, _keys: int, units: int) -> keycaps.Additions:
        some = rows.value > 0
        return keycaps.Additions(rows.device[some], rows.key[some], np.minimum(rows.value[some], units))

    patch.setattr(keycaps, "cap_keys", cap)


def shown_by_true_sum(patch: pytest.MonkeyPatch) -> None:
    """A key with much in it is printed whatever its noise says."""
    real = fallback.reached
    patch.setattr(fallback, "reached", lambda keys, values, threshold: real(keys, np.maximum(values, threshold), threshold))


@pytest.mark.parametrize("plant", [zeros_stay, lower_threshold, rows_of_a_key_apart, shown_by_true_sum])
def test_a_planted_bug_gains_more(plant: Callable[[pytest.MonkeyPatch], None]) -> None:
    one = [(2, 0, 2), (2, 0, 2), (2, 0, 2), (2, 1, 50), (2, 2, 0)]
    assert not exceeds([], one, "rounded")
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        assert exceeds([], one, "rounded")
