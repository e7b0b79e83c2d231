"""A headless Chromium from npm's @sparticuz/chromium, unpacked into build/chromium: no browser of the machine, no download by playwright."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / "build" / "chromium"

# SwiftShader draws WebGL on the processor; without a sandbox because tests often run as root in a container.
ARGUMENTS = [
    "--no-sandbox",
    "--no-zygote",
    "--disable-dev-shm-usage",
    "--ignore-gpu-blocklist",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--font-render-hinting=none",
    "--hide-scrollbars",
]

# The package's own file names folders of a cloud function; with no font found Chromium dies at the first <select>.
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{folder}/fonts</dir>
  <cachedir>{folder}/fonts-cache</cachedir>
  <match target="pattern"><edit name="family" mode="append_last"><string>Open Sans</string></edit></match>
</fontconfig>
"""


def builder() -> ModuleType:
    """viewer/build.py as a module."""
    name = "flockwise_viewer_build"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "viewer" / "build.py")
        if spec is None or spec.loader is None:
            raise RuntimeError("viewer/build.py is missing")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def _unpack(folder: Path, environment: dict[str, str]) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    source = HERE / "node_modules" / "@sparticuz" / "chromium" / "bin"
    subprocess.run(["node", str(HERE / "unpack.mjs"), str(source), str(part)], env=environment, check=True)
    for archive in sorted(part.glob("*.tar")):
        with tarfile.open(archive) as tar:
            tar.extractall(part, filter="data")
        archive.unlink()
    (part / "chromium").chmod(0o755)
    (part / "fonts.conf").write_text(FONTS.format(folder=folder))
    part.rename(folder)


def executable() -> Path:
    """The path of Chromium, installed and unpacked if that was not done for this package-lock.json."""
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = CACHE / digest
    build = builder()
    environment = build.node_environment()
    if not (folder / "chromium").exists():
        build.install(HERE, environment)
    with build.locked(CACHE):
        if not (folder / "chromium").exists():
            _unpack(folder, environment)
    return folder / "chromium"


def environment(path: Path) -> dict[str, str]:
    """Where Chromium finds its fonts and the libraries that a bare machine lacks (nss, expat)."""
    folder = path.parent
    libraries = sorted({str(p.parent) for p in folder.glob("**/libnss3.so*")})
    known = os.environ.get("LD_LIBRARY_PATH", "")
    return {
        **os.environ,
        "FONTCONFIG_PATH": str(folder),
        "FONTCONFIG_FILE": str(folder / "fonts.conf"),
        "HOME": str(folder),
        "LD_LIBRARY_PATH": os.pathsep.join([*([known] if known else []), *libraries, str(folder)]),
    }
