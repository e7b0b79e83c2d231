"""Disclosure risk of a data set: what its pings would reveal if they leaked, as charged private figures only."""

from flockwise.risk.plan import RiskPlan, make_plan
from flockwise.risk.publishing import Assessed, publish
from flockwise.risk.terms import terms_schema, verify

__all__ = ["Assessed", "RiskPlan", "make_plan", "publish", "terms_schema", "verify"]
