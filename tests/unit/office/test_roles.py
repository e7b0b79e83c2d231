"""Three roles: the analyst has releases made and reads no pings, the officer's caps hold, the steward's account carries out what fits."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from tests.conftest import START, World

from flockwise import api, config, trail
from flockwise.base import clock
from flockwise.errors import ConfigError, RuleError
from flockwise.office import caps

NOBODY = 65534
CAPS = """format = "flockwise-caps/1"
dataset = "small-world-panel"
until = {until}
greatest_epsilon = "{epsilon}"
greatest_epsilon_year = "{year}"
finest_level = {level}
purposes = ["transport-planning"]
{more}
"""


@dataclass(frozen=True)
class Office:
    """A world whose study names an officer and an analyst."""

    world: World
    requests: Path
    out: Path
    officer: Path
    analyst: Path

    @property
    def study(self) -> Path:
        return self.world.study

    def allow(self, *, epsilon: str = "1", year: str = "4", level: int = 7, days: int = 100, more: str = "") -> None:
        """Caps, signed by the officer."""
        file = self.world.root / "caps.toml"
        file.write_text(CAPS.format(until=clock.today() + timedelta(days=days), epsilon=epsilon, year=year, level=level, more=more), encoding="utf-8")
        api.caps_sign(file, self.officer)

    def edit(self, old: str, new: str) -> None:
        text = self.study.read_text(encoding="utf-8")
        assert old in text
        self.study.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.fixture(scope="session")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with a purpose, ingested and not released. Read only."""
    root = tmp_path_factory.mktemp("ingested")
    api.simulate(root / "world", devices=300, start=START, days=1, seed=3)
    pings, region = root / "world" / "pings", root / "world" / "region.geojson"
    api.init(
        root / "study.toml",
        name="Small world",
        pings=pings / "part-000.parquet",
        region=region,
        start=START,
        days=1,
        timezone="America/New_York",
        purpose="transport-planning",
        supplier=root / "world" / "supplier.toml",
        places=root / "world" / "places.parquet",
    )
    api.places_review(root / "study.toml", "a test")
    text = (root / "study.toml").read_text(encoding="utf-8")
    (root / "study.toml").write_text(text[: text.rindex("[[tables]]")], encoding="utf-8")
    api.ingest(root / "study.toml", [str(pings)])
    return root


@pytest.fixture
def office(ingested: Path) -> Iterator[Office]:
    """In a place that another account may enter, unlike pytest's."""
    root = Path(tempfile.mkdtemp(prefix="flockwise-roles-"))
    root.chmod(0o755)
    shutil.copytree(ingested, root / "steward", symlinks=True)
    world = World(root / "steward")
    for name in ("requests", "out", "analyst", "officer"):
        (root / name).mkdir(mode=0o755)
    keys = [api.caps_key(root / who / "key").facts["public_key"] for who in ("officer", "analyst")]
    made = Office(world, root / "requests", root / "out", root / "officer" / "key", root / "analyst" / "key")
    text = world.study.read_text(encoding="utf-8")
    roles = f'\n[roles]\nofficer = "{keys[0]}"\ncaps = "caps.toml"\nanalysts = ["{keys[1]}"]\n'
    world.study.write_text(text + roles, encoding="utf-8")
    made.allow()
    yield made
    shutil.rmtree(root)


def kinds(office: Office) -> list[str]:
    return [e.kind for e in trail.events(config.load(office.study))]


def test_a_request_is_served_once_and_the_folder_can_be_read(office: Office) -> None:
    asked = api.request(office.study, office.analyst, office.requests)
    told = api.serve(office.study, office.requests, office.out)
    answer = told.facts["answers"][0]
    assert (answer["result"], answer["request"]) == ("served", asked.facts["request"])
    api.verify(office.out / answer["folder"])
    assert {stat.S_IMODE(p.stat().st_mode) for p in (office.out / answer["folder"]).iterdir()} == {0o644}
    assert kinds(office)[-2:] == ["release", "request_served"]
    assert api.serve(office.study, office.requests, office.out).facts["answers"] == []
    written = json.loads((office.out / f"{asked.facts['request'][:16]}.answer.json").read_text())
    assert written["result"] == "served"


def test_what_is_no_request_of_an_analyst_is_refused_and_recorded(office: Office) -> None:
    stranger = office.requests.parent / "stranger"
    api.caps_key(stranger)
    api.request(office.study, stranger, office.requests)
    good = Path(api.request(office.study, office.analyst, office.requests).facts["file"])
    body = json.loads(good.read_text())
    good.unlink()
    (office.requests / "a.request.json").write_text(json.dumps({**body, "plan": "00" * 32}))
    (office.requests / "b.request.json").write_text("{}")
    (office.requests / "c.request.json").write_text(json.dumps({**body, "out": "../../etc"}))
    (office.requests / "d.request.json").write_bytes(b"\xff" * 100)
    (office.requests / "e.request.json").write_bytes(b" " * 5000)
    (office.requests / "f.request.json").symlink_to("/etc/passwd")
    os.mkfifo(office.requests / "g.request.json")
    (office.requests / "h.request.json").mkdir()
    answers = api.serve(office.study, office.requests, office.out).facts["answers"]
    assert sorted(a["code"] for a in answers) == ["REQUEST_INVALID", "REQUEST_INVALID", "REQUEST_INVALID", "REQUEST_NOT_SIGNED", "REQUEST_UNKNOWN_KEY"]
    assert kinds(office).count("request_refused") == 5
    assert "request_served" not in kinds(office)


def test_the_stewards_study_is_the_one_that_is_released(office: Office) -> None:
    api.request(office.study, office.analyst, office.requests)
    office.edit("radius_m = 100", "radius_m = 120")
    assert [a["code"] for a in api.serve(office.study, office.requests, office.out).facts["answers"]] == ["REQUEST_OTHER_PLAN"]


def test_releases_beyond_the_caps_are_refused_and_spend_nothing(office: Office, tmp_path: Path) -> None:
    spent = api.ledger(office.study).facts["spent_rho"]
    for allowed, code in (
        ({"epsilon": "1/2"}, "CAPS_EPSILON"),
        ({"level": 6}, "CAPS_LEVEL"),
        ({"more": f'plans = ["{"00" * 32}"]'}, "CAPS_PLAN"),
        ({"year": "1/2"}, "CAPS_YEAR"),
        ({"days": -1}, "CAPS_LAPSED"),
    ):
        office.allow(**allowed)
        with pytest.raises(RuleError, match=code):
            api.release(office.study, tmp_path / "o")
        assert trail.events(config.load(office.study))[-1].facts == {"step": "release", "code": code}
    office.allow()
    office.edit('purpose = "transport-planning"', 'purpose = "public-health"')
    with pytest.raises(RuleError, match="CAPS_PURPOSE"):
        caps.require(config.load(office.study))
    office.edit('purpose = "public-health"', 'purpose = "transport-planning"')
    with pytest.raises(RuleError, match="CAPS_EPSILON"):
        api.risk(office.study, tmp_path / "r", epsilon="1.5")
    assert api.ledger(office.study).facts["spent_rho"] == spent
    caps.require(config.load(office.study), epsilon=Fraction(1, 2))
    office.allow(more=f'plans = ["{api.caps_show(office.study).facts["plan"]}"]')
    caps.require(config.load(office.study))


def test_a_repeat_costs_nothing_and_so_fits_any_year(office: Office, tmp_path: Path) -> None:
    api.release(office.study, tmp_path / "first")
    office.allow(year="1/2")
    api.release(office.study, tmp_path / "again")
    assert (tmp_path / "first" / "SHA256SUMS").read_bytes() == (tmp_path / "again" / "SHA256SUMS").read_bytes()


def test_caps_that_were_changed_or_signed_by_another_do_not_hold(office: Office, tmp_path: Path) -> None:
    file = office.world.root / "caps.toml"
    text = file.read_text()
    file.write_text(text.replace('greatest_epsilon = "1"', 'greatest_epsilon = "2"'))
    with pytest.raises(RuleError, match="CAPS_NOT_SIGNED"):
        api.caps_show(office.study)
    api.caps_sign(file, office.analyst)
    with pytest.raises(RuleError, match="CAPS_NOT_SIGNED"):
        api.release(office.study, tmp_path / "o")
    (office.world.root / "caps.toml.sig").unlink()
    with pytest.raises(RuleError, match="CAPS_NOT_SIGNED"):
        api.release(office.study, tmp_path / "o")
    file.write_text(text.replace("small-world-panel", "another-panel"))
    api.caps_sign(file, office.officer)
    with pytest.raises(RuleError, match="CAPS_OTHER_DATASET"):
        api.release(office.study, tmp_path / "o")
    file.write_text(text.replace("finest_level", "finest"))
    with pytest.raises(ConfigError, match="CAPS_INVALID"):
        api.caps_sign(file, office.officer)
    with pytest.raises(ConfigError, match="CAPS_TOO_LONG"):
        office.allow(days=800)


def test_no_file_of_the_steward_is_open_to_others(office: Office) -> None:
    """By modes, whoever runs the test: nobody else can read the pings, the keys, the trail or the ledger's noisy output."""
    root = office.world.root

    def closed(path: Path) -> bool:
        return any(stat.S_IMODE(p.stat().st_mode) & 0o007 == 0 for p in [path, *path.parents][: len(path.relative_to(root).parts)])

    secret = [p for p in root.rglob("*") if p.is_file() and re.match(r"small-world\.(store|key|trail|ledger)", p.relative_to(root).parts[0])]
    assert len(secret) > 5
    assert [p.relative_to(root) for p in secret if not closed(p)] == []
    assert stat.S_IMODE(office.officer.stat().st_mode) == stat.S_IMODE(office.analyst.stat().st_mode) == 0o600


def test_another_account_reads_the_release_and_nothing_else(office: Office) -> None:
    api.request(office.study, office.analyst, office.requests)
    folder = office.out / api.serve(office.study, office.requests, office.out).facts["answers"][0]["folder"]
    root = office.world.root
    secret = [p for p in root.rglob("*") if p.is_file() and re.match(r"small-world\.(store|key|trail|ledger)", p.relative_to(root).parts[0])]
    assert all(stat.S_IMODE(p.stat().st_mode) & 0o004 for p in folder.iterdir())
    if os.geteuid() != 0:
        # Only root can be somebody else; for everyone the modes were tested, here and above.
        return

    def can_read(path: Path) -> bool:
        done = subprocess.run(["/bin/cat", str(path)], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False, timeout=30)
        return done.returncode == 0

    assert all(can_read(p) for p in folder.iterdir())
    assert [p for p in [*secret, office.officer] if can_read(p)] == []
