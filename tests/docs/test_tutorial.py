from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import World

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    return [(m.group(1), m.group(2)) for m in BLOCK.finditer(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "tutorial").glob("*.md")), ids=lambda p: p.stem)
def test_every_example_of_the_tutorial_runs_in_order(page: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    ran = 0
    for language, text in blocks(page):
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        ran += 1
    assert ran >= 5


def test_the_examples_of_the_readme_run(small_world: World, tmp_path: Path) -> None:
    (tmp_path / "pings").mkdir()
    shutil.copy(small_world.pings / "part-000.parquet", tmp_path / "pings" / "day-1.parquet")
    for name in ("region.geojson", "supplier.toml", "places.parquet"):
        shutil.copy(small_world.root / "world" / name, tmp_path / name)
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    examples = [(kind, text) for kind, text in blocks(ROOT / "README.md") if "make demo" not in text]
    assert [kind for kind, _ in examples] == ["sh", "python"]
    for kind, text in examples:
        command = ["bash", "-euo", "pipefail", "-c", text] if kind == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


def test_the_readme_shows_the_two_commands_and_every_command_of_the_program() -> None:
    from flockwise.cli import main

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text
    for name in main.commands:
        assert f"flockwise {name}" in text, f"README.md does not show flockwise {name}"


def test_the_changelog_has_a_privacy_heading_for_every_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert versions
    assert all("### Privacy" in v for v in versions)


def test_the_reference_of_the_study_file_is_the_models() -> None:
    from flockwise.config.reference import reference

    text = (ROOT / "docs" / "reference" / "study.md").read_text(encoding="utf-8")
    assert text == reference(), "run: python -m flockwise.config.reference > docs/reference/study.md"


def test_the_reference_of_the_suppliers_record_is_the_models() -> None:
    from flockwise.config.reference import supplier_reference

    text = (ROOT / "docs" / "reference" / "supplier.md").read_text(encoding="utf-8")
    assert text == supplier_reference(), "run: python -m flockwise.config.reference supplier > docs/reference/supplier.md"


def test_links_between_documents_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"
