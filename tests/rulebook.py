"""The rules and the tests that show them: the page docs/reference/rules.md, and the check at the end of a whole run.

`make rules` writes the page. It names tests, not results: a page can't know whether they pass. The result of a rule is that of the run: when the whole suite
ran, `Watch` demands that for every rule under which the page lists a test at least one test marked with it ran and passed, and fails the run otherwise. A test
that was skipped shows nothing. A rule without a test is called not shown, on the page.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "rules.md"
Shown = dict[int, dict[str, list[str]]]


@dataclass(frozen=True)
class Rule:
    """A row of docs/reference/rules.toml."""

    number: int
    must: str
    shown: str
    source: str


def rules() -> list[Rule]:
    """All rules, in order."""
    return [Rule(**row) for row in tomllib.loads((ROOT / "docs" / "reference" / "rules.toml").read_text(encoding="utf-8"))["rule"]]


def marked() -> Shown:
    """Names of the tests that carry each rule's mark, by rule and file. Read from the source: nothing is imported."""
    found: Shown = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        everywhere = [n for node in tree.body if isinstance(node, ast.Assign) and _names(node) == ["pytestmark"] for n in _numbers(node.value)]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for number in sorted({*everywhere, *(n for d in node.decorator_list for n in _numbers(d))}):
                    found.setdefault(number, {}).setdefault(path.relative_to(ROOT).as_posix(), []).append(node.name)
    return found


def page() -> str:
    """The page, in Markdown."""
    shown = marked()
    lines = [
        "# The rules, and the tests that show them",
        "",
        "What law, orders and official statistics ask of a system that holds the pings of phones. Written by `make rules` from [rules.toml](rules.toml)",
        "and the marks of the tests (`@pytest.mark.rule(number)`).",
        "",
        "**Result.** This page does not state results: it could be out of date. When the whole suite has run (`make test`), the run fails unless every rule",
        "with a test below had one that ran and passed; a skipped test shows nothing ([tests/rulebook.py](../../tests/rulebook.py)). A green run of a",
        "commit is green for each of them.",
    ]
    for rule in rules():
        lines += ["", f"## {rule.number}. The system must {rule.must}", "", f"Source: {rule.source}. How it is shown: {rule.shown}.", ""]
        if rule.number not in shown:
            lines.append("**Not shown by a test yet.**")
        lines += [f"- `{file}`: {', '.join(f'`{n}`' for n in names)}" for file, names in shown.get(rule.number, {}).items()]
    return "\n".join(lines) + "\n"


def listed(text: str) -> Shown:
    """What a page lists: tests by rule and file."""
    found: Shown = {}
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        number = int(part.split(".", 1)[0])
        for file, names in re.findall(r"^- `([^`]+)`: (.+)$", part, flags=re.MULTILINE):
            found.setdefault(number, {})[file] = re.findall(r"`([^`]+)`", names)
    return found


class Watch:
    """Counts the marked tests that passed, and fails a whole run in which a rule had none."""

    def __init__(self, config: pytest.Config) -> None:
        option = config.option
        picked = option.keyword or option.markexpr or getattr(option, "lf", False) or getattr(option, "deselect", None) or option.collectonly
        self.whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not picked and not hasattr(config, "workerinput")
        self.passed: Counter[int] = Counter()
        self.missing: list[int] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Each test carries its rules to the process that counts."""
        for item in items:
            item.user_properties += [("rule", mark.args[0]) for mark in item.iter_markers("rule")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts what passed."""
        if report.when == "call" and report.passed:
            self.passed.update(int(str(value)) for name, value in report.user_properties if name == "rule")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fails the run if a rule was not shown."""
        if self.whole and exitstatus == 0:
            self.missing = [number for number in sorted(listed(PAGE.read_text(encoding="utf-8"))) if not self.passed[number]]
            if self.missing:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Says which."""
        for number in self.missing:
            terminalreporter.write_line(f"FAILED rule {number} of docs/reference/rules.md: no marked test ran and passed", red=True)


def _names(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]


def _numbers(node: ast.AST) -> list[int]:
    """Arguments of every `pytest.mark.rule(n)` below a node."""
    return [
        call.args[0].value
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.rule" and isinstance(call.args[0], ast.Constant)
        if isinstance(call.args[0].value, int)
    ]


if __name__ == "__main__":
    sys.stdout.write(page())
