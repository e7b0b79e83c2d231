"""The rules that a study asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flockwise.base.h3bits import parent
from flockwise.person.flow_rules import FlowsRules, TotalsRules
from flockwise.person.rules import PresenceRules, Rules, WeightRules

if TYPE_CHECKING:  # annotations only: the kernels' import stays cheap
    from flockwise.base.region import Region
    from flockwise.config import Study

__all__ = ["rules_for"]

Ints = npt.NDArray[np.int64]


def rules_for(
    study: Study,
    *,
    presence_weights: Sequence[int] = (),
    flows_weights: Sequence[int] = (),
    margin_weights: Sequence[int] = (),
    totals: TotalsRules | None = None,
    norm_edges: Sequence[int] = (),
    heavy_edge: int | None = None,
    bound: int = 0,
) -> Rules:
    """The rules of a study. Without weights for a table the rules leave it out (ingest orders and counts with such rules).

    Args:
        study: the study. Its region's file is read if a table has weights.
        presence_weights: W of each level of presence, finest first.
        flows_weights: W of each level of flows, finest first.
        margin_weights: W of each level of the flows' margins, finest first.
        totals: rules of the totals.
        norm_edges: squared norms between the bins of the histogram of norms; only that histogram is made then.
        heavy_edge: squared norm above which a device is heavy; None: no second band.
        bound: B.

    Raises:
        InternalError: weights that do not fit the tables, or could overflow.
        ConfigError: the region's file can't be used.
    """
    window = study.time_window
    presence: PresenceRules | None = None
    flows: FlowsRules | None = None
    if study.presence is not None and presence_weights:
        table, region = study.presence, study.area.at(study.presence.resolution)
        presence = PresenceRules(
            cells=region.cells,
            slot_us=table.slot_minutes * 60_000_000,
            slots=len(window.slots(table.slot_minutes)),
            hold_us=table.greatest_hold_min * 60_000_000,
            parents=_parents(region, table.coarser),
            weights=tuple(presence_weights),
        )
    if study.flows is not None and flows_weights:
        trips, region = study.flows, study.area.at(study.flows.resolution)
        starts, offsets = window.offsets
        flows = FlowsRules(
            cells=region.cells,
            slot_starts_min=np.array(trips.starts_min, dtype=np.int64),
            offset_starts_us=starts,
            offset_us=offsets,
            trip_us=trips.greatest_trip_h * 3_600_000_000,
            parents=_parents(region, trips.coarser),
            weights=tuple(flows_weights),
            margin_weights=tuple(margin_weights),
            totals=totals,
            norm_edges=tuple(norm_edges),
            heavy_edge=heavy_edge,
        )
    weights: WeightRules | None = None
    table_of_weights = study.area_weights
    if study.weights is not None and table_of_weights is not None and (presence_weights or flows_weights):
        starts, offsets = window.offsets
        hold = study.presence.greatest_hold_min if study.presence else 60
        weights = WeightRules(table_of_weights.cells, table_of_weights.units, study.weights.otherwise_units, hold * 60_000_000, starts, offsets)
    return Rules(
        start_us=window.start_us,
        end_us=window.end_us,
        accuracy_dm=study.cleaning.greatest_accuracy_m * 10,
        speed_mm_s=study.cleaning.greatest_speed_kmh * 1_000_000 // 3_600,
        radius_m=study.stays.radius_m,
        least_us=study.stays.least_duration_min * 60_000_000,
        gap_us=study.stays.greatest_gap_min * 60_000_000,
        presence=presence,
        flows=flows,
        bound=bound,
        weights=weights,
    )


def _parents(region: Region, coarser: Sequence[int]) -> tuple[Ints, ...]:
    return tuple(region.at(level).index_of(parent(region.cells, level)) for level in coarser)
