"""The rules of warning: a day far off the average of earlier ones, outside their spread, or a panel that is unseen for half of the time.

Source: the quality measures of multimno (Eurostat), whose limits these are: 30 % off the look-back average, and mean plus or minus two standard deviations.
What differs: the figures are noisy ones that were published, so a deviation must also stand out of the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, sqrt
from statistics import fmean, stdev

from flockwise.artifact import Artifact
from flockwise.errors import ArtifactError
from flockwise.quality.daily import Day, Series, series

__all__ = ["FEWEST_DAYS", "OFF", "SPREADS", "Warned", "examine"]

OFF = 0.30
"""Share of the look-back average that a day may be off."""
SPREADS = 2.0
"""Standard deviations of the look-back days that a day may be off."""
FEWEST_DAYS = 3
"""Days of look-back without which there is no spread."""
CLEAR = 3.0
"""Standard deviations of noise that a deviation must exceed: at the median day, one false warning in 370 days from noise alone."""
HALF = 0.5


@dataclass(frozen=True)
class Warned:
    """One warning.

    Attributes:
        rule: "off_average", "outside_spread" or "unseen".
        figure: what it is about.
        day: ISO date, or "" for the whole window.
        text: one sentence of published figures.
    """

    rule: str
    figure: str
    day: str
    text: str


def examine(release: Artifact, before: Sequence[Artifact]) -> tuple[list[Warned], list[str]]:
    """The warnings on a release, and what could not be looked at.

    Args:
        release: the release to look at.
        before: earlier releases of the same panel, region and slots.

    Raises:
        ArtifactError: an earlier release can't be compared with it.

    Privacy:
        Published figures and public bounds alone: post-processing, no charge.
    """
    for other in before:
        _comparable(release, other)
    found, left = list[Warned](), list[str]()
    past: dict[str, list[Day]] = {}
    for other in before:
        for line in series(other):
            past.setdefault(line.figure, []).extend(line.days)
    for line in series(release):
        days = past.get(line.figure, [])
        if not days:
            left.append(f"{line.figure}: no earlier release to compare with")
            continue
        found += _against(line, days, left)
    found += _unseen(release, left)
    return found, left


def _against(line: Series, past: Sequence[Day], left: list[str]) -> list[Warned]:
    mean = fmean(d.value for d in past)
    mean_noise = sqrt(sum(d.noise_sd**2 for d in past)) / len(past)
    spread = stdev(d.value for d in past) if len(past) >= FEWEST_DAYS else None
    if spread is None:
        left.append(f"{line.figure}: fewer than {FEWEST_DAYS} earlier days, so no spread")
    out = []
    for day in line.days:
        off, noise = day.value - mean, hypot(day.noise_sd, mean_noise)
        if mean <= CLEAR * mean_noise or noise > OFF * mean:
            left.append(f"{line.figure} of {day.day}: the noise is too large to say")
            continue
        if abs(off) <= CLEAR * noise:
            continue
        told = f"{line.figure}: {day.value:,.0f}, and {mean:,.0f} on average over {len(past)} earlier days"
        if abs(off) > OFF * mean:
            out.append(Warned("off_average", line.figure, day.day.isoformat(), f"{told}: {100 * off / mean:+.0f} %, more than {100 * OFF:.0f} % off."))
        if spread is not None and abs(off) > SPREADS * spread:
            out.append(Warned("outside_spread", line.figure, day.day.isoformat(), f"{told}: more than {SPREADS:g} standard deviations ({spread:,.0f}) off."))
    return out


def _unseen(release: Artifact, left: list[str]) -> list[Warned]:
    """Whether devices are unseen for half of the slots or more, on average. No device is looked at: the panel's public bound stands for its size."""
    bounds = release.certificate.bounds
    line = next((s for s in series(release) if s.figure == "present devices"), None)
    if line is None or bounds.weights is not None:
        left.append("share of slots seen: there is no unweighted presence table")
        return []
    mean = fmean(d.value for d in line.days)
    share, noise = mean / bounds.panel_bound, sqrt(sum(d.noise_sd**2 for d in line.days)) / len(line.days) / bounds.panel_bound
    if share + CLEAR * noise >= HALF:
        return []
    text = (
        f"In a slot {mean:,.0f} devices are present on average, {100 * share:.0f} % of the public panel bound: devices are unseen for more than half of the "
        "slots, or are outside of the region, or the panel is smaller than its bound."
    )
    return [Warned("unseen", "share of slots seen", "", text)]


def _comparable(release: Artifact, other: Artifact) -> None:
    mine, theirs = release.certificate, other.certificate
    for name, one, two in (
        ("data set", mine.dataset, theirs.dataset),
        ("region", mine.domain.levels, theirs.domain.levels),
        ("weights", (mine.bounds.weights, mine.bounds.scale), (theirs.bounds.weights, theirs.bounds.scale)),
        ("slots", [(t.kind, t.slots.minutes, t.slots.labels) for t in mine.tables], [(t.kind, t.slots.minutes, t.slots.labels) for t in theirs.tables]),
    ):
        if one != two:
            raise ArtifactError(
                "QUALITY_OTHER_STUDY",
                what=f"An earlier release can't be compared with this one: it has another {name}.",
                got=other.path.name,
                fix="Name releases of the same panel with the same region, weights and tables.",
            )
    if theirs.window.end > mine.window.start:
        raise ArtifactError(
            "QUALITY_NOT_EARLIER", what="A release to look back to does not end before this one begins.", got=other.path.name, fix="Name earlier ones."
        )
