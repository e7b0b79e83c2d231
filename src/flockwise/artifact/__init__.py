"""The published folder: its tables, its certificate, how it is written, read and checked. Knows nothing of pings."""

from flockwise.artifact.certificate import (
    Bounds,
    Certificate,
    Domain,
    DomainLevel,
    GroupBound,
    InputRef,
    LevelBound,
    PlacesRef,
    PrivacyClaim,
    PrivateClip,
    Slots,
    StudyRef,
    SupplierRef,
    TableSummary,
    TrailRef,
    WindowRef,
    YearClaim,
    certificate_schema,
)
from flockwise.artifact.folder import Artifact, check_place, read, write
from flockwise.artifact.geo import centres
from flockwise.artifact.tables import FLOWS, MARGINS, PRESENCE, ZONES, zones
from flockwise.artifact.verify import verify

__all__ = [
    "FLOWS",
    "MARGINS",
    "PRESENCE",
    "ZONES",
    "Artifact",
    "Bounds",
    "Certificate",
    "Domain",
    "DomainLevel",
    "GroupBound",
    "InputRef",
    "LevelBound",
    "PlacesRef",
    "PrivacyClaim",
    "PrivateClip",
    "Slots",
    "StudyRef",
    "SupplierRef",
    "TableSummary",
    "TrailRef",
    "WindowRef",
    "YearClaim",
    "centres",
    "certificate_schema",
    "check_place",
    "read",
    "verify",
    "write",
    "zones",
]
