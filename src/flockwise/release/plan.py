"""What a release will measure and with how much noise: public facts only, settled before any data is read.

One device's contributions q (grid units) to all blocks b satisfy sum_b W_b |q_b|^2 <= B in exact integers (docs/claims/joint-clip.md).
Noise of variance at least B / (2 rho W_b) in block b then costs rho, whatever that device did (docs/claims/noise-and-accounting.md).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import prod
from typing import Any

from flockwise import __version__, estimate, noise, person
from flockwise.base.region import Region
from flockwise.config import FlowsTable, PresenceTable, Study
from flockwise.errors import ConfigError

__all__ = ["GRID", "Block", "Plan", "make_plan"]

GRID = noise.UNITS
"""Grid units to one device in one slot, and to one trip."""

FORMAT = 1
LARGEST_BLOCK = 50_000_000


@dataclass(frozen=True, eq=False)
class Block:
    """One table at one level.

    Attributes:
        kind: "presence" or "flows".
        level: H3 resolution.
        region: its public cells.
        shape: (cells, slots) or (cells, cells, slots).
        share: share of the bound that one device may take here without being shrunk.
        norm: the squared norm in grid units that goes with it.
        weight: W in the bound, an integer.
        sigma_units: standard deviation of the noise in grid units.
    """

    kind: str
    level: int
    region: Region
    shape: tuple[int, ...]
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


@dataclass(frozen=True, eq=False)
class Plan:
    """A release before it happens. Everything in it is public.

    Attributes:
        study: the study.
        rho: the charge.
        bound: B, the integer bound of one device's weighted squared norm.
        blocks: all blocks; presence first, each table's finest level first.
    """

    study: Study
    rho: Fraction
    bound: int
    blocks: tuple[Block, ...]

    def of(self, kind: str) -> tuple[Block, ...]:
        """The blocks of a table, finest level first."""
        return tuple(b for b in self.blocks if b.kind == kind)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides what the release says, besides the data."""
        return hashlib.sha256(json.dumps(self.describe(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """The plan as JSON-ready values: exact numbers as text, paths left out."""
        study = self.study.model_dump(mode="json", exclude={"store", "ledger", "region"})
        return {
            "format": FORMAT,
            "version": __version__,
            "study": study,
            "dataset": self.study.ledger.dataset,
            "cells": hashlib.sha256(self.study.area.cells.astype("<i8").tobytes()).hexdigest(),
            "rho": str(self.rho),
            "bound": str(self.bound),
            "blocks": [{"name": b.name, "shape": list(b.shape), "weight": str(b.weight), "sigma_units": b.sigma_units.hex()} for b in self.blocks],
        }

    def rules(self) -> person.Rules:
        """What the person stage needs: plain integers and public arrays."""
        presence, flows = (tuple(b.weight for b in self.of(kind)) for kind in ("presence", "flows"))
        return person.rules_for(self.study, presence_weights=presence, flows_weights=flows, bound=self.bound)


def make_plan(study: Study) -> Plan:
    """The plan of a study.

    Raises:
        ConfigError: a table's public domain is larger than can be measured densely.

    Privacy:
        Reads the study and the region's file, no data.
    """
    rho = noise.rho_for(study.privacy.epsilon, study.privacy.delta)
    tables = sorted(study.tables, key=lambda t: t.kind != "presence")
    parts = [_part(study, table) for table in tables]
    split = noise.split(parts)
    blocks = tuple(
        Block(table.kind, level, region, _shape(study, table, region), share, part.norm, weight, noise.sigma_for(split.bound, weight, rho))
        for table, part in zip(tables, parts, strict=True)
        for level, share, weight in zip(table.levels, split.shares[table.kind], split.weights[table.kind], strict=True)
        for region in [study.area.at(level)]
    )
    for block in blocks:
        if block.size > LARGEST_BLOCK:
            raise ConfigError(
                "PLAN_DOMAIN_TOO_LARGE",
                what="A table's public domain is larger than can be measured.",
                got=f"{block.kind} at resolution {block.level}: {block.size:,} figures",
                expected=f"at most {LARGEST_BLOCK:,}",
                state="No data was read and nothing was spent.",
                fix="Choose a coarser resolution, fewer slots or a smaller region for this table.",
            )
    return Plan(study, rho, split.bound, blocks)


def _part(study: Study, table: PresenceTable | FlowsTable) -> noise.Part:
    if isinstance(table, PresenceTable):
        slots = len(study.time_window.slots(table.slot_minutes))
        return replace(noise.presence_part(table.weight, slots, len(table.levels)), shares=estimate.level_shares(table.levels))
    return noise.flows_part(table.weight, table.trips_bound, len(table.levels))


def _shape(study: Study, table: PresenceTable | FlowsTable, region: Region) -> tuple[int, ...]:
    cells = len(region)
    if isinstance(table, PresenceTable):
        return cells, len(study.time_window.slots(table.slot_minutes))
    return cells, cells, len(table.slots)
