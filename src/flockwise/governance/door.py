"""The door: which rows of a delivery may enter the store. Each row that may not gets one reason, the first that applies in a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit

from flockwise.governance.consent import (
    ALWAYS,
    ANY_TEXT,
    BEFORE_CONSENT,
    CONSENTED,
    NEVER,
    NOT_CONSENTED,
    OTHER_PURPOSE,
    UNKNOWN_TEXT,
    ConsentTexts,
)
from flockwise.governance.precision import coarse

__all__ = ["ALWAYS", "BAD_TIME", "NEVER", "REASONS", "DoorRules", "Rows", "Verdict", "judge"]

Ints = npt.NDArray[np.int64]
Ints32 = npt.NDArray[np.int32]
Ints16 = npt.NDArray[np.int16]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

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
    "other_purpose",
    "withdrawn",
    "opted_out",
    "deleted",
    "outside_region",
    "sensitive_place",
    "gathering",
    "poor_accuracy",
)
"""Reasons in the order in which they are looked for: broken rows, then consent, then place, then accuracy.

accepted: the row may enter. malformed: a CSV line with the wrong number of fields (counted by the reader). null: the device, the time or a coordinate is
missing. bad_value: an identifier, a coordinate, an accuracy, a consent, a purpose, a withdrawal or an opt-out that can't be read. bad_time: a time that
can't be read or does not exist in the declared zone. out_of_range: not on Earth, not finite, or exactly 0, 0. outside_window: not in the study's window.
no_consent: consent is missing or refused, or was given when no consent text of the supplier was shown. before_consent: earlier than the consent.
other_purpose: neither the row nor the consent text covers the study's purpose. withdrawn: consent was withdrawn, opted_out: the device's owner opted out
of tracking (both on any row of any delivery). deleted: the device is on a deletion list. outside_region: in no cell of the region. sensitive_place: within
a sensitive place's distance. gathering: at a declared gathering. poor_accuracy: worse than the study allows, or negative (telephones report so that a
position is invalid).
"""

NULL, UNREADABLE = 1, 2
BAD_TIME = np.iinfo(np.int64).min

_NULL, _BAD_VALUE, _BAD_TIME, _RANGE, _WINDOW = 2, 3, 4, 5, 6
_NO_CONSENT, _BEFORE, _PURPOSE, _WITHDRAWN, _OPTED_OUT = 7, 8, 9, 10, 11
_REGION, _SENSITIVE, _GATHERING, _ACCURACY = 13, 14, 15, 16
_UNKNOWN = -1
_GREATEST_DM = 2_000_000_000.0

SENSITIVE_PLACE, GATHERING = 1, 2
"""What `suppress` says of a point; 0: nothing."""


@dataclass(frozen=True)
class DoorRules:
    """The study's public limits.

    Args:
        start_us: start of the window, UTC microseconds.
        end_us: first instant after it.
        accuracy_dm: greatest accuracy in decimetres.
        texts: the supplier's consent texts; None for a study without a supplier's record.
    """

    start_us: int
    end_us: int
    accuracy_dm: int
    texts: ConsentTexts | None = None


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
        consent_text: int16, which of the rules' texts was agreed to, or UNKNOWN_TEXT; None if the delivery has no such column.
        purpose_fits: bool, whether the row's own purposes hold the study's; None if the delivery has no such column.
        withdrawn: bool; None if the delivery has no such column.
    """

    problems: Bytes
    t_us: Ints
    lat: Floats
    lon: Floats
    accuracy_m: Floats | None
    consent_us: Ints | None
    opted_out: Bools | None
    consent_text: Ints16 | None = None
    purpose_fits: Bools | None = None
    withdrawn: Bools | None = None


@dataclass(frozen=True)
class Verdict:
    """What the door says of a batch.

    Args:
        reason: uint8 index into REASONS; 0 for accepted.
        t_us: int64, UTC microseconds, as the store keeps them (`precision.coarse`), like position and accuracy.
        lat_e6: int32, millionths of a degree; 0 where the position is out of range.
        lon_e6: int32.
        accuracy_dm: int32, decimetres, -1 for unknown.
        place: int32, position of the full position's cell in the region, -1 outside it.
    """

    reason: Bytes
    t_us: Ints
    lat_e6: Ints32
    lon_e6: Ints32
    accuracy_dm: Ints32
    place: Ints32


def judge(rows: Rows, rules: DoorRules, find: Callable[[Ints32, Ints32], Ints32], suppress: Callable[[Ints32, Ints32, Ints], Bytes] | None = None) -> Verdict:
    """The verdict on each row, and what the store keeps of it: a function of that row and public limits alone. Rules look at what the supplier sent.

    Args:
        rows: columns of one batch.
        rules: public limits of the study.
        find: position in the region of points in millionths of a degree, -1 outside: `CellGrid.index`.
        suppress: SENSITIVE_PLACE, GATHERING or 0 for points in millionths of a degree and UTC microseconds.

    Privacy: no row's verdict depends on another row. Counts of reasons are for the data steward; they are not charged and never published.

    Example:
        >>> one = np.ones(1)
        >>> rows = Rows(np.zeros(1, np.uint8), np.array([5]), 91 * one, one, None, None, None)
        >>> REASONS[judge(rows, DoorRules(0, 10, 2000), lambda lat, lon: lat * 0).reason[0]]
        'out_of_range'
    """
    n = len(rows.t_us)
    texts = rules.texts
    reason = np.zeros(n, np.uint8)
    lat_e6, lon_e6 = np.empty(n, np.int32), np.empty(n, np.int32)
    _position(rows.lat, rows.lon, lat_e6, lon_e6, reason)
    place = find(lat_e6, lon_e6)
    accuracy_dm = np.full(n, _UNKNOWN, np.int32)
    _reasons(
        rows.problems,
        rows.t_us,
        rows.accuracy_m if rows.accuracy_m is not None else np.empty(0),
        rows.consent_us if rows.consent_us is not None else np.empty(0, np.int64),
        rows.consent_text if rows.consent_text is not None else np.empty(0, np.int16),
        texts.from_us if texts is not None else np.empty(0, np.int64),
        texts.until_us if texts is not None else np.empty(0, np.int64),
        texts.fits if texts is not None else np.empty(0, np.bool_),
        rows.purpose_fits if rows.purpose_fits is not None else np.empty(0, np.bool_),
        rows.withdrawn if rows.withdrawn is not None else np.empty(0, np.bool_),
        rows.opted_out if rows.opted_out is not None else np.empty(0, np.bool_),
        place,
        suppress(lat_e6, lon_e6, rows.t_us) if suppress is not None else np.empty(0, np.uint8),
        rules.start_us,
        rules.end_us,
        rules.accuracy_dm,
        reason,
        accuracy_dm,
    )
    kept_us = coarse(rows.t_us, lat_e6, lon_e6, accuracy_dm)
    return Verdict(reason, kept_us, lat_e6, lon_e6, accuracy_dm, place)


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


@njit(inline="always")  # in this file, so that a cached caller can't hold an old copy
def _consents(t: int, consent: int, text: int, from_us: Ints, until_us: Ints, fits: Bools) -> int:
    """What a ping's consent comes to.

    Args:
        t: the ping's time (UTC microseconds).
        consent: its consent: ALWAYS, NEVER or a time.
        text: position of the text that was agreed to, UNKNOWN_TEXT (given, and not in the record) or ANY_TEXT (not given).
        from_us: as in ConsentTexts; all three empty if there is no record.
        until_us: likewise.
        fits: likewise.

    Returns:
        CONSENTED, NOT_CONSENTED, BEFORE_CONSENT or OTHER_PURPOSE.
    """
    # One way out: with several, numba counts references to the arrays for every row, which takes ten times as long as the rest of the door.
    shown, fitting = len(from_us) == 0, True
    for k in range(len(from_us)):
        if text in (ANY_TEXT, k) and ((from_us[k] <= t) if consent == ALWAYS else (from_us[k] <= consent < until_us[k])):
            shown = True
            fitting = fitting and fits[k]
    if consent == NEVER or text == UNKNOWN_TEXT or (not shown and consent != ALWAYS):
        found = NOT_CONSENTED
    elif not shown or t < consent:  # what always holds is earlier than every time
        found = BEFORE_CONSENT
    elif not fitting:
        found = OTHER_PURPOSE
    else:
        found = CONSENTED
    return found


@njit(nogil=True, cache=True)
def _reasons(
    problems: Bytes,
    t_us: Ints,
    accuracy_m: Floats,
    consent_us: Ints,
    consent_text: Ints16,
    from_us: Ints,
    until_us: Ints,
    fits: Bools,
    purpose_fits: Bools,
    withdrawn: Bools,
    opted_out: Bools,
    place: Ints32,
    suppressed: Bytes,
    start_us: int,
    end_us: int,
    limit_dm: int,
    reason: Bytes,
    accuracy_dm: Ints32,
) -> None:
    """Writes the first reason that applies; `reason` comes in with the verdict on the position. An empty column is one that the delivery lacks."""
    with_accuracy, with_consent, with_text, with_purposes = len(accuracy_m) > 0, len(consent_us) > 0, len(consent_text) > 0, len(purpose_fits) > 0
    with_withdrawn, with_opt_out, with_places = len(withdrawn) > 0, len(opted_out) > 0, len(suppressed) > 0
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
            continue
        if problems[i] & UNREADABLE:
            reason[i] = _BAD_VALUE
            continue
        if t == BAD_TIME:
            reason[i] = _BAD_TIME
            continue
        if reason[i] == _RANGE:
            continue
        if t < start_us or t >= end_us:
            reason[i] = _WINDOW
            continue
        found = _consents(t, consent_us[i] if with_consent else ALWAYS, consent_text[i] if with_text else ANY_TEXT, from_us, until_us, fits)
        if found == NOT_CONSENTED:
            reason[i] = _NO_CONSENT
        elif found == BEFORE_CONSENT:
            reason[i] = _BEFORE
        elif found == OTHER_PURPOSE or (with_purposes and not purpose_fits[i]):
            reason[i] = _PURPOSE
        elif with_withdrawn and withdrawn[i]:
            reason[i] = _WITHDRAWN
        elif with_opt_out and opted_out[i]:
            reason[i] = _OPTED_OUT
        elif place[i] < 0:
            reason[i] = _REGION
        elif with_places and suppressed[i] == SENSITIVE_PLACE:
            reason[i] = _SENSITIVE
        elif with_places and suppressed[i] == GATHERING:
            reason[i] = _GATHERING
        elif poor:
            reason[i] = _ACCURACY
