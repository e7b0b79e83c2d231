"""kill -9 at the steps of a release at which something on the disk changes: no figure without its charge, and the next attempt ends well."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import flockwise

ROOT = Path(flockwise.__file__).parents[1]

# One process makes the study and then forks a release for every step, which is killed there, and a second process, which looks at what is left. It runs no
# release itself: threads do not survive a fork. Of steps that repeat, such as files written one after the other, each order of three is tried once.
_DRIVER = """
import json, os, shutil, signal, sys
from pathlib import Path
import numpy as np
from flockwise import artifact, noise, release
from flockwise.audit.population import sitters, together, walker
from flockwise.audit.trial import Trial, study
from flockwise.ledger import book, storage
from flockwise.release import outputs, publishing

where, bug = Path(sys.argv[1]), sys.argv[2]

def child(work):
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(r)
        code = 1
        try:
            work(w)
            code = 0
        except BaseException as error:
            os.write(w, ("!" + type(error).__name__ + ": " + str(error)).encode()[:4000])
        finally:
            os._exit(code)
    os.close(w)
    with os.fdopen(r, "rb") as pipe:
        told = pipe.read()
    return told, os.waitpid(pid, 0)[1]

def made(w):
    (where / "study").mkdir()
    trial = trial_in(where / "study")
    trial.ingest(together(sitters(1, trial.area, [0, 1, 2]), walker(50, trial.area, (3, 5))))

def trial_in(folder):
    return Trial(folder, study(folder, rings=1, presence=(6,), flows=(6,), slots=("00:00",)))

def killed(folder, target):
    def work(w):
        trial, names, on = trial_in(folder), [], [True]

        def step(name):
            if on[0]:
                if len(names) == target:
                    os.write(w, f"@{name}".encode())
                    os.kill(os.getpid(), signal.SIGKILL)
                names.append(name)

        def around(owner, name, draws=False):
            real = getattr(owner, name)
            def call(*given, **named):
                step(f"before {name}")
                if draws:
                    os.write(w, b"*")
                out = real(*given, **named)
                step(f"after {name}")
                return out
            setattr(owner, name, call)

        for owner, name in ((storage._Held, "append"), (book.Ledger, "charge"), (book.Ledger, "mark"), (book.Ledger, "keep"), (outputs, "save"), (os, "fsync")):
            around(owner, name)
        around(noise, "add", draws=True)
        changes = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.truncate", "shutil.rmtree"}

        def hook(event, given):
            if event == "open" and isinstance(given[0], str) and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and given[0].startswith(str(folder)):
                step("open")
            elif event in changes:
                step(event)

        if bug == "drawn before the charge":
            charge = book.Ledger.charge
            def late(self, *given, **named):
                noise.add(np.zeros(1, np.int64), 10.0, 1)
                return charge(self, *given, **named)
            book.Ledger.charge = late
        sys.addaudithook(hook)
        trial.publish("out")
        on[0] = False
        os.write(w, json.dumps(names).encode())
    return work

def looked(folder):
    def work(w):
        trial = trial_in(folder)
        ledger, rho, out = trial.book, trial.plan.rho, folder / "out"
        entries = ledger.entries()
        spent, kept = ledger.spent(), [e.digest for e in entries if ledger.kept(e) is not None]
        charges = {e.digest for e in entries}
        published = out.exists()
        if published:
            artifact.verify(out)
        found = {
            "spent": str(spent / rho),
            "published": published,
            "its charge": not published or artifact.read(out).certificate.privacy.charge in charges,
            "kept": len(kept),
            "outputs": sorted(p.stem for p in folder.glob("*.outputs/*.npz")) == sorted(kept),
        }
        before = {p.name: p.read_bytes() for p in out.iterdir()} if published else None
        done = trial.publish("out")
        artifact.verify(out)
        found["charged again"] = done.charged
        found["same bytes"] = before is None or before == {p.name: p.read_bytes() for p in out.iterdir()}
        found["spent in the end"] = str(ledger.spent() / rho)
        os.write(w, json.dumps(found).encode())
    return work

told, status = child(made)
assert status == 0, told
folder = where / "copy"
shutil.copytree(where / "study", folder)
told, status = child(killed(folder, None))
assert status == 0, told
names = json.loads(told.lstrip(b"*"))
shutil.rmtree(folder)
orders = [tuple(names[max(0, i - 2) : i + 1]) for i in range(len(names))]
tried = [i for i, order in enumerate(orders) if orders.index(order) == i]
for target in [i for i, name in enumerate(names) if name == "before append"] if bug else tried:
    shutil.copytree(where / "study", folder)
    told, status = child(killed(folder, target))
    assert os.WIFSIGNALED(status), told
    found, ended = child(looked(folder))
    said = json.loads(found) if ended == 0 else {"failed": found.decode()}
    print(json.dumps({"step": told.decode().rpartition("@")[2], "drew": b"*" in told, **said}), flush=True)
    shutil.rmtree(folder)
"""


def killed_everywhere(where: Path, bug: str = "") -> list[dict[str, object]]:
    where.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, str(where), bug],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def faults(steps: list[dict[str, object]]) -> list[dict[str, object]]:
    """Steps after which a figure was drawn or published without its charge, or the next attempt did not end well."""
    return [
        s
        for s in steps
        if "failed" in s
        or (s["drew"] and s["spent"] != "1")
        or (s["published"] and s["spent"] != "1")
        or not (s["its charge"] and s["outputs"] and s["same bytes"])
        or s["charged again"] != (s["kept"] == 0)
        or s["spent in the end"] != str(int(str(s["spent"])) + int(bool(s["charged again"])))
    ]


def test_a_release_that_is_killed_anywhere_has_charged_what_it_drew(tmp_path: Path) -> None:
    steps = killed_everywhere(tmp_path / "here")
    assert faults(steps) == []
    # Every state there is was met: nothing spent; spent and lost; kept and completed; published and not yet noted.
    states = Counter((s["spent"], s["kept"], s["published"]) for s in steps)
    assert set(states) == {("0", 0, False), ("1", 0, False), ("1", 1, False), ("1", 1, True)}, states
    assert {"open", "os.mkdir", "os.rename", "before fsync", "after charge", "before add", "after add", "before save"} <= {str(s["step"]) for s in steps}


def test_a_draw_before_its_charge_is_seen(tmp_path: Path) -> None:
    assert faults(killed_everywhere(tmp_path / "here", "drawn before the charge"))
