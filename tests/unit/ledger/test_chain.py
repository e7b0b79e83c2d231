"""Rows that were written before windows and accountings were noted still say what they said."""

from __future__ import annotations

import sqlite3
from fractions import Fraction
from pathlib import Path

from tests.unit.ledger._places import SqlitePlace, opened

from flockwise.ledger.chain import Row, entries, read, spent
from flockwise.ledger.storage import _TABLE, _TRIGGERS

OLD = [
    Row(
        0,
        '{"cap":"4","cap_rho":"1","dataset":"panel","format":"flockwise-ledger/1","kind":"genesis","time":"2026-11-24T07:47:07+00:00"}',
        "0000000000000000000000000000000000000000000000000000000000000000",
        "1bb2ce1dc96a8c124d02416b2b6fb8427cfca3b4ed773f0ba233fb494e2b201a",
    ),
    Row(
        1,
        '{"delta":"1/1000000","epsilon":"1","inputs":"inputs","kind":"charge","plan":"plan","rho":"1/3","time":"2026-11-24T07:47:07+00:00",'
        '"title":"A week in March"}',
        "1bb2ce1dc96a8c124d02416b2b6fb8427cfca3b4ed773f0ba233fb494e2b201a",
        "0a9b3830eaa644953971f1896442a16cd054cb2473f229a665fba00552c5a2e1",
    ),
    Row(
        2,
        '{"event":"drawn","kind":"event","of":1,"time":"2026-11-24T07:47:07+00:00"}',
        "0a9b3830eaa644953971f1896442a16cd054cb2473f229a665fba00552c5a2e1",
        "d3d5c7a381cbda5f0533e55e6ec3f6bb951d28dfb57f32b73b42cde9c77fa781",
    ),
]
"""As the first version wrote them."""


def test_old_rows_verify_and_count_as_discrete():
    bodies = read(OLD)
    assert spent(bodies) == Fraction(1, 3)
    (entry,) = entries(bodies, OLD)
    assert (entry.accounting, entry.window, entry.status, entry.title) == ("discrete", None, "drawn", "A week in March")


def test_an_old_file_is_opened_and_goes_on(tmp_path: Path):
    where = SqlitePlace(tmp_path)
    with sqlite3.connect(where.path) as connection:
        for statement in (_TABLE, *_TRIGGERS):
            connection.execute(statement)
        connection.executemany("INSERT INTO ledger VALUES (?, ?, ?, ?)", [(r.number, r.body, r.previous, r.digest) for r in OLD])
    where.witness.write_text("".join(f"{r.number} {r.digest}\n" for r in OLD), encoding="ascii")
    ledger = opened(where)
    assert not ledger.created
    ledger.charge("new", "inputs", Fraction(2, 3), Fraction(1, 10**6), Fraction(1), "t", accounting="rounded")
    assert ledger.left() == 0
    assert [e.accounting for e in opened(where).entries()] == ["discrete", "rounded"]
    assert opened(where).exposure().unknown_rho == 1
