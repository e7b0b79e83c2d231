"""The door: which rows of a delivery may enter the store. Each row that may not gets one reason, the first that applies in a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["ALWAYS", "BAD_TIME", "NEVER", "REASONS", "DoorRules", "Rows", "Verdict", "judge"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]

REASONS = (
    "accepted",
    "malformed",
    "null",
    "bad_value",
    "bad_time",
    "out_of_range",
    "outside_window",
    "no_consent",
    "before_consent",
    "opted_out",
    "outside_region",
    "poor_accuracy",
)
"""Reasons in the order in which they are looked for.

accepted: the row may enter. malformed: a CSV line with the wrong number of fields (counted by the reader). null: the device, the time or a coordinate is
missing. bad_value: an identifier, a coordinate, an accuracy, a consent or an opt-out that can't be read. bad_time: a time that can't be read or does not
exist in the declared zone. out_of_range: not on Earth, not finite, or exactly 0, 0. outside_window: not in the study's window. no_consent: consent is
missing or refused. before_consent: earlier than the consent. opted_out: the device's owner opted out (on any row of any delivery).
outside_region: in no cell of the region. poor_accuracy: worse than the study allows, or negative (telephones report so that a position is invalid).
"""

NULL, UNREADABLE = 1, 2
BAD_TIME = np.iinfo(np.int64).min
ALWAYS = np.iinfo(np.int64).min
NEVER = np.iinfo(np.int64).max

_NULL, _BAD_VALUE, _BAD_TIME, _RANGE, _WINDOW = 2, 3, 4, 5, 6
_NO_CONSENT, _BEFORE, _OPTED_OUT, _REGION, _ACCURACY = 7, 8, 9, 10, 11
_UNKNOWN = -1
_GREATEST_DM = 2_000_000_000.0


@dataclass(frozen=True)
class DoorRules:
    """The study's public limits: window [start_us, end_us) in UTC microseconds, greatest accuracy in decimetres."""

    start_us: int
    end_us: int
    accuracy_dm: int


@dataclass(frozen=True)
class Rows:
    """Columns of one batch, all of one length.

    Args:
        problems: uint8 bits: NULL (device, time or coordinate missing), UNREADABLE (a value that can't be read).
        t_us: int64, UTC microseconds; BAD_TIME where it can't be read.
        lat: float64, degrees.
        lon: float64, degrees.
        accuracy_m: float64, NaN for unknown; None if the delivery has no such column.
        consent_us: int64, the instant from which consent holds; ALWAYS, NEVER; None if the supplier's statement covers every row.
        opted_out: bool; None if the delivery has no such column.
    """

    problems: Bytes
    t_us: Ints
    lat: Floats
    lon: Floats
    accuracy_m: Floats | None
    consent_us: Ints | None
    opted_out: npt.NDArray[np.bool_] | None


@dataclass(frozen=True)
class Verdict:
    """What the door says of a batch.

    Args:
        reason: uint8 index into REASONS; 0 for accepted.
        lat_e6: int32, millionths of a degree, rounded; 0 where the position is out of range.
        lon_e6: int32.
        accuracy_dm: int32, decimetres, -1 for unknown.
        place: int32, position of the cell in the region, -1 outside it.
    """

    reason: Bytes
    lat_e6: Ints32
    lon_e6: Ints32
    accuracy_dm: Ints32
    place: Ints32


def judge(rows: Rows, rules: DoorRules, find: Callable[[Ints32, Ints32], Ints32]) -> Verdict:
    """The verdict on each row: a function of that row and public limits alone.

    Args:
        rows: columns of one batch.
        rules: public limits of the study.
        find: position in the region of points in millionths of a degree, -1 outside: `CellGrid.index`.

    Privacy: no row's verdict depends on another row. Counts of reasons are for the data steward; they are not charged and never published.

    Example:
        >>> one = np.ones(1)
        >>> rows = Rows(np.zeros(1, np.uint8), np.array([5]), 91 * one, one, None, None, None)
        >>> REASONS[judge(rows, DoorRules(0, 10, 2000), lambda lat, lon: lat * 0).reason[0]]
        'out_of_range'
    """
    n = len(rows.t_us)
    accuracy = rows.accuracy_m if rows.accuracy_m is not None else np.empty(0)
    consent = rows.consent_us if rows.consent_us is not None else np.empty(0, np.int64)
    opted = rows.opted_out if rows.opted_out is not None else np.empty(0, np.bool_)
    reason = np.zeros(n, np.uint8)
    lat_e6, lon_e6 = np.empty(n, np.int32), np.empty(n, np.int32)
    _position(rows.lat, rows.lon, lat_e6, lon_e6, reason)
    place = find(lat_e6, lon_e6)
    accuracy_dm = np.full(n, _UNKNOWN, np.int32)
    _reasons(rows.problems, rows.t_us, accuracy, consent, opted, place, rules.start_us, rules.end_us, rules.accuracy_dm, reason, accuracy_dm)
    return Verdict(reason, lat_e6, lon_e6, accuracy_dm, place)


@njit(nogil=True, cache=True)
def _position(lat: Floats, lon: Floats, lat_e6: Ints32, lon_e6: Ints32, reason: Bytes) -> None:
    for i in range(len(lat)):
        y, x = lat[i], lon[i]
        if abs(y) <= 90.0 and abs(x) <= 180.0:  # false for NaN
            lat_e6[i], lon_e6[i] = np.rint(y * 1e6), np.rint(x * 1e6)
            if lat_e6[i] == 0 and lon_e6[i] == 0:
                reason[i] = _RANGE
        else:
            lat_e6[i], lon_e6[i] = 0, 0
            reason[i] = _RANGE


@njit(nogil=True, cache=True)
def _reasons(
    problems: Bytes,
    t_us: Ints,
    accuracy_m: Floats,
    consent_us: Ints,
    opted_out: npt.NDArray[np.bool_],
    place: Ints32,
    start_us: int,
    end_us: int,
    limit_dm: int,
    reason: Bytes,
    accuracy_dm: Ints32,
) -> None:
    """Writes the first reason that applies; `reason` comes in with the verdict on the position."""
    with_accuracy, with_consent, with_opt_out = len(accuracy_m) > 0, len(consent_us) > 0, len(opted_out) > 0
    for i in range(len(t_us)):
        t = t_us[i]
        poor = False
        if with_accuracy:
            value = accuracy_m[i]
            if value < 0:
                poor = True
            elif value >= 0:  # NaN is unknown
                accuracy_dm[i] = np.rint(min(value * 10.0, _GREATEST_DM))
                poor = accuracy_dm[i] > limit_dm
        if problems[i] & NULL:
            reason[i] = _NULL
        elif problems[i] & UNREADABLE:
            reason[i] = _BAD_VALUE
        elif t == BAD_TIME:
            reason[i] = _BAD_TIME
        elif reason[i] == _RANGE:
            continue
        elif t < start_us or t >= end_us:
            reason[i] = _WINDOW
        elif with_consent and consent_us[i] == NEVER:
            reason[i] = _NO_CONSENT
        elif with_consent and t < consent_us[i]:
            reason[i] = _BEFORE
        elif with_opt_out and opted_out[i]:
            reason[i] = _OPTED_OUT
        elif place[i] < 0:
            reason[i] = _REGION
        elif poor:
            reason[i] = _ACCURACY
