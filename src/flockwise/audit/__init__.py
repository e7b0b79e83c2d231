"""Attacks on Flockwise's own mechanism, on simulated devices alone: what a release gives away is bounded from below, and known bugs would be seen.

An audit takes no study, no pings and no ledger. It makes throw-away ones in a temporary folder and deletes them. What it finds is evidence, not a proof
(docs/claims/audit.md).
"""

from flockwise.audit.charges import ACCOUNT, CERTIFIED, CRASH
from flockwise.audit.checking import Check, Evidence, Finding, Row, Settings, carry_out
from flockwise.audit.disclosure import DISCLOSURE
from flockwise.audit.membership import CANARIES, LOUD_DISCRETE, LOUD_ROUNDED, QUIET
from flockwise.audit.neighbours import NEIGHBOURS, ODD_ROWS, ORDER
from flockwise.audit.randomness import DIGITS, LAW, NO_SEED
from flockwise.audit.repeats import DIFFERENCING, NOISY_ONLY, REPEATS
from flockwise.audit.sparse import FALLBACK, SPARSE
from flockwise.audit.support import EMPTY_CELLS, ROWS
from flockwise.audit.trajectories import TRAJECTORIES

__all__ = ["CHECKS", "Check", "Evidence", "Finding", "Row", "Settings", "carry_out"]

CHECKS = (
    NEIGHBOURS,
    ODD_ROWS,
    ORDER,
    ACCOUNT,
    CERTIFIED,
    CRASH,
    REPEATS,
    DIFFERENCING,
    NOISY_ONLY,
    EMPTY_CELLS,
    ROWS,
    SPARSE,
    FALLBACK,
    NO_SEED,
    DIGITS,
    LAW,
    QUIET,
    LOUD_ROUNDED,
    LOUD_DISCRETE,
    CANARIES,
    TRAJECTORIES,
    DISCLOSURE,
)
"""Every check, in the order in which they are carried out."""
