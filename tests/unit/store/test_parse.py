from __future__ import annotations

import math
import struct
import uuid
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flockwise.store import parse

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def column(values: list[str]) -> tuple[np.ndarray, np.ndarray]:
    return parse.texts(pa.array([v.encode() for v in values], pa.binary()))


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.floats(allow_nan=False), max_size=20))
def test_numbers_round_as_python_does(values: list[float]) -> None:
    found, status = parse.numbers(*column([repr(v) for v in values]))
    assert [bits(f) for f in found] == [bits(v) for v in values]
    assert (status == parse.OK).all()


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.from_regex(r"[+-]?([0-9]{1,25}\.?[0-9]{0,25}|\.[0-9]{1,25})([eE][+-]?[0-9]{1,4})?", fullmatch=True), max_size=20))
def test_numbers_of_any_length_round_as_python_does(texts: list[str]) -> None:
    found, status = parse.numbers(*column(texts))
    assert [bits(f) for f in found] == [bits(float(t)) for t in texts]
    assert (status == parse.OK).all()


@pytest.mark.parametrize("text", ["", " ", "abc", "1,5", "1.2.3", "--1", "1e", "e5", ".", "+", "0x10", "1_000", "1 2", "12a", "½"])
def test_what_is_no_number(text: str) -> None:
    _, status = parse.numbers(*column([text]))
    assert status[0] == (parse.BAD if text.strip() else parse.EMPTY)


def test_not_finite_numbers_and_blanks() -> None:
    found, status = parse.numbers(*column(["NaN", "-inf", "Infinity", " 1.5\t"]))
    assert math.isnan(found[0])
    assert found[1:].tolist() == [-math.inf, math.inf, 1.5]
    assert (status == parse.OK).all()


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.integers(-(2**63), 2**64 - 1), max_size=20))
def test_integers_of_64_bits(values: list[int]) -> None:
    found, status = parse.integers(*column([str(v) for v in values]))
    assert found.tolist() == [v if v < 2**63 else v - 2**64 for v in values]
    assert (status == parse.OK).all()


@pytest.mark.parametrize("text", [str(2**64), str(-(2**63) - 1), "1.0", "1e3", "-", "+", "12x", "99999999999999999999999"])
def test_what_is_no_integer(text: str) -> None:
    assert parse.integers(*column([text]))[1][0] == parse.BAD


def test_leading_zeros_are_the_same_integer() -> None:
    assert parse.integers(*column(["0042", "+42", "42", "0", "000"]))[0].tolist() == [42, 42, 42, 0, 0]


@settings(deadline=None)  # the first call compiles
@given(
    st.lists(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)), max_size=10),  # noqa: DTZ001 - the zone is drawn apart
    st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=3, minutes=30)), None]),
    st.sampled_from(["T", " "]),
)
def test_times_equal_the_standard_library(values: list[datetime], zone: timezone | None, mark: str) -> None:
    found, status = parse.times(*column([v.replace(tzinfo=zone).isoformat(mark) for v in values]))
    assert found.tolist() == [(v.replace(tzinfo=zone or UTC) - EPOCH) // timedelta(microseconds=1) for v in values]
    assert (status == (parse.LOCAL if zone is None else parse.ZONED)).all()


def test_forms_of_one_time() -> None:
    forms = ["2026-03-02T08:15Z", "2026-03-02 08:15:00z", "2026-03-02T10:15:00.000+02:00", "2026-03-02T03:15:00,0-0500", "2026-03-02 09:15:00 +01"]
    found, status = parse.times(*column(forms))
    assert set(found.tolist()) == {1_772_439_300_000_000}
    assert (status == parse.ZONED).all()


def test_fractions_below_a_microsecond_are_dropped() -> None:
    assert parse.times(*column(["1970-01-01T00:00:00.1234569Z"]))[0][0] == 123_456


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-03-32T00:00:00Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T23:60:00Z",
        "2026-03-02T23:59:60Z",
        "2026-03-02",
        "2026-03-02T08",
        "2026-03-02T08:15:00.Z",
        "2026-03-02T08:15:00+25:00",
        "2026-03-02T08:15:00Zx",
        "20260302T081500Z",
        "2026/03/02 08:15:00",
        "02.03.2026 08:15",
        "1772439300",
        "yesterday at noon o'clock",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert parse.times(*column([text]))[1][0] == parse.BAD


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.binary(max_size=50), max_size=20))
def test_no_bytes_break_a_reader(values: list[bytes]) -> None:
    data, offsets = parse.texts(pa.array(values, pa.binary()))
    for read in (parse.numbers, parse.integers, parse.times, parse.uuids):
        assert len(read(data, offsets)[1]) == len(values)
    assert len(parse.truths(data, offsets)) == len(values)


def test_truths() -> None:
    words = ["true", "T", "YES", "y", "1", "False", "f", "no", "N", "0", "", "2", "maybe"]
    expected = [parse.TRUE] * 5 + [parse.FALSE] * 5 + [parse.EMPTY, parse.BAD, parse.BAD]
    assert parse.truths(*column(words)).tolist() == expected


def test_uuids() -> None:
    one = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")
    found, status = parse.uuids(*column([str(one), str(one).upper(), one.hex, f"{{{one}}}", one.urn, f"{{{one.hex}}}"]))
    assert {row.tobytes() for row in found} == {one.bytes}
    assert (status == parse.OK).all()
    bad = [str(one)[:-1], str(one) + "0", str(one).replace("-", "_"), "g" * 32, one.hex[:31] + "-", "{" + one.hex + "]"]
    assert (parse.uuids(*column(bad))[1] == parse.BAD).all()


def test_slices_and_nulls_keep_their_places() -> None:
    whole = pa.array([b"1", b"2", None, b"4", b"5"], pa.binary())
    values, status = parse.numbers(*parse.texts(whole.slice(1, 3)))
    assert values[[0, 2]].tolist() == [2.0, 4.0]
    assert status.tolist() == [parse.OK, parse.EMPTY, parse.OK]
    assert len(parse.numbers(*parse.texts(whole.slice(5)))[0]) == 0


def test_a_word_among_others() -> None:
    texts = [
        "public-health",
        " Public-Health ",
        "a; public-health|b",
        "a,public-health",
        "public-health-2",
        "xpublic-health",
        "",
        ";|,",
        "public health",
        "a;b",
    ]
    array = pa.array([None, *texts], pa.string())[1:]
    assert parse.mentions(*parse.texts(array), "public-health").tolist() == [True] * 4 + [False] * 6
