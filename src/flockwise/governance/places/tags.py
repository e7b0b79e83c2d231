"""The tag table: which OpenStreetMap objects are sensitive places, by category. It is data (tags.toml), and a study may add to it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from flockwise.errors import ConfigError

__all__ = ["GREATEST_BUFFER_M", "LEAST_BUFFER_M", "Category", "TagTable", "read_tags"]

LEAST_BUFFER_M = 610
"""2,000 feet, of the Washington My Health My Data Act: the widest fence that a rule asks for. No place has a narrower one."""
GREATEST_BUFFER_M = 20_000

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_KEYS = frozenset({"name", "label", "buffer_m", "sources", "note", "tags"})
_CONDITION = re.compile(r"([A-Za-z0-9:_-]+)(!?=)(\S.*)")

Condition = tuple[str, bool, frozenset[str]]
"""Key, whether one of the values must be there (else: must not), values; no values stand for any."""


@dataclass(frozen=True)
class Category:
    """A category of sensitive places.

    Args:
        name: word that stands in lists.
        label: what people read.
        buffer_m: metres from the perimeter that are cut.
        sources: who asks for it, by the short names at the head of tags.toml.
        note: what is in it.
        tags: conditions as they are written in the table.
    """

    name: str
    label: str
    buffer_m: int
    sources: tuple[str, ...] = ()
    note: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class TagTable:
    """All categories, in order."""

    categories: tuple[Category, ...]

    def __getitem__(self, name: str) -> Category:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @cached_property
    def _by_name(self) -> dict[str, Category]:
        return {c.name: c for c in self.categories}

    @cached_property
    def _rules(self) -> dict[str, list[tuple[str, tuple[Condition, ...]]]]:
        """Category and conditions, by the key that must be there."""
        out: dict[str, list[tuple[str, tuple[Condition, ...]]]] = {}
        for category in self.categories:
            for text in category.tags:
                conditions = _conditions(text)
                key = next(k for k, wanted, _ in conditions if wanted)
                out.setdefault(key, []).append((category.name, conditions))
        return out

    @property
    def keys(self) -> list[str]:
        """One key of each line of tags: an object with none of them is in no category."""
        return sorted(self._rules)

    def match(self, tags: Mapping[str, str]) -> list[str]:
        """The categories of an object with these tags, in the table's order.

        Example:
            >>> read_tags().match({"amenity": "clinic", "healthcare:speciality": "gynaecology;psychiatry"})
            ['medical', 'reproductive_health', 'mental_health']
            >>> read_tags().match({"amenity": "bench"})
            []
        """
        found = {name for key in tags if key in self._rules for name, conditions in self._rules[key] if _holds(conditions, tags)}
        return [c.name for c in self.categories if c.name in found] if found else []


def _conditions(text: str) -> tuple[Condition, ...]:
    out = []
    for part in text.split(" & "):
        found = _CONDITION.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"not a condition: {part[:60]!r}")
        values = frozenset() if found[3] == "*" else frozenset(v.strip().casefold() for v in found[3].split("|"))
        out.append((found[1], found[2] == "=", values))
    if not any(wanted for _, wanted, _ in out):
        raise ValueError(f"no condition says what must be there: {text[:60]!r}")
    return tuple(out)


def _holds(conditions: Iterable[Condition], tags: Mapping[str, str]) -> bool:
    for key, wanted, values in conditions:
        own = {v.strip().casefold() for v in tags.get(key, "").split(";")} - {"", "no"}
        if bool(own & values if values else own) is not wanted:
            return False
    return True


@cache
def _bundled() -> TagTable:
    return TagTable(tuple(_category(raw) for raw in tomllib.loads((files(__package__) / "tags.toml").read_text(encoding="utf-8"))["category"]))


def read_tags(extra: Path | None = None) -> TagTable:
    """The table that comes with Flockwise, and what a file of the same form adds to it.

    A category of the file that is in the table already adds its tags and may widen the buffer; another one is new.

    Raises:
        ConfigError: PLACES_TAGS: the file can't be read, or holds something that is no category, or a buffer under 610 m.
    """
    table = _bundled()
    if extra is None:
        return table
    try:
        raw = tomllib.loads(extra.read_text(encoding="utf-8"))
        if set(raw) != {"category"} or not isinstance(raw["category"], list):
            raise ValueError("only [[category]] may stand in it")
        added = [_category(item) for item in raw["category"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            "PLACES_TAGS",
            what="The file that adds to the tag table can't be used.",
            got=f"{extra}: {error}"[:200],
            expected=f"[[category]] with name, label, buffer_m ({LEAST_BUFFER_M} or more) and tags, as in docs/reference/sensitive-places.md",
            fix="Correct the file named by [places] tags.",
        ) from error
    out = {c.name: c for c in table.categories}
    for new in added:
        old = out.get(new.name)
        out[new.name] = new if old is None else replace(old, buffer_m=max(old.buffer_m, new.buffer_m), tags=(*old.tags, *new.tags))
    return TagTable(tuple(out.values()))


def _category(raw: dict[str, Any]) -> Category:
    if not isinstance(raw, dict) or not _KEYS >= set(raw) >= {"name", "label", "tags"}:
        raise ValueError("a category has name, label, tags, and may have buffer_m, sources, note")
    made = Category(raw["name"], raw["label"], raw.get("buffer_m", LEAST_BUFFER_M), tuple(raw.get("sources", ())), raw.get("note", ""), tuple(raw["tags"]))
    if not (isinstance(made.name, str) and _NAME.fullmatch(made.name) and isinstance(made.label, str) and 0 < len(made.label) <= 100):
        raise ValueError("a category's name is of small letters, digits and underscores, and its label a text of 1 to 100 signs")
    if not (type(made.buffer_m) is int and LEAST_BUFFER_M <= made.buffer_m <= GREATEST_BUFFER_M):
        raise ValueError(f"buffer_m is a whole number from {LEAST_BUFFER_M} to {GREATEST_BUFFER_M}")
    for text in made.tags:
        _conditions(text)
    return made
