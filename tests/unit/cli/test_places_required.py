"""A study without a list of sensitive places: it parses, `check` says what is missing, and nothing comes in or leaves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.conftest import World

from flockwise import api
from flockwise.cli import main


def run(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    return done.exit_code, json.loads(done.stdout or done.stderr)


@pytest.fixture
def without(own_world: World) -> World:
    """The copy, whose study names no list."""
    text = own_world.study.read_text(encoding="utf-8")
    bare = re.sub(r"^\[places\]\n.*?(?=^\[)", "", text, count=1, flags=re.DOTALL | re.MULTILINE)
    assert bare != text
    own_world.study.write_text(bare, encoding="utf-8")
    return own_world


@pytest.mark.rule(10)
def test_without_a_list_nothing_comes_in_and_nothing_leaves(without: World, tmp_path: Path) -> None:
    before = api.ledger(without.study).facts
    code, shown = run("check", without.study)
    assert code == 0
    assert shown["sensitive_places"] == "missing: the study names no list"
    for step in (
        ("ingest", without.study, without.pings),
        ("release", without.study, "--out", tmp_path / "out"),
        ("risk", without.study, "--epsilon", "1", "--out", tmp_path / "risk"),
    ):
        code, refused = run(*step)
        assert code != 0
        assert refused["error"]["code"] == "PLACES_MISSING", step
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "risk").exists()
    assert api.ledger(without.study).facts == before


@pytest.mark.rule(10)
def test_a_new_study_names_a_list_that_is_still_to_be_built(small_world: World, tmp_path: Path) -> None:
    study, region = tmp_path / "study.toml", small_world.root / "world" / "region.geojson"
    code, _ = run("init", "--out", study, "--region", region, "--start", "2026-05-04", "--days", "2", "--timezone", "America/New_York")
    assert code == 0
    assert run("check", study)[1]["sensitive_places"] == "missing: make it with flockwise places build"
    assert run("places", "status", study)[1]["error"]["code"] == "PLACES_MISSING"
