"""The sparse draw has the law of the dense draw, thresholded and sorted: measured, planted bugs caught, and attacked by order and layout.

Every statistic alarms falsely with probability at most 1e-8; there are fewer than 100 in this file, so the file does with less than 1e-6.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from tests.unit.noise._exact import exact_tail

from flockwise import noise
from flockwise.noise import sparse, tails

ALARM = 1e-8
KINDS = ("rounded", "discrete")
SIZE = 36
KEYS = np.array([0, 3, 4, 10, 11, 20, 21, 35], dtype=np.int64)
SUMS = np.array([1, -2, 5, 1, 3, 9, 1, 2], dtype=np.int64)
LISTED = dict(zip(KEYS.tolist(), SUMS.tolist(), strict=True))
EMPTY = [key for key in range(SIZE) if key not in LISTED]
WATCHED = 4  # a listed row whose values are looked at


@dataclass(frozen=True)
class Case:
    sigma: float
    threshold: int
    kind: noise.Kind
    draws: int = 1500

    def reach(self, key: int) -> float:
        return float(exact_tail(self.threshold - LISTED.get(key, 0), self.sigma, self.kind))

    def values(self, shift: int) -> tuple[list[int], np.ndarray]:
        """What a printed row of sum `shift` may show, and how likely each value is."""
        v = list(range(self.threshold, self.threshold + math.ceil(12 * self.sigma)))
        above = [exact_tail(x - shift, self.sigma, self.kind) for x in [*v, v[-1] + 1]]
        return v, np.array([float((a - b) / above[0]) for a, b in pairwise(above)])

    def sparse(self) -> list[sparse.Printed]:
        return [noise.draw_sparse(KEYS, SUMS, SIZE, self.sigma, self.threshold, self.kind) for _ in range(self.draws)]

    def dense(self) -> list[sparse.Printed]:
        table = np.zeros((self.draws, SIZE), dtype=np.int64)
        table[:, KEYS] = SUMS
        noisy = noise.add(table.reshape(-1), self.sigma, 2, kind=self.kind).reshape(table.shape)
        rows = np.arange(SIZE, dtype=np.int64)
        return [sparse.Printed(rows[row >= self.threshold], row[row >= self.threshold]) for row in noisy]


CASES = [Case(2.0, 3, "rounded"), Case(2.0, 3, "discrete"), Case(0.6, 1, "rounded"), Case(0.6, 1, "discrete"), Case(30.0, 40, "discrete")]


@dataclass(frozen=True)
class Seen:
    """What the statistics are made of."""

    printed: np.ndarray  # draws x rows, whether the row was printed
    empty: np.ndarray  # values of printed empty rows
    watched: np.ndarray  # values of the watched row

    @classmethod
    def of(cls, shown: list[sparse.Printed]) -> Seen:
        printed = np.zeros((len(shown), SIZE), dtype=bool)
        for row, one in zip(printed, shown, strict=True):
            row[one.keys] = True
        keys, values = (np.concatenate([getattr(one, name) for one in shown]) for name in ("keys", "values"))
        return cls(printed, values[np.isin(keys, EMPTY)], values[keys == WATCHED])


def chi_square(observed: np.ndarray, expected: np.ndarray) -> float:
    """Cells in their order are joined until each expects 20 or more."""
    o, e = [0.0], [0.0]
    for a, b in zip(observed, expected, strict=True):
        if e[-1] >= 20:
            o.append(0.0)
            e.append(0.0)
        o[-1] += a
        e[-1] += b
    if e[-1] < 20 and len(e) > 1:
        o[-2:], e[-2:] = [o[-2] + o[-1]], [e[-2] + e[-1]]
    return float(stats.chi2.sf(sum((a - b) ** 2 / b for a, b in zip(o, e, strict=True)), max(1, len(e) - 1)))


def histogram(values: np.ndarray, cells: list[int]) -> np.ndarray:
    return np.array([np.count_nonzero(values == v) for v in cells[:-1]] + [np.count_nonzero(values >= cells[-1])])


def evidence(seen: Seen, case: Case) -> dict[str, float]:
    """P-values of what was seen under the exact law."""
    n = len(seen.printed)
    p = np.array([case.reach(key) for key in range(SIZE)])
    how_many = np.ones(1)
    for one in p:
        how_many = np.convolve(how_many, [1 - one, one])
    both = p[:-1] * p[1:]
    chain = p[:-2] * p[1:-1] * p[2:] * (1 - p[1:-1])
    beside = np.count_nonzero(seen.printed[:, :-1] & seen.printed[:, 1:])
    empty = seen.printed[:, EMPTY]
    chance = case.reach(EMPTY[0])
    first = np.where(empty.any(axis=1), empty.argmax(axis=1), len(EMPTY))
    cells, shares = case.values(0)
    watched_cells, watched_shares = case.values(LISTED[WATCHED])
    open_rows = n * np.minimum(p, 1 - p) >= 20  # the others are always or never printed, which "how many" sees
    spread = (seen.printed.sum(axis=0) - n * p)[open_rows] ** 2 / (n * p * (1 - p))[open_rows]
    return {
        "rows": float(stats.chi2.sf(spread.sum(), len(spread))),
        "how many": chi_square(np.bincount(seen.printed.sum(axis=1), minlength=SIZE + 1), n * how_many),
        "side by side": float(2 * stats.norm.sf(abs(beside - n * both.sum()) / math.sqrt(n * ((both * (1 - both)).sum() + 2 * chain.sum())))),
        "first": chi_square(
            np.bincount(first, minlength=len(EMPTY) + 1), n * np.append(chance * (1 - chance) ** np.arange(len(EMPTY)), (1 - chance) ** len(EMPTY))
        ),
        "values": chi_square(histogram(seen.empty, cells), len(seen.empty) * shares),
        "watched": chi_square(histogram(seen.watched, watched_cells), len(seen.watched) * watched_shares),
    }


def against(one: Seen, other: Seen) -> dict[str, float]:
    """P-values of two samples under one law, whatever it is."""

    def same(a: np.ndarray, b: np.ndarray) -> float:
        order = np.argsort(-(a + b), kind="stable")
        a, b = a[order], b[order]
        usual = (a + b) >= 40
        table = np.array([[*a[usual], a[~usual].sum()], [*b[usual], b[~usual].sum()]])
        return float(stats.chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue)

    top = int(max(one.empty.max(), other.empty.max())) + 1
    return {
        "rows": same(one.printed.sum(axis=0), other.printed.sum(axis=0)),
        "how many": same(*(np.bincount(s.printed.sum(axis=1), minlength=SIZE + 1) for s in (one, other))),
        "values": same(*(np.bincount(s.empty, minlength=top) for s in (one, other))),
    }


def faults(shown: sparse.Printed) -> list[str]:
    """What the two arrays give away beside their numbers: order, type, memory."""
    out = [] if tuple(shown.__slots__) == ("keys", "values") and not hasattr(shown, "__dict__") else ["more than two arrays"]
    if len(shown.keys) != len(shown.values):
        out.append("lengths")
    if not bool((np.diff(shown.keys) > 0).all()):
        out.append("order")
    for array in (shown.keys, shown.values):
        flags = array.flags
        if array.base is not None or not flags.owndata:
            out.append("memory behind the array")
        if array.dtype != np.int64 or not flags.c_contiguous or flags.writeable or array.ndim != 1:
            out.append("layout")
    return out


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_law_is_the_dense_one(case: Case):
    shown = case.sparse()
    assert not [f for one in shown for f in faults(one)]
    assert min(int(one.values.min(initial=case.threshold)) for one in shown) >= case.threshold
    seen, dense = Seen.of(shown), Seen.of(case.dense())
    for p_values in (evidence(seen, case), evidence(dense, case), against(seen, dense)):
        assert min(p_values.values()) > ALARM, p_values


# Planted bugs: each must be seen by the same statistics, or by `faults`.


def continuous_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    """P(sigma Z >= k) instead of the law's own tail: the half step is forgotten."""

    def tail(k: int, sigma: Fraction, kind: noise.Kind, bits: int) -> object:
        with tails.working(bits):
            return (tails.exactly(k / sigma) / tails.exactly(2).sqrt()).erfc() / 2

    monkeypatch.setattr(sparse, "tail", tail)


def the_other_laws_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    real = tails.tail
    monkeypatch.setattr(sparse, "tail", lambda k, sigma, kind, bits: real(k, sigma, "rounded" if kind == "discrete" else "discrete", bits))


def strictly_above_for_ghosts(monkeypatch: pytest.MonkeyPatch) -> None:
    real = tails.tail
    monkeypatch.setattr(sparse, "tail", lambda k, *rest: real(k + 1, *rest))


def strictly_above_for_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = sparse.reached
    monkeypatch.setattr(sparse, "reached", lambda keys, values, threshold: real(keys, values, threshold + 1))


def ghosts_over_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The right number of ghosts at uniform places of the whole domain; those that fall on a listed row are lost."""
    real = sparse._Exceeding.ranks

    def ranks(self: sparse._Exceeding, empty: int) -> list[int]:
        places = np.random.default_rng().choice(SIZE, len(list(real(self, empty))), replace=False).tolist()
        return sorted(place for place in places if place not in LISTED)

    monkeypatch.setattr(sparse._Exceeding, "ranks", ranks)
    monkeypatch.setattr(sparse, "_skipping", lambda _, ranks: ranks)


def ranks_taken_for_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "_skipping", lambda _, ranks: ranks)


def ghosts_last(monkeypatch: pytest.MonkeyPatch) -> None:
    real = sparse._sorted

    def unsorted(keys: np.ndarray, values: np.ndarray) -> sparse.Printed:
        return real(keys, values) if bool((np.diff(keys) > 0).all()) else sparse.Printed(keys, values)

    monkeypatch.setattr(sparse, "_sorted", unsorted)


def withheld_rows_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def view(keys: np.ndarray, values: np.ndarray) -> sparse.Printed:
        order = np.argsort(keys)
        return sparse.Printed(np.append(keys[order], KEYS)[: len(keys)], np.append(values[order], SUMS)[: len(keys)])

    monkeypatch.setattr(sparse, "_sorted", view)


def never_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gaps of at least one empty row."""
    real = sparse._Exceeding._gap

    def gap(self: sparse._Exceeding, room: int) -> int | None:
        found = real(self, room)
        return None if found is None or found + 1 >= room else found + 1

    monkeypatch.setattr(sparse._Exceeding, "_gap", gap)


def expected_number_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """The expected number of ghosts, at places without repetition: right on average, wrong in spread."""

    def ranks(self: sparse._Exceeding, empty: int) -> list[int]:
        number = round(empty * float(self._tail(self._threshold, 64).mid()))
        return sorted(np.random.default_rng().choice(empty, number, replace=False).tolist())

    monkeypatch.setattr(sparse._Exceeding, "ranks", ranks)


def values_all_at_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse._Exceeding, "value", lambda self: self._threshold)


PLANTED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], Case]] = {
    "continuous tail for discrete": (continuous_tail, CASES[1]),
    "continuous tail for rounded": (continuous_tail, CASES[0]),
    "tail of the rounded law for discrete": (the_other_laws_tail, CASES[3]),
    "tail of the discrete law for rounded": (the_other_laws_tail, CASES[2]),
    "> for >= among ghosts": (strictly_above_for_ghosts, CASES[1]),
    "> for >= among listed rows": (strictly_above_for_listed, CASES[0]),
    "ghosts uniform over all rows": (ghosts_over_all_rows, CASES[1]),
    "ranks taken for keys": (ranks_taken_for_keys, CASES[1]),
    "never side by side": (never_side_by_side, CASES[1]),
    "always the expected number": (expected_number_always, CASES[1]),
    "values at the threshold": (values_all_at_the_threshold, CASES[1]),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_seen_by_the_statistics(bug: str, monkeypatch: pytest.MonkeyPatch):
    plant, case = PLANTED[bug]
    plant(monkeypatch)
    p_values = evidence(Seen.of(case.sparse()), case)
    assert min(p_values.values()) < ALARM, p_values


@pytest.mark.parametrize("plant", [ghosts_last, withheld_rows_kept_in_memory])
def test_a_planted_leak_is_seen_in_the_arrays(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch)
    assert [f for one in Case(2.0, 3, "rounded", 20).sparse() for f in faults(one)]


# The attack: was one grid unit given to row 7?

SIGMA = 2.0
BOUND = 0.5 + 0.5 * math.sqrt(1 / (2 * SIGMA**2) / 2)  # noise-and-accounting, step 7, at rho = 1 / (2 sigma^2)


def guesses_right(kind: noise.Kind, rounds: int) -> float:
    """How often the guesser is right who says "yes" if row 7 is printed among the rows before the first step down."""
    right = 0
    for number in range(rounds):
        present = number % 2 == 0
        keys, sums = (KEYS, SUMS) if not present else (np.insert(KEYS, 3, 7), np.insert(SUMS, 3, 1))
        shown = noise.draw_sparse(keys, sums, SIZE, SIGMA, 1, kind).keys
        down = np.flatnonzero(np.diff(shown) < 0)
        right += (7 in shown[: down[0] + 1 if len(down) else len(shown)]) == present
    return right / rounds


@pytest.mark.parametrize("kind", KINDS)
def test_order_tells_no_more_than_the_bound(kind: noise.Kind):
    rounds = 1500
    assert guesses_right(kind, rounds) < BOUND + stats.norm.isf(ALARM) * 0.5 / math.sqrt(rounds)


def test_the_attack_wins_if_ghosts_come_last(monkeypatch: pytest.MonkeyPatch):
    ghosts_last(monkeypatch)
    rounds = 1500
    assert guesses_right("discrete", rounds) > BOUND + stats.norm.isf(ALARM) * 0.5 / math.sqrt(rounds)
