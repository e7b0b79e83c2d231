from __future__ import annotations

from pathlib import Path

from flockwise.governance.places.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "sensitive-places.md"


def test_the_reference_of_sensitive_places_is_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), f"run: python -m flockwise.governance.places.reference > docs/reference/{PAGE.name}"
