"""The only place where person, ledger, noise and artifact meet."""

from flockwise.release.certifying import promise
from flockwise.release.facts import budget, ledger_facts, table_facts
from flockwise.release.plan import Block, Plan, make_plan
from flockwise.release.publishing import Published, publish

__all__ = ["Block", "Plan", "Published", "budget", "ledger_facts", "make_plan", "promise", "publish", "table_facts"]
