"""Exact noise and its account: arrays and fractions only, from a vetted library. Nothing here knows what the numbers count."""

from flockwise.noise.accounting import certify, epsilon_of, rho_for, sigma_for
from flockwise.noise.gaussian import add
from flockwise.noise.meaning import (
    Year,
    certainty_percent,
    guess_percent,
    guess_percent_from_epsilon,
    limits,
    meaning,
    windows_a_year,
    year,
)
from flockwise.noise.split import UNITS, Part, Split, flows_part, level_shares, presence_part, split

__all__ = [
    "UNITS",
    "Part",
    "Split",
    "Year",
    "add",
    "certainty_percent",
    "certify",
    "epsilon_of",
    "flows_part",
    "guess_percent",
    "guess_percent_from_epsilon",
    "level_shares",
    "limits",
    "meaning",
    "presence_part",
    "rho_for",
    "sigma_for",
    "split",
    "windows_a_year",
    "year",
]
