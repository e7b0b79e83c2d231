"""kill -9 at every step: the old line or the new one, never half, and what was mended is recorded."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.trail._made import KEY, at, made

from flockwise.base import clock
from flockwise.errors import TrailError
from flockwise.trail import Trail, verify

_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.unit.trail._made import KEY, at
from flockwise.base import clock
from flockwise.trail import Trail, folder

step, year = sys.argv[2], int(sys.argv[3])
clock.now = lambda: at(year)
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

if step == "before":
    folder._put = die
elif step == "empty":
    folder._put = lambda handle, line, size: die()
elif step == "torn":
    folder._put = lambda handle, line, size: (os.write(handle, line[:37]), die())
elif step == "nearly":
    folder._put = lambda handle, line, size: (os.write(handle, line[:-1]), die())
elif step == "written":
    folder.write_durably = die
elif step == "done":
    kept = folder.write_durably
    folder.write_durably = lambda *a, **k: (kept(*a, **k), die())
elif step == "expiring":
    folder.Path.unlink = die
    Trail(Path(sys.argv[1])).expire(KEY)
Trail(Path(sys.argv[1])).append("ingest_begun", {}, KEY)
"""


def killed(path: Path, step: str, year: int) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path), step, str(year)], cwd=Path(__file__).parents[3], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.rule(30)
@pytest.mark.parametrize("year", [2026, 2027])
@pytest.mark.parametrize("step", ["before", "empty", "torn", "nearly", "written", "done"])
def test_a_killed_writer_leaves_the_old_or_the_new_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, year: int) -> None:
    monkeypatch.setattr(clock, "now", lambda: at(2026))
    trail = made(tmp_path / "t")
    killed(trail.path, step, year)
    if step in ("torn", "nearly", "written"):
        with pytest.raises(TrailError, match="TRAIL_UNACKNOWLEDGED"):
            trail.events()
    monkeypatch.setattr(clock, "now", lambda: at(year))
    trail.append("refusal", {"step": "ingest", "code": "INGEST_TEST"}, KEY)
    kinds = [e.kind for e in trail.events()][7:]
    verify(trail.path)
    first = "ingest_begun" if year == 2026 else "year_begun"
    rest = ["refusal"] if year == 2026 or step == "done" else ["year_begun", "refusal"]
    if step in ("before", "empty"):
        assert kinds == rest
    elif step in ("torn", "nearly"):
        mended = next(e for e in trail.events() if e.kind == "mended")
        assert mended.facts == {"cause": "torn_line"}
        assert kinds == ["mended", "refusal"]
    elif step == "written":
        assert kinds == [first, "mended", "refusal"]
    else:
        assert kinds == [first, "refusal"]


@pytest.mark.rule(30)
def test_a_killed_expiry_is_finished_by_the_next_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: at(2020))
    trail = made(tmp_path / "t")
    monkeypatch.setattr(clock, "now", lambda: at(2026))
    trail.append("ingest_begun", {}, KEY)
    killed(trail.path, "expiring", 2026)
    assert (trail.path / "2020.jsonl").exists()
    verify(trail.path)
    trail.append("ingest_begun", {}, KEY)
    assert not (trail.path / "2020.jsonl").exists()
    verify(trail.path)


@pytest.mark.rule(30)
def test_a_killed_beginning_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    probe = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom tests.unit.trail._made import KEY\nfrom flockwise.trail import Trail, folder\n"
        "folder.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\nTrail.begin(Path(sys.argv[1]), KEY)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe, str(tmp_path / "t")], cwd=Path(__file__).parents[3], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "t").exists()
    made(tmp_path / "t")
    verify(Trail(tmp_path / "t").path)
