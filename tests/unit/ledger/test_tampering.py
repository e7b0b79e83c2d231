"""Whoever edits the file is found out; what can't be found out is said."""

from __future__ import annotations

import errno
import shutil
from fractions import Fraction
from pathlib import Path

import pytest
from tests.unit.ledger._places import Place, SqlitePlace, opened, rebuild

from flockwise.errors import FlockwiseError, LedgerError
from flockwise.ledger import Ledger

MICRO = Fraction(1, 10**6)


def filled(where: Place, charges: int = 3) -> Place:
    ledger = opened(where)
    for i in range(charges):
        entry = ledger.charge(f"plan {i}", "inputs", Fraction(1, 10), MICRO, Fraction(1), "t")
        ledger.mark(entry, "published")
    return where


def code_of(where: Place) -> str:
    with pytest.raises(FlockwiseError) as got:
        opened(where).charge("new", "inputs", Fraction(1, 10), MICRO, Fraction(1), "t")
    assert isinstance(got.value, LedgerError)
    assert "Nothing was spent" in got.value.state
    return got.value.code


@pytest.mark.rule(17)
@pytest.mark.parametrize(
    ("statements", "code"),
    [
        (["""UPDATE ledger SET body = replace(body, '"rho":"1/10"', '"rho":"1/99"') WHERE number = 1"""], "LEDGER_CHAIN_BROKEN"),
        (["UPDATE ledger SET previous = 'x' WHERE number = 2"], "LEDGER_CHAIN_BROKEN"),
        (["DELETE FROM ledger WHERE number = 1"], "LEDGER_CHAIN_BROKEN"),
        (["DELETE FROM ledger WHERE number = 6"], "LEDGER_TRUNCATED"),
        (["DELETE FROM ledger WHERE number > 0"], "LEDGER_TRUNCATED"),
        (["DELETE FROM ledger"], "LEDGER_TRUNCATED"),
        (["DELETE FROM ledger WHERE number = 0", "UPDATE ledger SET number = number - 1"], "LEDGER_TRUNCATED"),
        (["UPDATE ledger SET number = 99 WHERE number = 1", "UPDATE ledger SET number = 1 WHERE number = 3", "UPDATE ledger SET number = 3 WHERE number = 99"],
         "LEDGER_CHAIN_BROKEN"),
        (["UPDATE ledger SET number = 7, body = '{}' WHERE number = 6"], "LEDGER_CHAIN_BROKEN"),
        (["ALTER TABLE ledger ADD COLUMN note TEXT"], "LEDGER_SCHEMA_CHANGED"),
        (["CREATE TABLE other (x TEXT)"], "LEDGER_SCHEMA_CHANGED"),
        (["DROP TABLE ledger"], "LEDGER_TRUNCATED"),
    ],
)  # fmt: skip
def test_edits_are_found(where: Place, statements: list[str], code: str):
    filled(where)
    where.attack(*statements, remake="DROP TABLE ledger" not in statements)
    found = code_of(where)
    if where.name == "postgres" and "DROP TABLE ledger" in statements:
        code = "LEDGER_SCHEMA_CHANGED"
    # Reordered and removed rows disagree with the witness as well as with the chain: either may speak first.
    assert found in {code, "LEDGER_REWRITTEN"} if code in ("LEDGER_CHAIN_BROKEN", "LEDGER_TRUNCATED") else found == code


@pytest.mark.rule(17)
def test_dropped_triggers_are_found(where: Place):
    filled(where)
    where.attack(remake=False)
    assert code_of(where) == "LEDGER_SCHEMA_CHANGED"


@pytest.mark.rule(17)
def test_a_whole_new_chain_disagrees_with_the_witness(where: Place):
    filled(where)

    def cheaper(bodies: list[dict[str, object]]) -> list[dict[str, object]]:
        bodies[1]["rho"] = "1/1000"
        return bodies

    rebuild(where, cheaper)
    assert code_of(where) == "LEDGER_REWRITTEN"


@pytest.mark.rule(17)
def test_a_cut_chain_disagrees_with_the_witness_though_each_hash_is_right(where: Place):
    filled(where)
    rebuild(where, lambda bodies: bodies[:-2])
    assert code_of(where) == "LEDGER_TRUNCATED"


@pytest.mark.parametrize(
    "change",
    [
        lambda b: [b[0], {**b[1], "rho": "-1/10"}, *b[2:]],
        lambda b: [b[0], {**b[1], "rho": "5"}, *b[2:]],
        lambda b: [b[0], {**b[1], "kind": "refund"}, *b[2:]],
        lambda b: [b[0], {k: v for k, v in b[1].items() if k != "rho"}, *b[2:]],
        lambda b: [b[0], {**b[1], "rho": "1/0"}, *b[2:]],
        lambda b: [{**b[0], "cap_rho": "x"}, *b[1:]],
        lambda b: [b[0], {**b[1], "accounting": "none"}, *b[2:]],
        lambda b: [{**b[0], "accounting": "rounded"}, *b[1:]],
        lambda b: [{**b[0], "accounting": "none"}, *b[1:]],
        lambda b: [b[0], {**b[1], "window": {"start": "2026-02-30", "days": 7}}, *b[2:]],
        lambda b: [b[0], {**b[1], "window": {"start": "2026-02-01", "days": 0}}, *b[2:]],
        lambda b: [b[0], {**b[1], "window": "May"}, *b[2:]],
        lambda b: [*b, {"kind": "event", "of": 55, "event": "drawn", "time": ""}],
        lambda b: [*b[:-2], {**b[-2], "rho": float("inf")}, b[-1]],
        lambda b: [*b[:-2], {**b[-2], "delta": "a half"}, b[-1]],
        lambda b: [*b[:-2], {**b[-2], "plan": ["x"]}, b[-1]],
        lambda b: [*b[:-2], {k: v for k, v in b[-2].items() if k != "inputs"}, b[-1]],
    ],
)
def test_a_chain_that_says_nonsense_is_refused_even_with_a_matching_witness(where: Place, change):
    filled(where)
    rebuild(where, change)
    where.witness.write_text("".join(f"{n} {d}\n" for n, _, _, d in where.rows()), encoding="ascii")
    assert code_of(where) == "LEDGER_BAD_ROW"


@pytest.mark.rule(17)
def test_the_witness_is_missed_or_found_contradictory(tmp_path: Path):
    path = filled(SqlitePlace(tmp_path)).path
    witness = Path(f"{path}.witness")
    whole = witness.read_text()
    witness.write_text(whole + f"1 {'0' * 64}\n")
    assert code_of(SqlitePlace(tmp_path)) == "LEDGER_WITNESS_DAMAGED"
    witness.unlink()
    assert code_of(SqlitePlace(tmp_path)) == "LEDGER_WITNESS_MISSING"
    witness.write_text(whole)
    Ledger.open(path, "panel", {"discrete": Fraction(1)}, "4").verify()


@pytest.mark.rule(17)
def test_a_witness_that_can_not_be_written_is_met_before_anything_is_spent(where: Place):
    filled(where)
    witness, kept = where.witness, where.witness.read_bytes()
    witness.unlink()
    witness.mkdir()
    assert code_of(where) == "LEDGER_WITNESS_UNUSABLE"
    witness.rmdir()
    witness.write_bytes(kept)
    assert opened(where).spent() == Fraction(3, 10)


@pytest.mark.rule(17)
def test_a_witness_that_fails_after_the_commit_is_told_as_spent(where: Place, monkeypatch: pytest.MonkeyPatch):
    filled(where)
    ledger = opened(where)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr("flockwise.ledger.witness.os.fsync", full)
    with pytest.raises(LedgerError, match="LEDGER_WITNESS_UNUSABLE") as got:
        ledger.charge("new", "inputs", Fraction(1, 10), MICRO, Fraction(1), "t")
    assert "it is spent" in got.value.state
    monkeypatch.undo()
    assert opened(where).spent() == Fraction(4, 10)


@pytest.mark.rule(17)
def test_a_deleted_ledger_is_not_a_new_budget_while_its_witness_stands(tmp_path: Path):
    path = filled(SqlitePlace(tmp_path)).path
    path.unlink()
    assert code_of(SqlitePlace(tmp_path)) == "LEDGER_TRUNCATED"


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be one" * 50, b"x"])
def test_a_file_that_is_not_a_ledger(tmp_path: Path, content: bytes):
    path = tmp_path / "a.ledger"
    path.write_bytes(content)
    assert code_of(SqlitePlace(tmp_path)) == "LEDGER_DAMAGED"


@pytest.mark.rule(17)
def test_flipped_bytes_are_found_or_harmless(tmp_path: Path):
    (tmp_path / "whole").mkdir()
    whole = filled(SqlitePlace(tmp_path / "whole"), 2).path
    content = whole.read_bytes()
    expected = Ledger.open(whole, "panel", {"discrete": Fraction(1)}, "4").entries()
    for position in range(0, len(content), 997):
        path = tmp_path / f"{position}" / "a.ledger"
        path.parent.mkdir()
        path.write_bytes(content[:position] + bytes([content[position] ^ 0x15]) + content[position + 1 :])
        shutil.copy(f"{whole}.witness", f"{path}.witness")
        try:
            assert Ledger.open(path, "panel", {"discrete": Fraction(1)}, "4").entries() == expected
        except LedgerError:
            continue


def test_what_cannot_be_found_old_copies_of_both_files(tmp_path: Path):
    # Said in docs/claims/ledger.md: a rollback of ledger and witness together is a whole, older ledger. Only an outside record shows it.
    path = filled(SqlitePlace(tmp_path)).path
    for name in (path.name, path.name + ".witness"):
        shutil.copy(tmp_path / name, tmp_path / f"old {name}")
    ledger = Ledger.open(path, "panel", {"discrete": Fraction(1)}, "4")
    ledger.charge("new", "inputs", Fraction(1, 10), MICRO, Fraction(1), "t")
    for name in (path.name, path.name + ".witness"):
        shutil.copy(tmp_path / f"old {name}", tmp_path / name)
    assert Ledger.open(path, "panel", {"discrete": Fraction(1)}, "4").spent() == Fraction(3, 10)
