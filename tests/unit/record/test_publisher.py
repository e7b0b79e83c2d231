from __future__ import annotations

import pytest
from pydantic import ValidationError
from tests.unit.record._made import PUBLISHER

from flockwise.config import Publisher


def publisher(**parts: str) -> Publisher:
    return Publisher.model_validate({"organization": "Bureau", "contact": "x@example.org", **parts})


def test_statements_become_one_line() -> None:
    assert publisher(purpose="  Counting\n  buses. ").purpose == "Counting buses."


@pytest.mark.parametrize("text", ["These data are anonymous.", "There is no risk.", "A safe release.", "It is impossible to find anyone."])
def test_a_statement_that_promises_too_much_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="promises more than was proved"):
        publisher(purpose=text)


@pytest.mark.parametrize("text", ["", "  ", "a <b>", "a | b", "`x`", "a\x07"])
def test_markup_and_empty_statements_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        publisher(purpose=text)


@pytest.mark.parametrize("url", ["example.org", "ftp://example.org", "javascript:alert(1)", "https://a b"])
def test_only_web_addresses_are_taken(url: str) -> None:
    with pytest.raises(ValidationError):
        publisher(url=url)


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError):
        publisher(organisation="Bureau")


def test_the_test_publisher_states_everything() -> None:
    assert all(value is not None for value in PUBLISHER.model_dump().values())
