"""What a release says of the sensitive places from which no ping was stored; and that there is no release without a current list, applied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flockwise import artifact
from flockwise.config import Study
from flockwise.governance import places
from flockwise.release.plan import Plan

__all__ = ["Cut", "cut_of", "require"]


@dataclass(frozen=True, eq=False)
class Cut:
    """Public facts about a list and a region.

    Args:
        claim: for the certificate.
        shares: by level, the share of each cell that is cut.
    """

    claim: artifact.PlacesRef
    shares: dict[int, npt.NDArray[np.float64]]


def require(study: Study, applied: str) -> places.Current | None:
    """The study's list, current and applied to the store; None if the study names none.

    Args:
        study: the study.
        applied: digest by which the store was cut.

    Raises:
        RuleError: PLACES_MISSING, PLACES_UNREVIEWED, PLACES_STALE, PLACES_NOT_APPLIED. Nothing was spent.
    """
    found = places.require(study)
    places.require_applied(found, applied)
    return found


def cut_of(plan: Plan, found: places.Current | None) -> Cut | None:
    """What the list cuts out of the plan's zones, from public facts alone."""
    spec = plan.study.places
    if found is None or found.last is None or found.review_by is None or spec is None:
        return None
    levels = sorted({b.level for b in plan.blocks})
    finest = plan.study.area.at(max(levels))
    covered = places.coverage(finest, found.listing)
    claim = artifact.PlacesRef(
        digest=found.digest,
        built=found.listing.built,
        reviewed=found.last.day,
        review_by=found.review_by,
        places=found.listing.table.num_rows,
        gatherings=len(found.gatherings) if found.gatherings is not None else 0,
        gathering_margin_min=spec.gathering_margin_min,
        least_buffer_m=places.LEAST_BUFFER_M,
        area_cut=covered.whole,
        cells_cut=float((covered.cells > 0).mean()),
        by_category=covered.categories,
    )
    return Cut(claim, places.coverage_by_level(finest, covered.cells, levels))
