"""A population with a known truth: pings to practise on, and the true figures to compare a release with. Nobody in it is real."""

from __future__ import annotations

from flockwise.simulate._population import Population, Summary, write
from flockwise.simulate._settings import DEMO_COUNTIES, Settings

__all__ = ["DEMO_COUNTIES", "Population", "Settings", "Summary", "write"]
