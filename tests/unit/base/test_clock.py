from datetime import UTC, date, datetime

import pytest

from flockwise.base import clock


def test_a_test_sets_the_instant_and_the_date_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flockwise.base.clock.now", lambda: datetime(2027, 2, 28, 23, 59, tzinfo=UTC))

    assert clock.today() == date(2027, 2, 28)


def test_now_is_aware() -> None:
    assert clock.now().tzinfo is UTC
