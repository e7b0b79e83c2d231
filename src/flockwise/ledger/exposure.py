"""What a device that was in every window has been exposed to: the sum over all windows, disjoint or not. Pure functions over charges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import combinations

from flockwise.ledger.chain import Entry

__all__ = ["Exposure", "WindowCharge", "exposure_of"]

YEAR_DAYS = 365


@dataclass(frozen=True)
class WindowCharge:
    """All charges for one window.

    Args:
        start: first local day.
        days: number of local days.
        rho: sum of its charges, exact.
        charges: how many.
    """

    start: date
    days: int
    rho: Fraction
    charges: int

    @property
    def end(self) -> date:
        """The first day after it."""
        return self.start + timedelta(days=self.days)


@dataclass(frozen=True)
class Exposure:
    """What the worst-placed device, one that was in every window, has been exposed to so far, and would be in a year like this.

    Windows that are disjoint in time give it no relief: each is another look at the same device, so their charges add up.

    Args:
        rho: the sum of all charges, exact.
        accounting: "rounded" if every charge is, so that mu = sqrt(2 rho) of Gaussian differential privacy holds for the sum; otherwise "discrete".
        windows: by window, earliest first.
        unknown_rho: the part of the sum whose window was not noted (old charges).
        overlapping: pairs of windows that have a day in common.
        greatest_year_rho: the largest sum over windows that begin within 365 days of each other.
        year_windows: how many windows as long as the dearest one fit into a year.
        year_rho: a year in which each window costs what the dearest one did; None while no window is known. Dearest: by cost over the year.
    """

    rho: Fraction
    accounting: str
    windows: tuple[WindowCharge, ...]
    unknown_rho: Fraction
    overlapping: tuple[tuple[WindowCharge, WindowCharge], ...]
    greatest_year_rho: Fraction
    year_windows: int
    year_rho: Fraction | None


def exposure_of(entries: Sequence[Entry]) -> Exposure:
    """The exposure that a ledger's charges amount to.

    Privacy:
        Charges are public; nothing is spent. Sequential composition (Bun and Steinke 2016 for rho; Dong, Roth and Su 2022 for mu).
    """
    by_window: dict[tuple[date, int], list[Fraction]] = {}
    for entry in entries:
        if entry.window is not None:
            by_window.setdefault(entry.window, []).append(entry.rho)
    windows = tuple(WindowCharge(start, days, _sum(rhos), len(rhos)) for (start, days), rhos in sorted(by_window.items()))
    known = _sum(w.rho for w in windows)
    rho = _sum(e.rho for e in entries)
    dearest = max(windows, key=lambda w: w.rho * _fit(w.days), default=None)
    return Exposure(
        rho=rho,
        accounting="rounded" if entries and all(e.accounting == "rounded" for e in entries) else "discrete",
        windows=windows,
        unknown_rho=rho - known,
        overlapping=tuple((a, b) for a, b in combinations(windows, 2) if b.start < a.end),
        greatest_year_rho=max((_sum(w.rho for w in windows if 0 <= (w.start - first.start).days < YEAR_DAYS) for first in windows), default=Fraction(0)),
        year_windows=0 if dearest is None else _fit(dearest.days),
        year_rho=None if dearest is None else dearest.rho * _fit(dearest.days),
    )


def _fit(days: int) -> int:
    return max(1, YEAR_DAYS // days)


def _sum(values: Iterable[Fraction]) -> Fraction:
    return sum(values, Fraction(0))
