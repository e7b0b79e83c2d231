"""The built bundle of the map, and the outlines that it is drawn over.

The TypeScript source is in viewer/ at the root of the repository; `python viewer/build.py` writes what is in static/.
"""

from __future__ import annotations

from importlib.resources import files

__all__ = ["licences", "outlines", "script", "styles"]


def _text(name: str) -> str:
    return files("flockwise.viewer").joinpath("static", name).read_text(encoding="utf-8")


def licences() -> str:
    """The licence texts of everything that the bundle contains."""
    return _text("THIRD_PARTY_LICENSES.txt")


def outlines(name: str) -> str:
    """A TopoJSON file of outlines, as text.

    Args:
        name: "counties" (United States, us-atlas) or "countries" (the world, Natural Earth by world-atlas).
    """
    return _text(f"{name}.topo.json")


def script() -> str:
    """The JavaScript of the viewer: one classic script, with its worker inside."""
    return _text("viewer.js")


def styles() -> str:
    """The style sheet of the viewer, without any request."""
    return _text("viewer.css")
