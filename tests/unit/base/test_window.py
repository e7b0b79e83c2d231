from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from flockwise.base.window import Window


def utc_us(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


def test_a_window_runs_from_local_midnight_to_local_midnight() -> None:
    w = Window(date(2026, 7, 6), 2, "Asia/Kolkata")
    assert w.start_us == utc_us(2026, 7, 5, 18, 30)
    assert w.end_us == utc_us(2026, 7, 7, 18, 30)
    assert len(w.slots(60)) == 48


@pytest.mark.parametrize(("start", "hours"), [(date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 6, 1), 24)])
def test_days_with_a_clock_change_have_23_or_25_hours(start: date, hours: int) -> None:
    assert len(Window(start, 1, "America/New_York").slots(60)) == hours


def test_offsets_tell_local_time_across_the_change() -> None:
    w = Window(date(2026, 3, 8), 1, "America/New_York")
    instants, offsets = w.offsets
    assert instants.tolist() == [w.start_us, utc_us(2026, 3, 8, 7)]
    assert (offsets // 3_600_000_000).tolist() == [-5, -4]


def test_slots_that_do_not_fill_the_window_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fill"):
        Window(date(2026, 3, 8), 1, "America/New_York").slots(120)


def test_slots_are_equal_steps() -> None:
    slots = Window(date(2026, 3, 2), 7, "Europe/Paris").slots(15)
    assert (np.diff(slots) == 15 * 60 * 1_000_000).all()


@pytest.mark.parametrize(
    ("start", "days", "minutes", "zone"),
    [
        (date(2026, 5, 4), 1, 60, "Europe/Paris"),  # a single day
        (date(2026, 5, 4), 5, 50, "Europe/Paris"),  # slots that do not divide a day
        (date(2026, 3, 2), 270, 360, "America/New_York"),  # two changes of an hour: in summer, slots of six hours begin at one o'clock
        (date(2026, 4, 1), 200, 60, "Australia/Lord_Howe"),  # two changes of half an hour
    ],
)
def test_windows_whose_slots_do_not_keep_their_place_have_no_typical_day(start: date, days: int, minutes: int, zone: str) -> None:
    assert Window(start, days, zone).slots_of_day(minutes) is None


def test_a_change_of_the_clock_takes_a_slot_from_an_hour_or_gives_it_one() -> None:
    for start, hour, more in ((date(2026, 3, 7), 2, -1), (date(2026, 10, 31), 1, 1)):
        found = Window(start, 2, "America/New_York").slots_of_day(60)
        assert found is not None
        assert np.bincount(found[0]).tolist() == [2 + more if h == hour else 2 for h in range(24)]
        assert found[1][hour] == f"{hour:02}:00-{hour + 1:02}:00"
