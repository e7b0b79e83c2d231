"""Nothing about a person fits into the trail."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.trail._made import KEY, made

from flockwise.errors import InternalError, RuleError
from flockwise.trail import KINDS
from flockwise.trail.kinds import check_facts
from flockwise.trail.texts import refused_part

IDENTIFIERS = (
    "6f9619ff-8b86-d011-b42d-00c04fc964ff", "6F9619FF8B86D011B42D00C04FC964FF", "00:1A:2B:3C:4D:5E", "001a.2b3c.4d5e", "490154203237518", "49-015420-323751-8",
    "+1 (555) 010-4477", "555 010 4477", "0171/2345678", "40.7128, -74.0060", "40,7128 -74,0060", "40.71,-74.00", "lat 40.712", "52°31′", "40 deg 42",
    "872a1072bffffff", "8a2a1072b59ffff", "a@b.org", "310150123456789", "٤٩٠١٥٤٢٠٣٢", "４９０１５４２０３２３７５１８", "aGVsbG8gd29ybGQx", "1 2 3 4 5 6 7 8",
    "12345678", "deadbeef01",
)  # fmt: skip


@pytest.mark.rule(1)
@pytest.mark.parametrize("text", IDENTIFIERS)
def test_identifiers_and_positions_are_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    trail = made(tmp_path / "t")
    for kind, facts in (
        ("incident", {"kind": "loss", "what": f"Lost: {text} ."}),
        ("recipient", {"release": "ab" * 32, "name": text, "purpose": "academic-research"}),
    ):
        with pytest.raises(RuleError, match="TRAIL_TEXT") as caught:
            trail.append(kind, facts, KEY)
        assert text not in str(caught.value)
    assert len(trail.events()) == 7
    assert text.encode() not in b"".join(p.read_bytes() for p in trail.path.iterdir())


@pytest.mark.rule(1)
@given(st.uuids(), st.sampled_from(["{}", "id {}", "x{}y", "{}."]))
def test_every_uuid_is_refused(value: uuid.UUID, around: str) -> None:
    assert refused_part(around.format(value)) is not None
    assert refused_part(around.format(value.hex)) is not None


@pytest.mark.rule(1)
@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_pair_of_coordinates_is_refused(lat: float, lon: float) -> None:
    assert refused_part(f"near {lat:.2f}, {lon:.2f}") is not None
    assert refused_part(f"at {lat:.5f}") is not None


@pytest.mark.parametrize(
    "text", ["Ministry of Transport, Berlin", "Transport for London", "An agreement of 2026-05-04, no. 12", "Łódź, Zarząd Dróg", "The 3 disks of 2025"]
)
def test_plain_words_are_taken(text: str) -> None:
    assert refused_part(text) is None


@pytest.mark.parametrize("text", ["", "ab", "x" * 41, "word " * 41, "two\nlines", "a\x00b c", "a‮ b c", "<b>bold</b>"])
def test_lengths_and_signs_are_limited(text: str) -> None:
    assert refused_part(text) is not None


COUNTS: tuple[dict[str, object], ...] = ({"rows": 12}, {"count": 3}, {"devices": "7"}, {"device": "6f9619ff"}, {"lat": "40.7"}, {"note": "12 rows"})


@pytest.mark.rule(1)
@pytest.mark.parametrize("more", COUNTS, ids=lambda m: next(iter(m)))
def test_no_kind_has_room_for_a_count_a_device_or_a_place(more: dict[str, str | int]) -> None:
    for kind in KINDS:
        with pytest.raises(InternalError, match="TRAIL_BAD_EVENT"):
            check_facts(kind, more)


SMUGGLED: tuple[str | int, ...] = (
    "490154203237518", "40.7128", "a" * 65, "A" * 64, "", "8001-01-01", "2026-13-01", -1, True, "x\ny", "40.71,-74.00",
)  # fmt: skip


@pytest.mark.rule(1)
@pytest.mark.parametrize("smuggled", SMUGGLED)
def test_no_fact_takes_a_number_or_a_text_of_ones_own(smuggled: str | int) -> None:
    for kind, wanted in KINDS.items():
        for name, check in wanted.items():
            assert not check(smuggled), (kind, name)


@pytest.mark.rule(1)
@pytest.mark.parametrize("smuggled", ["DEVICE_1234567", "1e5", "12 rows", "../x", "row_12"])
def test_only_an_officers_words_are_free(smuggled: str) -> None:
    for kind, wanted in KINDS.items():
        for name, check in wanted.items():
            if (kind, name) not in (("recipient", "name"), ("incident", "what")):
                assert not check(smuggled), (kind, name)


def test_an_unknown_kind_is_not_repeated() -> None:
    with pytest.raises(InternalError) as caught:
        check_facts("490154203237518", {})
    assert "490154" not in str(caught.value)
