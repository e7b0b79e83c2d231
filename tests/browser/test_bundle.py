"""The committed bundle is what viewer/ builds, byte for byte, and names no host and no machine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.browser import chromium

STATIC = chromium.ROOT / "src" / "flockwise" / "viewer" / "static"
LOCKS = (chromium.ROOT / "viewer" / "package-lock.json", chromium.HERE / "package-lock.json")


def test_committed_bundle_is_what_the_source_builds(tmp_path: Path) -> None:
    chromium.builder().build(tmp_path / "static")
    fresh = {p.name: p.read_bytes() for p in (tmp_path / "static").iterdir()}
    committed = {p.name: p.read_bytes() for p in STATIC.iterdir()}
    assert sorted(fresh) == sorted(committed)
    assert [name for name in fresh if fresh[name] != committed[name]] == [], "run python viewer/build.py"


def test_bundle_names_no_folder_of_the_machine_that_built_it() -> None:
    for name in ("viewer.js", "viewer.css"):
        text = (STATIC / name).read_text(encoding="utf-8")
        for trace in (str(chromium.ROOT), "node_modules/", "/home/", "sourceMappingURL"):
            assert trace not in text, (name, trace)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.parent.name)
def test_lock_has_digests_and_no_hosts(lock: Path) -> None:
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    installed = {name: entry for name, entry in packages.items() if name}
    assert installed
    assert all(entry.get("integrity", "").startswith("sha512-") for entry in installed.values())
    assert not any("resolved" in entry for entry in installed.values())


def test_licences_name_every_runtime_dependency() -> None:
    text = (STATIC / "THIRD_PARTY_LICENSES.txt").read_text(encoding="utf-8")
    wanted = json.loads((chromium.ROOT / "viewer" / "package.json").read_text(encoding="utf-8"))["dependencies"]
    for name, version in wanted.items():
        assert f"{name} {version}" in text
