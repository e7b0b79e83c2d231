"""The split of the budget, in exact integers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise import noise
from flockwise.errors import InternalError, RuleError

WEIGHTS = st.fractions(Fraction(1, 20), 20, max_denominator=100)


@st.composite
def plans(draw):
    slots, trips = draw(st.integers(1, 672 * 12)), draw(st.integers(1, 2000))
    parts = []
    kinds = draw(st.sampled_from([("presence",), ("flows",), ("presence", "flows")]))
    if "presence" in kinds:
        parts.append(noise.presence_part(draw(WEIGHTS), slots, draw(st.integers(1, 8))))
    if "flows" in kinds:
        parts.append(noise.flows_part(draw(WEIGHTS), trips, draw(st.integers(1, 8))))
    return parts, noise.split(parts)


@given(plans())
@settings(max_examples=150, deadline=None)
def test_shares_add_up_to_at_most_one_and_weights_round_down(plan):
    parts, got = plan
    assert sum(s for shares in got.shares.values() for s in shares) <= 1
    for part in parts:
        for share, weight in zip(got.shares[part.name], got.weights[part.name], strict=True):
            assert weight * part.norm <= share * got.bound
            assert weight >= 1 << 10
            assert (weight + 1) * part.norm > share * got.bound
    assert got.bound < 1 << 62


@given(plans())
@settings(max_examples=100, deadline=None)
def test_presence_at_its_most_leaves_flows_their_share(plan):
    parts, got = plan
    if {p.name for p in parts} != {"presence", "flows"}:
        return
    present = sum(w * parts[0].norm for w in got.weights["presence"])
    flows_at_their_norm = sum(w * parts[1].norm for w in got.weights["flows"])
    assert flows_at_their_norm <= got.bound - present
    assert got.bound - present >= sum(got.shares["flows"]) * got.bound


@given(plans(), st.data())
@settings(max_examples=150, deadline=None)
def test_whoever_keeps_the_bound_costs_at_most_rho_exactly(plan, data):
    _, got = plan
    rho = Fraction(24355970359, 10**12)
    # A point on the edge of the constraint: shares of B spent block by block.
    blocks = [(name, level, w) for name, ws in got.weights.items() for level, w in enumerate(ws)]
    left, cost, used = got.bound, Fraction(0), 0
    for name, level, weight in data.draw(st.permutations(blocks)):
        norm = data.draw(st.integers(0, left // weight))  # |q_b|^2
        left -= weight * norm
        used += weight * norm
        cost += Fraction(norm) / (2 * Fraction(got.sigma(name, level, rho)) ** 2)
    assert used <= got.bound
    assert cost <= rho
    noise.certify(got.bound, got.flat(), [got.sigma(name, level, rho) for name, level, _ in blocks], rho)


def test_level_shares():
    assert noise.level_shares(1) == (1,)
    assert noise.level_shares(4) == (Fraction(4, 5), Fraction(1, 10), Fraction(1, 20), Fraction(1, 20))
    assert all(sum(noise.level_shares(n)) == 1 for n in range(1, 9))


def test_refusals():
    with pytest.raises(RuleError) as got:
        noise.split([noise.presence_part(Fraction(1000), 168, 1), noise.flows_part(Fraction(1, 1000), 10_000, 2)])
    assert got.value.code == "PRIVACY_SHARE_TOO_SMALL"
    part = noise.presence_part(Fraction(1), 24, 1)
    for bad in ([], [part, part], [noise.Part("x", Fraction(1), 1, (Fraction(2, 3), Fraction(2, 3)))]):
        with pytest.raises(InternalError):
            noise.split(bad)
    with pytest.raises(InternalError):
        noise.level_shares(0)
