"""Self-contained pages: about a release, made from the published folder and nothing else; and about the list of sensitive places, made of public facts."""

from __future__ import annotations

from flockwise.report._build import build
from flockwise.report._places import places_page

__all__ = ["build", "places_page"]
