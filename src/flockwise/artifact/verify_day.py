"""The checks of the typical day: its rows, and that it is the mean of the hours that presence.parquet prints."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise.artifact.certificate import Certificate
from flockwise.artifact.failures import fail
from flockwise.artifact.folder import Artifact
from flockwise.artifact.tables import SCHEMAS, Shapes
from flockwise.artifact.verify_tables import check_estimates, check_geometry, check_levels
from flockwise.base import h3bits
from flockwise.base.window import Window

__all__ = ["check_typical_day", "check_typical_day_means", "fewest_days"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_STEP = 1 / 64
"""Estimates of the finest cells are multiples of it."""


def fewest_days(certificate: Certificate) -> int:
    """Over how many slots the mean of the typical day is taken at least: the days of the window, or one less where the clock goes forward."""
    return int(np.bincount(_places(certificate)).min())


def check_typical_day(artifact: Artifact) -> list[str]:
    """The typical day: every public cell and slot of the day once, in order, how many days, status and nulls, intervals, geometry, counts."""
    table = artifact.table("typical_day", [n for n in SCHEMAS["typical_day"].names if n != "geometry"])
    summaries = [t for t in artifact.certificate.tables if t.kind == "typical_day"]
    days, labels = np.bincount(_places(artifact.certificate)), summaries[0].slots.labels
    zone_levels = artifact.zones.column("level").to_numpy()
    used = np.isin(zone_levels, [t.level for t in summaries])
    wanted, cells = np.repeat(np.flatnonzero(used), len(days)), int(used.sum())
    if (
        len(table) != len(wanted)
        or not np.array_equal(Shapes(artifact.zones).position(table.column("cell")), wanted)
        or not np.array_equal(table.column("level").to_numpy(), zone_levels[wanted])
        or not np.array_equal(table.column("slot").to_numpy(), np.tile(np.arange(len(days)), cells))
        or not np.array_equal(table.column("days").to_numpy(), np.tile(days, cells))
        or table.column("slot_label").to_pylist() != [*(labels or ())] * cells
    ):
        raise fail("ARTIFACT_DOMAIN", "The rows are not every public cell and slot of the day, once each and in order.", "typical_day.parquet")
    check_levels(summaries, table, check_estimates(table, "typical_day"))
    check_geometry(artifact, "typical_day")
    return [
        "typical_day has every public cell and slot of the day, once each and in order, and over how many days its mean is",
        "typical_day: withheld rows have no figure and published rows have all of them; lower <= devices <= upper, none negative",
        "typical_day: outlines are those of the cells, counts are those of the certificate",
    ]


def check_typical_day_means(artifact: Artifact) -> str:
    """The typical day is the mean of presence: its unbiased values, and its estimates where presence prints all hours of a slot."""
    places = _places(artifact.certificate)
    days = np.bincount(places)
    hours, day = (artifact.table(kind, ["level", "cell", "devices", "unbiased"]) for kind in ("presence", "typical_day"))
    member = (places[:, None] == np.arange(len(days))).astype(np.float64)
    found, unbiased = (_floats(hours, name).reshape(-1, len(places)) for name in ("devices", "unbiased"))
    printed, noisy = (_floats(day, name).reshape(-1, len(days)) for name in ("devices", "unbiased"))
    mean, gaps = np.nan_to_num(found) @ member / days, np.isnan(found) @ member
    if not np.allclose(noisy, unbiased @ member / days, rtol=1e-9, atol=1e-6):
        raise fail("ARTIFACT_SUMS", "An unbiased value of the typical day is not the mean of presence.", "typical_day.parquet")
    # A withheld hour leaves its slot of the day out of the check.
    room = artifact.certificate.bounds.scale * _STEP * _finest_in(hours, len(places))
    both = (gaps == 0) & np.isfinite(printed)
    if (np.abs(printed - mean) > np.broadcast_to(room[:, None], mean.shape) + 1e-9 * np.abs(mean))[both].any():
        raise fail("ARTIFACT_SUMS", "An estimate of the typical day is not the mean of presence.", "typical_day.parquet")
    return "the typical day is the mean of presence over the window's days"


def _places(certificate: Certificate) -> Ints:
    """The place in the local day of every slot of presence."""
    ref = certificate.window
    minutes = next((t.slots.minutes for t in certificate.tables if t.kind == "presence"), None)
    found = None if minutes is None else Window(ref.first_day, ref.days, ref.timezone).slots_of_day(minutes)
    if found is None:
        raise fail("ARTIFACT_WINDOW", "A window like this has no typical day.", "window")
    return found[0]


def _finest_in(hours: pa.Table, slots: int) -> Floats:
    """How many cells of presence's finest level each of its cells holds."""
    level = hours.column("level").to_numpy()[::slots]
    cell = h3bits.from_hex(str(c) for c in hours.column("cell").to_pylist()[::slots])
    finest = cell[level == level.max()]
    out = np.ones(len(cell))
    for coarse in np.unique(level):
        _, counts = np.unique(h3bits.parent(finest, coarse), return_counts=True)
        out[level == coarse] = counts
    return out


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table.column(name).to_numpy(zero_copy_only=False), dtype=np.float64)
