"""What a release will measure and with how much noise: public facts only, settled before any data is read.

The charge rho is split into groups, each with a bound of its own. One device's contributions q (grid units) to the blocks b of a group satisfy
sum_b W_b |q_b|^2 <= B in exact integers (docs/claims/joint-clip.md). Noise of variance at least B / (2 rho_group W_b) in block b then costs the group's
part of rho, whatever that device did (docs/claims/noise-and-accounting.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod, sqrt
from typing import Any

from flockwise import __version__, noise, person
from flockwise.base.region import Region
from flockwise.config import Study

__all__ = ["GRID", "NORMS", "Block", "Group", "Plan", "PrivateClip"]

GRID = noise.UNITS
"""Grid units to one device in one slot, and to one trip."""

NORMS = "norms"
"""Name of the histogram of norms among the noisy arrays."""

FORMAT = 2


@dataclass(frozen=True, eq=False)
class Block:
    """One table at one level.

    Attributes:
        kind: "presence", "flows", "departures" or "arrivals" (the margins of clipped flows), "total_departures" or "total_arrivals".
        level: H3 resolution.
        region: its public cells.
        shape: presence (cells, slots), flows (bands, cells, cells, slots), their margins and totals (bands, cells, slots).
        group: the group whose bound it shares.
        share: share of that bound that one device may take here without being shrunk.
        norm: the squared norm in grid units that goes with it.
        weight: W in the bound, an integer.
        sigma_units: standard deviation of the noise in grid units.
    """

    kind: str
    level: int
    region: Region
    shape: tuple[int, ...]
    group: str
    share: Fraction
    norm: int
    weight: int
    sigma_units: float

    @property
    def name(self) -> str:
        """Name of the block in files: kind and level."""
        return f"{self.kind}-{self.level}"

    @property
    def size(self) -> int:
        """Figures in the public domain."""
        return prod(self.shape)

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise in published units (devices, trips)."""
        return self.sigma_units / GRID

    @property
    def sparse(self) -> bool:
        """Whether only what reaches the threshold is ever drawn: a public fact, as the size is."""
        return self.size > person.LARGEST_DENSE

    def threshold(self, ghosts: int, kind: noise.Kind) -> int:
        """The least noisy value that is printed, in grid units: so many empty rows are expected to reach it at most, and one in a thousand of the domain.

        Args:
            ghosts: expected number of empty rows that are printed.
            kind: of the noise.
        """
        return noise.least_threshold(self.sigma_units, self.size, min(Fraction(ghosts), Fraction(self.size, 1000)), kind)


@dataclass(frozen=True)
class Group:
    """A reserved part of the charge: its blocks share one bound.

    Attributes:
        name: "shapes" or "totals".
        rho: its part of the charge, exact.
        bound: B, the integer bound of one device's weighted squared norm.
    """

    name: str
    rho: Fraction
    bound: int


@dataclass(frozen=True)
class PrivateClip:
    """The histogram of norms, which is drawn first and chooses the contribution bound of flows.

    Attributes:
        rho: its part of the charge, exact.
        edges: squared norms in trips between the bins, public.
        sigma_units: standard deviation of its noise in grid units.
    """

    rho: Fraction
    edges: tuple[int, ...]
    sigma_units: float

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise in devices."""
        return self.sigma_units / GRID


@dataclass(frozen=True, eq=False)
class Plan:
    """A release before it happens. Everything in it is public.

    Attributes:
        study: the study.
        rho: the whole charge.
        groups: its reserved parts by name.
        clip: how the contribution bound of flows is chosen; None if the study fixes it or has no flows.
        norm: the squared norm of one device's trips (in trips) that is kept whole; until the private clip has chosen it, a public guess.
        heavy_edge: the squared norm (in trips) above which a device is heavy; final when `norm` is.
        settled: whether `norm` is final.
        blocks: all blocks; presence first, each table's finest level first.
        digest: SHA-256 of everything that decides what the release says, besides the data. A private clip does not change it.
    """

    study: Study
    rho: Fraction
    groups: Mapping[str, Group]
    clip: PrivateClip | None
    norm: int | None
    heavy_edge: int | None
    settled: bool
    blocks: tuple[Block, ...]
    digest: str

    @property
    def noise_kind(self) -> noise.Kind:
        """The kind of noise, and with it the account of the charge."""
        return self.study.privacy.noise

    def of(self, kind: str) -> tuple[Block, ...]:
        """The blocks of a kind, finest level first."""
        return tuple(b for b in self.blocks if b.kind == kind)

    @property
    def trips_bound(self) -> float | None:
        """The contribution bound of flows: the norm of one device's trips that is kept whole."""
        return None if self.norm is None else sqrt(self.norm)

    @cached_property
    def scales(self) -> tuple[tuple[str, Fraction, int, tuple[int, ...], tuple[float, ...]], ...]:
        """For each group: name, rho, bound, the weights and the noise scales of its blocks. Norms count as a group of one block."""
        found = [
            (g.name, g.rho, g.bound, tuple(b.weight for b in blocks), tuple(b.sigma_units for b in blocks))
            for g in self.groups.values()
            for blocks in [[b for b in self.blocks if b.group == g.name]]
        ]
        if self.clip is not None:
            found.append((NORMS, self.clip.rho, GRID * GRID, (1,), (self.clip.sigma_units,)))
        return tuple(found)

    def rules(self) -> person.Rules:
        """What the person stage needs: plain integers and public arrays."""
        totals = self.groups.get("totals")
        return person.rules_for(
            self.study,
            presence_weights=self._weights("presence"),
            flows_weights=self._weights("flows"),
            margin_weights=self._weights("departures"),
            totals=None if totals is None else person.TotalsRules(self._total_weights(), totals.bound),
            heavy_edge=self.heavy_edge,
            bound=self.groups["shapes"].bound,
        )

    def clip_rules(self) -> person.Rules:
        """What the person stage needs for the histogram of norms. Presence is in the rules so that an engine that reads the pings once can count it then."""
        return person.rules_for(
            self.study,
            presence_weights=self._weights("presence"),
            flows_weights=self._weights("flows"),
            norm_edges=self.clip.edges if self.clip else (),
            bound=self.groups["shapes"].bound,
        )

    def _total_weights(self) -> tuple[int, ...]:
        by_level = {b.level: b.weight for b in self.of("total_departures")}
        return tuple(by_level.get(b.level, 0) for b in self.of("flows"))

    def _weights(self, kind: str) -> tuple[int, ...]:
        return tuple(b.weight for b in self.of(kind))


def described(study: Study, rho: Fraction, groups: Mapping[str, Group], clip: PrivateClip | None, blocks: tuple[Block, ...]) -> dict[str, Any]:
    """A plan as JSON-ready values: exact numbers as text, paths left out. What a private clip will decide is described by the rule alone."""
    weights = study.area_weights
    return {
        "format": FORMAT,
        "version": __version__,
        "study": study.model_dump(
            mode="json",
            exclude={
                "store": True,
                "ledger": True,
                "region": True,
                "publisher": True,
                "supplier": True,
                "trail": True,
                "roles": True,
                "engine": True,
                "weights": {"file"},
                # Where the list lies says nothing; what it holds is in the state of the store that was cut by it.
                "places": {"file", "gatherings", "tags"},
            },
        ),
        "dataset": study.ledger.dataset,
        "cells": hashlib.sha256(study.area.cells.astype("<i8").tobytes()).hexdigest(),
        "weights": None if weights is None else [hashlib.sha256(a.astype("<i8").tobytes()).hexdigest() for a in (weights.cells, weights.units)],
        "rho": str(rho),
        "groups": {g.name: [str(g.rho), str(g.bound)] for g in groups.values()},
        "clip": None if clip is None else [str(clip.rho), list(clip.edges), clip.sigma_units.hex()],
        "blocks": [{"name": b.name, "shape": list(b.shape), "group": b.group, "weight": str(b.weight), "sigma_units": b.sigma_units.hex()} for b in blocks],
    }


def digest_of(description: Mapping[str, Any]) -> str:
    """SHA-256 of a description."""
    return hashlib.sha256(json.dumps(description, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
