"""The reference pages of study.toml and supplier.toml, written from the models so that they can't drift."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from flockwise.config.loading import schema
from flockwise.config.purposes import FORBIDDEN, PURPOSES
from flockwise.config.supplier import OPEN, supplier_schema

__all__ = ["reference", "supplier_reference"]

_SECTIONS = (
    ("Store", "[store]"),
    ("Ledger", "[ledger]"),
    ("SupplierSpec", "[supplier]"),
    ("Trail", "[trail]"),
    ("Roles", "[roles]"),
    ("RegionSpec", "[region]"),
    ("PlacesSpec", "[places]"),
    ("WindowSpec", "[window]"),
    ("Input", "[input]"),
    ("Cleaning", "[cleaning]"),
    ("Stays", "[stays]"),
    ("Privacy", "[privacy]"),
    ("PresenceTable", '[[tables]] with kind = "presence"'),
    ("FlowsTable", '[[tables]] with kind = "flows"'),
    ("Publisher", "[publisher]"),
    ("EngineSpec", "[engine]"),
    ("SparkSpec", "[engine.spark]"),
)


def reference() -> str:
    """The page, in Markdown: every section, key, type and default of study.toml.

    Example:
        >>> "`greatest_gap_min`" in reference()
        True
    """
    whole = schema()
    required = [k for k in whole["required"] if k not in ("name", "tables")]
    lines = [
        "# study.toml",
        "",
        "A study file is TOML. Unknown keys are refused before any data is read. Exact numbers are written as text. This page is made from the model:",
        "`python -m flockwise.config.reference > docs/reference/study.md`.",
        "",
        "## At the top",
        "",
        *_table({"properties": {key: whole["properties"][key] for key in ("name", "purpose")}, "required": ["name"]}),
        "",
        f"Required: {_list_of(required)}; at least one of `tables`. For `ingest` and `release` also `purpose` and `supplier`.",
        f"With defaults, or optional: {_list_of(k for k in whole['properties'] if k not in (*whole['required'], 'purpose', 'supplier'))}.",
    ]
    for name, title in _SECTIONS:
        part = whole["$defs"][name]
        lines += ["", f"## {title}", "", part["description"].split("\n")[0], "", *_table(part)]
    lines += ["", "## Purposes", "", "| purpose | what it means |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in PURPOSES.items())]
    lines += ["", "What no study can declare (`PURPOSE_FORBIDDEN`), and why:", "", *(f"- {name}: {reason}" for name, _, reason in FORBIDDEN)]
    return "\n".join(lines) + "\n"


def supplier_reference() -> str:
    """The page, in Markdown: every section, key and type of supplier.toml.

    Example:
        >>> "`shown_from`" in supplier_reference()
        True
    """
    whole = supplier_schema()
    words = ", ".join(f'"{word}"' for word in sorted(OPEN - {""}))
    lines = [
        "# supplier.toml",
        "",
        "The record of a supplier. How to fill it in: [Take on a supplier](../how-to/take-on-a-supplier.md). This page is made from the model:",
        "`python -m flockwise.config.reference supplier > docs/reference/supplier.md`.",
        "",
        f"No answer, whatever its capitals: an empty text, {words}.",
        "",
        "## At the top",
        "",
        *_table({"properties": {k: v for k, v in whole["properties"].items() if "$ref" not in v and k != "consent"}, "required": whole["required"]}),
    ]
    for name, title in (("ConsentVersion", "[[consent]]"), ("Withdrawal", "[withdrawal]"), ("Assessment", "[assessment]"), ("Contract", "[contract]")):
        part = whole["$defs"][name]
        lines += ["", f"## {title}", "", part["description"], "", *_table(part)]
    return "\n".join(lines) + "\n"


def _list_of(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(part: dict[str, Any]) -> list[str]:
    rows = ["| key | kind | default | what it means |", "|---|---|---|---|"]
    for key, spec in part["properties"].items():
        default = "required" if key in part.get("required", []) else _default(spec)
        rows.append(f"| `{key}` | {_kind(spec)} | {default} | {spec.get('description') or spec.get('const', '')} |")
    return rows


def _default(spec: dict[str, Any]) -> str:
    return f"`{spec['default']}`" if spec.get("default") not in (None, [], {}) and "$ref" not in spec else "none"


def _kind(spec: dict[str, Any]) -> str:
    if "enum" in spec:
        return ", ".join(f"`{v}`" for v in spec["enum"])
    if "const" in spec:
        return f"`{spec['const']}`"
    if "anyOf" in spec:
        return " or ".join(_kind(s) for s in spec["anyOf"] if s.get("type") != "null")
    kind = spec.get("type", "text")
    if isinstance(kind, list):
        return "exact number as text"
    if kind == "array":
        return "list"
    if kind == "object":
        return "table of texts"
    if "$ref" in spec:
        return "table"
    if kind == "boolean":
        return "true or false"
    names: dict[str, str] = {"string": spec.get("format", "text"), "integer": _range(spec)}
    return names.get(str(kind), str(kind))


def _range(spec: dict[str, Any]) -> str:
    if "minimum" in spec and "maximum" in spec:
        return f"{spec['minimum']} to {spec['maximum']}"
    return "whole number"


if __name__ == "__main__":
    print(supplier_reference() if "supplier" in sys.argv[1:] else reference(), end="")  # noqa: T201  this module's command prints the page
