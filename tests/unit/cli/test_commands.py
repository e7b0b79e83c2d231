from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.conftest import World

from flockwise import api
from flockwise.cli import main


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_help_names_every_command() -> None:
    text = run("--help").output
    for name in ("demo", "simulate", "init", "check", "ingest", "release", "report", "verify", "ledger"):
        assert name in text


@pytest.mark.parametrize("as_json", [False, True])
def test_results_are_on_stdout_and_are_json_when_asked(small_world: World, as_json: bool) -> None:
    flag = ["--json"] if as_json else []
    for arguments in (["check", str(small_world.study)], ["verify", str(small_world.published)], ["ledger", "show", str(small_world.study)]):
        done = run(*arguments, *flag)
        assert done.exit_code == 0, done.stderr
        assert done.stderr == ""
        if as_json:
            assert json.loads(done.stdout)["title"]
        else:
            assert done.stdout.strip()


def test_every_command_takes_json() -> None:
    for name, command in main.commands.items():
        leaves = list(command.commands.values()) if hasattr(command, "commands") else [command]
        for leaf in leaves:
            assert any("--json" in p.opts for p in leaf.params), name


def test_exit_codes(own_world: World, tmp_path: Path) -> None:
    assert run("check", str(tmp_path / "none.toml")).exit_code == 2
    assert run("check").exit_code == 2
    assert run("verify", str(tmp_path)).exit_code == 4
    key = own_world.root / "small-world.key"
    key.chmod(0o644)
    refused = run("check", str(own_world.study))
    assert refused.exit_code == 3
    assert "STORE_KEY_MODE" in refused.stderr
    assert "Traceback" not in refused.output


def test_errors_go_to_stderr_as_text_or_json(tmp_path: Path) -> None:
    plain = run("check", str(tmp_path / "none.toml"))
    assert plain.stdout == ""
    assert "STUDY_NOT_FOUND" in plain.stderr
    asked = run("check", str(tmp_path / "none.toml"), "--json")
    assert asked.stdout == ""
    assert json.loads(asked.stderr)["error"]["code"] == "STUDY_NOT_FOUND"


def test_a_bug_of_ours_is_exit_5_without_a_traceback_or_its_message(small_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a secret 40.712345")

    monkeypatch.setattr(api, "verify", broken)
    done = run("verify", str(small_world.published))
    assert done.exit_code == 5
    assert "INTERNAL" in done.stderr
    assert "40.712345" not in done.output
    assert "Traceback" not in done.output


def test_nothing_but_the_result_is_printed_in_a_pipe(own_world: World, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flockwise", "release", str(own_world.study), "--out", str(tmp_path / "o"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout)["charged"] is False


def test_long_work_shows_its_progress_on_a_terminal(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "flockwise", "simulate", str(tmp_path / "w"), "--devices", "50", "--days", "1", "--json"]
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=follower)
    out, _ = done.communicate(timeout=300)
    os.close(follower)
    shown = os.read(leader, 1 << 16).decode()
    os.close(leader)
    assert done.returncode == 0
    assert json.loads(out)["devices"] == 50
    assert "simulate" in shown
    assert "100%" in shown


def test_importing_the_package_is_cheap() -> None:
    probe = "import sys, flockwise; print(sorted(m for m in sys.modules if m.split('.')[0] in ('numpy', 'pyarrow', 'numba', 'opendp', 'pydantic')))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_does_not_load_the_heavy_parts() -> None:
    probe = (
        "import sys\nfrom click.testing import CliRunner\nfrom flockwise.cli import main\nassert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "print(sorted(m for m in ('numba', 'numpy', 'opendp', 'pyarrow', 'pydantic', 'flockwise.api') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_init_does_not_overwrite(small_world: World) -> None:
    before = small_world.study.read_bytes()
    done = run(
        "init", "--out", str(small_world.study), "--region", str(small_world.root / "world" / "region.geojson"),
        "--start", "2026-05-04", "--days", "2", "--timezone", "UTC",
    )  # fmt: skip
    assert done.exit_code == 2
    assert "INIT_EXISTS" in done.stderr
    assert small_world.study.read_bytes() == before
