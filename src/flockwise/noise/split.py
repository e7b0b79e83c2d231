"""How one budget is shared between tables and levels, in exact integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from flockwise.errors import InternalError, RuleError
from flockwise.noise.accounting import sigma_for

__all__ = ["UNITS", "Part", "Split", "flows_part", "level_shares", "presence_part", "split"]

UNITS = 256
"""Grid units in one device (presence) or one trip (flows)."""

_LEAST_WEIGHT = 1 << 10
_BOUNDS = (1 << 56, 1 << 60)


@dataclass(frozen=True)
class Part:
    """One table's claim on the budget.

    Args:
        name: the table's kind.
        weight: share relative to the other tables, above 0.
        norm: |q|^2 in grid units that one device may reach at one level without being shrunk.
        shares: parts of the table's share by level, finest first; they add up to at most 1.
    """

    name: str
    weight: Fraction
    norm: int
    shares: tuple[Fraction, ...]


@dataclass(frozen=True)
class Split:
    """The public integers of the joint clip: sum_b W_b |q_b|^2 <= B.

    Args:
        bound: B.
        shares: share of B by table and level, finest first; exact.
        weights: W by table and level, finest first.
    """

    bound: int
    shares: dict[str, tuple[Fraction, ...]]
    weights: dict[str, tuple[int, ...]]

    def sigma(self, name: str, level: int, rho: Fraction) -> float:
        """The noise scale of a table's level (0 is the finest), grid units, when the whole release is charged `rho`."""
        return sigma_for(self.bound, self.weights[name][level], rho)

    def flat(self) -> tuple[int, ...]:
        """All weights, table by table."""
        return tuple(w for weights in self.weights.values() for w in weights)


def level_shares(levels: int) -> tuple[Fraction, ...]:
    """The default shares of a table's levels, finest first: 1/10 for the first parent, 1/20 for every coarser one, the rest for the finest.

    Source:
        Measured on presence (r7: +4 % error, parents 10 to 20 % better): 0.8 / 0.1 / 0.05 / 0.05 on four levels.

    Example:
        >>> [str(s) for s in level_shares(4)]
        ['4/5', '1/10', '1/20', '1/20']
    """
    if not 1 <= levels <= 16:
        raise InternalError("NOISE_BAD_SPLIT", what="A table has 1 to 16 levels.")
    parents = [Fraction(1, 10)] * (levels > 1) + [Fraction(1, 20)] * (levels - 2)
    return (1 - sum(parents, Fraction(0)), *parents)


def presence_part(weight: Fraction, slots: int, levels: int) -> Part:
    """Present population: a device is in at most one cell of a slot, so |q|^2 <= slots x 256^2 at every level and nothing is ever shrunk.

    Args:
        weight: the table's share relative to others.
        slots: slots in the window.
        levels: levels of the table.
    """
    return Part("presence", weight, slots * UNITS**2, level_shares(levels))


def flows_part(weight: Fraction, trips_bound: int, levels: int) -> Part:
    """Flows: a device whose trip vector has norm `trips_bound` at each level is kept whole; a heavier one is shrunk to what is left of its bound.

    Args:
        weight: the table's share relative to others.
        trips_bound: norm of one device's trips, in trips.
        levels: levels of the table.
    """
    return Part("flows", weight, (trips_bound * UNITS) ** 2, level_shares(levels))


def split(parts: Sequence[Part]) -> Split:
    """The integers W and B that give every table and level its share.

    A level with share s gets W = floor(s B / norm): rounding is down, so the levels at their norms together never pass B. The smallest B that leaves
    every W at least 1,024 (shares exact to a thousandth) is taken: a smaller B leaves the person stage more room below int64.

    Args:
        parts: one for each table, distinct names.

    Raises:
        RuleError: a level's share is too small for its norm.

    Privacy:
        Public facts in, public integers out.

    Example:
        >>> plan = split([presence_part(Fraction(3, 4), 168, 3), flows_part(Fraction(1, 4), 30, 2)])
        >>> plan.weights["presence"][0] * 168 * 256**2 <= Fraction(3, 4) * Fraction(17, 20) * plan.bound
        True
    """
    names = [p.name for p in parts]
    total = sum((p.weight for p in parts), Fraction(0))
    if (
        not parts
        or len(set(names)) != len(names)
        or any(p.weight <= 0 or p.norm < 1 or not p.shares or min(p.shares) <= 0 or sum(p.shares, Fraction(0)) > 1 for p in parts)
    ):
        raise InternalError("NOISE_BAD_SPLIT", what="The parts of the budget are not sound.")
    shares = {p.name: tuple(p.weight / total * s for s in p.shares) for p in parts}
    for bound in _BOUNDS:
        weights = {p.name: tuple(int(s * bound / p.norm) for s in shares[p.name]) for p in parts}
        if min(w for ws in weights.values() for w in ws) >= _LEAST_WEIGHT:
            return Split(bound, shares, weights)
    raise RuleError(
        "PRIVACY_SHARE_TOO_SMALL",
        what="A table's share of the budget is too small to be told from nothing.",
        expected="a share that leaves every level a usable part",
        state="Nothing was spent.",
        fix="Raise the table's weight, lower trips_bound, or drop the table.",
    )
