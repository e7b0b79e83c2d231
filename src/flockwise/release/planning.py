"""From a study to its plan: how the charge is shared between groups, tables and levels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from flockwise import estimate, noise, person
from flockwise.config import FlowsTable, PresenceTable, Study
from flockwise.errors import ConfigError, InternalError
from flockwise.release.plan import GRID, Block, Group, Plan, PrivateClip, described, digest_of

__all__ = ["EDGES", "make_plan", "settle"]

NORMS_SHARE = Fraction(1, 100)
"""Of what flows get, for the histogram that chooses their contribution bound."""
TOTALS_SHARE = Fraction(3, 100)
"""Of what flows get, for totals by origin and destination."""
TOTALS_LEVELS = 2
"""Totals are measured at so many of the coarsest levels: finer ones are too noisy to scale anything by."""
TOTALS_SHARES = (Fraction(1), Fraction(1, 4))
"""Totals share their part in these proportions, coarsest first."""
PAIR_SHARES = (Fraction(1), Fraction(1, 16), Fraction(1, 64), Fraction(1, 256))
"""What is left is shared between levels in these proportions, finest first; coarser ones are as the last. Measured: docs/decisions/0010."""
MARGIN_SHARES = (Fraction(1, 64), Fraction(1, 256), Fraction(1, 1024))
"""The same for departures and for arrivals of the clipped flows."""

EDGES = estimate.norm_edges(128)
"""Squared norms (in trips) that a private clip may choose: from 1 to 128 trips, about a factor of 1.19 apart."""

GUESS = 16
"""Squared norm that stands in for the choice of a private clip until it is made (figures of `check` and `plan`)."""

BANDS = 2
"""Everybody, and heavy devices once more: they move differently (docs/decisions/0010). A sparse table has one band."""


@dataclass(frozen=True)
class _Kind:
    """Blocks of one kind: its part of its group, its norm and its levels' shares of that part."""

    name: str
    weight: Fraction
    norm: int
    table: PresenceTable | FlowsTable
    levels: tuple[int, ...]
    shares: tuple[Fraction, ...]


def make_plan(study: Study) -> Plan:
    """The plan of a study.

    Raises:
        ConfigError: a table's public domain is larger than can be measured.

    Privacy:
        Reads the study and the region's file, no data.
    """
    table = study.flows
    norm = None if table is None else GUESS if table.trips_bound is None else table.trips_bound**2
    return _plan(study, norm, norm, settled=table is None or table.trips_bound is not None, digest=None)


def settle(plan: Plan, norm: int, heavy_edge: int) -> Plan:
    """The same plan once the private clip has chosen the squared norm of one device's trips that is kept whole, and from which on a device is heavy.

    Args:
        plan: a plan that is not settled.
        norm: one of the clip's edges.
        heavy_edge: another or the same.

    Privacy:
        Both must come from the noisy histogram that the plan's clip pays for. Nothing else of the plan changes.
    """
    if plan.settled or plan.clip is None or norm not in plan.clip.edges or heavy_edge not in plan.clip.edges:
        raise InternalError("PLAN_BAD_CLIP", what="Only an open plan can be settled, with one of its clip's edges.", state="Nothing was published.")
    return _plan(plan.study, norm, heavy_edge, settled=True, digest=plan.digest)


def _plan(study: Study, norm: int | None, heavy_edge: int | None, *, settled: bool, digest: str | None) -> Plan:
    rho = noise.rho_for(study.privacy.epsilon, study.privacy.delta, study.privacy.noise)
    presence, flows = study.presence, study.flows
    weights = {t.kind: t.weight for t in study.tables}
    of_flows = weights.get("flows", Fraction(0)) / sum(weights.values(), Fraction(0))
    clip_rho = totals_rho = Fraction(0)
    if flows is not None:
        clip_rho = rho * of_flows * NORMS_SHARE if flows.trips_bound is None else Fraction(0)
        totals_rho = rho * of_flows * TOTALS_SHARE
    shapes_rho = rho - clip_rho - totals_rho
    shapes: list[_Kind] = []
    totals: list[_Kind] = []
    if presence is not None:
        slots = len(study.time_window.slots(presence.slot_minutes))
        # Presence keeps exactly its part of the whole charge.
        part = (1 - of_flows) * rho / shapes_rho
        shapes.append(_Kind("presence", part, slots * GRID**2, presence, presence.levels, estimate.level_shares(presence.levels)))
    if flows is not None and norm is not None:
        part = 1 - sum((k.weight for k in shapes), Fraction(0))
        pairs, margins = (_shares(given, len(flows.levels)) for given in (PAIR_SHARES, MARGIN_SHARES))
        whole = sum(pairs) + 2 * sum(margins)
        kept, cap, ends = norm * GRID**2, (flows.trips_cap * GRID) ** 2, ("departures", "arrivals")
        for name, shares in (("flows", pairs), *((end, margins) for end in ends)):
            shapes.append(_Kind(name, part * sum(shares) / whole, kept, flows, flows.levels, _whole(shares)))
        coarse = flows.levels[-TOTALS_LEVELS:]
        totals = [_Kind(f"total_{end}", Fraction(1, 2), cap, flows, coarse, _whole(TOTALS_SHARES[: len(coarse)][::-1])) for end in ends]
    blocks: list[Block] = []
    groups: dict[str, Group] = {}
    for name, part_rho, kinds in (("shapes", shapes_rho, shapes), ("totals", totals_rho, totals)):
        if kinds:
            groups[name], more = _group(study, name, part_rho, kinds)
            blocks += more
    clip = PrivateClip(clip_rho, EDGES, noise.sigma_for(GRID * GRID, 1, clip_rho)) if clip_rho else None
    for block in blocks:
        _check_size(block, finest=flows is not None and block.level == flows.resolution)
    found = tuple(blocks)
    if digest is None:
        digest = digest_of(described(study, rho, groups, clip, found))
    return Plan(study, rho, groups, clip, norm, heavy_edge if _bands(study) > 1 else None, settled, found, digest)


def _shares(given: tuple[Fraction, ...], levels: int) -> tuple[Fraction, ...]:
    return (*given, *([given[-1]] * levels))[:levels]


def _whole(shares: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    return tuple(s / sum(shares) for s in shares)


def _group(study: Study, name: str, rho: Fraction, kinds: list[_Kind]) -> tuple[Group, list[Block]]:
    split = noise.split([noise.Part(k.name, k.weight, k.norm, k.shares) for k in kinds])
    blocks = [
        Block(
            kind=k.name,
            level=level,
            region=region,
            shape=_shape(study, k, len(region)),
            group=name,
            share=share,
            norm=k.norm,
            weight=weight,
            sigma_units=noise.sigma_for(split.bound, weight, rho),
        )
        for k in kinds
        for level, share, weight in zip(k.levels, split.shares[k.name], split.weights[k.name], strict=True)
        for region in [study.area.at(level)]
    ]
    return Group(name, rho, split.bound), blocks


def _shape(study: Study, kind: _Kind, cells: int) -> tuple[int, ...]:
    if isinstance(kind.table, PresenceTable):
        return cells, len(study.time_window.slots(kind.table.slot_minutes))
    slots, bands = len(kind.table.slots), _bands(study)
    return (bands, cells, cells, slots) if kind.name == "flows" else (bands, cells, slots)


def _bands(study: Study) -> int:
    """How many bands flows have: one where the finest pairs are too many to be drawn densely, a public fact."""
    table = study.flows
    cells = 0 if table is None else len(study.area.at(table.resolution))
    return BANDS if table is not None and BANDS * cells * cells * len(table.slots) <= person.LARGEST_DENSE else 1


def _check_size(block: Block, finest: bool) -> None:
    largest = 1 << 62 if block.kind == "flows" and finest else person.LARGEST_DENSE
    if block.size > largest:
        raise ConfigError(
            "PLAN_DOMAIN_TOO_LARGE",
            what="A table's public domain is larger than can be measured.",
            got=f"{block.kind} at resolution {block.level}: {block.size:,} figures",
            expected=f"at most {largest:,}",
            state="No data was read and nothing was spent.",
            fix="Choose a coarser resolution, fewer slots or a smaller region for this table.",
        )
