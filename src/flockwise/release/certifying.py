"""The certificate of a release: what is promised, how it was made, and what it means."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from math import sqrt

import numpy as np
import numpy.typing as npt

from flockwise import __version__, artifact, noise, trail
from flockwise.config import Study
from flockwise.governance.suppliers import supplier_of
from flockwise.release.plan import GRID, NORMS, Block, Plan
from flockwise.release.tables import Shown, typical_slots

__all__ = ["certificate", "promise"]

_LIBRARIES = ("opendp", "numpy", "numba", "pyarrow", "h3", "h3ronpy")

DEFINITION: dict[noise.Kind, str] = {
    "rounded": "Gaussian differential privacy (Dong, Roth and Su 2022) with mu^2 = 2 rho; epsilon at delta is derived from it (Balle and Wang 2018)",
    "discrete": "zero-concentrated differential privacy (Bun and Steinke 2016); epsilon at delta is derived from rho (Canonne, Kamath and Steinke 2020)",
}
DRAWN: dict[noise.Kind, str] = {
    "rounded": "a continuous Gaussian rounded to whole numbers, sampled exactly (Karney 2016) from the operating system's random bytes",
    "discrete": "discrete Gaussian noise, drawn by OpenDP's make_gaussian",
}
MECHANISM = (
    "joint L2 bound over all tables and levels in whole numbers, one for each reserved part of the charge; independent noise on every figure of the public "
    "domain, the empty ones too: {noise}; estimates, intervals and thresholds are made of noisy values alone"
)
TABLES = {"presence": "presence", "typical_day": "presence", "flows": "flows", "margins": "departures"}
"""Published tables, and the blocks whose noise they state."""
NAMES = {"presence": "Present population", "typical_day": "Typical day", "flows": "Flows", "margins": "Departures and arrivals"}
NEIGHBOURS = "two data sets of which one has all pings of one device in the window more than the other"
BOUND = (
    "For every device and group, the sum over the group's tables and levels of W |q|^2 is at most the group's bound, q being what the device contributes in "
    "grid units. Presence is counted in full: a device is in one cell a slot. Flows and their margins are shrunk to what is then left of the device's bound; "
    "totals by origin and destination are shrunk to a bound of their own, and clipped flows are scaled up to them."
)
DOMAIN = "Every H3 cell that the study's public region covers, and its ancestors; every slot. Known before any data is read."


def promise(plan: Plan) -> str:
    """The guarantee in one line."""
    privacy = plan.study.privacy
    days = f"{plan.study.window.days} day{'s' if plan.study.window.days > 1 else ''}"
    guess = noise.guess_percent(plan.rho, plan.noise_kind)
    return (
        f"epsilon {privacy.epsilon} at delta {float(privacy.delta):g} per device over the whole window of {days} (rho {float(plan.rho):.6g}): "
        f"a guess of whether a device was in the data is right at most {guess} times in 100 (50 by a coin)"
    )


def certificate(
    plan: Plan,
    charge: str,
    inputs: str,
    noisy: Mapping[str, npt.NDArray[np.int64]],
    shown: Mapping[str, Shown],
    seen: trail.Witness | None,
    cut: artifact.PlacesRef | None = None,
) -> artifact.Certificate:
    """The certificate of a release, without the checksums of its files.

    Args:
        plan: the plan that was carried out.
        charge: digest of the ledger's entry.
        inputs: keyed digest of the data.
        noisy: noisy values by name, for the histogram of norms.
        shown: what came of each block.
        seen: with which line of the trail the release was begun.
        cut: the list of sensitive places, if the study names one.
    """
    study, privacy, window = plan.study, plan.study.privacy, plan.study.time_window
    windows = noise.windows_a_year(study.window.days)
    over = noise.year(plan.rho, privacy.delta, windows, plan.noise_kind)
    return artifact.Certificate(
        study=artifact.StudyRef(name=study.name, digest=plan.digest),
        dataset=study.ledger.dataset,
        neighbours=NEIGHBOURS,
        window=artifact.WindowRef(
            start=_instant(window.start_us), end=_instant(window.end_us), timezone=window.timezone, days=window.days, first_day=window.start
        ),
        privacy=artifact.PrivacyClaim(
            epsilon=privacy.epsilon,
            delta=privacy.delta,
            rho=plan.rho,
            noise=plan.noise_kind,
            definition=DEFINITION[plan.noise_kind],
            mechanism=MECHANISM.format(noise=DRAWN[plan.noise_kind]),
            charge=charge,
        ),
        meaning=tuple(noise.meaning(plan.rho, privacy.epsilon, privacy.delta, windows, plan.noise_kind)),
        year=artifact.YearClaim(windows=over.windows, rho=over.rho, epsilon=over.epsilon),
        bounds=_bounds(plan, noisy),
        domain=artifact.Domain(
            levels=tuple(artifact.DomainLevel(level=k, cells=n) for k, n in sorted({b.level: len(b.region) for b in plan.blocks}.items())), statement=DOMAIN
        ),
        tables=tuple(_summary(plan, kind, b, shown) for kind, of in TABLES.items() for b in plan.of(of) if f"{kind}-{b.level}" in shown),
        limits=tuple(noise.limits(plan.noise_kind)),
        retention=f"Pings are deleted {study.store.retention_days} days after the window's end, as the study declares. The release stays.",
        purpose=study.purpose,
        supplier=_supplier(study),
        places=cut,
        input=artifact.InputRef(digest=inputs),
        trail=None if seen is None else artifact.TrailRef(key=seen.key, last=seen.last),
        versions={"flockwise": __version__, "python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
    )


def _supplier(study: Study) -> artifact.SupplierRef | None:
    found = supplier_of(study)
    return None if found is None else artifact.SupplierRef(name=found.name, assessed=found.assessment.on, retention_days=found.retention_days)


def _bounds(plan: Plan, noisy: Mapping[str, npt.NDArray[np.int64]]) -> artifact.Bounds:
    presence, flows, clip = plan.study.presence, plan.study.flows, plan.clip
    return artifact.Bounds(
        units=GRID,
        scale=plan.study.scale,
        weights=plan.study.weights.source if plan.study.weights else None,
        groups=tuple(artifact.GroupBound.model_validate({"name": g.name, "rho": g.rho, "bound": g.bound}) for g in plan.groups.values()),
        levels=tuple(
            artifact.LevelBound.model_validate(
                {"table": b.kind, "level": b.level, "group": b.group, "share": b.share, "norm": b.norm, "weight": b.weight, "sigma": b.sigma}
            )
            for b in plan.blocks
        ),
        clip=None
        if clip is None
        else artifact.PrivateClip(rho=clip.rho, sigma=clip.sigma, edges=clip.edges, devices=tuple(float(v) / GRID for v in noisy[NORMS])),
        norm=plan.norm,
        trips_cap=flows.trips_cap if flows else None,
        greatest_trip_h=flows.greatest_trip_h if flows else None,
        greatest_hold_min=presence.greatest_hold_min if presence else None,
        panel_bound=plan.study.privacy.panel_bound,
        statement=BOUND,
    )


def _summary(plan: Plan, kind: str, block: Block, shown: Mapping[str, Shown]) -> artifact.TableSummary:
    presence, flows = plan.study.presence, plan.study.flows
    of = shown[f"{kind}-{block.level}"]
    cells, sigma, day = len(block.region), block.sigma * plan.study.scale, typical_slots(plan)
    if kind == "typical_day" and day is not None:
        slots = artifact.Slots(count=len(day[1]), labels=day[1])
        rows = cells * slots.count
        sigma /= sqrt(np.bincount(day[0]).min())
    elif kind == "presence":
        slots = artifact.Slots(count=block.shape[1], minutes=presence.slot_minutes if presence else None)
        rows = block.size
    else:
        slots = artifact.Slots(count=block.shape[-1], labels=flows.labels if flows else None)
        rows = cells ** (2 if kind == "flows" else 1) * slots.count
    return artifact.TableSummary.model_validate(
        {
            "name": f"{NAMES[kind]}, H3 resolution {block.level}",
            "kind": kind,
            "level": block.level,
            "rows_public": rows,
            "published": of.published,
            "withheld": rows - of.published,
            "sigma": sigma,
            "threshold": of.threshold,
            "typical_relative_error": of.typical_relative_error,
            "slots": slots,
            "adds_up": of.adds_up,
        }
    )


def _instant(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, UTC)
