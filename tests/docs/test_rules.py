"""The page of the rules names real tests, and a whole run without one for a rule is red."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests import rulebook

_SUITE = """
import pytest

@pytest.mark.parametrize("n", [1])
@pytest.mark.rule(1)
@pytest.mark.rule(2)
def test_two(n):
    pass

@pytest.mark.rule(3)
def test_skipped():
    pytest.skip("shows nothing")

class TestMore:
    pytestmark = pytest.mark.rule(4)
    def test_four(self):
        pass
"""
_CONFTEST = """
from tests import rulebook
rulebook.listed = lambda _: {{n: {{}} for n in {numbers}}}
def pytest_configure(config):
    config.pluginmanager.register(rulebook.Watch(config))
"""


def test_there_are_thirty_two_rules_and_marks_are_of_them() -> None:
    assert [rule.number for rule in rulebook.rules()] == list(range(1, 33))
    assert set(rulebook.marked()) <= set(range(1, 33))


def test_every_test_that_the_page_lists_is_there_with_its_mark() -> None:
    marked, listed = rulebook.marked(), rulebook.listed(rulebook.PAGE.read_text(encoding="utf-8"))
    gone = [
        (number, file, name)
        for number, files in listed.items()
        for file, names in files.items()
        for name in names
        if name not in marked.get(number, {}).get(file, [])
    ]
    assert not gone, "write docs/reference/rules.md anew: make rules"
    text = rulebook.PAGE.read_text(encoding="utf-8")
    assert all(f"## {r.number}. The system must {r.must}\n" in text and f"Source: {r.source}. How it is shown: {r.shown}." in text for r in rulebook.rules())


def run(folder: Path, numbers: list[int], *more: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(_CONFTEST.format(numbers=numbers))
    (folder / "test_it.py").write_text(_SUITE)
    (folder / "pytest.ini").write_text(f"[pytest]\nmarkers = rule(n): a rule\ntestpaths = .\npythonpath = {rulebook.ROOT}\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *more], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "workers"])
def test_a_whole_run_fails_for_a_rule_without_a_test_that_passed(tmp_path: Path, workers: list[str]) -> None:
    assert run(tmp_path, [1, 2, 4], *workers).returncode == 0
    for numbers, missing in (([1, 2, 3], 3), ([1, 5], 5)):
        done = run(tmp_path, numbers, *workers)
        assert done.returncode == 1, done.stdout
        assert f"FAILED rule {missing} " in done.stdout


def test_a_part_of_the_suite_may_leave_rules_out(tmp_path: Path) -> None:
    assert run(tmp_path, [1, 5], "test_it.py").returncode == 0
    assert run(tmp_path, [1, 5], "-k", "two").returncode == 0
