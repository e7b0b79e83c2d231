"""What every function of the api gives back, and how it reads on a console."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flockwise.errors import plain

__all__ = ["Outcome", "Progress"]

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What a function of the api gives back.

    Attributes:
        title: one line that says what was done.
        facts: names and values, in the order to show them.
        notes: sentences that go with them.
    """

    title: str
    facts: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The outcome as JSON-ready values."""
        return {"title": self.title, **self.facts, "notes": list(self.notes)}

    def __str__(self) -> str:
        return "\n".join(plain(line) for line in [self.title, *_lines(self.facts, 2), *self.notes])


def _lines(facts: dict[str, Any], indent: int) -> list[str]:
    out = []
    width = max((len(k.replace("_", " ")) for k in facts), default=0) + 1
    for key, value in facts.items():
        label = " " * indent + f"{key.replace('_', ' ') + ':':<{width}} "
        if isinstance(value, dict):
            out += [label.rstrip(), *_lines(value, indent + 2)]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            out += [label.rstrip(), *_grid(value, indent + 2)]
        elif isinstance(value, list):
            out += [label.rstrip(), *(" " * (indent + 2) + str(v) for v in value)]
        else:
            out.append(label + _text(value))
    return out


def _grid(rows: list[dict[str, Any]], indent: int) -> list[str]:
    head = list(rows[0])
    cells = [[h.replace("_", " ") for h in head], *([_text(r.get(h)) for h in head] for r in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    number = [all(isinstance(r.get(h), int | float | None) for r in rows) for h in head]
    return [" " * indent + "  ".join(c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, number, strict=True)).rstrip() for row in cells]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return "-" if value is None else str(value)
