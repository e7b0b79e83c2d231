"""The certificate of a release: what is promised, how it was made, and what it means."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version

from flockwise import __version__, artifact, noise
from flockwise.release.plan import GRID, Block, Plan
from flockwise.release.tables import Shown

__all__ = ["certificate", "promise"]

_LIBRARIES = ("opendp", "numpy", "numba", "pyarrow", "h3", "h3ronpy")

DEFINITION = "zero-concentrated differential privacy (Bun and Steinke 2016); epsilon at delta is derived from rho (Canonne, Kamath and Steinke 2020)"
MECHANISM = (
    "joint L2 bound over all tables and levels in whole numbers; independent discrete Gaussian noise on every figure of the public domain, "
    "the empty ones too, drawn by OpenDP's make_gaussian; estimates, intervals and thresholds are made of noisy values alone"
)
NEIGHBOURS = "two data sets of which one has all pings of one device in the window more than the other"
BOUND = (
    "For every device, the sum over all tables and levels of W |q|^2 is at most the bound, q being what it contributes in grid units. "
    "Presence is counted in full: a device is in one cell a slot. Flows are shrunk to what is then left of the device's bound."
)
DOMAIN = "Every H3 cell that the study's public region covers, and its ancestors; every slot. Known before any data is read."


def promise(plan: Plan) -> str:
    """The guarantee in one line."""
    privacy = plan.study.privacy
    days = f"{plan.study.window.days} day{'s' if plan.study.window.days > 1 else ''}"
    guess = noise.guess_percent(plan.rho)
    return (
        f"epsilon {privacy.epsilon} at delta {float(privacy.delta):g} per device over the whole window of {days} (rho {float(plan.rho):.6g}): "
        f"a guess of whether a device was in the data is right at most {guess} times in 100 (50 by a coin)"
    )


def certificate(plan: Plan, inputs: str, shown: Mapping[str, Shown]) -> artifact.Certificate:
    """The certificate of a release, without the checksums of its files.

    Args:
        plan: the plan that was carried out.
        inputs: keyed digest of the data.
        shown: what came of each block.
    """
    study, privacy, window = plan.study, plan.study.privacy, plan.study.time_window
    windows = noise.windows_a_year(study.window.days)
    over = noise.year(plan.rho, privacy.delta, windows)
    return artifact.Certificate(
        study=artifact.StudyRef(name=study.name, digest=plan.digest),
        dataset=study.ledger.dataset,
        neighbours=NEIGHBOURS,
        window=artifact.WindowRef(
            start=_instant(window.start_us), end=_instant(window.end_us), timezone=window.timezone, days=window.days, first_day=window.start
        ),
        privacy=artifact.PrivacyClaim(epsilon=privacy.epsilon, delta=privacy.delta, rho=plan.rho, definition=DEFINITION, mechanism=MECHANISM),
        meaning=tuple(noise.meaning(plan.rho, privacy.epsilon, privacy.delta, windows)),
        year=artifact.YearClaim(windows=over.windows, rho=over.rho, epsilon=over.epsilon),
        bounds=artifact.Bounds(
            units=GRID,
            bound=plan.bound,
            levels=tuple(artifact.LevelBound(table=b.kind, level=b.level, share=b.share, norm=b.norm, weight=b.weight) for b in plan.blocks),
            trips=study.flows.trips_bound if study.flows else None,
            greatest_trip_h=study.flows.greatest_trip_h if study.flows else None,
            greatest_hold_min=study.presence.greatest_hold_min if study.presence else None,
            panel_bound=privacy.panel_bound,
            statement=BOUND,
        ),
        domain=artifact.Domain(
            levels=tuple(artifact.DomainLevel(level=k, cells=n) for k, n in sorted({b.level: len(b.region) for b in plan.blocks}.items())), statement=DOMAIN
        ),
        tables=tuple(_summary(plan, b, shown[b.name]) for b in plan.blocks),
        limits=tuple(noise.limits()),
        retention=f"Pings are deleted {study.store.retention_days} days after the window's end, as the study declares. The release stays.",
        input=artifact.InputRef(digest=inputs),
        versions={"flockwise": __version__, "python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    )


def _summary(plan: Plan, block: Block, shown: Shown) -> artifact.TableSummary:
    presence, flows = plan.study.presence, plan.study.flows
    if block.kind == "presence":
        slots = artifact.Slots(count=block.shape[1], minutes=presence.slot_minutes if presence else None)
        name = f"Present population, H3 resolution {block.level}"
    else:
        slots = artifact.Slots(count=block.shape[2], labels=flows.labels if flows else None)
        name = f"Flows, H3 resolution {block.level}"
    return artifact.TableSummary(
        name=name,
        kind=block.kind,
        level=block.level,
        rows_public=block.size,
        published=shown.published,
        withheld=block.size - shown.published,
        sigma=block.sigma,
        threshold=shown.threshold,
        typical_relative_error=shown.typical_relative_error,
        slots=slots,
        adds_up=shown.adds_up,
    )


def _instant(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, UTC)
