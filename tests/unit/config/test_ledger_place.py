"""[ledger]: exactly one place, and no password in a study file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError

from flockwise import config

GOOD = [
    "service=flockwise",
    "host=ledger.internal dbname=ledger user=steward sslmode=verify-full",
    "host = 'a folder' port=5432 dbname='it\\'s' user=a\\ b passfile=/run/secrets/pg",
    "dbname=password",
    "user='password=x'",
    "application_name='' host=a",
    "postgresql:///ledger?host=/run/postgresql&service=flockwise",
    "postgresql://steward@ledger.internal:5432/ledger?sslmode=verify-full",
    "postgres://steward:@ledger.internal/ledger",
    "postgresql://one.internal,two.internal/ledger?target_session_attrs=read-write",
]
SECRET = [
    "host=a password=horse",
    "password = 'horse battery'",
    "host=a  sslpassword=horse",
    "host='it\\'s' password=horse",
    "postgresql://steward:horse@ledger.internal/ledger",
    "postgresql://ledger.internal/ledger?password=horse",
    "postgresql://ledger.internal/ledger?user=a&p%61ssword=horse",
]
UNREADABLE = ["", "   ", "ledger.internal horse", "host=a horse", "host='horse", "postgresql://a/b?horse"]


def spec(**where: object) -> config.Ledger:
    return config.Ledger(dataset="panel", lifetime_epsilon=Fraction(4), **where)  # type: ignore[arg-type]  # as a study file gives them


def said(**where: object) -> str:
    with pytest.raises(ValidationError) as got:
        spec(**where)
    return str([e["msg"] for e in got.value.errors(include_url=False, include_input=False)])


@pytest.mark.parametrize("text", GOOD)
def test_connection_strings_that_libpq_reads_and_that_hold_no_secret(text: str) -> None:
    assert not set(conninfo_to_dict(text)) & {"password", "sslpassword"}
    assert spec(postgres=text, folder=Path("host")).postgres == text


@pytest.mark.parametrize("text", SECRET)
def test_a_password_is_refused_and_not_repeated(text: str) -> None:
    assert set(conninfo_to_dict(text)) & {"password", "sslpassword"}
    message = said(postgres=text, folder=Path("host"))
    assert "no password in it" in message
    assert "horse" not in message


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_no_connection_string_is_refused_and_not_repeated(text: str) -> None:
    message = said(postgres=text, folder=Path("host"))
    assert "not a connection string" in message
    assert "horse" not in message


def test_exactly_one_place() -> None:
    assert spec(path=Path("a.ledger")).path == Path("a.ledger")
    assert "exactly one of path and postgres" in said()
    assert "exactly one of path and postgres" in said(path=Path("a.ledger"), postgres="service=flockwise", folder=Path("host"))
    assert "folder goes with postgres" in said(postgres="service=flockwise")
    assert "folder goes with postgres" in said(path=Path("a.ledger"), folder=Path("host"))
