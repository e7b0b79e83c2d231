"""The person stage: from the pings of complete devices to bounded contributions.

One total, deterministic function of a single device's rows and public rules: nothing is learnt from the batch, so other devices, the order of rows, the
buckets and the engine cannot change what a device contributes (docs/claims/person-stage.md).
"""

from __future__ import annotations

from flockwise.person.contributions import accumulate, contributions, empty_sums
from flockwise.person.ordering import order
from flockwise.person.rules import FLOWS, GRID, PRESENCE, FlowsRules, PresenceRules, Rules, rules_for

__all__ = [
    "FLOWS",
    "GRID",
    "PRESENCE",
    "FlowsRules",
    "PresenceRules",
    "Rules",
    "accumulate",
    "contributions",
    "empty_sums",
    "order",
    "rules_for",
]
