"""Every file, module, function and test that a proof note names is there, so that a referee finds what the claim rests on."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTES = sorted((ROOT / "docs" / "claims").glob("*.md"))
CODE = ("src", "tests", "bench")
NAME = r"[A-Za-z_][A-Za-z0-9_]*"
FILE = re.compile(rf"([\w./-]+\.(?:py|md|sql))(?::({NAME}))?")
DOTTED = re.compile(rf"{NAME}(?:\.{NAME})+")
WORD = re.compile(rf"{NAME}")
DATA = (".parquet", ".json", ".toml", ".html", ".txt", ".csv")


@cache
def words() -> frozenset[str]:
    """Every word of the code and its data files."""
    found: set[str] = set()
    for part in CODE:
        for path in {*(ROOT / part).rglob("*.py")} - {Path(__file__)}:
            found.update(re.findall(NAME, path.read_text(encoding="utf-8")))
    return frozenset(found)


@cache
def names() -> frozenset[str]:
    """File names and paths of the code, by every tail: `flows.py`, `estimate/flows.py`, `flockwise/estimate/flows.py`."""
    found: set[str] = set()
    for part in (*CODE, "docs"):
        for path in (ROOT / part).rglob("*"):
            parts = path.relative_to(ROOT).parts
            found.update("/".join(parts[i:]) for i in range(len(parts)))
    return frozenset(found)


def defines(path: str, name: str) -> bool:
    """Whether a file of that tail defines the name, at the top or within a class."""
    pattern = re.compile(rf"^\s*(?:def|class) {name}\b|^{name}\b.*=", re.MULTILINE)
    return any(pattern.search(p.read_text(encoding="utf-8")) for part in CODE for p in (ROOT / part).rglob(Path(path).name) if str(p).endswith(path))


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a module of ours, or something in one."""
    parts = dotted.removeprefix("flockwise.").split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(["flockwise", *parts[:length]]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    # A method, or a field of an object: `settled.rules`. Its last part is a name of the code.
    return not dotted.startswith("flockwise.") and all(part in words() for part in parts)


def missing(text: str) -> list[str]:
    """The names in backticks that are nowhere."""
    lost = []
    for token in re.findall(r"`([^`\n]+)`", text):
        if found := FILE.fullmatch(token):
            path, name = found.groups()
            if path.removeprefix("./") not in names() or (name and not defines(path, name)):
                lost.append(token)
        elif token.endswith(DATA) or token.startswith("opendp."):
            continue
        elif DOTTED.fullmatch(token):
            if not is_there(token):
                lost.append(token)
        elif WORD.fullmatch(token) and token not in words():
            lost.append(token)
    return lost


@pytest.mark.parametrize("note", NOTES, ids=lambda path: path.stem)
def test_what_a_note_names_is_there(note: Path) -> None:
    assert missing(note.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "gone",
    [
        "`tests/privacy/test_nothing.py`",
        "`noise/fallback.py:draw_nothing`",
        "`estimate/nothing.py`",
        "`flockwise.noise.draw_nothing`",
        "`noise.draw_nothing_at_all`",
        "`test_that_was_renamed_long_ago`",
    ],
)
def test_a_name_that_is_gone_is_seen(gone: str) -> None:
    assert missing(gone) == [gone.strip("`")]


def test_every_note_is_listed_with_its_claim() -> None:
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs" / "claims" / "README.md").read_text(encoding="utf-8")))
    assert listed == {note.name for note in NOTES} - {"README.md"}


@pytest.mark.parametrize("note", [n for n in NOTES if n.name != "README.md"], ids=lambda path: path.stem)
def test_a_note_names_its_code_and_its_tests(note: Path) -> None:
    text = note.read_text(encoding="utf-8")
    assert re.search(r"`[\w/]+\.py", text), "no code"
    assert re.search(r"`(?:tests/[\w/]+/)?test_\w+\.py", text), "no test"
