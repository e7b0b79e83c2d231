"""The reference page of sensitive places, written from the tag table so that it can't drift."""

from __future__ import annotations

from flockwise.governance.places.current import APPLY_DAYS, REVIEW_DAYS
from flockwise.governance.places.tags import GREATEST_BUFFER_M, LEAST_BUFFER_M, TagTable, read_tags

__all__ = ["reference"]

_SOURCES = {
    "gravy": "FTC final order, Gravy Analytics and Venntel (2025)",
    "xmode": "FTC orders: X-Mode/Outlogic, InMarket, Mobilewalla (2024)",
    "nai": "Network Advertising Initiative, precise location and sensitive points of interest (2022)",
    "mhmda": "Washington My Health My Data Act, RCW 19.373: 2,000 feet from the perimeter",
    "rules": "added by this project, which keeps the union of all lists",
}


def reference(table: TagTable | None = None) -> str:
    """The page, in Markdown: every category with its buffer, who asks for it, and its OpenStreetMap tags.

    Example:
        >>> "| `worship` |" in reference()
        True
    """
    categories = (table or read_tags()).categories
    lines = [
        "# Sensitive places",
        "",
        "No ping from these places is stored. This page is made from the table by `python -m flockwise.governance.places.reference`.",
        "",
        (
            f"Buffers are measured from the perimeter, line or point. None is narrower than {LEAST_BUFFER_M} m or wider than {GREATEST_BUFFER_M:,} m. "
            f"A list holds for {REVIEW_DAYS} days after its review; what a changed list covers must be gone "
            f"from the store {APPLY_DAYS} days after it was first reviewed."
        ),
        "",
        "| category | what it is | buffer | asked for by | note |",
        "|---|---|---|---|---|",
        *(f"| `{c.name}` | {c.label} | {c.buffer_m} m | {', '.join(c.sources)} | {c.note} |" for c in categories),
        "",
        "Political and social gatherings have times and a file of their own: [how to keep the list](../how-to/sensitive-places.md).",
        "",
        "## Who asks for it",
        "",
        *(f"- **{name}**: {text}." for name, text in _SOURCES.items()),
        "",
        "## OpenStreetMap tags",
        "",
        (
            "A line holds if all its conditions hold, joined by `&`: `key=value|value`, `key=*` (any value but no), `key!=value`. "
            "Values that an object lists with semicolons are looked at one by one. An object may be in several categories."
        ),
        "",
    ]
    for c in categories:
        lines += [f"### {c.label} (`{c.name}`)", "", *(f"- `{text}`" for text in c.tags), ""]
    lines += [
        "## Adding to the table",
        "",
        (
            'A study adds categories and tags with `[places] tags = "extra.toml"`, in the same form. '
            "For a category of the table the tags are added and the wider buffer "
            "counts; another name makes a new category."
        ),
        "",
        "```toml",
        "[[category]]",
        'name = "shelter_own"',
        'label = "Shelters known to the city"',
        "buffer_m = 800",
        'tags = ["operator=City & amenity=social_facility"]',
        "```",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(reference())
