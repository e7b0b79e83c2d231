"""What is installed is pinned and hashed, and the check of the bill of materials sees what is wrong. Asks no network; `make supply` makes the bill."""

from __future__ import annotations

import copy
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_sbom", ROOT / "requirements" / "check_sbom.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_there() -> None:
    assert {f.stem for f in FILES} >= {"dev", "run", "supply", "tools"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_requirement_is_pinned_and_hashed_and_no_index_is_named(path: Path, check: ModuleType) -> None:
    text = path.read_text(encoding="utf-8")
    found = check.pins(text)
    assert found
    assert all(hashes for _, hashes in found.values())
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links|--trusted-host|git\+|@ ", text)


def test_an_audit_that_could_not_ask_about_a_package_fails() -> None:
    """Without --strict pip-audit says "no known vulnerabilities" when the index knows of none because it holds no such data."""
    lines = [line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if "/bin/pip-audit " in line]
    assert len(lines) == 1
    assert "--strict" in lines[0].split()
    assert {f"requirements/{name}.txt" for name in ("run", "dev", "tools", "supply")} <= set(lines[0].split())


def test_developers_and_users_run_the_same_versions(check: ModuleType) -> None:
    run, dev = (check.pins((ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")) for name in ("run", "dev"))
    both = set(run) & set(dev)
    assert both
    assert {n: run[n][0] for n in both} == {n: dev[n][0] for n in both}


def sound(check: ModuleType) -> dict[str, Any]:
    """A bill as cyclonedx-py writes it, of what users install."""
    wanted = check.pins((ROOT / "requirements" / "run.txt").read_text(encoding="utf-8"))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": [
            {
                "type": "library", "name": name, "version": version, "purl": f"pkg:pypi/{name}@{version}",
                "externalReferences": [{"type": "distribution", "hashes": [{"alg": "SHA-256", "content": h} for h in sorted(hashes)]}],
            }
            for name, (version, hashes) in wanted.items()
        ],
    }  # fmt: skip


def test_a_whole_bill_has_no_fault(check: ModuleType) -> None:
    wanted = check.pins((ROOT / "requirements" / "run.txt").read_text(encoding="utf-8"))
    assert check.faults(sound(check), wanted) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b.update(bomFormat="SPDX"),
        lambda b: b.update(specVersion="1.1"),
        lambda b: b["components"].pop(),
        lambda b: b["components"].append(copy.deepcopy(b["components"][0])),
        lambda b: b["components"].append({"type": "library", "name": "left-pad", "version": "1"}),
        lambda b: b["components"][0].update(version="0"),
        lambda b: b["components"][0].update(purl="pkg:pypi/other@1"),
        lambda b: b["components"][0]["externalReferences"][0]["hashes"].pop(),
        lambda b: b["components"][0].pop("externalReferences"),
        lambda b: b["components"][0]["externalReferences"][0]["hashes"][0].update(content="0" * 64),
    ],
)
def test_each_fault_is_seen(change: Callable[[dict[str, Any]], object], check: ModuleType) -> None:
    wanted = check.pins((ROOT / "requirements" / "run.txt").read_text(encoding="utf-8"))
    bill = sound(check)
    change(bill)
    assert check.faults(bill, wanted)
