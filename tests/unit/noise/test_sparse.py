"""The sparse draw step by step, with chosen digits: nothing here is random. Its law is tested in tests/privacy/test_sparse_draw.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.noise._exact import DIGITS, exact_tail

from flockwise import noise
from flockwise.errors import InternalError
from flockwise.noise import sparse

KINDS = ("rounded", "discrete")
NONE = np.zeros(0, dtype=np.int64)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Decimal], list[int]]]:
    """Makes the next uniform number the given one (to 400 digits); the list says how many bits were taken."""

    def start(u: Decimal) -> list[int]:
        taken: list[int] = []

        def urandom(n: int) -> bytes:
            with localcontext() as context:
                context.prec = DIGITS
                before = sum(taken)
                digits = int(u * Decimal(2) ** (before + 8 * n)) - (int(u * Decimal(2) ** before) << 8 * n)
            taken.append(8 * n)
            return digits.to_bytes(n)

        monkeypatch.setattr(os, "urandom", urandom)
        return taken

    yield start
    monkeypatch.undo()


def fractions() -> list[Decimal]:
    return [Decimal(n) / 997 for n in (1, 2, 3, 50, 200, 500, 800, 990, 996)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("sigma", "threshold"), [(0.7, 1), (2.0, 3), (5.0, 21), (58.7, 237)])
def test_a_gap_is_the_inverse_of_the_geometric_law(sigma: float, threshold: int, kind: noise.Kind, feed: Callable[[Decimal], list[int]]):
    law = sparse._Exceeding(Fraction(sigma), threshold, kind)
    for u in fractions():
        with localcontext() as context:
            context.prec = DIGITS
            expected = int(u.ln() / (1 - exact_tail(threshold, sigma, kind)).ln())
        feed(u)
        assert law._gap(expected + 1) == expected
        feed(u)
        assert law._gap(expected) is None
        feed(u)
        assert law._gap(0) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("sigma", "threshold"), [(0.7, 1), (2.0, 3), (5.0, 21), (58.7, 237)])
def test_a_value_is_the_inverse_of_the_conditional_tail(sigma: float, threshold: int, kind: noise.Kind, feed: Callable[[Decimal], list[int]]):
    law = sparse._Exceeding(Fraction(sigma), threshold, kind)
    for u in fractions():
        bar, expected = u * exact_tail(threshold, sigma, kind), threshold
        while exact_tail(expected + 1, sigma, kind) >= bar:
            expected += 1
        feed(u)
        assert law.value() == expected


def test_digits_are_drawn_until_the_decision_is_certain(feed: Callable[[Decimal], list[int]]):
    """U as close to the border between two gaps, or two values, as 80 decimals allow: 64 bits can't tell, more do."""
    sigma, threshold, kind = 5.0, 7, "rounded"
    law = sparse._Exceeding(Fraction(sigma), threshold, kind)
    with localcontext() as context:
        context.prec = DIGITS
        tiny = Decimal(10) ** -60
        border = (1 - exact_tail(threshold, sigma, kind)) ** 3
        ratio = exact_tail(threshold + 3, sigma, kind) / exact_tail(threshold, sigma, kind)
        below, above, high, low = border - tiny, border + tiny, ratio - tiny, ratio + tiny
    for u, expected in ((above, 2), (below, 3)):
        taken = feed(u)
        assert law._gap(100) == expected
        assert sum(taken) > 128
    for u, expected in ((low, threshold + 2), (high, threshold + 3)):
        taken = feed(u)
        assert law.value() == expected
        assert sum(taken) > 128


@given(st.sets(st.integers(0, 40)), st.integers(0, 40))
def test_ranks_skip_the_listed_rows(listed: set[int], extra: int):
    size = max(listed, default=-1) + 1 + extra
    empty = [key for key in range(size) if key not in listed]
    keys = np.array(sorted(listed), dtype=np.int64)
    assert sparse._skipping(keys, np.arange(len(empty), dtype=np.int64)).tolist() == empty


def test_ranks_are_exact_where_floats_are_not():
    top = 1 << 62
    keys = ints(0, top // 2, top - 2, top - 1)
    assert sparse._skipping(keys, ints(0, top // 2 - 2, top // 2 - 1, top - 5)).tolist() == [1, top // 2 - 1, top // 2 + 1, top - 3]


@pytest.mark.parametrize("kind", KINDS)
def test_huge_domains(kind: noise.Kind):
    size = 1 << 62
    t = noise.least_threshold(1000.0, size, Fraction(40), kind)
    keys = ints(0, 5, size // 2, size - 1)
    shown = noise.draw_sparse(keys, ints(10**7, 10**7, 10**7, -(10**7)), size, 1000.0, t, kind)
    assert np.isin(keys, shown.keys).tolist() == [True, True, True, False]
    assert (np.diff(shown.keys) > 0).all()
    assert 0 <= shown.keys.min() <= shown.keys.max() < size
    assert shown.values.min() >= t
    assert 0 < len(shown.keys) - 3 < 140  # 40 ghosts expected: outside with a chance under 1e-17


@pytest.mark.parametrize("kind", KINDS)
def test_no_rows_no_empty_rows_nothing_printed(kind: noise.Kind):
    full = ints(0, 1, 2)
    for keys, size in ((NONE, 0), (full, 3), (NONE, 100)):
        shown = noise.draw_sparse(keys, keys * 0, size, 1.0, 60, kind)  # 60 sigma
        assert len(shown.keys) == len(shown.values) == 0
        assert shown.keys.dtype == shown.values.dtype == np.int64
    all_of_them = noise.draw_sparse(full, ints(10**6, 10**6, 10**6), 3, 1.0, 60, kind)
    assert all_of_them.keys.tolist() == [0, 1, 2]


def test_ghosts_saturate_like_the_dense_draw():
    top = (1 << 63) - 1
    shown = noise.draw_sparse(NONE, NONE, 40, 2.0**63, top, "discrete")
    assert set(shown.values.tolist()) <= {top}


def test_the_threshold_itself_is_printed():
    shown = sparse.reached(ints(1, 2, 3), ints(6, 7, 8), 7)
    assert shown.keys.tolist() == [2, 3]


@pytest.mark.parametrize(
    "change",
    [
        {"keys": ints(2, 1)},
        {"keys": ints(1, 1)},
        {"keys": ints(-1, 1)},
        {"keys": ints(1, 10)},
        {"keys": np.array([1, 2], dtype=np.int32)},
        {"sums": ints(1)},
        {"sums": np.array([1.0, 2.0])},
        {"size": (1 << 62) + 1},
        {"sigma": 0.0},
        {"sigma": float("nan")},
        {"sigma": float("inf")},
        {"threshold": 0},
        {"threshold": 1 << 63},
    ],
)
def test_bad_input_draws_nothing(change: dict[str, object], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "urandom", lambda _: pytest.fail("a draw"))
    right = {"keys": ints(1, 2), "sums": ints(5, 6), "size": 10, "sigma": 1.0, "threshold": 3, "kind": "rounded"} | change
    with pytest.raises(InternalError, match="NOISE_BAD_SPARSE"):
        noise.draw_sparse(**right)  # type: ignore[arg-type]
