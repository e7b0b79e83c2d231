"""The only place where person, ledger, noise and artifact meet."""

from flockwise.release.against import check_published
from flockwise.release.certifying import promise
from flockwise.release.facts import budget, epsilon_text, ledger_facts, open_ledger, table_facts
from flockwise.release.plan import GRID, NORMS, Block, Group, Plan
from flockwise.release.planning import make_plan, settle
from flockwise.release.publishing import Published, publish, settled
from flockwise.release.recording import facts_of
from flockwise.release.tables import build, calendar, flow_estimate, noisy_flows, presence_estimates, typical_slots

__all__ = [
    "GRID",
    "NORMS",
    "Block",
    "Group",
    "Plan",
    "Published",
    "budget",
    "build",
    "calendar",
    "check_published",
    "epsilon_text",
    "facts_of",
    "flow_estimate",
    "ledger_facts",
    "make_plan",
    "noisy_flows",
    "open_ledger",
    "presence_estimates",
    "promise",
    "publish",
    "settle",
    "settled",
    "table_facts",
    "typical_slots",
]
