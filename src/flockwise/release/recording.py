"""The facts of a release's record, from its plan: public before any data is read. After the release, with what came of each block."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from math import prod

from flockwise import __version__, noise, record
from flockwise.config import FlowsTable, PresenceTable, Study
from flockwise.governance import places
from flockwise.governance.suppliers import supplier_of
from flockwise.release.certifying import DEFINITION, DOMAIN, DRAWN, MECHANISM, NEIGHBOURS
from flockwise.release.plan import GRID, NORMS, Block, Plan
from flockwise.release.tables import Shown

__all__ = ["facts_of"]

ESTIMATES = (
    "Estimates, intervals, thresholds, the typical day and totals that agree are made of noisy values and public facts alone. Nothing is computed from the "
    "pings again."
)
MOST_DEVICES = 3
"""Exposures are printed for one device of a person and for up to so many."""

_LIBRARIES = ("opendp", "numpy", "numba", "pyarrow", "h3", "h3ronpy")


def facts_of(plan: Plan, shown: Mapping[str, Shown] | None = None, listed: places.Current | None = None) -> record.Facts:
    """The facts of a record.

    Args:
        plan: the plan, before or after it was carried out.
        shown: what came of each block, by name; None before a release, and the record then has no results.
        listed: the list of sensitive places; None if it is not there yet.

    Privacy:
        Reads the plan and released summaries, no data.
    """
    study, privacy, kind = plan.study, plan.study.privacy, plan.noise_kind
    supplier = supplier_of(study)
    return record.Facts(
        study=study.name,
        digest=plan.digest,
        dataset=study.ledger.dataset,
        panel_bound=privacy.panel_bound,
        window=record.Window(first_day=study.window.start, days=study.window.days, timezone=study.window.timezone),
        charge=record.Charge(
            accounting="GDP" if kind == "rounded" else "zCDP",
            rho=plan.rho,
            epsilon=privacy.epsilon,
            delta=privacy.delta,
            lifetime_epsilon=study.ledger.lifetime_epsilon,
            replace_rho=2 * plan.rho,
            replace_epsilon=noise.epsilon_of(2 * plan.rho, privacy.delta, kind),
        ),
        exposures=_exposures(plan),
        groups=_groups(plan, shown or {}),
        tables=tuple(_table(study, t) for t in sorted(study.tables, key=lambda t: t.kind != "presence")),
        region=tuple(record.Region(level=k, cells=n) for k, n in sorted({b.level: len(b.region) for b in plan.blocks}.items())),
        input=record.Input(
            consent="statement" if study.input.consent is None else "column",
            opt_out=study.input.opt_out is not None,
            greatest_accuracy_m=study.cleaning.greatest_accuracy_m,
            greatest_speed_kmh=study.cleaning.greatest_speed_kmh,
            retention_days=study.store.retention_days,
        ),
        statements=record.Statements(
            neighbours=NEIGHBOURS,
            definition=DEFINITION[kind],
            mechanism=MECHANISM.format(noise=DRAWN[kind]),
            domain=DOMAIN,
            estimates=ESTIMATES,
            meaning=tuple(noise.meaning(plan.rho, privacy.epsilon, privacy.delta, noise.windows_a_year(study.window.days), kind)),
            limits=tuple(noise.limits(kind)),
        ),
        versions={"flockwise": __version__, "python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        publisher=study.publisher,
        purpose=study.purpose,
        suppliers=() if supplier is None else (record.Supplier(name=supplier.name, assessed=supplier.assessment.on, retention_days=supplier.retention_days),),
        weights=None if study.weights is None else study.weights.source,
        sensitive_places=_sensitive(listed),
    )


def _sensitive(listed: places.Current | None) -> record.SensitivePlaces | None:
    if listed is None or listed.last is None:
        return None
    return record.SensitivePlaces(categories=len(listed.listing.counts), fence_m=places.LEAST_BUFFER_M, reviewed=listed.last.day)


def _exposures(plan: Plan) -> tuple[record.Exposure, ...]:
    privacy, kind, year = plan.study.privacy, plan.noise_kind, noise.windows_a_year(plan.study.window.days)

    def exposure(devices: int, windows: int) -> record.Exposure:
        rho = devices**2 * windows * plan.rho
        epsilon = privacy.epsilon if (devices, windows) == (1, 1) else noise.epsilon_of(rho, privacy.delta, kind)
        return record.Exposure(devices=devices, windows=windows, rho=rho, epsilon=epsilon, guess_percent=str(noise.guess_percent(rho, kind)))

    return tuple(exposure(k, w) for k in range(1, MOST_DEVICES + 1) for w in sorted({1, year}))


def _groups(plan: Plan, shown: Mapping[str, Shown]) -> tuple[record.Group, ...]:
    found = [
        record.Group(
            name=g.name, rho=g.rho, clip=_clip(plan, g.name), blocks=tuple(_measured(plan, b, shown.get(b.name)) for b in plan.blocks if b.group == g.name)
        )
        for g in plan.groups.values()
    ]
    if plan.clip is not None:
        norms = record.Measured(kind=NORMS, figures=len(plan.clip.edges) + 1, unit="devices", sigma=plan.clip.sigma)
        found.append(record.Group(name=NORMS, rho=plan.clip.rho, clip=_clip(plan, NORMS), blocks=(norms,)))
    return tuple(found)


def _clip(plan: Plan, group: str) -> str:
    flows = plan.study.flows
    if group == NORMS:
        return "Each device is counted in at most one bin; the bins are public. What decides the bound of flows is read from the noisy histogram."
    if group == "totals" and flows is not None:
        return f"A device's trips by origin and by destination are shrunk to a norm of {flows.trips_cap} trips, whatever its other contributions are."
    words = f"For every device, the sum over these blocks of W |q|^2 is at most a public whole number, q being what it contributes in units of 1/{GRID}."
    if plan.study.presence is not None:
        words += " Presence is counted in full: a device is in one cell a slot."
    if plan.trips_bound is not None:
        words += f" Flows and their margins are shrunk to what is then left; a norm of {plan.trips_bound:.1f} trips is kept whole."
        words += "" if plan.settled else " That norm stands in until the private histogram has chosen one; the noise of flows given here goes with it."
    return words


def _measured(plan: Plan, block: Block, shown: Shown | None) -> record.Measured:
    # Flows may be drawn in bands of devices, which add up to one row: (bands, cells, cells, slots).
    rows = {"presence": block.size, "flows": prod(block.shape[-3:])}.get(block.kind)
    return record.Measured(
        kind=block.kind,
        level=block.level,
        figures=block.size,
        unit="devices" if block.kind == "presence" else "trips",
        sigma=block.sigma,
        shown_sigma=block.sigma * plan.study.scale if rows else None,
        rows=rows,
        published=None if shown is None else shown.published,
        threshold=None if shown is None else shown.threshold,
        typical_relative_error=None if shown is None else shown.typical_relative_error,
    )


def _table(study: Study, table: PresenceTable | FlowsTable) -> record.Table:
    if isinstance(table, PresenceTable):
        slots = len(study.time_window.slots(table.slot_minutes))
        return record.Table(kind="presence", levels=table.levels, slots=slots, slot_minutes=table.slot_minutes)
    return record.Table(kind="flows", levels=table.levels, slots=len(table.slots))
