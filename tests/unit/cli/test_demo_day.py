"""The demo is of a week that is not past its retention, whenever it is run, and a folder of it stays of one week."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flockwise.api import demonstration
from flockwise.base import clock
from flockwise.errors import ConfigError

SETTINGS = {"devices": 10, "days": 7, "seed": 1}


@given(today=st.dates(date(2026, 1, 1), date(2090, 1, 1)), days=st.integers(1, 60))
def test_the_first_day_is_a_monday_of_a_week_that_is_over_and_not_yet_past_its_retention(today: date, days: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(clock, "now", lambda: datetime(today.year, today.month, today.day, tzinfo=UTC))
        start = demonstration._first_day(days)
    assert start.weekday() == 0
    assert start + timedelta(days=days) <= today
    assert today < start + timedelta(days=365)


def test_a_folder_keeps_its_week_and_its_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "demo.json"
    first = demonstration._begun(path, SETTINGS)
    monkeypatch.setattr(clock, "now", lambda: datetime(2031, 6, 1, tzinfo=UTC))
    assert demonstration._begun(path, SETTINGS) == first == date(2026, 5, 4)
    assert demonstration._begun(tmp_path / "other" / "demo.json", SETTINGS) == date(2031, 5, 5)
    for other in (SETTINGS | {"days": 8}, SETTINGS | {"seed": 2}):
        with pytest.raises(ConfigError, match="DEMO_OTHER_SETTINGS"):
            demonstration._begun(path, other)
    for text in ("", "[]", '{"start": 5}', '{"devices": 10, "days": 7, "seed": 1}'):
        path.write_text(text)
        with pytest.raises(ConfigError, match="DEMO_OTHER_SETTINGS"):
            demonstration._begun(path, SETTINGS)
