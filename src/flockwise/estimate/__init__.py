"""Estimates from noisy values: smoothing, consistency, intervals and thresholds, all of it post-processing.

Noisy arrays, their noise scales and public hierarchies go in; nothing here can reach a person's records.
"""

from flockwise.estimate._types import LevelEstimate, NoisyLevel
from flockwise.estimate.calendar import Calendar
from flockwise.estimate.clip_bound import FlowBounds, choose_bounds, norm_edges
from flockwise.estimate.conditional import ConditionalEstimate, conditional_estimate
from flockwise.estimate.flow_tables import estimate_flows
from flockwise.estimate.flow_types import FlowEstimate, FlowTable, MarginTable, NoisyFlowLevel, SparsePairs
from flockwise.estimate.flows import FlowRows, NoisyFlows, flow_rows, printed_rows
from flockwise.estimate.presence import FEWEST_DEVICES, level_shares, publish_rule
from flockwise.estimate.presence import estimate as estimate_presence
from flockwise.estimate.summary import TableSummary, summarise_presence, typical_relative_error
from flockwise.estimate.threshold import ghost_threshold
from flockwise.estimate.typical import typical_day

__all__ = [
    "FEWEST_DEVICES",
    "Calendar",
    "ConditionalEstimate",
    "FlowBounds",
    "FlowEstimate",
    "FlowRows",
    "FlowTable",
    "LevelEstimate",
    "MarginTable",
    "NoisyFlowLevel",
    "NoisyFlows",
    "NoisyLevel",
    "SparsePairs",
    "TableSummary",
    "choose_bounds",
    "conditional_estimate",
    "estimate_flows",
    "estimate_presence",
    "flow_rows",
    "ghost_threshold",
    "level_shares",
    "norm_edges",
    "printed_rows",
    "publish_rule",
    "summarise_presence",
    "typical_day",
    "typical_relative_error",
]
