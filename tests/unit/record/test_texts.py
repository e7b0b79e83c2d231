from __future__ import annotations

import json
import math
import re
import string
from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction
from typing import Any

import pytest
from pydantic import BaseModel
from tests.unit.record._made import PUBLISHER, STATEMENTS, facts, other

from flockwise import record
from flockwise.base.words import overclaims
from flockwise.errors import ArtifactError, RuleError
from flockwise.record import _pages as pages


def words_of(made: record.Facts) -> dict[str, str]:
    """The texts for people: both pages, and every string of the entry."""
    found = record.texts(made)
    texts = [json.dumps(json.loads(found.pop(record.REGISTRY))["entry"], ensure_ascii=False)]
    return {**found, "entry": texts[0].replace("\\n", "\n")}


def values(part: Any) -> Iterator[Any]:
    if isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from values(getattr(part, name))
    elif isinstance(part, dict):
        for value in part.values():
            yield from values(value)
    elif isinstance(part, tuple | list):
        for value in part:
            yield from values(value)
    elif part is not None and not isinstance(part, bool):
        yield part


def printed(value: Any) -> set[str]:
    """Every way in which a figure may stand in a text, made here without the package's own formatting."""
    if isinstance(value, Fraction):
        if value.denominator == 1:
            ways = {str(value.numerator)}
        else:
            n, twos_fives = 0, value
            while twos_fives.denominator != 1 and n < 40:
                n, twos_fives = n + 1, twos_fives * 10
            ways = (
                {f"{value.numerator * 10**n // value.denominator:0{n + 1}d}"} if twos_fives.denominator == 1 else {str(value.numerator), str(value.denominator)}
            )
            if twos_fives.denominator == 1:
                digits = next(iter(ways))
                ways = {f"{digits[:-n]}.{digits[-n:]}"}
        up = (Decimal(value.numerator) / Decimal(value.denominator)).quantize(Decimal("0.01"), rounding=ROUND_CEILING)
        small = {f"{int(1 / value):,}"} if 0 < value < 1 else set()
        floats = {repr(float(value)), repr(math.nextafter(float(value), math.inf))}
        return ways | small | floats | {str(up), str(up).rstrip("0").rstrip(".")}
    if isinstance(value, int):
        return {str(value), f"{value:,}"}
    if isinstance(value, float):
        return {f"{value:,.1f}", f"{value:.2f}", f"{100 * value:.0f}"}
    return set(re.findall(NUMBER, str(value)))


NUMBER = r"\d+(?:[.,]\d+)*(?:e-?\d+)?"


def figures(made: record.Facts) -> set[str]:
    return {way for value in values(made) for way in printed(value)}


@pytest.mark.parametrize("made", [facts, other])
def test_every_number_of_a_text_is_a_figure_of_the_facts(made: Any) -> None:
    mine = made()
    for file, text in words_of(mine).items():
        numbers = set(re.findall(NUMBER, text))
        assert len(numbers) > 30, file
        # The rest: "90 %" intervals, "times in 100", and the articles and numbers of laws and guidelines, which stand in the templates; tier 0.
        fixed = {"90", "100", "800", "226", "0"} if file == "entry" else {"90", "100"} | set(re.findall(NUMBER, pages.template(file)))
        assert numbers - figures(mine) <= fixed, file


def test_templates_hold_no_figure_of_a_study() -> None:
    allowed = {"800", "226", "2025", "248", "01", "2", "1", "3", "4", "5", "6", "7", "9", "12", "14", "15", "16", "17", "18", "19", "20", "21"}
    allowed |= {"28", "32", "33", "34", "35", "36", "8", "11", "50", "100"}
    for file in (pages.NIST, pages.ASSESSMENT):
        assert set(re.findall(NUMBER, pages.template(file))) <= allowed


def test_templates_use_every_value_and_no_other() -> None:
    used = {name for file in (pages.NIST, pages.ASSESSMENT) for _, name, _, _ in string.Formatter().parse(pages.template(file)) if name}
    assert used == set(pages.VALUES)


def test_the_promise_is_told_for_this_window_and_a_year_for_one_device_and_for_more() -> None:
    mine = facts()
    for file, text in words_of(mine).items():
        for e in mine.exposures:
            assert f"{e.guess_percent} times in 100" in text, file
        assert "k x k" in text
        assert "never reset" in text or "can't be reset" in text


@pytest.mark.parametrize("made", [facts, other, lambda: facts(None)])
def test_texts_are_the_same_each_time_and_promise_nothing_that_was_not_proved(made: Any) -> None:
    assert record.texts(made()) == record.texts(made())
    for text in words_of(made()).values():
        assert overclaims(text) == []


def test_a_promise_that_was_not_proved_is_refused_before_it_is_published() -> None:
    said = STATEMENTS.model_copy(update={"meaning": ("The figures are anonymous.",)})
    with pytest.raises(RuleError, match="RECORD_OVERCLAIMS"):
        record.texts(facts().model_copy(update={"statements": said}))


def test_a_name_is_no_promise() -> None:
    said = PUBLISHER.model_copy(update={"organization": "Safe Streets Alliance", "region": "Safe Harbor", "url": "https://safe.example.org/x"})
    named = facts(said).model_copy(update={"study": "Safe Streets, anonymous panel", "dataset": 'safe "panel"'})
    assert record.check(record.texts(named)) == named


def test_what_the_publisher_says_is_printed_word_for_word() -> None:
    texts = words_of(facts())
    for key in ("organization", "contact", "region", "security", "rationale", "recipients"):
        assert getattr(PUBLISHER, key).rstrip(".") in texts["entry"], key
    for key in ("organization", "contact", "purpose", "intended_use", "recipients", "legal_basis", "region", "security", "rationale"):
        assert getattr(PUBLISHER, key).rstrip(".") in texts[record.ASSESSMENT], key


def test_the_purpose_is_the_one_that_the_study_declares() -> None:
    """Beside it what the publisher says, or that nothing is said: the closed list alone is no description."""
    declared = facts(None).model_copy(update={"purpose": "disaster-relief"})
    draft = record.assessment(declared)
    assert draft.count("disaster relief, as the study declares") == 2
    assert "By the publisher: not stated by the publisher. [to be completed: what the pings are processed for]" in draft
    assert record.check(record.texts(declared)) == declared
    assert "as the study declares" not in record.assessment(facts(None))


def test_the_draft_marks_what_only_the_controller_can_say() -> None:
    drafts = {name: record.assessment(made) for name, made in (("all", facts()), ("none", facts(None)))}
    marks = {name: text.count("[to be completed") for name, text in drafts.items()}
    assert 30 <= marks["all"] < marks["none"]
    assert "not stated by the publisher. [to be completed: legal basis" in drafts["none"]
    for article in ("35(7)(a)", "35(7)(b)", "35(7)(c)", "35(7)(d)", "35(2)", "35(9)", "35(11)", "Art. 36", "Art. 28", "Chapter V", "Art. 16, 17, 19"):
        assert article in drafts["all"]
    assert drafts["all"] == record.texts(facts())[record.ASSESSMENT]


def test_weighted_tables_tell_the_noise_that_they_print() -> None:
    assert "| 812.5 weighted devices |" in record.texts(other())[record.NIST]
    assert "| 8.12 devices |" in record.texts(other())[record.NIST]


def test_settings_that_a_study_may_have_are_told() -> None:
    draft = record.assessment(other())
    assert "Pings within 610 m of 18 categories of sensitive places" in draft
    assert "Supplier A, assessed on 2029-12-19; Supplier B, [to be completed: date of the assessment]." in draft
    assert "no consent to check row by row" in draft
    assert "carry no opt-out" in draft
    assert "Source of the weights: Census of 2030 by region \\| table 5." in record.texts(other())[record.NIST]


def test_a_whole_record_is_checked_by_making_it_again() -> None:
    assert record.check(record.texts(facts())) == facts()


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        (record.NIST, "Epsilon 1 at", "Epsilon 0.1 at", "RECORD_TEXT"),
        (record.ASSESSMENT, "Another device", "No other device", "RECORD_TEXT"),
        (record.REGISTRY, '"tier": 3', '"tier": 2', "RECORD_TEXT"),
        (record.REGISTRY, '"epsilon": 1.0', '"epsilon": 0.1', "RECORD_TEXT"),
        (record.REGISTRY, '"panel_bound": 150000', '"panel_bound": 150001', "RECORD_TEXT"),
        (record.REGISTRY, '"rho": "24355970359/1000000000000"', '"rho": "24355970358/1000000000000"', "RECORD_SCHEMA"),
        (record.REGISTRY, '"unit": "device"', '"unit": "trip"', "RECORD_SCHEMA"),
    ],
)
def test_edited_records_are_found(file: str, old: str, new: str, code: str) -> None:
    found = record.texts(facts())
    assert old in found[file]
    found[file] = found[file].replace(old, new, 1)
    with pytest.raises(ArtifactError) as caught:
        record.check(found)
    assert caught.value.code == code


@pytest.mark.parametrize("file", [record.REGISTRY, record.NIST, record.ASSESSMENT])
def test_a_missing_file_is_found(file: str) -> None:
    found = record.texts(facts())
    del found[file]
    with pytest.raises(ArtifactError):
        record.check(found)


def test_a_record_made_whole_anew_with_a_forbidden_promise_is_found() -> None:
    said = STATEMENTS.model_copy(update={"meaning": ("The figures are safe.",)})
    forged = facts().model_copy(update={"statements": said})
    found = {record.REGISTRY: record.record(forged).to_json(), **{f: pages.page(f, forged) for f in (pages.NIST, pages.ASSESSMENT)}}
    with pytest.raises(ArtifactError) as caught:
        record.check(found)
    assert caught.value.code == "RECORD_OVERCLAIMS"
