"""The examples of docs/how-to/impact-assessment.md run."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest
from tests.unit.record.test_from_plan import SQUARE

from flockwise import config

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "impact-assessment.md"


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found
    return found.group(1)


def test_the_section_and_the_program_of_the_page_give_a_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("region.geojson").write_text(json.dumps(SQUARE))
    plain = config.template(name="Example", region="region.geojson", start=date(2026, 5, 4), days=7, timezone="America/New_York", columns=None)
    Path("study.toml").write_text(plain + "\n" + block("toml"))
    exec(block("python"), {})
    draft = Path("impact-assessment.md").read_text(encoding="utf-8")
    assert "Bureau of Examples" in draft
    assert "not stated by the publisher" not in draft
