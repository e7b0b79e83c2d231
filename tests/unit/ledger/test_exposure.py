"""What a device that is in every window has been exposed to: disjoint windows give no relief."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

import pytest
from tests.unit.ledger._places import Place, opened

from flockwise.ledger import Exposure, Ledger

MICRO = Fraction(1, 10**6)
MAY = date(2026, 5, 4)


def charge(ledger: Ledger, rho: str, start: date | None = None, days: int = 7, accounting: str = "discrete") -> None:
    window = None if start is None else (start, days)
    ledger.charge("plan", "inputs", Fraction(rho), MICRO, Fraction(1), "t", window=window, accounting=accounting, again=True)


def test_an_empty_ledger_exposes_nobody(where: Place):
    assert opened(where).exposure() == Exposure(Fraction(0), "discrete", (), Fraction(0), (), Fraction(0), 0, None)


def test_windows_add_up_whether_they_are_disjoint_or_not(where: Place):
    ledger = opened(where)
    for week in (0, 1, 2):
        charge(ledger, "1/30", MAY + timedelta(weeks=week))
    charge(ledger, "1/60", MAY)
    charge(ledger, "1/7")
    found = ledger.exposure()
    assert found.rho == Fraction(7, 60) + Fraction(1, 7) == ledger.spent()
    assert found.unknown_rho == Fraction(1, 7)
    assert [(w.start, w.days, w.rho, w.charges) for w in found.windows] == [
        (MAY, 7, Fraction(1, 20), 2),
        (MAY + timedelta(days=7), 7, Fraction(1, 30), 1),
        (MAY + timedelta(days=14), 7, Fraction(1, 30), 1),
    ]
    # Windows that touch do not overlap.
    assert found.overlapping == ()


@pytest.mark.parametrize(("start", "days", "overlaps"), [(MAY - timedelta(days=7), 7, 0), (MAY - timedelta(days=7), 8, 1), (MAY + timedelta(days=6), 1, 1)])
def test_windows_that_share_a_day_are_listed(where: Place, start: date, days: int, overlaps: int):
    ledger = opened(where)
    charge(ledger, "1/30", MAY)
    charge(ledger, "1/30", MAY)  # the same window twice is one window with two charges
    charge(ledger, "1/30", start, days)
    assert len(ledger.exposure().overlapping) == overlaps


def test_a_year_is_projected_from_the_dearest_window(where: Place):
    ledger = opened(where)
    charge(ledger, "1/100", MAY, 28)
    assert (ledger.exposure().year_windows, ledger.exposure().year_rho) == (13, Fraction(13, 100))
    # Less at once, but fifty-two of them fit into a year.
    charge(ledger, "1/200", MAY + timedelta(days=28), 7)
    assert (ledger.exposure().year_windows, ledger.exposure().year_rho) == (52, Fraction(52, 200))


def test_the_greatest_year_so_far_looks_at_every_span_of_a_year(where: Place):
    ledger = opened(where)
    for day, rho in ((0, "1/10"), (200, "1/5"), (364, "1/20"), (365, "1/4")):
        charge(ledger, rho, MAY + timedelta(days=day))
    # From day 0 to 364: 7/20; from day 200 on: 1/2.
    assert ledger.exposure().greatest_year_rho == Fraction(1, 2)


def test_one_discrete_charge_makes_the_sum_discrete(where: Place):
    ledger = opened(where)
    charge(ledger, "1/30", MAY, accounting="rounded")
    assert ledger.exposure().accounting == "rounded"
    charge(ledger, "1/30", MAY, accounting="discrete")
    assert ledger.exposure().accounting == "discrete"
