"""Tests and the processes that they start live on one day, in whatever year they run."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta

from flockwise.base import clock


def test_the_day_goes_on_from_the_same_moment_in_this_process_and_in_others() -> None:
    code = "from flockwise.base import clock; print(clock.now().isoformat())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert date(2026, 11, 24) <= clock.today() <= date(2026, 11, 26)
    assert abs(clock.now() - clock.now().fromisoformat(done.stdout.strip())) < timedelta(minutes=2)
