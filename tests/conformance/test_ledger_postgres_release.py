"""One plan, two hosts, one ledger on a server: whoever comes second draws nothing and writes the same bytes."""

from __future__ import annotations

import hashlib
import re
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.postgres import Server

from flockwise import api
from flockwise.release import publishing

START = date(2026, 5, 4)


def bytes_of(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def hosts(server: Server, tmp_path: Path) -> tuple[Path, Path]:
    """The study files of two hosts with the same pings and nothing else in common but the server."""
    first, second = tmp_path / "first", tmp_path / "second"
    api.simulate(first / "world", devices=500, start=START, days=1, seed=5)
    study, pings = first / "study.toml", first / "world" / "pings"
    region = first / "world" / "region.geojson"
    where = {"pings": pings / "part-000.parquet", "region": region, "supplier": first / "world" / "supplier.toml", "places": first / "world" / "places.parquet"}
    api.init(study, name="Shared", start=START, days=1, timezone="America/New_York", purpose="transport-planning", **where)
    text = study.read_text(encoding="utf-8")
    text = text[: text.rindex("[[tables]]")]  # presence alone
    database = server.database()

    def shared(host: Path) -> str:
        return re.sub(r'path = "[^"]*\.ledger"', f'postgres = "{server.at(database)}"\nfolder = "{host}/seen"', text)

    study.write_text(shared(first), encoding="utf-8")
    api.places_review(study, "a test")
    api.ingest(study, [str(pings)])
    shutil.copytree(first, second, symlinks=True)
    (second / "study.toml").write_text(shared(second), encoding="utf-8")
    return study, second / "study.toml"


def test_a_release_that_one_host_began_is_completed_by_another(hosts: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = hosts

    def power_cut(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(publishing.artifact, "write", power_cut)
        with pytest.raises(KeyboardInterrupt):
            api.release(first, tmp_path / "cut")
    spent = api.ledger(second).as_dict()["spent_rho"]
    assert spent != "0"
    assert api.release(second, tmp_path / "of-second").as_dict()["charged"] is False
    assert api.release(first, tmp_path / "of-first").as_dict()["charged"] is False
    assert bytes_of(tmp_path / "of-first") == bytes_of(tmp_path / "of-second")
    for study in hosts:
        assert api.ledger(study).as_dict()["spent_rho"] == spent
        assert len(list((study.parent / "seen").glob("*.witness"))) == 1
