from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.trail._made import KEY, OTHER, at, made

from flockwise.base import clock
from flockwise.errors import ConfigError, InternalError, RuleError, TrailError
from flockwise.trail import Trail, Witness, folder, keys, verify


@pytest.mark.rule(30)
def test_what_is_written_is_read_back_in_order(tmp_path: Path) -> None:
    trail = made(tmp_path / "t")
    found = trail.events()
    assert [e.kind for e in found] == ["begun", "ingest_begun", "ingest", "refusal", "release_begun", "release", "recipient"]
    assert [e.number for e in found] == list(range(7))
    assert found[0].facts == {"key": keys.public_of(KEY)}
    assert len(verify(tmp_path / "t", keys.public_of(KEY))) == 3


def test_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    trail = made(tmp_path / "t")
    assert trail.path.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in trail.path.iterdir()} == {0o600}
    keys.create(tmp_path / "k")
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
    assert keys.public_of(keys.load(tmp_path / "k")) != keys.public_of(KEY)
    (tmp_path / "k").chmod(0o640)
    with pytest.raises(RuleError, match="TRAIL_KEY_MODE"):
        keys.load(tmp_path / "k")


def test_keys_and_trails_are_never_overwritten(tmp_path: Path) -> None:
    made(tmp_path / "t")
    keys.create(tmp_path / "k")
    with pytest.raises(ConfigError, match="TRAIL_EXISTS"):
        Trail.begin(tmp_path / "t", KEY)
    with pytest.raises(ConfigError, match="TRAIL_KEY_EXISTS"):
        keys.create(tmp_path / "k")
    (tmp_path / "bad").write_text("no key")
    (tmp_path / "bad").chmod(0o600)
    with pytest.raises(TrailError, match="TRAIL_KEY_BAD"):
        keys.load(tmp_path / "bad")
    with pytest.raises(ConfigError, match="TRAIL_KEY_MISSING"):
        keys.load(tmp_path / "none")


@pytest.mark.rule(30)
def test_a_missing_trail_is_not_begun_anew_by_an_event(tmp_path: Path) -> None:
    with pytest.raises(TrailError, match="TRAIL_MISSING"):
        Trail(tmp_path / "t").append("ingest_begun", {}, KEY)
    assert not (tmp_path / "t").exists()


@pytest.mark.rule(30)
def test_another_key_can_add_nothing(tmp_path: Path) -> None:
    trail = made(tmp_path / "t")
    with pytest.raises(TrailError, match="TRAIL_OTHER_KEY"):
        trail.append("ingest_begun", {}, OTHER)
    with pytest.raises(TrailError, match="TRAIL_OTHER_KEY"):
        verify(trail.path, keys.public_of(OTHER))
    assert len(trail.events()) == 7


@pytest.mark.rule(30)
def test_an_event_can_only_speak_of_an_earlier_one(tmp_path: Path) -> None:
    trail = made(tmp_path / "t")
    with pytest.raises(InternalError, match="TRAIL_BAD_FACT"):
        trail.append("ingest", {"of": 7}, KEY)
    assert trail.append("ingest", {"of": 6}, KEY).number == 7


@pytest.mark.rule(30)
def test_a_certificate_finds_a_trail_that_was_put_back_to_an_older_state_or_made_anew(tmp_path: Path) -> None:
    trail = made(tmp_path / "t")
    begun = trail.events()[4]
    seen = Witness(keys.public_of(KEY), begun.digest), 2026
    assert verify(trail.path, witnesses=[seen])[-1] == "the trail holds the line that each certificate saw"
    shorter = Trail.begin(tmp_path / "short", KEY)
    with pytest.raises(TrailError, match="TRAIL_WITNESS"):
        verify(shorter.path, witnesses=[seen])
    for _ in range(9):
        shorter.append("ingest_begun", {}, KEY)
    with pytest.raises(TrailError, match="TRAIL_WITNESS"):
        verify(shorter.path, witnesses=[seen])
    with pytest.raises(TrailError, match="TRAIL_OTHER_KEY"):
        verify(trail.path, witnesses=[(Witness(keys.public_of(OTHER), begun.digest), 2026)])


@pytest.mark.rule(30)
def test_each_year_has_a_file_and_five_years_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = at(2021)
    monkeypatch.setattr(clock, "now", lambda: now)
    trail = made(tmp_path / "t")
    begun = trail.events()[4]
    for year in (2022, 2024, 2026):
        now = at(year)
        trail.append("ingest_begun", {}, KEY)
    assert sorted(p.name for p in trail.path.glob("*.jsonl")) == ["2021.jsonl", "2022.jsonl", "2024.jsonl", "2026.jsonl"]
    assert [e.facts["year"] for e in trail.events() if e.kind == "year_begun"] == [2022, 2024, 2026]
    assert trail.expire(KEY) == []
    for through in (2021, 2025, 2030):
        with pytest.raises(RuleError, match="TRAIL_TOO_YOUNG"):
            trail.expire(KEY, through)
    now = at(2027, 1)
    assert trail.expire(KEY) == [2021]
    found = trail.events()
    assert (found[0].kind, found[0].number, found[-1].facts) == ("year_begun", 7, {"through": 2021})
    assert trail.head().first == 7
    # A certificate of a year that was dropped is not held against the trail; the chain goes on from the hash that was kept.
    seen = Witness(keys.public_of(KEY), begun.digest)
    assert len(verify(trail.path, witnesses=[(seen, 2021)])) == 4
    with pytest.raises(TrailError, match="TRAIL_WITNESS"):
        verify(trail.path, witnesses=[(seen, 2022)])
    now = at(2029)
    assert trail.expire(KEY, 2022) == [2022]
    trail.append("ingest_begun", {}, KEY)
    verify(trail.path)


def test_a_clock_that_went_back_begins_no_earlier_year(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = at(2026)
    monkeypatch.setattr(clock, "now", lambda: now)
    trail = made(tmp_path / "t")
    now = at(2025)
    trail.append("ingest_begun", {}, KEY)
    assert [p.name for p in trail.path.glob("*.jsonl")] == ["2026.jsonl"]
    verify(trail.path)


@pytest.mark.rule(30)
def test_a_full_disk_leaves_the_old_line_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trail = made(tmp_path / "t")
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 20:
            return write(handle, data[:20])
        raise OSError(errno.ENOSPC, "no room")

    with monkeypatch.context() as patched:
        patched.setattr(folder.os, "write", lambda h, d: full(h, d) if d.startswith(b'{"facts"') else (_ for _ in ()).throw(OSError(errno.ENOSPC, "no room")))
        with pytest.raises(TrailError, match="TRAIL_NOT_WRITABLE"):
            trail.append("ingest_begun", {}, KEY)
    assert len(trail.events()) == 7


_WRITER = """
import sys
from pathlib import Path
from tests.unit.trail._made import KEY
from flockwise.trail import Trail
for _ in range(15):
    Trail(Path(sys.argv[1])).append("ingest_begun", {}, KEY)
"""


@pytest.mark.rule(30)
def test_several_processes_write_one_chain(tmp_path: Path) -> None:
    trail = made(tmp_path / "t")
    root = Path(__file__).parents[3]
    running = [subprocess.Popen([sys.executable, "-c", _WRITER, str(trail.path)], cwd=root) for _ in range(4)]
    assert [p.wait(timeout=120) for p in running] == [0] * 4
    assert len(trail.events()) == 7 + 60
