from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.conftest import World

from flockwise import api, artifact, config, trail
from flockwise.cli import main
from flockwise.errors import BudgetError, ConfigError, FlockwiseError, RuleError, TrailError


def kinds(world: World) -> list[str]:
    return [e.kind for e in trail.events(config.load(world.study))]


@pytest.mark.rule(30)
def test_an_ingest_and_a_release_are_in_the_trail_and_the_certificate_saw_it(small_world: World) -> None:
    assert kinds(small_world)[:8] == ["begun", "places_review", "ingest_begun", "supplier_assessed", "ingest", "release_begun", "ledger_begun", "release"]
    seen = artifact.read(small_world.published).certificate.trail
    events = trail.events(config.load(small_world.study))
    assert seen is not None
    assert seen.last == events[5].digest
    found = api.log_verify(small_world.study, key=seen.key, folders=[small_world.published])
    assert found.facts["checked"][-1] == "the trail holds the line that each certificate saw"
    assert "The chain is whole." in api.log_show(small_world.study).notes


@pytest.mark.rule(30)
def test_a_repeated_release_gives_the_same_bytes_and_one_more_event(own_world: World, tmp_path: Path) -> None:
    before = kinds(own_world)
    api.release(own_world.study, tmp_path / "again")
    assert kinds(own_world) == [*before, "release"]
    for path in (tmp_path / "again").iterdir():
        assert path.read_bytes() == (own_world.published / path.name).read_bytes()
    assert [e.facts["charged"] for e in trail.events(config.load(own_world.study)) if e.kind == "release"] == ["yes", "no"]


@pytest.mark.rule(30)
def test_a_study_without_a_trail_ingests_and_releases_nothing(edited: Callable[[str, str], World], tmp_path: Path) -> None:
    world = edited("[trail]", "[trail_off]")
    text = world.study.read_text(encoding="utf-8")
    start = text.index("[trail_off]")
    world.study.write_text(text[:start] + text[text.index("[region]") :], encoding="utf-8")
    asked: list[Callable[[], object]] = [
        lambda: api.check(world.study),
        lambda: api.ingest(world.study, [str(world.pings)]),
        lambda: api.release(world.study, tmp_path / "o"),
        lambda: api.risk(world.study, tmp_path / "r", epsilon="1/2"),
        lambda: api.log_show(world.study),
    ]
    for call in asked:
        with pytest.raises(RuleError, match="TRAIL_REQUIRED"):
            call()


@pytest.mark.rule(30)
def test_a_trail_that_is_gone_or_can_not_be_written_stops_everything_before_it_begins(own_world: World, tmp_path: Path) -> None:
    root = own_world.root
    (root / "small-world.trail").rename(root / "away")
    (root / "more.parquet").write_bytes((own_world.pings / "part-000.parquet").read_bytes())
    text = own_world.study.read_text(encoding="utf-8")
    own_world.study.write_text(text.replace("radius_m = 100", "radius_m = 101"), encoding="utf-8")
    charged = len(api.ledger(own_world.study).facts["entries"])
    store = sorted((p, p.stat().st_mtime_ns) for p in (root / "small-world.store").rglob("*"))
    for call in (lambda: api.ingest(own_world.study, [str(root / "more.parquet")]), lambda: api.release(own_world.study, tmp_path / "o")):
        with pytest.raises(TrailError, match="TRAIL_MISSING"):
            call()
    assert len(api.ledger(own_world.study).facts["entries"]) == charged
    assert sorted((p, p.stat().st_mtime_ns) for p in (root / "small-world.store").rglob("*")) == store
    assert not (tmp_path / "o").exists()


@pytest.mark.rule(30)
def test_refusals_are_recorded_by_their_code_alone(edited: Callable[[str, str], World], tmp_path: Path) -> None:
    world = edited('epsilon = "1"', 'epsilon = "2"')
    api.release(world.study, tmp_path / "a")
    world.study.write_text(world.study.read_text(encoding="utf-8").replace('epsilon = "2"', 'epsilon = "1.9"', 1), encoding="utf-8")
    refused: FlockwiseError | None = None
    for radius in range(101, 110):
        world.study.write_text(world.study.read_text(encoding="utf-8").replace(f"radius_m = {radius - 1}", f"radius_m = {radius}"), encoding="utf-8")
        try:
            api.release(world.study, tmp_path / "b")
        except BudgetError as error:
            refused = error
            break
    assert refused is not None
    last = trail.events(config.load(world.study))[-1]
    assert (last.kind, last.facts) == ("refusal", {"step": "release", "code": refused.code})
    with pytest.raises(FlockwiseError) as caught:
        api.ingest(world.study, [str(tmp_path / "no-such-file.parquet")])
    last = trail.events(config.load(world.study))[-1]
    assert last.facts == {"step": "ingest", "code": caught.value.code}
    assert not [n for n in api.log_show(world.study).notes if "not ended" in n]


_KILLED = """
import os, signal, sys
from pathlib import Path
from flockwise import api
from flockwise.release import publishing
publishing._draw = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
api.release(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.rule(30)
def test_a_killed_release_leaves_its_beginning(edited: Callable[[str, str], World], tmp_path: Path) -> None:
    world = edited("radius_m = 100", "radius_m = 103")
    done = subprocess.run([sys.executable, "-c", _KILLED, str(world.study), str(tmp_path / "o")], check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL
    assert kinds(world)[-1] == "release_begun"
    assert any("Begun and not ended: release" in n for n in api.log_show(world.study).notes)


@pytest.mark.rule(30)
def test_recipients_have_a_purpose_of_the_list_and_a_release_of_the_study(own_world: World, tmp_path: Path) -> None:
    told = api.log_recipient(own_world.study, own_world.published, name="Ministry of Transport", purpose="transport-planning")
    assert trail.events(config.load(own_world.study))[-1].facts["release"] == told.facts["release"]
    with pytest.raises(RuleError, match="PURPOSE_FORBIDDEN"):
        api.log_recipient(own_world.study, own_world.published, name="Somebody", purpose="law-enforcement")
    with pytest.raises(ConfigError, match="RECIPIENT_PURPOSE"):
        api.log_recipient(own_world.study, own_world.published, name="Somebody", purpose="curiosity")
    (own_world.published / "certificate.json").write_text(
        json.dumps(json.loads((own_world.published / "certificate.json").read_text()), indent=1), encoding="utf-8"
    )
    with pytest.raises(RuleError, match="RECIPIENT_RELEASE"):
        api.log_recipient(own_world.study, own_world.published, name="Somebody", purpose="transport-planning")


def test_the_log_from_the_command_line(own_world: World) -> None:
    study = str(own_world.study)

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["log", *arguments])
        assert done.exit_code == 0, done.stderr
        return done.stdout

    run("recipient", study, str(own_world.published), "--name", "Office of Statistics", "--purpose", "official-statistics")
    run("incident", study, "--kind", "loss", "--what", "A backup disk was lost.")
    assert "Office of Statistics" in run("show", study)
    assert "is whole" in run("verify", study, "--release", str(own_world.published))
    assert "0 years" in run("expire", study)
    for arguments, code in (
        (["begin", study], "TRAIL_EXISTS"),
        (["expire", study, "--through", "2025"], "TRAIL_TOO_YOUNG"),
        (["incident", study, "--kind", "loss", "--what", "at 40.7128"], "TRAIL_TEXT"),
        (["incident", study, "--kind", "gossip", "--what", "Words."], "INCIDENT_KIND"),
        (["verify", study, "--key", "00" * 32], "TRAIL_OTHER_KEY"),
    ):
        done = CliRunner().invoke(main, ["log", *arguments])
        assert (done.exit_code in (2, 3, 4), code in done.stderr) == (True, True), arguments


def test_what_leaves_does_not_count_the_trails_lines(own_world: World, tmp_path: Path) -> None:
    """Some lines are written because of one person (docs/claims/trail.md): two counts, compared, would tell of them."""
    api.log_incident(own_world.study, kind="other", what="A line that nobody outside has to know of.")
    api.register([own_world.study], tmp_path / "register", folders=[own_world.published])
    stated = json.loads((own_world.published / "certificate.json").read_text(encoding="utf-8"))["trail"]
    registered = json.loads((tmp_path / "register" / "register.json").read_text(encoding="utf-8"))["studies"][0]["trail"]
    assert set(stated) == set(registered) == {"key", "last"}
    assert len(stated["last"]) == len(registered["last"]) == 64
