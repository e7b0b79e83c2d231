"""The frame of pages: one HTML file that asks nothing of any network."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib.resources import files

__all__ = ["BRAND", "csp_hash", "document", "plain_page"]

BRAND = (
    '<p class="brand"><svg viewBox="0 0 30 22" aria-hidden="true"><path d="M1 9q4-5 7 0q3-5 7 0M12 19q3-4 6 0q3-4 6 0M18 6q2.5-4 5 0q2.5-4 5 0"/></svg>'
    "Flockwise <span>See the flock, never the bird</span></p>"
)
"""The sign and the motto that begin a page."""


def plain_page(title: str, main: str, style: str = "") -> str:
    """A whole page without scripts as HTML text; its policy allows its own style sheet and nothing else.

    Args:
        title: plain text.
        main: HTML of the page's main part, whole lines.
        style: CSS that is added to the common style.

    Example:
        >>> "<title>A &amp; B</title>" in plain_page("A & B", "<h1>A &amp; B</h1>")
        True
    """
    styles = (files("flockwise.base") / "page.css").read_text(encoding="utf-8") + style
    return document(title, main, styles, f"style-src {csp_hash(styles)}; img-src data:")


def document(title: str, main: str, styles: str, policy: str, scripts: str = "") -> str:
    """The frame of every page: what its policy does not name can't be loaded.

    Args:
        title: plain text.
        main: HTML of the page's main part, whole lines.
        styles: CSS.
        policy: what may be loaded, besides nothing: directives of a Content-Security-Policy.
        scripts: HTML of elements behind the main part, whole lines.
    """
    allowed = f"default-src 'none'; {policy}; base-uri 'none'; form-action 'none'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(allowed)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="Flockwise">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{styles}</style>
</head>
<body>
<main class="page">
{main}</main>
{scripts}</body>
</html>
"""


def csp_hash(text: str) -> str:
    """What a policy calls a script or a style sheet with this text."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii") + "'"
