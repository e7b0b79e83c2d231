"""Charging, refusing, finding, marking; the file's rights and durability."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import stat
from fractions import Fraction
from pathlib import Path

import pytest

from flockwise.errors import BudgetError, InternalError, LedgerError, RuleError
from flockwise.ledger import Entry, Ledger, storage

MICRO = Fraction(1, 10**6)


def opened(tmp_path: Path, cap: Fraction = Fraction(1), dataset: str = "panel") -> Ledger:
    return Ledger.open(tmp_path / "a.ledger", dataset, cap, "4")


def charge(ledger: Ledger, plan: str = "plan", rho: Fraction = Fraction(1, 3), **more: bool) -> Entry:
    return ledger.charge(plan, "inputs", rho, MICRO, Fraction(1), "A week in March", **more)


def test_a_new_ledger_says_so_and_an_old_one_does_not(tmp_path: Path):
    assert opened(tmp_path).created
    again = opened(tmp_path)
    assert not again.created
    assert again.spent() == 0
    assert again.entries() == []


def test_thirds_add_up_exactly_to_the_cap_and_no_further(tmp_path: Path):
    ledger = opened(tmp_path)
    for plan in "abc":
        charge(ledger, plan)
    assert ledger.spent() == 1
    assert ledger.left() == 0
    before = (tmp_path / "a.ledger").read_bytes()
    with pytest.raises(BudgetError) as got:
        charge(ledger, "d", Fraction(1, 10**12))
    assert got.value.code == "LEDGER_OVERSPEND"
    assert got.value.state == "Nothing was spent."
    assert got.value.exit_code == 3
    assert ledger.spent() == 1
    assert (tmp_path / "a.ledger").read_bytes() == before


def test_the_same_plan_is_never_charged_twice_in_silence(tmp_path: Path):
    ledger = opened(tmp_path)
    first = charge(ledger)
    with pytest.raises(RuleError) as got:
        charge(ledger)
    assert got.value.code == "LEDGER_ALREADY_CHARGED"
    assert ledger.spent() == Fraction(1, 3)
    assert ledger.find("plan", "inputs") == first
    second = charge(ledger, again=True)
    assert ledger.spent() == Fraction(2, 3)
    assert ledger.find("plan", "inputs") == second
    assert ledger.find("plan", "other inputs") is None
    assert ledger.find("other plan", "inputs") is None


def test_marks_say_how_far_a_charge_came_and_spend_nothing(tmp_path: Path):
    ledger = opened(tmp_path)
    entry = charge(ledger)
    assert entry.status == "charged"
    assert ledger.mark(entry, "drawn").status == "drawn"
    assert ledger.mark(entry, "published").status == "published"
    assert opened(tmp_path).entries()[0].status == "published"
    assert ledger.spent() == Fraction(1, 3)
    with pytest.raises(InternalError):
        ledger.mark(entry, "undone")
    with pytest.raises(LedgerError) as got:
        ledger.mark(dataclasses.replace(entry, number=77), "drawn")
    assert got.value.code == "LEDGER_NO_SUCH_CHARGE"


def test_an_entry_prints_as_plain_values(tmp_path: Path):
    shown = charge(opened(tmp_path)).as_dict()
    assert json.loads(json.dumps(shown)) == shown
    assert shown["rho"] == "1/3"
    assert shown["delta"] == "1/1000000"
    assert shown["number"] == 1
    assert str(shown["time"]).endswith("+00:00")


def test_another_data_set_or_cap_is_refused(tmp_path: Path):
    opened(tmp_path)
    with pytest.raises(RuleError) as got:
        opened(tmp_path, dataset="others")
    assert got.value.code == "LEDGER_OTHER_DATASET"
    for cap in (Fraction(2), Fraction(1, 2)):
        with pytest.raises(RuleError) as got:
            opened(tmp_path, cap=cap)
        assert got.value.code == "LEDGER_OTHER_CAP"


@pytest.mark.parametrize(
    "bad",
    [{"rho": Fraction(0)}, {"rho": Fraction(-1, 2)}, {"plan": ""}, {"inputs": ""}, {"delta": Fraction(0)}, {"epsilon": Fraction(0)}, {"title": "x" * 501}],
)
def test_nonsense_is_not_charged(tmp_path: Path, bad: dict[str, object]):
    ledger = opened(tmp_path)
    values = {"plan": "p", "inputs": "i", "rho": Fraction(1, 2), "delta": MICRO, "epsilon": Fraction(1), "title": "t", **bad}
    with pytest.raises(InternalError):
        ledger.charge(**values)  # type: ignore[arg-type]  # wrong on purpose
    assert ledger.spent() == 0


def test_only_the_owner_can_read_it(tmp_path: Path):
    charge(opened(tmp_path))
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_charges_are_durable_and_the_table_is_strict_and_append_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[str] = []
    real = sqlite3.connect

    def watched(*args: object, **kwargs: object) -> sqlite3.Connection:
        connection = real(*args, **kwargs)  # type: ignore[call-overload]  # passed through as given
        connection.set_trace_callback(seen.append)
        return connection

    monkeypatch.setattr(storage.sqlite3, "connect", watched)
    charge(opened(tmp_path))
    assert "PRAGMA synchronous = EXTRA" in seen
    assert "BEGIN IMMEDIATE" in seen
    raw = real(tmp_path / "a.ledger")
    for statement in ("UPDATE ledger SET body = 'x'", "DELETE FROM ledger", "DELETE FROM ledger WHERE number = 1"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute("INSERT INTO ledger VALUES ('x', 1, 'a', 'b')")


def test_no_way_back_is_offered():
    offered = {name for name in dir(Ledger) if not name.startswith("_")}
    assert offered == {"charge", "entries", "find", "left", "mark", "open", "require", "spent", "verify"}


def test_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LedgerError) as got:
        Ledger.open(tmp_path / "file" / "a.ledger", "panel", Fraction(1), "4")
    assert got.value.code == "LEDGER_NOT_WRITABLE"


def test_a_busy_ledger_is_told_from_a_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ledger = opened(tmp_path)
    monkeypatch.setattr(storage, "BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(tmp_path / "a.ledger", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError) as got:
        charge(ledger)
    assert got.value.code == "LEDGER_BUSY"
    assert ledger.spent() == 0  # reading goes on while another process charges
    holder.execute("ROLLBACK")
    charge(ledger)
