"""The trail: an append-only, hash-chained, signed log of what was done with the pings. It holds no fact about a person."""

from flockwise.trail.chain import Event, Head
from flockwise.trail.folder import KEPT_YEARS, Trail
from flockwise.trail.keys import create as create_key
from flockwise.trail.keys import is_signed, public_of
from flockwise.trail.keys import load as load_key
from flockwise.trail.kinds import INCIDENTS, KINDS
from flockwise.trail.steps import Witness, begin, begin_release, events, record, refusals, require, step
from flockwise.trail.verifying import verify

__all__ = [
    "INCIDENTS",
    "KEPT_YEARS",
    "KINDS",
    "Event",
    "Head",
    "Trail",
    "Witness",
    "begin",
    "begin_release",
    "create_key",
    "events",
    "is_signed",
    "load_key",
    "public_of",
    "record",
    "refusals",
    "require",
    "step",
    "verify",
]
