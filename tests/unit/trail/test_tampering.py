"""Every byte flipped, every line dropped, doubled, moved or signed anew: all of it is found."""

from __future__ import annotations

import json
import shutil
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.trail._made import KEY, OTHER, at, made

from flockwise.base import clock
from flockwise.errors import TrailError
from flockwise.trail import Trail, keys, verify


@pytest.fixture
def trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trail:
    """A trail over two years."""
    monkeypatch.setattr(clock, "now", lambda: at(2025))
    found = made(tmp_path / "t")
    monkeypatch.setattr(clock, "now", lambda: at(2026))
    found.append("ingest_begun", {}, KEY)
    found.append("incident", {"kind": "loss", "what": "A backup disk was lost."}, KEY)
    return found


def found_out(path: Path) -> bool:
    try:
        verify(path)
    except TrailError:
        return True
    return False


@pytest.mark.rule(30)
def test_a_signature_is_written_in_one_way_alone(trail: Trail) -> None:
    """A reader of hexadecimal digits that passes over blanks, or takes capitals, would take these for the same signature."""
    file = trail.path / "head.json"
    whole = file.read_bytes()
    signature = json.loads(whole)["signature"]
    for other in (f"{signature[:20]} {signature[20:]}", f" {signature}", f"{signature} ", signature.upper()):
        file.write_bytes(whole.replace(signature.encode(), other.encode()))
        assert found_out(trail.path), other
    file.write_bytes(whole)
    assert not found_out(trail.path)


@pytest.mark.rule(30)
def test_every_byte_class_of_every_file_counts(trail: Trail) -> None:
    for name in ("2025.jsonl", "2026.jsonl", "head.json"):
        file = trail.path / name
        whole = file.read_bytes()
        for place in range(0, len(whole), 3):
            for other in {whole[place] ^ 1, ord("0"), ord(" "), ord("\n"), 0, 0xFF} - {whole[place]}:
                file.write_bytes(whole[:place] + bytes([other]) + whole[place + 1 :])
                assert found_out(trail.path), (name, place, other)
        file.write_bytes(whole)
    assert not found_out(trail.path)


@pytest.mark.rule(30)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_piece_cut_out_put_in_or_changed_is_found(trail: Trail, data: st.DataObject) -> None:
    file = trail.path / data.draw(st.sampled_from(["2025.jsonl", "2026.jsonl", "head.json"]))
    whole = file.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 400)))
    new = whole[:start] + data.draw(st.one_of(st.binary(max_size=40), st.sampled_from([b"\n", b" ", b"{}\n", whole, whole[:100]]))) + whole[end:]
    if new == whole:
        return
    try:
        file.write_bytes(new)
        assert found_out(trail.path)
    finally:
        file.write_bytes(whole)


@pytest.mark.rule(30)
def test_lines_dropped_doubled_or_moved_are_found(trail: Trail) -> None:
    file = trail.path / "2025.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    for i in range(len(lines)):
        for changed in (lines[:i] + lines[i + 1 :], lines[: i + 1] + lines[i:], lines[:i], lines[i:]):
            if changed != lines:
                file.write_bytes(b"".join(changed))
                assert found_out(trail.path), i
    for order in list(permutations(range(4)))[1:]:
        file.write_bytes(b"".join([*(lines[i] for i in order), *lines[4:]]))
        assert found_out(trail.path), order


@pytest.mark.rule(30)
def test_files_gone_or_added_are_found(trail: Trail, tmp_path: Path) -> None:
    for name in ("2025.jsonl", "2026.jsonl", "head.json", "lock"):
        copy = tmp_path / f"without-{name}"
        shutil.copytree(trail.path, copy)
        (copy / name).unlink()
        assert found_out(copy), name
    copy = tmp_path / "more"
    shutil.copytree(trail.path, copy)
    shutil.copy(copy / "2025.jsonl", copy / "2027.jsonl")
    assert found_out(copy)


@pytest.mark.rule(30)
def test_cutting_the_last_line_is_found_even_with_an_older_head_once_a_certificate_saw_it(trail: Trail) -> None:
    old = (trail.path / "head.json").read_bytes()
    last = trail.append("ingest_begun", {}, KEY)
    file = trail.path / "2026.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]))
    assert found_out(trail.path)
    (trail.path / "head.json").write_bytes(old)
    from flockwise.trail import Witness

    with pytest.raises(TrailError, match="TRAIL_WITNESS"):
        verify(trail.path, witnesses=[(Witness(keys.public_of(KEY), last.digest), 2026)])


@pytest.mark.rule(30)
def test_a_trail_signed_anew_with_another_key_is_found_by_who_knows_the_key(trail: Trail, tmp_path: Path) -> None:
    forged = Trail.begin(tmp_path / "forged", OTHER)
    for event in trail.events()[1:]:
        forged.append(event.kind, event.facts, OTHER)
    verify(forged.path)
    with pytest.raises(TrailError, match="TRAIL_OTHER_KEY"):
        verify(forged.path, keys.public_of(KEY))


@pytest.mark.rule(30)
def test_nothing_is_added_to_a_damaged_trail(trail: Trail) -> None:
    file = trail.path / "2026.jsonl"
    whole = file.read_bytes()
    for content in (whole[:-1], whole[:40], whole + whole.splitlines(keepends=True)[-1], whole + b"{}\n"):
        file.write_bytes(content)
        with pytest.raises(TrailError):
            trail.append("ingest_begun", {}, KEY)
        assert file.read_bytes() == content


@pytest.mark.rule(30)
def test_an_old_head_over_many_newer_lines_is_no_crash(trail: Trail) -> None:
    old = (trail.path / "head.json").read_bytes()
    trail.append("ingest_begun", {}, KEY)
    trail.append("ingest_begun", {}, KEY)
    (trail.path / "head.json").write_bytes(old)
    with pytest.raises(TrailError, match="TRAIL_HEAD"):
        trail.append("ingest_begun", {}, KEY)
