"""The commands of the guides to planning and weighting: those of the first run as they are written, that of the second is one that the program takes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import World
from tests.docs.test_tutorial import ROOT, blocks

from flockwise.cli import main

GUIDES = ROOT / "docs" / "how-to"


def commands(page: str) -> list[str]:
    found = [text for language, text in blocks(GUIDES / page) if language == "sh"]
    assert found
    return found


def test_every_command_of_the_guide_to_planning_runs(own_world: World) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for text in commands("plan-a-release.md"):
        command = ["bash", "-euo", "pipefail", "-c", text]
        done = subprocess.run(command, cwd=own_world.root, env=environment, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    assert (own_world.root / "plan.html").exists()


def test_the_command_of_the_guide_to_weights_is_one_that_the_program_takes(own_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights themselves are made in tests/conformance/test_weights_to_the_census.py, of a panel that is large enough."""
    monkeypatch.chdir(own_world.root)
    Path("census.csv").write_text("cell,people\n")
    for text in commands("weight-to-the-census.md"):
        program, name, *options = shlex.split(text)
        assert program == "flockwise"
        with main.commands[name].make_context(name, options) as context:
            assert context.params["greatest"] == 1000
