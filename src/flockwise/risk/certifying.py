"""The certificate of an assessment: what was charged, what the figures mean, and what they do not mean."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from flockwise import __version__, noise
from flockwise.governance.suppliers import supplier_of
from flockwise.risk.plan import BOUND, UNITS, RiskPlan
from flockwise.risk.terms import FORMAT

__all__ = ["certificate", "promise"]

_LIBRARIES = ("opendp", "numpy", "numba", "pyarrow", "h3")

DEFINITIONS = {
    "rounded": "Gaussian differential privacy (Dong, Roth and Su 2022) with mu^2 = 2 rho; epsilon at delta is derived from mu",
    "discrete": "zero-concentrated differential privacy (Bun and Steinke 2016); epsilon at delta is derived from rho (Canonne, Kamath and Steinke 2020)",
}
NOISES = {
    "rounded": "independent continuous Gaussian noise, rounded to whole numbers, on every figure",
    "discrete": "independent discrete Gaussian noise on every figure, drawn by OpenDP's make_gaussian",
}
MECHANISM = (
    "sample and aggregate over fixed hash groups for the curve, one key a device for sets of places, one bin a device for points; whole numbers with a "
    "joint L2 bound over all figures"
)
NEIGHBOURS = "two data sets of which one has all pings of one device in the window more than the other"
BOUND_STATEMENT = (
    "For every device, the sum over all blocks of W |q|^2 is at most the bound, q being by how much adding or removing the device changes the block's figures "
    "in grid units, through other devices too."
)
READING = {
    "point": "A point is a cell and an hour (or a local day) in which a device has a ping.",
    "singled_out": (
        "The share of devices that no other device of their group shares k random points with, k being drawn from the device's own points; a device with "
        "fewer points counts with what it has. Groups are random (by a keyed hash); a group without devices counts as nobody singled out. What singles a "
        "device out of the whole panel singles it out of its group too, so the share in the whole panel is lower, or at most about the same, and falls as "
        "groups grow: compare the sizes of group."
    ),
    "in_small_sets": (
        "The share of devices that share their set of 1, 2 or 3 top places with fewer than so many devices of the whole panel, themselves included: bin 1 is "
        "alone, 1-4 fewer than five. A device's top places are the cells in which it has pings in most hours."
    ),
    "place_sets": "How many sets of top places have so many devices.",
    "points": "How many devices have so many points at the finest resolution",
    "interval": "The 90 % interval is for the exact figure of these devices and groups: it covers the noise, and no sampling of a population.",
}


def promise(plan: RiskPlan) -> str:
    """The guarantee in one line."""
    days = f"{plan.study.window.days} day{'s' if plan.study.window.days > 1 else ''}"
    return f"epsilon {plan.privacy.epsilon} at delta {float(plan.privacy.delta):g} per device over the whole window of {days} (rho {float(plan.rho):.6g})"


def certificate(plan: RiskPlan, charge: str, inputs: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    """The certificate as JSON-ready values; exact numbers are text.

    Args:
        plan: the plan that was carried out.
        charge: digest of the ledger's entry.
        inputs: keyed digest of the data.
        files: contents of the files that it vouches for.
    """
    study, privacy = plan.study, plan.privacy
    windows = noise.windows_a_year(study.window.days)
    supplier = supplier_of(study)
    return {
        "format": FORMAT,
        "study": study.name,
        "plan": plan.digest,
        "dataset": study.ledger.dataset,
        "purpose": study.purpose,
        "supplier": supplier and {
            "name": supplier.name, "assessed": supplier.assessment.on.isoformat(), "retention_days": supplier.retention_days
        },
        "unit": "device",
        "neighbours": NEIGHBOURS,
        "window": {"first_day": study.window.start.isoformat(), "days": study.window.days, "timezone": study.window.timezone},
        "privacy": {
            "epsilon": str(privacy.epsilon), "delta": str(privacy.delta), "rho": str(plan.rho), "noise": privacy.noise,
            "definition": DEFINITIONS[privacy.noise], "mechanism": f"{MECHANISM}; {NOISES[privacy.noise]}",
            "charge": charge,
        },
        "meaning": noise.meaning(plan.rho, privacy.epsilon, privacy.delta, windows, privacy.noise),
        "limits": noise.limits(privacy.noise),
        "bounds": {"units": UNITS, "bound": str(BOUND), "panel_bound": privacy.panel_bound, "statement": BOUND_STATEMENT},
        "blocks": [
            {
                "name": b.name, "kind": b.kind, "level": b.view.level, "time": b.view.time, "figures": b.size,
                **({"groups": b.groups} if b.bits else {}), **({"places": b.places} if b.places else {}),
                "share": str(b.share), "norm": str(b.norm), "weight": str(b.weight), "sigma": b.sigma,
            }
            for b in plan.blocks
        ],
        "reading": READING,
        "input": inputs,
        "versions": {"flockwise": __version__, "python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}},
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }  # fmt: skip
