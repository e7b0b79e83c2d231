"""A ledger that was put back together with its witness is found out by what was published."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import World

from flockwise import api
from flockwise.errors import ArtifactError, LedgerError


def put_aside(world: World) -> list[tuple[Path, Path]]:
    kept = [(path, path.with_name(f"old-{path.name}")) for path in world.root.iterdir() if ".ledger" in path.name and path.is_file()]
    for path, old in kept:
        shutil.copy(path, old)
    assert len(kept) == 2
    return kept


def test_a_ledger_and_a_witness_put_back_together_are_found_by_the_published_folder(own_world: World, tmp_path: Path) -> None:
    kept = put_aside(own_world)
    api.risk(own_world.study, tmp_path / "risk", epsilon="1/2")
    found = api.ledger_check(own_world.study, [own_world.published, tmp_path / "risk"]).facts["folders"]
    assert [row["entry"] for row in found] == sorted(row["entry"] for row in found)
    for path, old in kept:
        shutil.copy(old, path)
    # The ledger alone does not know: its chain is whole.
    assert api.ledger(own_world.study).notes == ("The chain of entries is whole.",)
    assert api.ledger_check(own_world.study, [own_world.published])
    with pytest.raises(LedgerError, match="LEDGER_FORGOT") as got:
        api.ledger_check(own_world.study, [own_world.published, tmp_path / "risk"])
    assert got.value.got == str(tmp_path / "risk")


def test_a_ledger_that_was_removed_is_found_out_and_none_is_begun(own_world: World) -> None:
    for path, old in put_aside(own_world):
        path.rename(old)
    with pytest.raises(LedgerError, match="LEDGER_FORGOT"):
        api.ledger_check(own_world.study, [own_world.published])
    assert not [path for path in own_world.root.iterdir() if path.name.endswith(".ledger") and not path.name.startswith("old-")]


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [("privacy", "charge", "0" * 64), ("privacy", "rho", "1/1000"), ("privacy", "delta", "1/5"), ("window", "days", 1), ("study", "digest", "0" * 64)],
)
def test_a_certificate_that_states_other_figures_than_the_charge(own_world: World, part: str, key: str, value: Any) -> None:
    path = own_world.published / "certificate.json"
    raw = json.loads(path.read_text())
    assert raw[part][key] != value
    raw[part][key] = value
    path.write_text(json.dumps(raw))
    with pytest.raises(LedgerError, match="LEDGER_FORGOT"):
        api.ledger_check(own_world.study, [own_world.published])


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"[" * 100_000, b'{"privacy": {"rho": "1/0", "delta": "1"}, "window": 1}', b"\xff"])
def test_a_hostile_certificate(own_world: World, tmp_path: Path, content: bytes) -> None:
    for name in ("certificate.json", "risk.json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_bytes(content)
        with pytest.raises(ArtifactError, match="ARTIFACT_CERTIFICATE"):
            api.ledger_check(own_world.study, [tmp_path / name])


def test_a_folder_of_another_data_set(own_world: World) -> None:
    path = own_world.published / "certificate.json"
    raw = json.loads(path.read_text())
    raw["dataset"] = "somebody else's"
    path.write_text(json.dumps(raw))
    with pytest.raises(ArtifactError, match="ARTIFACT_OTHER_DATASET"):
        api.ledger_check(own_world.study, [own_world.published])
