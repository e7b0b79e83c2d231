from __future__ import annotations

import stat
from pathlib import Path

import pytest

from flockwise.errors import ConfigError, FlockwiseError, RuleError, StoreError
from flockwise.store import keys


def code(kind: type[FlockwiseError], path: Path) -> str:
    with pytest.raises(kind) as caught:
        keys.load(path)
    return caught.value.code


def test_a_new_key_is_random_and_private(tmp_path: Path) -> None:
    for name in ("a", "b"):
        keys.create(tmp_path / name)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    assert len(keys.load(tmp_path / "a")) == 32
    assert keys.load(tmp_path / "a") != keys.load(tmp_path / "b")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    keys.create(tmp_path / "key")
    before = (tmp_path / "key").read_bytes()
    with pytest.raises(ConfigError) as caught:
        keys.create(tmp_path / "key")
    assert caught.value.code == "STORE_KEY_EXISTS"
    assert (tmp_path / "key").read_bytes() == before


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        keys.create(tmp_path / "none" / "key")
    assert caught.value.code == "STORE_KEY_FOLDER"


def test_a_missing_key(tmp_path: Path) -> None:
    assert code(ConfigError, tmp_path / "key") == "STORE_KEY_MISSING"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o644])
def test_a_key_that_others_have_rights_on(tmp_path: Path, mode: int) -> None:
    keys.create(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    assert code(RuleError, tmp_path / "key") == "STORE_KEY_MODE"


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32, "\u00e9" * 32])
def test_a_file_that_is_no_key(tmp_path: Path, text: str) -> None:
    keys.create(tmp_path / "key")
    (tmp_path / "key").write_text(text)
    assert code(StoreError, tmp_path / "key") == "STORE_KEY_BAD"
