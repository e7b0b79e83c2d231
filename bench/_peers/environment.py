"""A peer's own environment, made on demand from its hashed requirements."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["NotInstallableError", "python_of"]

ROOT = Path(__file__).resolve().parents[2]
PYTHON = (3, 11)


class NotInstallableError(Exception):
    """The environment can't be made here; the text says why."""


def python_of(name: str) -> str:
    """The interpreter of a peer's environment in .venv-bench/NAME, which is made if it is not there or its requirements changed.

    Args:
        name: "trackintel" or "skmob": the rest of requirements/bench-NAME.txt.

    Raises:
        NotInstallableError: there is no Python 3.11, or the packages could not be had.
    """
    wanted = ROOT / "requirements" / f"bench-{name}.txt"
    folder = ROOT / ".venv-bench" / name
    python, stamp = folder / "bin" / "python", folder / ".installed"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == digest:
        return str(python)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(exist_ok=True)
    # The lists are complete, and one leaves out a requirement on purpose: nothing beyond them is to be fetched.
    exact = ["--no-deps", "--require-hashes", "-r", str(wanted)]
    base, uv = _base(), _uv()
    if uv is not None:
        _do([uv, "venv", "--quiet", "--python", base, str(folder)])
        _do([uv, "pip", "install", "--quiet", "--python", str(python), *exact])
    else:
        _do([base, "-m", "venv", str(folder)])
        _do([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *exact])
    stamp.write_text(digest)
    return str(python)


def _base() -> str:
    if sys.version_info[:2] == PYTHON:
        return sys.executable
    found = shutil.which("python3.11")
    if found is None:
        raise NotInstallableError("needs Python 3.11, which is not on this machine")
    return found


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _do(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"}, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise NotInstallableError(f"{Path(command[0]).name} {command[1]}: {last[0] if last else done.returncode}")
