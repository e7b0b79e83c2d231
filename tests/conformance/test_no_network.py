"""The main job asks for no network: with every socket to elsewhere refused, and where the kernel allows it in a network of its own without a way out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import flockwise

_REFUSE = '''
import socket
import sys

ALLOWED = {socket.AF_UNIX}


def audit(event, arguments):
    """An audit hook can't be taken off again: not by our code, not by a library."""
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and arguments[0].family not in ALLOWED or event in (
        "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request"
    ):
        raise RuntimeError("NETWORK " + event)


sys.addaudithook(audit)
'''

_JOB = """
import sys
from pathlib import Path
from flockwise.cli import main

def run(*words):
    try:
        main([str(w) for w in words], standalone_mode=False)
    except SystemExit as end:
        assert not end.code, (words, end.code)

out = Path(sys.argv[1])
run("demo", "--out", out, "--devices", 200, "--days", 1)
study = out / "study.toml"
run("check", study)
run("plan", study, "--out", out / "plan.html", "--only-this")
run("risk", study, "--epsilon", "1", "--out", out / "risk")
run("verify", out / "release")
run("ledger", "check", study, out / "release", out / "risk")
run("report", out / "release", "--out", out / "again.html")
print("whole")
"""


def run(folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    (folder / "guard").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(_REFUSE)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "guard"), str(Path(flockwise.__file__).parents[1])])}
    return subprocess.run([*before, sys.executable, "-c", _JOB, str(folder / "out")], capture_output=True, text=True, timeout=500, check=False, env=env)


def test_the_main_job_asks_for_no_network(tmp_path: Path) -> None:
    # A network namespace of its own has no interface but a dead loopback, for native code too, which no hook of Python's sees.
    apart = (
        ["unshare", "-rn"] if shutil.which("unshare") and subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode == 0 else []
    )
    done = run(tmp_path, *apart)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("whole\n")


@pytest.mark.parametrize(
    "try_it", ["import socket; socket.create_connection(('192.0.2.1', 9), 1)", "import urllib.request as u; u.urlopen('http://example.invalid/')"]
)
def test_the_guard_would_see_it(tmp_path: Path, try_it: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(_REFUSE)
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", try_it], capture_output=True, text=True, check=False, timeout=60, env=env)
    assert "NETWORK" in done.stderr
