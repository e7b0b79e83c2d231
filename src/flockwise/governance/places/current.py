"""Whether a study's list of sensitive places is current, and what it suppresses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from flockwise.base import clock
from flockwise.errors import RuleError
from flockwise.governance.door import GATHERING, SENSITIVE_PLACE
from flockwise.governance.places.extent import Extent
from flockwise.governance.places.gatherings import Gatherings, read_gatherings
from flockwise.governance.places.index import PlaceIndex
from flockwise.governance.places.listing import Listing, Review
from flockwise.governance.precision import MOVED_M

if TYPE_CHECKING:
    from flockwise.config import PlacesSpec, Study

__all__ = ["APPLY_DAYS", "REVIEW_DAYS", "Current", "Suppression", "current", "require", "require_reviewed", "required", "review", "suppression"]

REVIEW_DAYS = 92
"""A quarter: a list that nobody has reviewed for longer is stale."""
APPLY_DAYS = 2
"""From the first review of a changed list until what it covers must be gone from the store."""

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Current:
    """The list of a study, as it stands.

    Args:
        listing: the places.
        gatherings: the gatherings, if the study names any.
        digest: SHA-256 of both, and of the margin around gatherings.
        last: the last review of exactly this.
        changed: day of the first review of exactly this.
    """

    listing: Listing
    gatherings: Gatherings | None
    digest: str
    last: Review | None
    changed: date | None

    @property
    def review_by(self) -> date | None:
        """The last day on which the list counts as current."""
        return None if self.last is None else self.last.day + timedelta(days=REVIEW_DAYS)

    @property
    def apply_by(self) -> date | None:
        """The day by which what it covers must be gone from the store."""
        return None if self.changed is None else self.changed + timedelta(days=APPLY_DAYS)


@dataclass(frozen=True, eq=False)
class Suppression:
    """What the door suppresses: hand it to `judge`.

    Args:
        digest: of the list.
        places: where at any time.
        gatherings: where at some times.
    """

    digest: str
    places: PlaceIndex
    gatherings: PlaceIndex | None

    def __call__(self, lat_e6: Ints32, lon_e6: Ints32, t_us: Ints) -> Bytes:
        """SENSITIVE_PLACE, GATHERING or 0 for each point: a function of the point, its instant and public facts."""
        out = np.zeros(len(lat_e6), np.uint8)
        self.places.mark(lat_e6, lon_e6, t_us, out, SENSITIVE_PLACE)
        if self.gatherings is not None:
            self.gatherings.mark(lat_e6, lon_e6, t_us, out, GATHERING)
        return out

    @property
    def nbytes(self) -> int:
        """Bytes of all tables."""
        return self.places.nbytes + (0 if self.gatherings is None else self.gatherings.nbytes)


def current(study: Study) -> Current | None:
    """The study's list with its reviews; None if the study names none.

    Raises:
        RuleError: PLACES_MISSING.
        DataError: PLACES_NOT_A_LIST, PLACES_GATHERINGS.
    """
    spec = study.places
    if spec is None:
        return None
    listing = Listing.read(spec.file)
    gatherings = None if spec.gatherings is None else read_gatherings(spec.gatherings, spec.gathering_margin_min)
    digest = hashlib.sha256(f"{listing.digest} {'' if gatherings is None else gatherings.digest}".encode()).hexdigest()
    same = [r for r in listing.reviews if r.digest == digest]
    return Current(listing, gatherings, digest, same[-1] if same else None, same[0].day if same else None)


def required(study: Study) -> Current:
    """The study's list with its reviews, whether current or not.

    Raises:
        RuleError: PLACES_MISSING, also if the study names none.
        DataError: PLACES_NOT_A_LIST, PLACES_GATHERINGS.
    """
    found = current(study)
    if found is None:
        raise _missing()
    return found


def review(study: Study, by: str, *, none_in_region: bool = False) -> Current:
    """Records that somebody has looked at the list and the gatherings today, and found them current.

    Args:
        study: it names the list.
        by: who.
        none_in_region: the statement that there is no sensitive place near the region; needed for an empty list, and refused for another.

    Raises:
        RuleError: PLACES_MISSING; PLACES_NONE: an empty list without the statement, or the statement with places.
    """
    found = required(study)
    empty = not found.listing.table.num_rows
    if empty is not none_in_region:
        raise RuleError(
            "PLACES_NONE",
            what="The list holds no place near the region." if empty else "It was stated that no place is near the region, and the list holds some.",
            expected="a list with places, or an empty one with the statement --none-in-region",
            state="No review was recorded.",
            fix="Build the list from a file that covers the region, or state that there is none." if empty else "Leave --none-in-region out.",
        )
    made = Review(clock.today(), " ".join(by.split())[:100], found.digest, none_in_region)
    reviewed = found.listing.reviewed(made)
    reviewed.write(cast("PlacesSpec", study.places).file)
    return Current(reviewed, found.gatherings, found.digest, made, found.changed or made.day)


def require(study: Study) -> Current | None:
    """The study's list if it is current; None if the study names none.

    Raises:
        RuleError: PLACES_MISSING, PLACES_UNREVIEWED, PLACES_STALE.
        DataError: PLACES_NOT_A_LIST, PLACES_GATHERINGS.
    """
    if study.places is None:
        return None
    found = required(study)
    require_reviewed(found)
    return found


def require_reviewed(found: Current) -> None:
    """Refuses a list that nobody has reviewed as it is now, within a quarter.

    Raises:
        RuleError: PLACES_UNREVIEWED, PLACES_STALE.
    """
    today = clock.today()
    if found.last is None or found.last.day > today:
        raise RuleError(
            "PLACES_UNREVIEWED",
            what="Nobody has reviewed the list of sensitive places as it is now.",
            got="no review of this list" if found.last is None else "a review dated in the future",
            state="Nothing was read and nothing was published.",
            fix="Look at it (flockwise places show) and record it: flockwise places review.",
        )
    if today > found.last.day + timedelta(days=REVIEW_DAYS):
        raise RuleError(
            "PLACES_STALE",
            what="The list of sensitive places is stale.",
            got=f"last reviewed on {found.last.day}",
            expected=f"a review within {REVIEW_DAYS} days",
            state="Nothing was read and nothing was published.",
            fix="Build it anew from current sources, look at it, and record it: flockwise places review.",
        )


def suppression(study: Study, found: Current, *, stored: bool = False) -> Suppression:
    """The lookup tables of a list, for the study's region.

    Args:
        study: it says where the region is.
        found: the list.
        stored: for pings out of a store, which lie up to MOVED_M off: buffers are wider by that. Times need nothing: gatherings begin with whole seconds.
    """
    extent = Extent.of(study.area)
    moved_m = MOVED_M if stored else 0.0
    gatherings = None
    if found.gatherings is not None and len(found.gatherings):
        near = found.gatherings
        gatherings = PlaceIndex.build(near.shapes, near.buffers_m + moved_m, extent, near.times_us)
    return Suppression(found.digest, PlaceIndex.build(found.listing.shapes, found.listing.buffers_m + moved_m, extent), gatherings)


def _missing() -> RuleError:
    return RuleError(
        "PLACES_MISSING",
        what="The study names no list of sensitive places.",
        expected='[places] file = "places.parquet" in the study file',
        state="Nothing was read and nothing was published.",
        fix="Make one with flockwise places build, and name it in the study file.",
    )
