"""Trails that tests write, and the bytes of their folders."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from flockwise.trail import Trail

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
D = "ab" * 32


def at(year: int, month: int = 6) -> datetime:
    return datetime(year, month, 1, 12, tzinfo=UTC)


def made(path: Path) -> Trail:
    """A short trail: an ingest, a refusal, a release and who got it."""
    trail = Trail.begin(path, KEY)
    begun = trail.append("ingest_begun", {}, KEY)
    trail.append("ingest", {"of": begun.number}, KEY)
    trail.append("refusal", {"step": "release", "code": "LEDGER_OVERSPENT"}, KEY)
    begun = trail.append("release_begun", {"study": D, "input": D}, KEY)
    trail.append("release", {"of": begun.number, "certificate": D, "charged": "yes"}, KEY)
    trail.append("recipient", {"release": D, "name": "Ministry of Transport", "purpose": "transport-planning"}, KEY)
    return trail
