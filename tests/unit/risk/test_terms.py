"""The certificate of an assessment says whose pings and for what, and a folder that was changed is found."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from tests.conftest import World
from tests.fuzz.running import ends_well

from flockwise import api
from flockwise.cli import main
from flockwise.errors import ArtifactError
from flockwise.risk import terms_schema


@pytest.fixture(scope="module")
def assessed(small_world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a copy of the small world: an assessment is charged."""
    root = tmp_path_factory.mktemp("assessed")
    shutil.copytree(small_world.root, root / "own", symlinks=True)
    api.risk(root / "own" / "study.toml", root / "risk", epsilon="1/2")
    return root / "risk"


@pytest.fixture
def folder(assessed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(assessed, tmp_path / "risk"))


@pytest.mark.rule(2)
@pytest.mark.rule(4)
def test_purpose_supplier_and_assessment_stand_in_certificate_and_page(folder: Path) -> None:
    raw = json.loads((folder / "risk.json").read_text(encoding="utf-8"))
    jsonschema.validate(raw, terms_schema())
    assert raw["purpose"] == "transport-planning"
    assert raw["supplier"] == {"name": "Practice Pings (made up)", "assessed": raw["supplier"]["assessed"], "retention_days": 365}
    shown = (folder / "risk.html").read_text(encoding="utf-8")
    for words in ("transport planning", raw["supplier"]["name"], f"assessed on {raw['supplier']['assessed']}"):
        assert words in shown
    done = CliRunner().invoke(main, ["verify", str(folder), "--json"])
    assert json.loads(done.stdout)["checked"] == ["certificate", "checksums", "table", "page"]


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def work(folder: Path) -> None:
        raw = json.loads((folder / "risk.json").read_text(encoding="utf-8"))
        change(raw)
        (folder / "risk.json").write_text(json.dumps(raw), encoding="utf-8")

    return work


def with_other_columns(folder: Path) -> None:
    content = (folder / "risk.csv").read_bytes().replace(b"value", b"worth", 1)
    (folder / "risk.csv").write_bytes(content)
    edit(lambda raw: raw["files"].update({"risk.csv": hashlib.sha256(content).hexdigest()}))(folder)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte of the table": lambda f: (f / "risk.csv").write_bytes((f / "risk.csv").read_bytes()[:-1] + b"x"),
    "a byte of the page": lambda f: (f / "risk.html").write_bytes((f / "risk.html").read_bytes() + b" "),
    "no page": lambda f: (f / "risk.html").unlink(),
    "another file": lambda f: (f / "more").write_bytes(b""),
    "a link": lambda f: [(f / "risk.csv").rename(f.parent / "x"), (f / "risk.csv").symlink_to(f.parent / "x")],
    "no json": lambda f: (f / "risk.json").write_bytes(b"[" * 100_000),
    "no purpose": edit(lambda raw: raw.pop("purpose")),
    "no supplier": edit(lambda raw: raw.pop("supplier")),
    "more": edit(lambda raw: raw.update(devices=["a"])),
    "another unit": edit(lambda raw: raw.update(unit="trip")),
    "nothing charged": edit(lambda raw: raw["privacy"].update(rho="0")),
    "no fraction": edit(lambda raw: raw["privacy"].update(rho="1/0")),
    "columns": with_other_columns,
    "files named elsewhere": edit(lambda raw: raw["files"].update({"../x": "0" * 64})),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_is_found(name: str, folder: Path) -> None:
    CHANGES[name](folder)
    with pytest.raises(ArtifactError) as caught:
        api.verify(folder)
    assert caught.value.code == "RISK_CHANGED"


@pytest.mark.parametrize("text", ["1e999999999", "9" * 5000, "1e-999999999", "nan", "-1", "0x1"])
def test_a_number_that_is_a_bomb_ends_well(text: str, folder: Path, assessed: Path) -> None:
    edit(lambda raw: raw["privacy"].update(rho=text))(folder)
    for work in (lambda: api.verify(folder), lambda: api.ledger_check(assessed.parent / "own" / "study.toml", [folder])):
        assert ends_well(work) is not None
