"""What an assessment of disclosure risk will measure, and with how much noise: public facts only, settled before any data is read.

One device changes the figures of block b by q (grid units), and sum_b W_b |q_b|^2 <= B in exact integers (docs/claims/disclosure-risk.md).
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import ValidationError

from flockwise import __version__, noise, person
from flockwise.base.window import HOUR_US, Window
from flockwise.config import Privacy, Study
from flockwise.errors import ConfigError, InternalError
from flockwise.person.riskpoints import GROUP_UNITS, MOST_POINTS, TOP_PLACES, RiskRules, View

__all__ = ["POINT_EDGES", "SMALL_SETS", "UNITS", "RiskBlock", "RiskPlan", "ViewName", "make_plan"]

FORMAT = 1
UNITS = noise.UNITS
"""Grid units to one device, and to one set of places. A group has as many for all of its devices together."""
BOUND = 1 << 60
SMALL_SETS = 9
"""Sets of 1 to this many devices are counted size by size; larger ones in one bin."""
POINT_EDGES = (1, 3, 7, 15, 31, 63, 127, 255, 511)
"""Greatest number of points of each bin but the last."""

CURVES, SETS, POINTS = Fraction(4, 5), Fraction(3, 25), Fraction(2, 25)
"""Shares of the budget."""
LEAST_GROUP, MOST_GROUP, LADDER, STEP = 16, 4096, 3, 2
"""Devices in a group if the panel is as large as its bound; how many sizes of group; how many bits from one to the next."""
WANTED, WORST = 0.10, 0.50
"""Half-width of a 90 % interval of the curve: what the largest groups are chosen for, and beyond what nothing would be learnt."""


@dataclass(frozen=True)
class ViewName:
    """A resolution in words: H3 level, and "hour" or "day"."""

    level: int
    time: str


@dataclass(frozen=True)
class RiskBlock:
    """A vector of figures with noise of its own.

    Attributes:
        kind: "singled_out", "place_sets" or "points".
        name: unique name.
        size: how many figures.
        share: share of the budget.
        norm: greatest squared change by one device, in grid units.
        weight: W.
        sigma_units: standard deviation of the noise in grid units.
        view: level and time it is about.
        bits: leading bits that name a group ("singled_out").
        places: how many places make a set ("place_sets").
    """

    kind: str
    name: str
    size: int
    share: Fraction
    norm: int
    weight: int
    sigma_units: float
    view: ViewName
    bits: int = 0
    places: int = 0

    @property
    def groups(self) -> int:
        """Number of groups."""
        return 1 << self.bits

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise in groups, sets or devices."""
        return self.sigma_units / UNITS


@dataclass(frozen=True, eq=False)
class RiskPlan:
    """An assessment before it happens. Everything in it is public.

    Attributes:
        study: the study.
        privacy: its promise with the epsilon of this assessment.
        rho: the charge.
        views: resolutions of the curves, finest first.
        places: resolutions of the sets of places.
        blocks: all figures.
    """

    study: Study
    privacy: Privacy
    rho: Fraction
    views: tuple[ViewName, ...]
    places: tuple[ViewName, ...]
    blocks: tuple[RiskBlock, ...]

    @property
    def bits(self) -> tuple[int, ...]:
        """Leading bits of each size of group, largest groups first."""
        return tuple(sorted({b.bits for b in self.blocks if b.kind == "singled_out"}))

    def of(self, kind: str) -> tuple[RiskBlock, ...]:
        """The blocks of a kind."""
        return tuple(b for b in self.blocks if b.kind == kind)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides what the assessment says, besides the data."""
        return hashlib.sha256(json.dumps(self.describe(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """The plan as JSON-ready values: exact numbers as text, paths left out."""
        study = self.study.model_dump(mode="json", include={"name", "window", "input", "cleaning"})
        return {
            "kind": "disclosure risk",
            "format": FORMAT,
            "version": __version__,
            "study": study,
            "dataset": self.study.ledger.dataset,
            "cells": hashlib.sha256(self.study.area.cells.astype("<i8").tobytes()).hexdigest(),
            "privacy": self.privacy.model_dump(mode="json"),
            "rho": str(self.rho),
            "point_edges": list(POINT_EDGES),
            "blocks": [{"name": b.name, "size": b.size, "weight": str(b.weight), "sigma_units": b.sigma_units.hex()} for b in self.blocks],
        }

    def rules(self) -> RiskRules:
        """What the person stage needs: plain integers and public arrays."""
        return RiskRules(
            person=person.rules_for(self.study),
            views=tuple(_view(self.study, v) for v in self.views),
            bits=self.bits,
            places=tuple(_view(self.study, v) for v in self.places),
            point_edges=POINT_EDGES,
        )


def make_plan(study: Study, epsilon: str) -> RiskPlan:
    """The plan of an assessment.

    Args:
        study: the study; its delta, panel bound, window, region and cleaning hold.
        epsilon: what the assessment may cost, exact, as text: above 0, at most 2.

    Raises:
        ConfigError: epsilon is not exact or out of range, or so small for this panel that nothing would be learnt; the region is too large.

    Privacy:
        Reads the study and the region's file, no data.
    """
    privacy = _privacy(study, epsilon)
    rho = noise.rho_for(privacy.epsilon, privacy.delta, privacy.noise)
    finest = study.store_resolution
    views = tuple(dict.fromkeys(ViewName(min(level, finest), time) for level, time in ((finest, "hour"), (finest, "day"), (5, "hour"), (4, "day"))))
    places = tuple(dict.fromkeys(ViewName(level, "hour") for level in (finest, min(5, finest))))
    if (len(study.area) + 1) ** TOP_PLACES >= 1 << 63:
        raise ConfigError(
            "RISK_REGION_TOO_LARGE",
            what="The region has more cells than sets of places can be made of.",
            got=f"{len(study.area):,} cells at resolution {finest}",
            expected="fewer than 2,097,151",
            state="No data was read and nothing was spent.",
            fix="Assess a study of a smaller region or a coarser resolution.",
        )
    # A share of the budget in proportion to the size of the group: larger groups are fewer, and their figures carry more noise.
    bits = _group_bits(privacy.panel_bound, float(rho), len(views))
    parts = _parts(bits)
    blocks = [
        _block("singled_out", f"singled-out-{b}-{v.level}-{v.time}", MOST_POINTS + 1, CURVES * parts[b] / len(views), 2 * GROUP_UNITS**2, rho, v, bits=b)
        for b in bits
        for v in views
    ]
    blocks += [
        _block("place_sets", f"place-sets-{v.level}-{n}", SMALL_SETS + 1, SETS / (len(places) * TOP_PLACES), 2 * UNITS**2, rho, v, places=n)
        for v in places
        for n in range(1, TOP_PLACES + 1)
    ]
    blocks.append(_block("points", "points", len(POINT_EDGES) + 1, POINTS, UNITS**2, rho, views[0]))
    if sum(b.weight * b.norm for b in blocks) > BOUND:
        raise InternalError("RISK_BAD_SPLIT", what="The shares of the budget exceed it.", state="Nothing was spent.")
    return RiskPlan(study, privacy, rho, views, places, tuple(blocks))


def _privacy(study: Study, epsilon: str) -> Privacy:
    try:
        return Privacy.model_validate({**study.privacy.model_dump(), "epsilon": epsilon})
    except ValidationError as error:
        raise ConfigError(
            "RISK_BAD_EPSILON",
            what="The epsilon of the assessment can't be used.",
            got="; ".join(item["msg"].removeprefix("Value error, ") for item in error.errors(include_url=False, include_context=False)),
            expected='an exact number above 0 and at most 2, such as "0.5"',
            state="No data was read and nothing was spent.",
            fix="Give another --epsilon.",
        ) from error


def _group_bits(panel: int, rho: float, views: int) -> tuple[int, ...]:
    """Leading bits of each size of group: the largest groups whose curve is as sure as wanted, and smaller ones that show the trend."""
    most = max(1, int(math.log2(max(2, panel // LEAST_GROUP))))
    least = max(1, math.ceil(math.log2(max(2, panel / MOST_GROUP))))
    # Two sizes at least, so that there is a trend to see, even if the larger groups' curve is then less sure.
    for wanted, sizes in ((WANTED, 2), (2 * WANTED, 2), (WANTED, 1)):
        for first in range(least, most + 1):
            bits = tuple(b for b in range(first, first + LADDER * STEP, STEP) if b <= most)
            if len(bits) >= sizes and _half_width(first, rho * float(CURVES * _parts(bits)[first]) / views) <= wanted:
                return bits
    if (width := _half_width(most, rho * float(CURVES) / views)) > WORST:
        raise ConfigError(
            "RISK_TOO_NOISY",
            what="With this epsilon nothing would be learnt of a panel of this size: every interval would be nearly as wide as the scale.",
            got=f"intervals of plus or minus {100 * width:.0f} points for a panel of at most {panel:,} devices",
            expected=f"{100 * WORST:.0f} points or less",
            state="No data was read and nothing was spent.",
            fix="Give a larger --epsilon, or assess a simulated population.",
        )
    return (most,)


def _parts(bits: tuple[int, ...]) -> dict[int, Fraction]:
    total = sum(Fraction(1, 1 << b) for b in bits)
    return {b: Fraction(1, 1 << b) / total for b in bits}


def _half_width(bits: int, rho: float) -> float:
    # Variance at k of the estimate in estimating.py: k (9 - k) / 9 (UNITS sigma)^2, at most 20 / 9, and sigma^2 = 1 / rho for a squared norm of 2.
    return 1.645 * math.sqrt(20 / 9 / rho) / (1 << bits)


def _block(kind: str, name: str, size: int, share: Fraction, norm: int, rho: Fraction, view: ViewName, *, bits: int = 0, places: int = 0) -> RiskBlock:
    weight = int(share * BOUND / norm)  # rounded down: all shares at their norms together stay within the bound
    return RiskBlock(kind, name, size, share, norm, weight, noise.sigma_for(BOUND, weight, rho), view, bits, places)


def _view(study: Study, name: ViewName) -> View:
    window = study.time_window
    if name.time == "hour":
        starts = np.arange(window.start_us, window.end_us, HOUR_US, dtype=np.int64)
    else:
        days = (Window(window.start + timedelta(days=i), 1, window.timezone) for i in range(window.days))
        starts = np.array([day.start_us for day in days], dtype=np.int64)
    return View(study.area.at(name.level).cells, starts)
