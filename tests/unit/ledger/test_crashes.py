"""kill -9 at every step, and eight writers at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest

import flockwise
from flockwise.ledger import Ledger

MICRO = Fraction(1, 10**6)

_KILLED = """
import os, signal, sys
from fractions import Fraction
from pathlib import Path
from flockwise.ledger import Ledger, storage

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

path, step = Path(sys.argv[1]), sys.argv[2]
kept = storage._Held.append
if step == "genesis":
    storage._Held.append = die
    Ledger.open(path, "panel", Fraction(1), "4")
ledger = Ledger.open(path, "panel", Fraction(1), "4")
if step == "before":
    storage._Held.append = die
elif step == "between":
    storage._Held.append = lambda held, row: (kept(held, row), die())
elif step == "after":
    storage.SqliteStorage._note = die
elif step == "torn":
    def torn(self, rows):
        with self.witness.open("a") as handle:
            handle.write(f"{rows[0].number} {rows[0].digest[:20]}")
        die()
    storage.SqliteStorage._note = torn
ledger.charge("plan", "inputs", Fraction(1, 4), Fraction(1, 10**6), Fraction(1), "t")
print("charged", flush=True)
die()
"""

_WRITER = """
import sys
from fractions import Fraction
from pathlib import Path
from flockwise.errors import BudgetError
from flockwise.ledger import Ledger

ledger = Ledger.open(Path(sys.argv[1]), "panel", Fraction(1), "4")
for i in range(6):
    try:
        entry = ledger.charge(f"{sys.argv[2]} {i}", "inputs", Fraction(3, 100), Fraction(1, 10**6), Fraction(1), "t")
        print(entry.number)
        if i == 0:
            ledger.mark(entry, "drawn")
    except BudgetError as error:
        assert error.code == "LEDGER_OVERSPEND"
"""


def python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(Path(flockwise.__file__).parents[1])}
    return subprocess.run([sys.executable, "-c", code, *args], env=env, capture_output=True, text=True, check=False, timeout=100)


@pytest.mark.parametrize(
    ("step", "spent"), [("genesis", 0), ("before", 0), ("between", 0), ("after", Fraction(1, 4)), ("torn", Fraction(1, 4)), ("returned", Fraction(1, 4))]
)
def test_killed(tmp_path: Path, step: str, spent: Fraction):
    path = tmp_path / "a.ledger"
    done = python(_KILLED, str(path), step)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert done.stdout == ("charged\n" if step == "returned" else "")
    ledger = Ledger.open(path, "panel", Fraction(1), "4")
    ledger.verify()
    assert ledger.spent() == spent
    # Life goes on, and the witness is whole again after the next charge.
    ledger.charge("next", "inputs", Fraction(1, 4), MICRO, Fraction(1), "t")
    assert ledger.spent() == spent + Fraction(1, 4)
    noted = {line.split()[0] for line in Path(f"{path}.witness").read_text().splitlines() if len(line) > 60}
    assert noted == {str(n) for n in range(2 + (spent > 0))}


def test_eight_writers_never_pass_the_cap(tmp_path: Path):
    path = tmp_path / "a.ledger"
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda i: python(_WRITER, str(path), str(i)), range(8)))
    assert [d.returncode for d in done] == [0] * 8, [d.stderr for d in done]
    numbers = [int(n) for d in done for n in d.stdout.split()]
    ledger = Ledger.open(path, "panel", Fraction(1), "4")
    ledger.verify()
    # 48 were asked for; floor(1 / 0.03) = 33 fit.
    assert len(numbers) == len(set(numbers)) == len(ledger.entries()) == 33
    assert ledger.spent() == Fraction(99, 100)
