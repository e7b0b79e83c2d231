"""The how-to on roles, carried out with its own commands and with real accounts: what each may do and read (docs/how-to/roles.md).

Only root can be somebody else. For others the modes are looked at, and that the same commands work in the folders that the page makes.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.office.test_roles import CAPS, ingested

from flockwise import api
from flockwise.base import clock
from flockwise.trail import keys as trail_keys

__all__ = ["ingested"]

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "roles.md"
ROOT = os.geteuid() == 0
IDS = {"steward": 51001, "analyst": 51002, "officer": 51003, "requests": 51004}
GROUPS = {"steward": ["requests"], "analyst": ["requests"], "officer": []}
INSTALL = re.compile(r"^install -d -o (\w+) -g (\w+)\s+-m (\d+) (/srv/\w+)", re.MULTILINE)


def told(who: str, do: Callable[[], Any], umask: int) -> str:
    """What somebody's process says of what it did: "done", or the error."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if ROOT:
                os.setgroups([IDS[name] for name in GROUPS[who]])
                os.setgid(IDS[who])
                os.setuid(IDS[who])
            os.umask(umask)
            try:
                do()
                said = "done"
            except BaseException as error:  # noqa: BLE001  the parent looks at it
                said = f"{type(error).__name__} {getattr(error, 'code', '')} {traceback.format_exc()}"
            os.write(writer, said.encode()[:60_000])
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def give(path: Path, who: str, group: str | None = None) -> None:
    if ROOT:
        for found in [path, *path.rglob("*")]:
            os.chown(found, IDS[who], IDS[group or who])


@pytest.fixture
def srv(ingested: Path) -> Iterator[Path]:
    """The folders as the page makes them, the steward's filled, and a home for each role."""
    base = Path(tempfile.mkdtemp(prefix="flockwise-accounts-"))
    base.chmod(0o755)
    lines = INSTALL.findall(PAGE.read_text(encoding="utf-8"))
    assert [place for *_, place in lines] == ["/srv/pings", "/srv/requests", "/srv/released", "/srv/officer"]
    # Loads all that a release needs: the accounts of the test may have no right to read where Python lies.
    warm = Path(shutil.copytree(ingested, base / "warm", symlinks=True))
    api.release(warm / "study.toml", warm / "out")
    api.verify(warm / "out")
    (base / "srv").mkdir(mode=0o755)
    for owner, group, mode, place in lines:
        folder = base / place.lstrip("/")
        if place == "/srv/pings":
            shutil.copytree(ingested, folder, symlinks=True)
        else:
            folder.mkdir()
        give(folder, owner, group)
        folder.chmod(int(mode, 8))
    for who in ("analyst", "officer"):
        (base / who).mkdir(mode=0o700)
        give(base / who, who)
    yield base
    shutil.rmtree(base)


def test_the_page_works_as_it_stands_and_the_analyst_reads_no_ping_and_no_key(srv: Path) -> None:
    pings, requests, released, office = (srv / "srv" / name for name in ("pings", "requests", "released", "officer"))
    keys = {who: srv / who / f"{who}.key" for who in ("officer", "analyst")}
    for who, file in keys.items():
        assert told(who, lambda file=file: api.caps_key(file), 0o022) == "done"
    public = {who: trail_keys.public_of(trail_keys.load(file)) for who, file in keys.items()}
    study = pings / "study.toml"
    roles = f'\n[roles]\nofficer = "{public["officer"]}"\ncaps = "{office}/caps.toml"\nanalysts = ["{public["analyst"]}"]\n'
    study.write_text(study.read_text(encoding="utf-8") + roles, encoding="utf-8")
    text = CAPS.format(until=clock.today() + timedelta(days=100), epsilon="1", year="4", level=7, more="")

    def cap() -> None:
        (office / "caps.toml").write_text(text, encoding="utf-8")
        api.caps_sign(office / "caps.toml", keys["officer"])

    assert told("officer", cap, 0o022) == "done"
    # The analyst's copy: the study, and the public files that it names; no store, no ledger, no key.
    home = srv / "analyst"
    for name in ("study.toml", "world"):
        source = pings / name
        shutil.copytree(source, home / name, ignore=shutil.ignore_patterns("pings")) if source.is_dir() else shutil.copy(source, home / name)
    give(home, "analyst")
    # Whatever the analyst's umask is: the steward has to be able to read the request.
    for umask in (0o022, 0o077):
        for old in requests.iterdir():
            old.unlink()
        assert told("analyst", lambda: api.request(home / "study.toml", keys["analyst"], requests), umask) == "done"
        assert told("steward", lambda: next(requests.iterdir()).read_bytes(), 0o077) == "done", oct(umask)
    assert told("steward", lambda: api.serve(study, requests, released), 0o077) == "done"
    answers = list(released.glob("*.answer.json"))
    assert len(answers) == 1
    assert '"served"' in answers[0].read_text(encoding="utf-8")
    folder = next(p for p in released.iterdir() if p.is_dir())
    assert told("analyst", lambda: api.verify(folder), 0o022) == "done"
    assert told("analyst", lambda: answers[0].read_bytes(), 0o022) == "done"

    secret = [p for p in pings.rglob("*") if p.is_file()]
    assert {"study.toml", "manifest.json", "head.json"} <= {p.name for p in secret}
    assert stat.S_IMODE(pings.stat().st_mode) == 0o700
    written = [p for p in secret if "world" not in p.relative_to(pings).parts and p.suffix not in (".toml", ".geojson", ".csv", ".json")]
    assert len(written) > 10
    assert [p for p in written if stat.S_IMODE(p.stat().st_mode) & 0o077] == []
    assert [f for f in keys.values() if stat.S_IMODE(f.stat().st_mode) != 0o600] == []
    if not ROOT:
        return
    for who in ("analyst", "officer"):
        for path in secret:
            assert told(who, path.read_bytes, 0o022).startswith("PermissionError"), path.name
        for do in (lambda: list(pings.iterdir()), lambda: (released / "mine").mkdir(), lambda: (pings / "mine").write_text("x")):
            assert told(who, do, 0o022).startswith("PermissionError")
        for command in (lambda: api.release(study, srv / "out"), lambda: api.ingest(study, [str(home)]), lambda: api.ledger(study)):
            said = told(who, command, 0o022)
            assert said.startswith("ConfigError"), said
    assert told("analyst", lambda: (office / "caps.toml").write_text("x"), 0o022).startswith("PermissionError")
    assert told("officer", lambda: list(requests.iterdir()), 0o022).startswith("PermissionError")
