"""The three files of a record: how they are made, and how they are checked by making them again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from flockwise.base.words import overclaims
from flockwise.errors import ArtifactError, RuleError
from flockwise.record._pages import ASSESSMENT, NIST, page
from flockwise.record._text import name
from flockwise.record.facts import Facts
from flockwise.record.registry import Record, record, slug

__all__ = ["ASSESSMENT", "FILES", "NIST", "REGISTRY", "assessment", "check", "texts"]

REGISTRY = "registry.json"
FILES = (REGISTRY, NIST, ASSESSMENT)
"""Names of the record's files."""


def texts(facts: Facts) -> dict[str, str]:
    """The files of a record, by name.

    Args:
        facts: public facts of the release.

    Returns:
        registry.json, nist-800-226.md and impact-assessment.md. The same facts give the same bytes.

    Raises:
        RuleError: a text promises more than was proved. Make the texts before anything is charged.

    Privacy:
        A function of public facts and released summaries.
    """
    found = _make(facts)
    for file, text in found.items():
        if bad := _overclaims(file, text, facts):
            raise RuleError(
                "RECORD_OVERCLAIMS",
                what=f"{file} would promise more than was proved.",
                got=", ".join(bad),
                state="Nothing was published.",
                fix="Say it in other words in the study file.",
            )
    return found


def assessment(facts: Facts) -> str:
    """The draft of a data-protection impact assessment, in Markdown, ready to be edited.

    Args:
        facts: public facts of the study. No data has to be there.
    """
    return page(ASSESSMENT, facts)


def check(found: Mapping[str, str]) -> Facts:
    """The facts of a record, if its three files are what these facts make.

    Args:
        found: the files' texts by name, as from `texts`.

    Raises:
        ArtifactError: registry.json does not fit its schema, a file is not the one that the facts make, or a text promises more than was proved.
    """
    try:
        facts = Record.model_validate_json(found.get(REGISTRY, "")).facts
    except ValidationError as error:
        where = "; ".join(sorted({".".join(str(p) for p in item["loc"]) or "the whole" for item in error.errors()})[:5])
        raise _refused("RECORD_SCHEMA", "registry.json does not fit its schema.", where) from error
    for file, text in _make(facts).items():
        if found.get(file) != text:
            raise _refused("RECORD_TEXT", "A file of the record is not the one that its facts make.", file)
        if bad := _overclaims(file, text, facts):
            raise _refused("RECORD_OVERCLAIMS", "A text of the record promises more than was proved.", f"{file}: {', '.join(bad)}")
    return facts


def _make(facts: Facts) -> dict[str, str]:
    return {REGISTRY: record(facts).to_json(), NIST: page(NIST, facts), ASSESSMENT: page(ASSESSMENT, facts)}


def _overclaims(file: str, text: str, facts: Facts) -> list[str]:
    names = [facts.study, facts.dataset, *(s.name for s in facts.suppliers), *(facts.publisher.names if facts.publisher else ())]
    if file == REGISTRY:
        text = "\n".join(_strings(json.loads(text)))
        names.append(slug(facts))
    return overclaims(text, [*names, *map(name, names)])


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _refused(code: str, what: str, got: str) -> ArtifactError:
    return ArtifactError(code, what=what, got=got, fix="Get the folder again.")
