"""Totals of a release by local day, with the noise on them: from published figures alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt

import numpy as np

from flockwise.artifact import Artifact, Certificate, TableSummary
from flockwise.errors import ArtifactError

__all__ = ["Day", "Series", "series"]


@dataclass(frozen=True)
class Day:
    """A figure of one local day.

    Attributes:
        day: the day; of trips, which are published for the window as a whole, the first of the window.
        value: mean devices present in a slot, or trips a day, over the whole region.
        noise_sd: standard deviation of the noise on it.
    """

    day: date
    value: float
    noise_sd: float


@dataclass(frozen=True)
class Series:
    """What is compared: `figure` names it."""

    figure: str
    days: tuple[Day, ...]


def series(release: Artifact) -> list[Series]:
    """The daily totals of a release, from its coarsest level, where noise is least.

    Args:
        release: a published folder.

    Raises:
        ArtifactError: its tables can't be read, or do not fit its certificate.

    Privacy:
        Post-processing of published figures. Presence has an unbiased noisy figure for every cell and slot, the withheld ones too, and its sum is unbiased.
    """
    certificate = release.certificate
    found = []
    if "presence" in certificate.kinds():
        found.append(Series("present devices", _presence(release, _coarsest(certificate, "presence"))))
    if "margins" in certificate.kinds():
        found.append(Series("departures a day", _departures(release, _coarsest(certificate, "margins"))))
    return found


def _coarsest(certificate: Certificate, kind: str) -> TableSummary:
    return min((t for t in certificate.tables if t.kind == kind), key=lambda t: t.level)


def _presence(release: Artifact, summary: TableSummary) -> tuple[Day, ...]:
    window = release.certificate.window
    table = release.table("presence", ["level", "unbiased"])
    values = table["unbiased"].to_numpy()[table["level"].to_numpy() == summary.level]
    slots = summary.slots.count
    if not len(values) or len(values) % slots:
        raise ArtifactError("QUALITY_ROWS", what="The presence table does not hold every cell and slot.", fix="Run flockwise verify.")
    cells, totals = len(values) // slots, values.reshape(-1, slots).sum(axis=0)
    # Slots of equal length fill the window; a day of 23 or 25 hours only moves the others' borders by a slot.
    parts = np.array_split(totals, window.days)
    return tuple(
        Day(window.first_day + timedelta(days=i), float(part.mean()), summary.sigma * sqrt(cells / len(part))) for i, part in enumerate(parts) if len(part)
    )


def _departures(release: Artifact, summary: TableSummary) -> tuple[Day, ...]:
    window = release.certificate.window
    table = release.table("margins", ["level", "departures"])
    values = table["departures"].to_numpy()[table["level"].to_numpy() == summary.level]
    shown = np.isfinite(values)
    return (Day(window.first_day, float(values[shown].sum()) / window.days, summary.sigma * sqrt(summary.rows_public) / window.days),)
