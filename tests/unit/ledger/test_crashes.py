"""kill -9 at every step, and eight writers at once; on both storages."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from tests.unit.ledger._places import Place, SqlitePlace, opened

import flockwise
from flockwise.errors import LedgerError

MICRO = Fraction(1, 10**6)
ROOT = Path(flockwise.__file__).parents[1]

_OPEN = """
import json, os, signal, sys
from fractions import Fraction
from flockwise import config
from flockwise.errors import BudgetError
from flockwise.ledger import Ledger, place, postgres, storage, witness

def ledger():
    spec = config.Ledger(**json.loads(sys.argv[1]), dataset="panel", lifetime_epsilon="4")
    return Ledger.open(place(spec), "panel", {"discrete": Fraction(1)}, "4")

def charge(book, plan, rho):
    return book.charge(plan, "inputs", Fraction(rho), Fraction(1, 10**6), Fraction(1), "t")
"""

_KILLED = (
    _OPEN
    + """
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

step = sys.argv[2]
held = postgres._Held if "postgres" in sys.argv[1] else storage._Held
kept = held.append
after_append = lambda held, row: (kept(held, row), die())
if step == "genesis":
    held.append = die
book = ledger()
if step == "before":
    held.append = die
elif step == "between":
    held.append = after_append
elif step == "after":
    witness.Witness.note = die
elif step == "torn":
    def torn(self, rows):
        with self.path.open("a") as handle:
            handle.write(f"{rows[0].number} {rows[0].digest[:20]}")
        die()
    witness.Witness.note = torn
entry = charge(book, "plan", "1/4")
print("charged", flush=True)
if step == "returned":
    die()
elif step == "keeping":
    # The bytes are on their way: in a file aside, or in a transaction that is open.
    storage.Path.replace = die
    postgres._commit = die
book.keep(entry, b"noisy" * 2_000_000)
if step == "kept":
    die()
elif step == "marking":
    held.append = after_append
book.mark(entry, "drawn")
die()
"""
)

_WRITER = (
    _OPEN
    + """
book = ledger()
print("ready", flush=True)
sys.stdin.readline()
for i in range(6):
    try:
        entry = charge(book, f"{sys.argv[2]} {i}", "3/100")
        print(entry.number)
        if i == 0:
            book.mark(entry, "drawn")
    except BudgetError as error:
        assert error.code == "LEDGER_OVERSPEND"
"""
)


def python(code: str, *args: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code, *args], env=env, text=True, **pipes)  # type: ignore[call-overload]  # three pipes


@pytest.mark.rule(17)
@pytest.mark.parametrize(
    ("step", "rho", "status"),
    [
        ("genesis", 0, None),
        ("before", 0, None),
        ("between", 0, None),
        ("after", Fraction(1, 4), "charged"),
        ("torn", Fraction(1, 4), "charged"),
        ("returned", Fraction(1, 4), "charged"),
        ("keeping", Fraction(1, 4), "charged"),
        ("kept", Fraction(1, 4), "charged"),
        ("marking", Fraction(1, 4), "charged"),
        ("marked", Fraction(1, 4), "drawn"),
    ],
)
def test_killed(where: Place, step: str, rho: Fraction, status: str | None):
    done = python(_KILLED, json.dumps(where.spec), step)
    out, errors = done.communicate(timeout=100)
    assert done.returncode == -signal.SIGKILL, errors
    assert out == ("charged\n" if step in ("returned", "keeping", "kept", "marking", "marked") else "")
    ledger = opened(where)
    ledger.verify()
    assert ledger.spent() == rho
    entry = ledger.find("plan", "inputs")
    assert (entry.status if entry else None) == status
    # The noisy output is whole or not there.
    output = ledger.kept(entry) if entry else None
    assert output == (b"noisy" * 2_000_000 if step in ("kept", "marking", "marked") else None)
    # Life goes on, and the witness is whole again after the next charge.
    ledger.charge("next", "inputs", Fraction(1, 4), MICRO, Fraction(1), "t")
    assert ledger.spent() == rho + Fraction(1, 4)
    noted = {line.split()[0] for line in where.witness.read_text().splitlines() if len(line) > 60}
    assert noted == {str(number) for number, *_ in where.rows()}


@pytest.mark.rule(17)
def test_eight_writers_of_two_hosts_never_pass_the_cap(where: Place):
    hosts = [where.spec, {**where.spec, "folder": where.spec["folder"] + "-2"} if where.name == "postgres" else where.spec]
    writers = [python(_WRITER, json.dumps(hosts[i % 2]), str(i)) for i in range(8)]
    # All of them wait at the line before any of them starts.
    assert [w.stdout.readline() for w in writers if w.stdout] == ["ready\n"] * 8
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    done = [(w.communicate(timeout=100), w.returncode) for w in writers]
    assert [code for _, code in done] == [0] * 8, [errors for (_, errors), _ in done]
    numbers = [int(n) for (out, _), _ in done for n in out.split()]
    ledger = opened(where)
    ledger.verify()
    # 48 were asked for; floor(1 / 0.03) = 33 fit.
    assert len(numbers) == len(set(numbers)) == len(ledger.entries()) == 33
    assert ledger.spent() == Fraction(99, 100)


class _Disk(sqlite3.Connection):
    """A disk that fails in COMMIT, before or after the transaction was written."""

    written = True
    fails = 1

    def execute(self, sql: str, *args: object) -> sqlite3.Cursor:  # type: ignore[override]
        if sql == "COMMIT" and type(self).fails:
            type(self).fails -= 1
            super().execute("COMMIT" if self.written else "ROLLBACK")
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *args)


@pytest.mark.rule(17)
@pytest.mark.parametrize("written", [True, False])
def test_a_disk_that_fails_in_the_commit_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bool):
    ledger = opened(SqlitePlace(tmp_path))
    disk = type("Disk", (_Disk,), {"written": written, "fails": 1})
    connect = sqlite3.connect
    monkeypatch.setattr("flockwise.ledger.storage.sqlite3.connect", lambda *args, **more: connect(*args, factory=disk, **more))
    monkeypatch.setattr("flockwise.ledger.book.PAUSES_S", (0.0,))
    if written:
        assert ledger.charge("plan", "inputs", Fraction(1, 10), Fraction(1, 10**6), Fraction(1), "t").number == 1
    else:
        with pytest.raises(LedgerError, match="LEDGER_UNREACHABLE") as got:
            ledger.charge("plan", "inputs", Fraction(1, 10), Fraction(1, 10**6), Fraction(1), "t")
        assert got.value.state == "Nothing was spent."
    assert opened(SqlitePlace(tmp_path)).spent() == (Fraction(1, 10) if written else 0)


@pytest.mark.rule(17)
def test_a_disk_that_stays_broken_leaves_the_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ledger = opened(SqlitePlace(tmp_path))
    disk = type("Disk", (_Disk,), {"written": True, "fails": 9})
    connect = sqlite3.connect
    monkeypatch.setattr("flockwise.ledger.storage.sqlite3.connect", lambda *args, **more: connect(*args, factory=disk, **more))
    monkeypatch.setattr("flockwise.ledger.book.PAUSES_S", (0.0, 0.0))
    with pytest.raises(LedgerError) as got:
        ledger.charge("plan", "inputs", Fraction(1, 10), Fraction(1, 10**6), Fraction(1), "t")
    assert (got.value.code, "may be spent" in got.value.state) in [("LEDGER_COMMIT_UNKNOWN", True), ("LEDGER_NOT_WRITABLE", False)]
