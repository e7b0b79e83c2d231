"""Who sleeps where: the mean night-time presence of every area, from a published presence table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise.artifact import Artifact, WindowRef
from flockwise.base.h3bits import from_hex
from flockwise.base.window import MINUTE_US, Window
from flockwise.errors import ArtifactError

__all__ = ["LAST_HOUR", "Night", "device_nights", "nights"]

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

DAY_MIN = 1440
LAST_HOUR = 6
"""Night is from 0 to 6 hours local time, as for the usual area of a device."""
FEWEST_SHOWN = 0.75
"""Share of the night's slots that must have a figure: where only the fullest are printed, their mean says too much."""


@dataclass(frozen=True, eq=False)
class Night:
    """Mean devices over the night's slots, by cell of a level; NaN where too few slots have a figure.

    Attributes:
        cells: sorted H3 cells, int64.
        devices: means of the estimates.
        lower: means of the lower ends of their intervals: an area's own interval is narrower, or as wide where errors go together.
        upper: the same of the upper ends.
    """

    cells: Ints
    devices: Floats
    lower: Floats
    upper: Floats


def device_nights(release: Artifact) -> dict[int, Night]:
    """The mean night of every level of a release whose figures count devices: what weights may be made of.

    Args:
        release: a published folder.

    Raises:
        ArtifactError: as `nights`, or its figures were weighted already.
    """
    if release.certificate.bounds.weights is not None:
        raise _refused("figures that were weighted", "a release without weights: its figures count devices")
    return nights(release)


def nights(release: Artifact) -> dict[int, Night]:
    """The mean night of every level of a release.

    Args:
        release: a published folder.

    Raises:
        ArtifactError: it has no presence, or slots too long to tell the night apart.

    Privacy:
        Reads published figures alone: post-processing.
    """
    certificate = release.certificate
    slots = next((t.slots.minutes for t in certificate.tables if t.kind == "presence"), None)
    if slots is None:
        raise _refused("no presence table", "a release of present population")
    night = _is_night(certificate.window, slots)
    if not night.any():
        raise _refused(f"slots of {slots} minutes", f"slots that lie within the night, 0 to {LAST_HOUR} hours local time")
    table = release.table("presence", ["level", "cell", "devices", "lower", "upper"])
    levels = table["level"].to_numpy()
    if table.num_rows % len(night):
        raise _refused(f"{table.num_rows:,} rows", f"{len(night)} slots for every cell")
    out = {}
    for level in np.unique(levels).tolist():
        # Sorted by level, cell and slot, one row for each: the published order.
        rows = table.slice(int(np.searchsorted(levels, level)), int((levels == level).sum()))
        values = {name: rows[name].to_numpy().reshape(-1, len(night))[:, night] for name in ("devices", "lower", "upper")}
        shown = np.isfinite(values["devices"])
        enough = shown.mean(axis=1) >= FEWEST_SHOWN
        means = {name: np.where(enough, np.where(shown, v, 0.0).sum(axis=1) / np.maximum(shown.sum(axis=1), 1), np.nan) for name, v in values.items()}
        out[int(level)] = Night(from_hex([str(cell) for cell in rows["cell"].to_pylist()[:: len(night)]]), **means)
    return out


def _is_night(window: WindowRef, minutes: int) -> Bools:
    span = Window(window.first_day, window.days, window.timezone)
    starts, (instants, offsets) = span.slots(minutes), span.offsets
    local = (starts + offsets[np.searchsorted(instants, starts, side="right") - 1]) // MINUTE_US % DAY_MIN
    found: Bools = local + minutes <= LAST_HOUR * 60
    return found


def _refused(got: str, expected: str) -> ArtifactError:
    return ArtifactError(
        "CENSUS_RELEASE_UNUSABLE",
        what="This release can't be set against a census.",
        got=got,
        expected=expected,
        state="Nothing was written.",
        fix="Name another.",
    )
