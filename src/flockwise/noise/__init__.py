"""Exact noise and its account: arrays and fractions only. Nothing here knows what the numbers count."""

from flockwise.noise.accounting import certify, epsilon_of, rho_for, sigma_for
from flockwise.noise.draw import add
from flockwise.noise.fallback import Caps, draw_fallback, fallback_delta, fallback_threshold
from flockwise.noise.kinds import Kind, total
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
from flockwise.noise.sparse import Printed, draw_sparse
from flockwise.noise.split import UNITS, Part, Split, flows_part, level_shares, presence_part, split
from flockwise.noise.tails import least_threshold

__all__ = [
    "UNITS",
    "Caps",
    "Kind",
    "Part",
    "Printed",
    "Split",
    "Year",
    "add",
    "certainty_percent",
    "certify",
    "draw_fallback",
    "draw_sparse",
    "epsilon_of",
    "fallback_delta",
    "fallback_threshold",
    "flows_part",
    "guess_percent",
    "guess_percent_from_epsilon",
    "least_threshold",
    "level_shares",
    "limits",
    "meaning",
    "presence_part",
    "rho_for",
    "sigma_for",
    "split",
    "total",
    "windows_a_year",
    "year",
]
