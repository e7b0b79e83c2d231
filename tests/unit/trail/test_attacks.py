"""A second reader's attacks on the trail, by somebody who has the disk and every older copy of it, and no key."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from tests.unit.trail._made import KEY, OTHER, at, made

from flockwise.base import clock
from flockwise.errors import TrailError
from flockwise.trail import Trail, Witness, keys, verify

PUBLIC = keys.public_of(KEY)
YEARS = ("2025.jsonl", "2026.jsonl")


def found(path: Path, witnesses: list[tuple[Witness, int]] | None = None) -> bool:
    """Whether somebody who knows the public key finds that something is wrong."""
    try:
        verify(path, PUBLIC, witnesses or [])
    except TrailError:
        return True
    return False


@pytest.fixture
def trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trail:
    """A trail over two years."""
    return of_two_years(tmp_path / "t", monkeypatch, "A backup disk was lost.", later=0)


def of_two_years(path: Path, monkeypatch: pytest.MonkeyPatch, what: str, later: int) -> Trail:
    now = [at(2025)]

    def ticking() -> datetime:
        return now[0]

    monkeypatch.setattr(clock, "now", ticking)
    now[0] += timedelta(seconds=later)
    trail = made(path)
    now[0] = at(2026) + timedelta(seconds=later)
    trail.append("incident", {"kind": "loss", "what": what}, KEY)
    trail.append("ingest_begun", {}, KEY)
    return trail


@pytest.mark.rule(30)
def test_a_bit_at_every_place_of_every_file(trail: Trail) -> None:
    for file in (trail.path / name for name in (*YEARS, "head.json")):
        whole = file.read_bytes()
        missed = []
        for place in range(len(whole)):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
            if not found(trail.path):
                missed.append(place)
        assert missed == [], file.name
        file.write_bytes(whole)
    assert not found(trail.path)


@pytest.mark.rule(30)
def test_every_length_of_every_file(trail: Trail) -> None:
    for file in (trail.path / name for name in (*YEARS, "head.json")):
        whole = file.read_bytes()
        for length in range(len(whole)):
            file.write_bytes(whole[:length])
            assert found(trail.path), (file.name, length)
        file.write_bytes(whole)


@pytest.mark.rule(30)
@pytest.mark.parametrize("later", [0, 1])
def test_pieces_of_two_trails_of_one_key_do_not_fit(later: int, trail: Trail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another trail under the same key, begun a second later or, worse, in the same second, so that both begin with the same bytes."""
    other = of_two_years(tmp_path / "other", monkeypatch, "Another disk was lost.", later)
    mine, theirs = ({name: (t.path / name).read_bytes() for name in (*YEARS, "head.json")} for t in (trail, other))
    copy = tmp_path / "spliced"
    shutil.copytree(trail.path, copy)
    for choice in product((mine, theirs), repeat=3):
        content = {name: which[name] for name, which in zip((*YEARS, "head.json"), choice, strict=True)}
        for name, data in content.items():
            (copy / name).write_bytes(data)
        assert found(copy) == (content not in (mine, theirs))
    for name in YEARS:
        lines, others = mine[name].splitlines(keepends=True), theirs[name].splitlines(keepends=True)
        for i in range(len(lines)):
            for spliced in ([*lines[:i], others[i], *lines[i + 1 :]], [*lines[:i], *others[i:]]):
                if spliced != lines:
                    for head in (mine, theirs):
                        content = {**mine, name: b"".join(spliced), "head.json": head["head.json"]}
                        for place, data in content.items():
                            (copy / place).write_bytes(data)
                        assert found(copy) == (content not in (mine, theirs)), (name, i)


@pytest.mark.rule(30)
def test_older_copies_are_found_in_part_and_whole_once_somebody_saw_a_later_line(trail: Trail, tmp_path: Path) -> None:
    states = []
    for _ in range(4):
        states.append({name: (trail.path / name).read_bytes() for name in (*YEARS, "head.json")})
        last = trail.append("ingest_begun", {}, KEY)
    newest = {name: (trail.path / name).read_bytes() for name in (*YEARS, "head.json")}
    seen = [(Witness(PUBLIC, last.digest), 2026)]
    copy = tmp_path / "older"
    shutil.copytree(trail.path, copy)
    for old in states:
        for name in ("2026.jsonl", "head.json"):
            for place, data in {**newest, name: old[name]}.items():
                (copy / place).write_bytes(data)
            assert found(copy)
        for place, data in old.items():
            (copy / place).write_bytes(data)
        assert not found(copy)  # what the note says is not found from inside
        assert found(copy, seen)
    assert not found(trail.path, seen)


@pytest.mark.rule(30)
@pytest.mark.parametrize(
    "forge",
    [
        lambda t: t.append("ingest_begun", {}, OTHER),
        lambda t: (t.path / "head.json").write_bytes((t.path / "head.json").read_bytes().replace(PUBLIC.encode(), keys.public_of(OTHER).encode())),
        lambda t: (t.path / "2026.jsonl").open("ab").write(b"{}\n"),
        lambda t: (t.path / "2027.jsonl").write_bytes(b"{}\n"),
        lambda t: (t.path / "2026.jsonl").rename(t.path / "2027.jsonl"),
    ],
    ids=["another key appends", "another key in the head", "a line more", "a year more", "a year renamed"],
)
def test_a_replaced_key_or_an_added_file_is_found(forge: Callable[[Trail], object], trail: Trail) -> None:
    try:
        forge(trail)
    except TrailError:
        assert not found(trail.path)  # it was refused, and nothing was written
        return
    assert found(trail.path)
