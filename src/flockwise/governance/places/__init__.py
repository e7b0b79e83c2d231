"""Sensitive places: which are cut, from where, how far, and until when the list holds. Public facts only."""

from flockwise.governance.places.applied import require_applied, require_not_overdue
from flockwise.governance.places.coverage import Coverage, coverage, coverage_by_level
from flockwise.governance.places.current import APPLY_DAYS, REVIEW_DAYS, Current, Suppression, current, require, required, review, suppression
from flockwise.governance.places.cuts import SIMULATED, Reviewed, Simulated, require_cut, reviewed
from flockwise.governance.places.extent import Extent
from flockwise.governance.places.gatherings import Gatherings, read_gatherings
from flockwise.governance.places.index import PlaceIndex
from flockwise.governance.places.listing import Listing, Review, Source
from flockwise.governance.places.packing import packed, table_name, unpacked
from flockwise.governance.places.shapes import mend
from flockwise.governance.places.sources import build
from flockwise.governance.places.steps import build_list, status, summary
from flockwise.governance.places.tags import LEAST_BUFFER_M, Category, TagTable, read_tags

__all__ = [
    "APPLY_DAYS",
    "LEAST_BUFFER_M",
    "REVIEW_DAYS",
    "SIMULATED",
    "Category",
    "Coverage",
    "Current",
    "Extent",
    "Gatherings",
    "Listing",
    "PlaceIndex",
    "Review",
    "Reviewed",
    "Simulated",
    "Source",
    "Suppression",
    "TagTable",
    "build",
    "build_list",
    "coverage",
    "coverage_by_level",
    "current",
    "mend",
    "packed",
    "read_gatherings",
    "read_tags",
    "require",
    "require_applied",
    "require_cut",
    "require_not_overdue",
    "required",
    "review",
    "reviewed",
    "status",
    "summary",
    "suppression",
    "table_name",
    "unpacked",
]
