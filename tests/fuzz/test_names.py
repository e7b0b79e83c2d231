"""Names and words from somebody else on pages, on a terminal and in paths: they stay text."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_origin

import pyarrow as pa
import pytest
from click.testing import CliRunner
from pydantic import BaseModel
from tests.conftest import World
from tests.fuzz.test_published import BAD, check_page, check_sheet
from tests.unit.store import _made

from flockwise import api, config, report
from flockwise.api.outcome import Outcome
from flockwise.cli import main
from flockwise.errors import FlockwiseError
from flockwise.governance import places
from flockwise.office import register
from flockwise.office.register.page import page
from flockwise.store import forget

TERMINAL = "\x1b[2J\x9b31m\u202egnp.exe\r\nError: forged\tx\x07"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


def tainted(value: Any, text: str) -> Any:
    """A copy of a model in which every text that is not of a closed list is another one, whatever its pattern allows."""
    if isinstance(value, BaseModel):
        free = [name for name, field in type(value).model_fields.items() if get_origin(field.annotation) is not Literal]
        return value.model_copy(update={name: tainted(getattr(value, name), text) for name in free})
    if isinstance(value, tuple):
        return tuple(tainted(part, text) for part in value)
    return text if isinstance(value, str) and len(value) != 64 else value


def test_no_word_becomes_a_part_of_the_register(own_world: World) -> None:
    api.log_recipient(own_world.study, own_world.published, name="Ministry of Transport", purpose="transport-planning")
    api.log_incident(own_world.study, kind="loss", what="A disk was lost.")
    found = register.collect([config.load(own_world.study)], [own_world.published])
    assert found.studies
    assert found.releases
    assert found.incidents
    check_page(*(page(tainted(found, text)) for text in (BAD, "plain")))


def test_no_word_becomes_a_part_of_the_page_of_places(own_world: World) -> None:
    study = config.load(own_world.study)
    current = places.required(study)
    table = places.read_tags(None)
    pages = []
    for text in (BAD, "plain"):
        listing = current.listing
        sources = tuple(places.Source(text, text, s.read, s.kept, s.mended, s.refused) for s in listing.sources)
        reviews = tuple(places.Review(r.day, text, r.digest, r.none_in_region) for r in listing.reviews)
        own = places.Listing(listing.table, sources, listing.built, reviews)
        labels = places.TagTable(tuple(places.Category(c.name, text, c.buffer_m, (text,), text, (text,)) for c in table.categories))
        pages.append(report.places_page(text, study.area, places.Current(**{**vars_of(current), "listing": own}), labels))
    check_page(*pages)


def vars_of(current: places.Current) -> dict[str, Any]:
    return {name: getattr(current, name) for name in current.__dataclass_fields__}


def test_no_word_becomes_a_part_of_what_quality_says(own_world: World) -> None:
    path = own_world.published / "certificate.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["study"]["name"] = raw["dataset"] = TERMINAL
    path.write_text(json.dumps(raw), encoding="utf-8")
    for command in (["quality", str(own_world.published)], ["verify", str(own_world.published)]):
        for more in ([], ["--json"]):
            done = CliRunner().invoke(main, [*command, *more])
            assert not CONTROL.search(done.output), command
            assert "\nError: forged" not in done.output


def test_a_terminal_gets_no_control_character_from_what_is_told() -> None:
    told = Outcome(TERMINAL, {"name": TERMINAL, "rows": [{"a": TERMINAL, TERMINAL: 1}], "list": [TERMINAL], TERMINAL: {"b": TERMINAL}}, (TERMINAL,))
    assert not CONTROL.search(str(told))
    assert "\nError" not in str(told)
    error = FlockwiseError("CODE", what=TERMINAL, got=TERMINAL, expected=TERMINAL, state=TERMINAL, fix=TERMINAL)
    assert not CONTROL.search(str(error))
    assert len(str(error).splitlines()) == 6


@pytest.mark.parametrize("words", [TERMINAL, "Łódź, 東京 – “x”"])
def test_json_on_a_terminal_is_the_same_json(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "supplier_check", lambda _file: Outcome("x", {"name": words, "in_order": True}))
    done = CliRunner().invoke(main, ["supplier", "check", "x.toml", "--json"])
    assert json.loads(done.output)["name"] == words
    assert not CONTROL.search(done.output)
    assert ("Łódź" in done.output) == ("Łódź" in words)


TRICKS = [
    "../../x",
    "/etc/passwd",
    "a\x00b",
    "\x1b[2J",
    "line\nline",
    "-rf",
    "~",
    "%00",
    "con",
    "nul.csv",
    "a" * 300,
    "\u202egnp.csv",
    "=cmd()",
    "$(id)",
    "`id`",
    "a;b|c",
]


@pytest.mark.parametrize("name", TRICKS)
def test_lists_suppliers_and_places_under_tricky_names(own_world: World, tmp_path: Path, name: str) -> None:
    """Each is read or refused; none runs, leaves its folder, or writes control characters."""
    here = tmp_path / "here"
    here.mkdir()
    path = here / name
    inside = path.resolve(strict=False).parent == here.resolve() and "/" not in name if "\x00" not in name else False
    if inside and len(name) < 250:
        path.write_bytes(b"id\n5\n")
    before = sorted(p.name for p in tmp_path.iterdir())
    works: list[Callable[[], object]] = [
        lambda: api.supplier_check(path),
        lambda: api.places_build(own_world.study, [path], here / "out.parquet"),
        lambda: api.forget(own_world.study, str(path)),
        lambda: api.register([own_world.study], here / "register", folders=[path]),
        lambda: api.log_recipient(own_world.study, path, name="Ministry", purpose="transport-planning"),
        lambda: api.log_recipient(own_world.study, own_world.published, name=name, purpose=name),
        lambda: api.log_incident(own_world.study, kind=name, what=name),
        lambda: api.caps_sign(path, path),
        lambda: api.quality(path, [path]),
    ]
    for work in works:
        try:
            said = str(work())
        except FlockwiseError as error:
            said = str(error)
        assert not CONTROL.search(said)
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert sorted(p.name for p in here.iterdir()) == sorted(p.name for p in here.iterdir() if p.name in (name, "register", "out.parquet"))


@pytest.mark.parametrize("lead", ["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "|calc"])
def test_no_name_becomes_a_formula_in_a_sheet_that_we_write(own_world: World, tmp_path: Path, lead: str) -> None:
    """What is exported as CSV holds numbers and our own words alone: no text of a study, a folder or a census reaches it."""
    text = own_world.study.read_text(encoding="utf-8")
    changed = re.sub(r'^name = ".*"$', lambda _: f"name = {json.dumps(lead)}", text, count=1, flags=re.MULTILINE)
    own_world.study.write_text(changed, encoding="utf-8")
    with pytest.raises(FlockwiseError, match=r"STUDY_INVALID|STUDY_CONTROL"):
        api.risk(own_world.study, tmp_path / "risk", epsilon="1/2")
    own_world.study.write_text(re.sub(r'^dataset = ".*"$', lambda _: f"dataset = {json.dumps(lead)}", text, count=1, flags=re.MULTILINE), encoding="utf-8")
    try:
        api.risk(own_world.study, tmp_path / "risk", epsilon="1/2")
    except FlockwiseError:
        return
    check_sheet(tmp_path / "risk" / "risk.csv")


def test_a_link_in_place_of_a_list_is_read_and_a_pipe_or_folder_is_refused(tmp_path: Path) -> None:
    made = _made.store(tmp_path / "s")
    (tmp_path / "list.csv").write_text("id\n7\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "list.csv")
    assert forget(made._study, str(tmp_path / "link.csv"))["entries_of_the_list"] == 1
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    for name in ("pipe.csv", "folder.csv", "loop.csv", "none.csv"):
        with pytest.raises(FlockwiseError):
            forget(made._study, str(tmp_path / name))


@pytest.mark.parametrize("name", ["=cmd()", "<b>", "\x1b[2J", "../x", "a,b", 'a"b', ""])
def test_columns_of_a_list_under_tricky_names(name: str, tmp_path: Path) -> None:
    made = _made.store(tmp_path / "s")
    source = _made.write(pa.table({name: [7], "received": ["2026-05-01"]}), tmp_path / "list.parquet")
    assert forget(made._study, source, column=name)["entries_of_the_list"] == 1
    with pytest.raises(FlockwiseError) as caught:
        forget(made._study, source, column=name + "x")
    assert not CONTROL.search(str(caught.value))
