"""The same study with one setting changed at a time: what another epsilon, zone size or slot would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from flockwise import release
from flockwise.config import Study
from flockwise.errors import ConfigError, RuleError
from flockwise.forecast.expected import expected
from flockwise.forecast.facts import Expected, Facts

__all__ = ["EPSILONS", "Variant", "by_epsilon", "others"]

EPSILONS = (Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(2))
"""What is tried besides the study's own."""
LARGEST = 1_000_000
"""Other zones for flows are tried as long as they make no more figures than this, which take a second or two."""


@dataclass(frozen=True)
class Variant:
    """A changed study and what it would give.

    Attributes:
        change: what was changed, in words.
        epsilon: what the release would promise.
        rho: what it would charge.
        found: one expectation for each table and level.
    """

    change: str
    epsilon: Fraction
    rho: Fraction
    found: list[Expected]


def by_epsilon(study: Study, facts: Facts) -> list[Variant]:
    """The study under every epsilon that is tried, its own among them, rising."""
    out = []
    for epsilon in sorted({*EPSILONS, study.privacy.epsilon}):
        changed = _changed(study, {"privacy": {"epsilon": str(epsilon)}})
        plan = release.make_plan(changed)
        out.append(Variant(f"epsilon {epsilon}", epsilon, plan.rho, expected(plan, facts)))
    return out


def others(study: Study, facts: Facts, own: Sequence[Expected]) -> list[Variant]:
    """The study with coarser or finer zones and longer or shorter slots, one at a time; what its settings do not allow is left out.

    Args:
        study: the study.
        facts: what is assumed of the panel.
        own: what is expected of the study as it is. A change to one table leaves the noise of the other as it was.
    """
    out: list[Variant] = []
    for number, table in enumerate(study.tables):
        for level in (table.resolution - 1, table.resolution + 1):
            coarser = [c for c in table.levels if c < level]
            _add(out, study, number, {"resolution": level, "coarser": coarser}, f"{table.kind}: zones at resolution {level}", facts, own)
    presence = study.presence
    if presence is not None:
        number = study.tables.index(presence)
        for minutes in (presence.slot_minutes // 2, presence.slot_minutes * 3, presence.slot_minutes * 24):
            _add(out, study, number, {"slot_minutes": minutes}, f"presence: slots of {minutes} minutes", facts, own)
    if study.flows is not None and len(study.flows.slots) > 1:
        _add(out, study, study.tables.index(study.flows), {"slots": ["00:00"]}, "flows: one slot, the whole day", facts, own)
    return out


def _add(out: list[Variant], study: Study, number: int, change: dict[str, object], words: str, facts: Facts, own: Sequence[Expected]) -> None:
    tables = [t.model_dump(mode="json") for t in study.tables]
    kind = tables[number]["kind"]
    tables[number] |= change
    try:
        changed = _changed(study, {"tables": tables})
        plan = release.make_plan(changed)
    except (ConfigError, RuleError, ValueError):
        # Finer than a study may be, slots that do not fill the window, a domain that is too large: not a choice that there is.
        return
    if kind == "flows" and max(block.size for block in plan.of("flows")) > LARGEST:
        return
    found = expected(plan, facts, (kind,))
    # In the order that `expected` gives a study's own tables.
    same = [e for e in own if (e.table in ("presence", "typical_day")) != (kind == "presence")]
    out.append(Variant(words, study.privacy.epsilon, plan.rho, found + same if kind == "presence" else same + found))


def _changed(study: Study, change: dict[str, object]) -> Study:
    raw = study.model_dump(mode="json")
    for key, value in change.items():
        raw[key] = {**raw[key], **value} if isinstance(value, dict) else value
    return Study.model_validate(raw)
