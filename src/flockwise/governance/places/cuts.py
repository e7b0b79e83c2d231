"""By what a delivery is cut: a list that somebody has reviewed, or nothing, for pings that nobody is behind. An ingest can't be called without one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flockwise.config.supplier import read_supplier
from flockwise.errors import RuleError
from flockwise.governance.places.applied import require_not_overdue
from flockwise.governance.places.current import Current, require_reviewed, required

if TYPE_CHECKING:
    from flockwise.config import Study

__all__ = ["SIMULATED", "Reviewed", "Simulated", "require_cut", "reviewed"]


@dataclass(frozen=True, eq=False)
class Reviewed:
    """A list that somebody has reviewed within a quarter, as it is now. It can't be made of another.

    Args:
        current: the list.

    Raises:
        RuleError: PLACES_UNREVIEWED, PLACES_STALE.
    """

    current: Current

    def __post_init__(self) -> None:
        require_reviewed(self.current)

    @property
    def digest(self) -> str:
        """What the store records of it."""
        return self.current.digest


@dataclass(frozen=True)
class Simulated:
    """The statement that pings are made up, so that no place has to be cut out of them.

    The store records it in place of a list's digest and keeps it. The commands and `api` never make it: they ingest and release by a list alone.
    """

    @property
    def digest(self) -> str:
        """What the store records of it."""
        return "no list: simulated"


SIMULATED = Simulated()


def reviewed(study: Study) -> Reviewed:
    """The study's list, if it is current.

    Raises:
        RuleError: PLACES_MISSING, also if the study names none; PLACES_UNREVIEWED, PLACES_STALE.
        DataError: PLACES_NOT_A_LIST, PLACES_GATHERINGS.
    """
    return Reviewed(required(study))


def require_cut(study: Study, cut: Reviewed | Simulated, applied: str | None) -> None:
    """Refuses an ingest that would leave rows in the store which the list covers.

    Args:
        study: the study.
        cut: by what its rows are to be cut.
        applied: by what the rows were cut that the store holds; None if nothing was delivered yet.

    Raises:
        RuleError: PLACES_UNREVIEWED, PLACES_STALE, PLACES_NOT_APPLIED; PLACES_SIMULATED: pings are said to be made up where something speaks against it.
    """
    if isinstance(cut, Reviewed):
        require_reviewed(cut.current)  # days may have passed
        if applied is not None:
            require_not_overdue(cut.current, applied)
    elif not isinstance(cut, Simulated):
        raise _refused("neither a reviewed list nor that statement was given")
    elif study.places is not None:
        raise _refused("the study names a list of sensitive places")
    elif study.supplier is not None and getattr(read_supplier(study.supplier.file).supplier, "collected", None) != "simulation":
        raise _refused("the supplier's record does not say that they come from a simulation")
    elif applied not in (None, cut.digest):
        raise _refused("what the store holds was cut by a list")


def _refused(got: str) -> RuleError:
    return RuleError(
        "PLACES_SIMULATED",
        what="Pings are taken in without a list of sensitive places only if they are made up.",
        got=got,
        expected="places.reviewed(study); for made-up pings places.SIMULATED, and a study without a list",
        state="Nothing was read and nothing was stored.",
        fix="Have a list reviewed (flockwise places review), and pass it.",
    )
