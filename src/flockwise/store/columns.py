"""From a batch as the supplier wrote it to the door's columns: identifiers, times, positions, accuracy, consent and opt-out, whatever their types.

Rules that a user can rely on:

- An empty text is a missing value. Blanks around numbers, times, truth values and UUIDs do not matter; an identifier of kind "text" is taken as it is.
- The zone of a time wins over the declared zone. A naive time in the hour that the clocks repeat is its first occurrence (as PEP 495, fold = 0);
  one in the hour that they skip does not exist and is a bad time.
- Fractions below a microsecond are dropped (timestamps and texts) or rounded (numbers).
- The nil UUID is what telephones send for an owner who limits tracking: such rows count as opted out.
- Unknown accuracy (null, NaN) is kept as unknown. A null opt-out is no opt-out, a null withdrawal none; a null consent is no consent, a row without
  purposes is for none, and a row that names no consent text has none.
- A withdrawal is true, or a time, whichever: what the device sent before it withdrew is not used either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

from flockwise.config import Input
from flockwise.errors import InternalError
from flockwise.governance import REASONS, ConsentTexts
from flockwise.governance.consent import UNKNOWN_TEXT
from flockwise.governance.door import ALWAYS, BAD_TIME, NEVER, NULL, UNREADABLE, Rows
from flockwise.store import parse
from flockwise.store.kinds import is_text
from flockwise.store.pseudonym import LONGEST_ID, Pseudonyms

__all__ = ["Batch", "Reader", "WallClock"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]

_PER_UNIT = {"s": 1_000_000, "ms": 1000, "us": 1}
_NIL_SHORTEST, _NIL_LONGEST = 32, 45
"""Lengths of a text that can be a UUID: 32 digits, up to hyphens after urn:uuid:."""
_DAY_US = 86_400_000_000


class WallClock:
    """Local times of one zone as UTC, around a window.

    Args:
        zone: IANA name.
        start_us: window's start; times more than two days outside the window are converted with the offset at that edge, and lie outside it anyway.
        end_us: window's end.
    """

    def __init__(self, zone: str, start_us: int, end_us: int) -> None:
        tz = ZoneInfo(zone)
        starts: list[int] = []
        offsets: list[int] = []
        for instant in range(start_us - 3 * _DAY_US, end_us + 3 * _DAY_US, 900_000_000):
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)
            shift = moment.astimezone(tz).utcoffset() or timedelta()
            offset = (shift.days * 86_400 + shift.seconds) * 1_000_000
            if not offsets or offset != offsets[-1]:
                starts.append(instant)
                offsets.append(offset)
        self.starts, self.offsets = np.array(starts, np.int64), np.array(offsets, np.int64)
        self.starts[0] = np.iinfo(np.int64).min // 2

    def to_utc(self, local_us: Ints) -> Ints:
        """UTC of wall-clock times: the first occurrence of a repeated time, BAD_TIME for a skipped one."""
        out = np.empty(len(local_us), np.int64)
        _to_utc(local_us, self.starts, self.offsets, out)
        return out


@njit(nogil=True, cache=True)
def _to_utc(local_us: Ints, starts: Ints, offsets: Ints, out: Ints) -> None:
    for i in range(len(local_us)):
        out[i] = BAD_TIME
        for k in range(len(starts)):
            instant = local_us[i] - offsets[k]
            if instant >= starts[k] and (k + 1 == len(starts) or instant < starts[k + 1]):
                out[i] = instant
                break


@dataclass(frozen=True)
class Batch:
    """One batch without its identifiers.

    Args:
        high: first half of each pseudonym.
        low: second half.
        leaving: for rows that say that their device withdrew or opted out, whatever else is wrong with them, the index of that reason, else 0; None
            without such columns.
        rows: the door's columns.
    """

    high: Ints
    low: Ints
    leaving: Bytes | None
    rows: Rows


@dataclass(frozen=True)
class Reader:
    """Turns batches of the mapped columns into the door's rows.

    Args:
        mapping: the study's [input].
        clock: of the declared zone, if there is one.
        pseudonyms: of the study's data set and kind of identifier.
        purpose: what the study is for; needed with a column of purposes.
        texts: the supplier's consent texts; needed with a column of consent texts.
    """

    mapping: Input
    clock: WallClock | None
    pseudonyms: Pseudonyms
    purpose: str | None = None
    texts: ConsentTexts | None = None

    def read(self, batch: pa.RecordBatch) -> Batch:
        """Pseudonyms and the door's columns of one batch."""
        m = self.mapping
        problems = np.zeros(batch.num_rows, np.uint8)
        high, low, nil = self._devices(_decoded(batch.column(m.device)), problems)
        known = problems == 0
        t_us = self._times(_decoded(batch.column(m.time)), problems)
        lat = _floats(_decoded(batch.column(m.lat)), problems, NULL)
        lon = _floats(_decoded(batch.column(m.lon)), problems, NULL)
        accuracy = None if m.accuracy is None else _floats(_decoded(batch.column(m.accuracy)), problems, 0)
        consent = None if m.consent is None else self._consent(_decoded(batch.column(m.consent)), problems)
        text = None if m.consent_text is None else self._text(_decoded(batch.column(m.consent_text)))
        fits = None if m.purposes is None else self._fits(batch.column(m.purposes))
        withdrawn = None if m.withdrawn is None else self._consent(_decoded(batch.column(m.withdrawn)), problems) != NEVER
        opted = None if m.opt_out is None else _truths(_decoded(batch.column(m.opt_out)), problems)
        leaving = _leaving(withdrawn, opted, known if nil is None else known & ~nil)
        if nil is not None:
            opted = nil if opted is None else opted | nil
        return Batch(high, low, leaving, Rows(problems, t_us, lat, lon, accuracy, consent, opted, text, fits, withdrawn))

    def _devices(self, column: pa.Array[Any], problems: Bytes) -> tuple[Ints, Ints, Bools | None]:
        _mark_null(column, problems)
        kind = self.mapping.device_type
        if kind == "integer":
            if pa.types.is_integer(column.type):
                return *self.pseudonyms.of_integers(_int64(column)), None
            values, status = parse.integers(*parse.texts(column))
            _mark(status, problems, NULL)
            return *self.pseudonyms.of_integers(values), None
        if kind == "uuid" and pa.types.is_fixed_size_binary(column.type):
            filled = column.fill_null(bytes(16)) if column.null_count else column
            ids = parse.whole(filled.buffers()[1], np.uint8)[16 * filled.offset : 16 * (filled.offset + len(filled))].reshape(-1, 16)
            return *self.pseudonyms.of_uuids(ids), _nil(ids)
        data, offsets = parse.texts(column)
        if kind == "uuid":
            ids, status = parse.uuids(data, offsets)
            _mark(status, problems, NULL)
            return *self.pseudonyms.of_uuids(ids), _nil(ids) & (status == parse.OK)
        lengths = np.diff(offsets)
        problems[lengths == 0] |= NULL
        if int(lengths.max(initial=0)) > LONGEST_ID:
            problems[lengths > LONGEST_ID] |= UNREADABLE
            cut = np.where(lengths > LONGEST_ID, 0, lengths)
            keep = np.repeat(cut > 0, lengths)
            data, offsets = data[offsets[0] : offsets[-1]][keep], np.concatenate([[0], np.cumsum(cut)])
        nil = None
        shaped = (lengths >= _NIL_SHORTEST) & (lengths <= _NIL_LONGEST)
        if shaped.any():  # spares the look; whether a row is nil depends on its own text alone
            ids, status = parse.uuids(data, offsets)
            nil = _nil(ids) & (status == parse.OK) & shaped
        return *self.pseudonyms.of_texts(data, offsets), nil

    def _times(self, column: pa.Array[Any], problems: Bytes) -> Ints:
        _mark_null(column, problems)
        form = self.mapping.time_format
        if pa.types.is_timestamp(column.type):
            return self._stamps(column)
        if form in _PER_UNIT:
            return self._unix(column, problems, NULL)
        values, status = parse.times(*parse.texts(column))
        problems[status == parse.EMPTY] |= NULL
        return self._zoned(values, status)

    def _zoned(self, values: Ints, status: Bytes) -> Ints:
        values[(status == parse.BAD) | (status == parse.EMPTY)] = BAD_TIME
        local = np.flatnonzero(status == parse.LOCAL)
        if len(local):
            values[local] = BAD_TIME if self.clock is None else self.clock.to_utc(values[local])
        return values

    def _stamps(self, column: pa.Array[Any]) -> Ints:
        kind = column.type
        values = _int64(column.view(pa.int64()))
        if kind.unit == "ns":
            values = values // 1000
        elif kind.unit != "us":
            values = _scaled(values, _PER_UNIT[kind.unit])
        if kind.tz is None and self.clock is not None:
            values = self.clock.to_utc(values)
        return values

    def _unix(self, column: pa.Array[Any], problems: Bytes, empty: int) -> Ints:
        scale = _PER_UNIT.get(self.mapping.time_format, 0)
        if not scale:
            raise InternalError("INGEST_NO_UNIT", what="A numeric time has no unit.")
        if pa.types.is_integer(column.type):
            return _scaled(_int64(column), scale)
        if is_text(column.type):
            values, status = parse.numbers(*parse.texts(column))
            problems[status == parse.EMPTY] |= np.uint8(empty)
        else:
            values = _floats(column, problems, empty)
        values = np.rint(values * scale)
        good = np.abs(values) < 2.0**62  # false for NaN
        return np.where(good, np.where(good, values, 0).astype(np.int64), BAD_TIME)

    def _consent(self, column: pa.Array[Any], problems: Bytes) -> Ints:
        """The instant from which consent holds: ALWAYS, NEVER, or a time in the study's time format."""
        kind = column.type
        missing = np.asarray(column.is_null()) if column.null_count else None
        if pa.types.is_null(kind):
            return np.full(len(column), NEVER, np.int64)
        if pa.types.is_boolean(kind):
            values = np.where(np.asarray(column.fill_null(False)), ALWAYS, NEVER)
        elif pa.types.is_timestamp(kind):
            values = self._bad_consent(self._stamps(column), missing, problems)
        elif pa.types.is_integer(kind):
            raw = _int64(column)
            late = raw > 1 if self.mapping.time_format in _PER_UNIT else np.zeros(len(raw), np.bool_)
            if not late.all():
                problems[~late & (raw != 0) & (raw != 1)] |= UNREADABLE
            times = self._bad_consent(self._unix(column, problems, 0), ~late, problems) if late.any() else raw
            values = np.where(late, times, np.where(raw == 1, ALWAYS, NEVER))
        else:
            values = self._consent_text(column, problems)
        return values if missing is None else np.where(missing, NEVER, values)

    def _text(self, column: pa.Array[Any]) -> npt.NDArray[np.int16]:
        """Which of the supplier's consent texts a row names: its position, or UNKNOWN_TEXT."""
        names = self.texts.names if self.texts is not None else ()
        if pa.types.is_null(column.type):
            return np.full(len(column), UNKNOWN_TEXT, np.int16)
        if pa.types.is_integer(column.type):
            column = column.cast(pa.string())
        found = pc.index_in(column.cast(pa.binary()), value_set=pa.array([name.encode() for name in names], pa.binary()))
        return np.asarray(found.fill_null(UNKNOWN_TEXT)).astype(np.int16)

    def _fits(self, column: pa.Array[Any]) -> Bools:
        """Whether a row's own purposes hold the study's."""
        if self.purpose is None:
            raise InternalError("INGEST_NO_PURPOSE", what="A column of purposes has no purpose to be held against.")
        if isinstance(column, pa.DictionaryArray):  # the words are looked through once, not once a row
            found = np.append(self._fits(column.dictionary), False)
            return np.asarray(found[np.asarray(column.indices.cast(pa.int64()).fill_null(len(column.dictionary)))])
        if pa.types.is_null(column.type):
            return np.zeros(len(column), np.bool_)
        if isinstance(column, pa.ListArray | pa.LargeListArray):
            words = self._fits(column.flatten())
            lengths = np.asarray(column.value_lengths().fill_null(0))
            out = np.zeros(len(column), np.bool_)
            out[np.repeat(np.arange(len(column)), lengths)[words]] = True
            return out
        return parse.mentions(*parse.texts(column), self.purpose)

    def _consent_text(self, column: pa.Array[Any], problems: Bytes) -> Ints:
        data, offsets = parse.texts(column)
        truth = parse.truths(data, offsets)
        values = np.where(truth == parse.TRUE, ALWAYS, NEVER)
        other = truth == parse.BAD
        if other.any():
            numeric = self.mapping.time_format in _PER_UNIT
            times = self._unix(column, np.zeros_like(problems), 0) if numeric else self._zoned(*parse.times(data, offsets))
            values = np.where(other, self._bad_consent(times, ~other, problems), values)
        return values

    @staticmethod
    def _bad_consent(times: Ints, passed_over: Bools | None, problems: Bytes) -> Ints:
        """Times of consent; one that can't be read is no consent and marks its row."""
        bad = times == BAD_TIME
        if passed_over is not None:
            bad &= ~passed_over
        problems[bad] |= UNREADABLE
        return np.where(bad, NEVER, times)


def _decoded(column: pa.Array[Any]) -> pa.Array[Any]:
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    return column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column


def _mark_null(column: pa.Array[Any], problems: Bytes) -> None:
    if column.null_count:
        problems[np.asarray(column.is_null())] |= NULL


def _mark(status: Bytes, problems: Bytes, empty: int) -> None:
    problems[status == parse.BAD] |= UNREADABLE
    if empty:
        problems[status == parse.EMPTY] |= np.uint8(empty)


def _int64(column: pa.Array[Any]) -> Ints:
    """Values of an integer column; unsigned ones keep their 8 bytes, null ones are 0."""
    if column.null_count:
        column = column.fill_null(0)
    return np.asarray(column).astype(np.int64, copy=False)


def _scaled(values: Ints, scale: int) -> Ints:
    limit = np.iinfo(np.int64).max // scale
    if scale == 1 or not len(values) or (int(values.min()) >= -limit and int(values.max()) <= limit):
        return values * scale
    good = (values >= -limit) & (values <= limit)
    return np.where(good, np.where(good, values, 0) * scale, BAD_TIME)


def _floats(column: pa.Array[Any], problems: Bytes, empty: int) -> Floats:
    """A column of numbers as float64; missing ones are NaN and marked with `empty`, unreadable ones are marked."""
    if empty:
        _mark_null(column, problems)
    if is_text(column.type):
        values, status = parse.numbers(*parse.texts(column))
        _mark(status, problems, empty)
        return values
    if column.type != pa.float64():
        column = column.cast(pa.float64(), safe=False)
    if column.null_count:
        column = column.fill_null(float("nan"))
    return np.asarray(column, np.float64)


def _truths(column: pa.Array[Any], problems: Bytes) -> Bools:
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.bool_)
    if pa.types.is_boolean(column.type):
        return np.asarray(column.fill_null(False) if column.null_count else column, np.bool_)
    if pa.types.is_integer(column.type):
        values = _int64(column)
        problems[(values != 0) & (values != 1)] |= UNREADABLE
        return np.asarray(values == 1)
    status = parse.truths(*parse.texts(column))
    _mark(status, problems, 0)
    return np.asarray(status == parse.TRUE)


def _leaving(withdrawn: Bools | None, opted: Bools | None, known: Bools) -> Bytes | None:
    if withdrawn is None and opted is None:
        return None
    out = np.zeros(len(known), np.uint8)
    if opted is not None:
        out[opted & known] = REASONS.index("opted_out")
    if withdrawn is not None:
        out[withdrawn & known] = REASONS.index("withdrawn")
    return out


def _nil(ids: Bytes) -> Bools:
    return np.asarray(~ids.any(axis=1))
