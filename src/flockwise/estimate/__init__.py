"""Estimates from noisy values: smoothing, consistency, intervals and thresholds, all of it post-processing.

Noisy arrays, their noise scales and public hierarchies go in; nothing here can reach a person's records.
"""

from flockwise.estimate._types import LevelEstimate, NoisyLevel
from flockwise.estimate.calendar import Calendar
from flockwise.estimate.conditional import ConditionalEstimate, conditional_estimate
from flockwise.estimate.flows import FlowRows, NoisyFlows, flow_rows, printed_rows
from flockwise.estimate.presence import FEWEST_DEVICES, level_shares, publish_rule
from flockwise.estimate.presence import estimate as estimate_presence
from flockwise.estimate.summary import TableSummary, summarise_flows, summarise_presence
from flockwise.estimate.threshold import ghost_threshold

__all__ = [
    "FEWEST_DEVICES",
    "Calendar",
    "ConditionalEstimate",
    "FlowRows",
    "LevelEstimate",
    "NoisyFlows",
    "NoisyLevel",
    "TableSummary",
    "conditional_estimate",
    "estimate_presence",
    "flow_rows",
    "ghost_threshold",
    "level_shares",
    "printed_rows",
    "publish_rule",
    "summarise_flows",
    "summarise_presence",
]
