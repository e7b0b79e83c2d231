"""Estimates from noisy values: smoothing, consistency, intervals and thresholds, all of it post-processing.

Noisy arrays, their noise scales and public hierarchies go in; nothing here can reach a person's records.
"""

from flockwise.estimate._types import LevelEstimate, NoisyLevel
from flockwise.estimate.calendar import Calendar
from flockwise.estimate.clip_bound import FlowBounds, choose_bounds, norm_edges
from flockwise.estimate.flow_tables import estimate_flows
from flockwise.estimate.flow_types import FlowEstimate, FlowTable, MarginTable, NoisyFlowLevel, SparsePairs
from flockwise.estimate.presence import FEWEST_DEVICES, level_shares, publish_rule
from flockwise.estimate.presence import estimate as estimate_presence
from flockwise.estimate.summary import TableSummary, summarise_presence, typical_relative_error
from flockwise.estimate.typical import hours_and_day, typical_day

__all__ = [
    "FEWEST_DEVICES",
    "Calendar",
    "FlowBounds",
    "FlowEstimate",
    "FlowTable",
    "LevelEstimate",
    "MarginTable",
    "NoisyFlowLevel",
    "NoisyLevel",
    "SparsePairs",
    "TableSummary",
    "choose_bounds",
    "estimate_flows",
    "estimate_presence",
    "hours_and_day",
    "level_shares",
    "norm_edges",
    "publish_rule",
    "summarise_presence",
    "typical_day",
    "typical_relative_error",
]
