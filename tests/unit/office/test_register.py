from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from tests.conftest import World

from flockwise import api, config
from flockwise.cli import main
from flockwise.errors import ArtifactError
from flockwise.office import register

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def written(own_world: World, tmp_path: Path) -> Path:
    api.log_recipient(own_world.study, own_world.published, name="Ministry of Transport", purpose="transport-planning")
    api.log_incident(own_world.study, kind="loss", what="A backup disk was lost & found.")
    api.register([own_world.study], tmp_path / "register", folders=[own_world.published])
    return tmp_path / "register"


@pytest.mark.rule(30)
def test_the_register_names_releases_recipients_and_incidents(written: Path) -> None:
    found = json.loads((written / "register.json").read_text(encoding="utf-8"))
    assert [(r["epsilon"], r["unit"], r["days"], r["status"], r["folders"]) for r in found["releases"]] == [("1", "device", 2, "published", ["published"])]
    assert [(r["name"], r["purpose"]) for r in found["releases"][0]["recipients"]] == [("Ministry of Transport", "transport-planning")]
    assert [(i["kind"], i["what"]) for i in found["incidents"]] == [("loss", "A backup disk was lost & found.")]
    assert found["exposures"][0]["year_epsilon"] == pytest.approx(1, abs=0.01)
    assert found["studies"][0]["retention_days"] == 365
    assert set(found["studies"][0]["trail"]) == {"key", "last"}


@pytest.mark.rule(31)
def test_it_says_that_a_release_can_not_be_recalled(written: Path) -> None:
    for name in ("register.json", "register.html"):
        assert "A published release cannot be recalled after a deletion." in (written / name).read_text(encoding="utf-8")


def test_the_json_fits_its_schema_and_the_schema_is_the_documented_one(written: Path) -> None:
    schema = json.loads((written / "register.schema.json").read_text(encoding="utf-8"))
    found = json.loads((written / "register.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, schema)
    found["releases"][0]["unit"] = "trip"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, schema)
    assert json.loads((REFERENCE / "register.schema.json").read_text(encoding="utf-8")) == schema == register.register_schema()


def test_the_page_is_offline_escaped_and_its_tables_have_headings(written: Path) -> None:
    text = (written / "register.html").read_text(encoding="utf-8")
    assert "lost &amp; found" in text
    tags = Tags()
    tags.feed(text)
    assert not [t for t, a in tags.found if t in ("script", "img", "iframe", "form") or any(k.startswith("on") for k in a)]
    assert not re.findall(r"(?:https?:)?//[a-z]", text)
    assert "default-src 'none'" in text.replace("&#x27;", "'")
    assert all("scope" in a for t, a in tags.found if t == "th")
    names = {a["id"] for _, a in tags.found if "id" in a}
    tables = [a for t, a in tags.found if t == "table"]
    assert len(tables) >= 4
    assert all({a.get("aria-labelledby"), a.get("aria-describedby")} <= names for a in tables)
    assert all(a.get("tabindex") == "0" for t, a in tags.found if a.get("role") == "region")


def test_studies_that_share_a_ledger_and_a_trail_are_named_once(own_world: World, tmp_path: Path) -> None:
    text = own_world.study.read_text(encoding="utf-8")
    other = own_world.root / "other.toml"
    other.write_text(text.replace('name = "Small world"', 'name = "Other world"'), encoding="utf-8")
    found = register.collect([config.load(own_world.study), config.load(other)])
    assert (len(found.studies), len(found.releases), len(found.exposures)) == (2, 1, 1)


def test_looking_begins_no_ledger(own_world: World, tmp_path: Path) -> None:
    text = own_world.study.read_text(encoding="utf-8")
    own_world.study.write_text(text.replace("small-world.ledger", "none.ledger").replace("small-world-panel", "new-panel"), encoding="utf-8")
    api.register([own_world.study], tmp_path / "r")
    assert not list(own_world.root.glob("none.ledger*"))
    assert "Nothing has been charged." in (tmp_path / "r" / "register.html").read_text(encoding="utf-8")


def test_from_the_command_line(own_world: World, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["register", str(own_world.study), "--out", str(tmp_path / "r"), "--folders", str(own_world.published)])
    assert done.exit_code == 0, done.stderr
    with pytest.raises(ArtifactError):
        api.register([own_world.study], tmp_path / "r", folders=[tmp_path])
