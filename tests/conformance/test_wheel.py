"""What users install: the built wheel, in a clean environment, from the hashed requirements."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"


def run(*command: str | Path, cwd: Path) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_what_it_needs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ("flockwise/py.typed", "flockwise/cli/__init__.py", "flockwise/viewer/static/viewer.js", "flockwise/simulate/data/SOURCE.md"):
        assert needed in names, needed
    assert any(n.endswith("licenses/LICENSE") for n in names)
    assert all(n.startswith(("flockwise/", "flockwise-")) for n in names)


def test_a_small_release_from_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env", cwd=tmp_path)
    python = tmp_path / "env" / "bin" / "python"
    run(UV, "pip", "install", "--python", python, "--require-hashes", "-r", ROOT / "requirements" / "run.txt", cwd=tmp_path)
    run(UV, "pip", "install", "--python", python, "--no-deps", wheel, cwd=tmp_path)
    flockwise = tmp_path / "env" / "bin" / "flockwise"
    assert "Exit codes" in run(flockwise, "--help", cwd=tmp_path)
    done = json.loads(run(flockwise, "demo", "--out", "out", "--devices", "500", "--days", "1", "--json", cwd=tmp_path))
    assert (tmp_path / done["report"]).stat().st_size > 100_000
    assert "is whole" in run(flockwise, "verify", "out/release", cwd=tmp_path)


def test_the_requirements_have_hashes_and_no_index_address() -> None:
    for file in (ROOT / "requirements").glob("*.txt"):
        text = re.sub(r"^#.*\n", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
        pins = re.findall(r"^[A-Za-z0-9][\w.\-\[\]]*==", text, flags=re.MULTILINE)
        blocks = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
        assert len(pins) == len(blocks)
        assert all("--hash=sha256:" in b for b in blocks), file.name
        assert "://" not in text
        assert "index" not in text.split("--hash")[0]
