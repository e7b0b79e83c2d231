"""Charging, refusing, finding, marking; the file's rights and durability."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
import stat
import time
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from tests.unit.ledger._places import Place, SqlitePlace, opened
from tests.unit.ledger._places import storage as storage_at

from flockwise.errors import BudgetError, InternalError, LedgerError, RuleError
from flockwise.ledger import Entry, Ledger, storage

MICRO = Fraction(1, 10**6)


def charge(ledger: Ledger, plan: str = "plan", rho: Fraction = Fraction(1, 3), **more: Any) -> Entry:
    return ledger.charge(plan, "inputs", rho, MICRO, Fraction(1), "A week in March", **more)


def test_a_new_ledger_says_so_and_an_old_one_does_not(where: Place):
    assert opened(where).created
    again = opened(where)
    assert not again.created
    assert again.spent() == 0
    assert again.entries() == []


@pytest.mark.rule(17)
def test_thirds_add_up_exactly_to_the_cap_and_no_further(where: Place):
    ledger = opened(where)
    for plan in "abc":
        charge(ledger, plan)
    assert ledger.spent() == 1
    assert ledger.left() == 0
    before = where.rows()
    with pytest.raises(BudgetError) as got:
        charge(ledger, "d", Fraction(1, 10**12))
    assert got.value.code == "LEDGER_OVERSPEND"
    assert got.value.state == "Nothing was spent."
    assert got.value.exit_code == 3
    assert ledger.spent() == 1
    assert where.rows() == before


@pytest.mark.rule(17)
def test_the_same_plan_is_never_charged_twice_in_silence(where: Place):
    ledger = opened(where)
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


@pytest.mark.rule(17)
def test_marks_say_how_far_a_charge_came_and_spend_nothing(where: Place):
    ledger = opened(where)
    entry = charge(ledger)
    assert entry.status == "charged"
    assert ledger.mark(entry, "drawn").status == "drawn"
    assert ledger.mark(entry, "published").status == "published"
    assert opened(where).entries()[0].status == "published"
    assert ledger.spent() == Fraction(1, 3)
    with pytest.raises(InternalError):
        ledger.mark(entry, "undone")
    with pytest.raises(LedgerError) as got:
        ledger.mark(dataclasses.replace(entry, number=77), "drawn")
    assert got.value.code == "LEDGER_NO_SUCH_CHARGE"


def test_an_entry_prints_as_plain_values(where: Place):
    shown = charge(opened(where)).as_dict()
    assert json.loads(json.dumps(shown)) == shown
    assert shown["rho"] == "1/3"
    assert shown["delta"] == "1/1000000"
    assert shown["number"] == 1
    assert shown["window"] is None
    assert shown["accounting"] == "discrete"
    assert str(shown["time"]).endswith("+00:00")


@pytest.mark.rule(17)
def test_another_data_set_of_the_same_file_is_refused(tmp_path: Path):
    opened(SqlitePlace(tmp_path))
    with pytest.raises(RuleError) as got:
        opened(SqlitePlace(tmp_path), dataset="others")
    assert got.value.code == "LEDGER_OTHER_DATASET"


@pytest.mark.rule(17)
def test_another_cap_is_refused(where: Place):
    opened(where)
    for cap in (Fraction(2), Fraction(1, 2)):
        with pytest.raises(RuleError) as got:
            opened(where, cap=cap)
        assert got.value.code == "LEDGER_OTHER_CAP"


def test_a_cap_for_rounded_noise_holds_for_rounded_noise_alone(where: Place):
    caps = {"rounded": Fraction(1, 2), "discrete": Fraction(1, 3)}
    ledger = opened(where, **caps)
    assert ledger.left() == Fraction(1, 2)
    with pytest.raises(RuleError) as got:
        charge(ledger, rho=Fraction(1, 4))
    assert got.value.code == "LEDGER_OTHER_ACCOUNTING"
    assert ledger.spent() == 0
    charge(ledger, rho=Fraction(1, 2), accounting="rounded")
    # However the study orders its caps, the ledger keeps the one it was begun with.
    assert opened(where, discrete=Fraction(1, 3), rounded=Fraction(1, 2)).left() == 0
    with pytest.raises(RuleError) as got:
        opened(where, discrete=Fraction(1, 2))
    assert got.value.code == "LEDGER_OTHER_CAP"


def test_a_cap_for_discrete_noise_holds_for_both(where: Place):
    ledger = opened(where, discrete=Fraction(1, 3))
    assert charge(ledger, "a", Fraction(1, 6), accounting="rounded").accounting == "rounded"
    assert charge(opened(where, rounded=Fraction(1, 2), discrete=Fraction(1, 3)), "b", Fraction(1, 6)).accounting == "discrete"
    assert opened(where, rounded=Fraction(1, 2), discrete=Fraction(1, 3)).left() == 0


@pytest.mark.parametrize(
    "bad",
    [
        {"rho": Fraction(0)},
        {"rho": Fraction(-1, 2)},
        {"plan": ""},
        {"inputs": ""},
        {"delta": Fraction(0)},
        {"epsilon": Fraction(0)},
        {"title": "x" * 501},
        {"accounting": "none"},
        {"window": (date(2026, 5, 4), 0)},
    ],
)
def test_nonsense_is_not_charged(where: Place, bad: dict[str, object]):
    ledger = opened(where)
    values = {"plan": "p", "inputs": "i", "rho": Fraction(1, 2), "delta": MICRO, "epsilon": Fraction(1), "title": "t", **bad}
    with pytest.raises(InternalError):
        ledger.charge(**values)  # type: ignore[arg-type]  # wrong on purpose
    assert ledger.spent() == 0


def test_a_noisy_output_is_found_by_whoever_opens_the_ledger(where: Place):
    ledger = opened(where)
    entry = charge(ledger)
    assert opened(where).kept(entry) is None
    content = bytes(range(256)) * 40_000
    ledger.keep(entry, content)
    assert opened(where).kept(entry) == content
    assert opened(where).kept(charge(ledger, "other")) is None


def test_drafts_that_a_crash_left_are_swept_and_nothing_that_is_needed(tmp_path: Path):
    ledger = opened(SqlitePlace(tmp_path))
    entry = charge(ledger)
    ledger.keep(entry, b"first")
    (kept,) = tmp_path.rglob("*.npz")
    left, running = (kept.with_name(f".{'ab' * 32}.npz.{name}.part") for name in ("0123456789ab", "ba9876543210"))
    for path, age in ((left, storage.DRAFT_SECONDS + 60), (running, storage.DRAFT_SECONDS - 600), (kept, 30 * storage.DRAFT_SECONDS)):
        if path is not kept:
            path.write_bytes(b"noise")
        os.utime(path, (time.time() - age,) * 2)
    ledger.keep(charge(ledger, "other"), b"second")
    assert not left.exists()
    assert running.read_bytes() == b"noise"
    assert ledger.kept(entry) == b"first"


def test_looking_for_a_ledger_begins_none(where: Place):
    assert not storage_at(where).begun()
    assert not storage_at(where).begun()
    assert opened(where).created
    assert storage_at(where).begun()


def test_a_charge_notes_its_window_and_its_accounting(where: Place):
    ledger = opened(where)
    entry = charge(ledger, window=(date(2026, 5, 4), 7), accounting="rounded")
    again = opened(where).find("plan", "inputs")
    assert again == entry
    assert again.window == (date(2026, 5, 4), 7)
    assert again.accounting == "rounded"
    assert again.as_dict()["window"] == "2026-05-04/P7D"


def test_only_the_owner_can_read_it(tmp_path: Path):
    charge(opened(SqlitePlace(tmp_path)))
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


@pytest.mark.rule(17)
def test_charges_are_durable_and_the_table_is_strict_and_append_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[str] = []
    real = sqlite3.connect

    def watched(*args: object, **kwargs: object) -> sqlite3.Connection:
        connection = real(*args, **kwargs)  # type: ignore[call-overload]  # passed through as given
        connection.set_trace_callback(seen.append)
        return connection

    monkeypatch.setattr(storage.sqlite3, "connect", watched)
    charge(opened(SqlitePlace(tmp_path)))
    assert "PRAGMA synchronous = EXTRA" in seen
    assert "BEGIN IMMEDIATE" in seen
    raw = real(tmp_path / "a.ledger")
    for statement in ("UPDATE ledger SET body = 'x'", "DELETE FROM ledger", "DELETE FROM ledger WHERE number = 1"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(statement)
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute("INSERT INTO ledger VALUES ('x', 1, 'a', 'b')")


@pytest.mark.rule(17)
def test_no_way_back_is_offered():
    offered = {name for name in dir(Ledger) if not name.startswith("_")}
    assert offered == {"charge", "entries", "exposure", "find", "keep", "kept", "left", "mark", "open", "require", "spent", "verify"}


@pytest.mark.rule(17)
def test_a_place_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LedgerError) as got:
        Ledger.open(tmp_path / "file" / "a.ledger", "panel", {"discrete": Fraction(1)}, "4")
    assert got.value.code == "LEDGER_NOT_WRITABLE"


def test_a_busy_ledger_is_told_from_a_damaged_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ledger = opened(SqlitePlace(tmp_path))
    monkeypatch.setattr(storage, "BUSY_SECONDS", 0.05)
    holder = sqlite3.connect(tmp_path / "a.ledger", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerError) as got:
        charge(ledger)
    assert got.value.code == "LEDGER_BUSY"
    assert ledger.spent() == 0  # reading goes on while another process charges
    holder.execute("ROLLBACK")
    charge(ledger)
