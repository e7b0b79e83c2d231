"""The person stage: from the pings of complete devices to bounded contributions.

One total, deterministic function of a single device's rows and public rules: nothing is learnt from the batch, so other devices, the order of rows, the
buckets and the engine cannot change what a device contributes (docs/claims/person-stage.md).
"""

from __future__ import annotations

from flockwise.person.adding import SparseSum, Sums, accumulate, add_blocks, empty_sums
from flockwise.person.contributions import Sighting, bounded, contributions, sight
from flockwise.person.flow_rules import LARGEST_DENSE, FlowsRules, TotalsRules
from flockwise.person.ordering import order
from flockwise.person.rules import ARRIVALS, DEPARTURES, FLOWS, GRID, NORMS, PRESENCE, PresenceRules, Rules, WeightRules
from flockwise.person.study_rules import rules_for

__all__ = [
    "ARRIVALS",
    "DEPARTURES",
    "FLOWS",
    "GRID",
    "LARGEST_DENSE",
    "NORMS",
    "PRESENCE",
    "FlowsRules",
    "PresenceRules",
    "Rules",
    "Sighting",
    "SparseSum",
    "Sums",
    "TotalsRules",
    "WeightRules",
    "accumulate",
    "add_blocks",
    "bounded",
    "contributions",
    "empty_sums",
    "order",
    "rules_for",
    "sight",
]
