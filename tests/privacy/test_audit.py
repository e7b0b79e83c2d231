"""The short audit as a user runs it: all checks pass, nothing is left behind, and a failed check is told by the exit code."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from flockwise import api, audit
from flockwise.audit import Check, Finding
from flockwise.cli import main


@pytest.mark.rule(20)
@pytest.mark.rule(21)
def test_the_short_audit_passes_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """False alarms: under 1e-4 (docs/claims/audit.md)."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    told: list[int] = []
    found = api.audit(progress=lambda _stage, done, _of: told.append(done))
    rows = found.as_dict()["checks"]
    assert [row for row in rows if row["result"] != "passed"] == []
    assert found.facts["passed"] is True
    assert len(rows) == len(audit.CHECKS) == len({row["check"] for row in rows})
    assert told == list(range(1, len(rows) + 1))
    assert list(tmp_path.iterdir()) == []


def checks(passed: bool) -> tuple[Check, ...]:
    return (Check("one", "a claim", lambda _: Finding(passed, 0.5, 0.2, "most", "what was found")),)


@pytest.mark.parametrize("passed", [True, False])
def test_the_exit_code_tells_whether_all_passed(passed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "CHECKS", checks(passed))
    done = CliRunner().invoke(main, ["audit", "--json"])
    assert done.exit_code == (0 if passed else 3)
    told = json.loads(done.stdout)
    assert told["passed"] is passed
    assert told["checks"][0]["result"] == ("passed" if passed else "FAILED")
    plain = CliRunner().invoke(main, ["audit"])
    assert ("FAILED" in plain.stdout) is not passed
    assert "what was found" in plain.stdout


def test_no_option_names_a_study_or_pings() -> None:
    assert {p.name for p in main.commands["audit"].params} == {"full", "seed", "as_json"}
