"""The day of the tests: what they say of assessments, reviews and schedules is true on it, in whatever year they run.

Python runs this by itself in every process that a test starts (tests/conftest.py puts the folder on its path), and the clock then goes on from that day.
"""

import os
from datetime import UTC, datetime, timedelta

_SHIFT = "FLOCKWISE_TESTS_SHIFT_SECONDS"

try:
    from flockwise.base import clock
except ImportError:  # a process that has nothing to do with Flockwise
    pass
else:
    _day = datetime(2026, 11, 24, 12, tzinfo=UTC)
    _shift = timedelta(seconds=float(os.environ.setdefault(_SHIFT, str((_day - datetime.now(UTC)).total_seconds()))))
    clock.now = lambda: datetime.now(UTC) + _shift
