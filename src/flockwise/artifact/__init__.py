"""The published folder: its tables, its certificate, how it is written, read and checked. Knows nothing of pings."""

from flockwise.artifact.certificate import (
    Bounds,
    Certificate,
    Domain,
    DomainLevel,
    InputRef,
    LevelBound,
    PrivacyClaim,
    Slots,
    StudyRef,
    TableSummary,
    WindowRef,
    YearClaim,
    certificate_schema,
)
from flockwise.artifact.folder import Artifact, check_place, read, write
from flockwise.artifact.tables import FLOWS, PRESENCE, ZONES, zones
from flockwise.artifact.verify import verify

__all__ = [
    "FLOWS",
    "PRESENCE",
    "ZONES",
    "Artifact",
    "Bounds",
    "Certificate",
    "Domain",
    "DomainLevel",
    "InputRef",
    "LevelBound",
    "PrivacyClaim",
    "Slots",
    "StudyRef",
    "TableSummary",
    "WindowRef",
    "YearClaim",
    "certificate_schema",
    "check_place",
    "read",
    "verify",
    "write",
    "zones",
]
