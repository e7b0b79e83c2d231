"""What keeps all of it honest: the ledger, the trail, caps and requests, and the attacks on the mechanism itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flockwise import config
from flockwise.api.outcome import Outcome, Progress
from flockwise.api.publishing import release

__all__ = [
    "audit",
    "caps_key",
    "caps_show",
    "caps_sign",
    "ledger",
    "ledger_check",
    "log_begin",
    "log_expire",
    "log_incident",
    "log_recipient",
    "log_show",
    "log_verify",
    "request",
    "serve",
]


def ledger(study_path: Path) -> Outcome:
    """What has been charged to a study's ledger and what is left, after the chain of entries was checked.

    Args:
        study_path: the study file.

    Raises:
        LedgerError: the ledger is damaged or was tampered with.
    """
    from flockwise import release as releasing

    study = config.load(Path(study_path))
    return Outcome(f"Ledger of {study.ledger.dataset}.", releasing.ledger_facts(study), ("The chain of entries is whole.",))


def ledger_check(study_path: Path, folders: Sequence[Path]) -> Outcome:
    """Finds the charge of every published folder in a study's ledger: one that was put back to an earlier day has forgotten a release.

    Args:
        study_path: the study file.
        folders: published folders, of releases and of assessments.

    Raises:
        LedgerError: the ledger lacks a charge (LEDGER_FORGOT), is damaged or was tampered with.
        ArtifactError: a folder can't be read, or is of another data set.
    """
    from flockwise import release as releasing

    found = releasing.check_published(config.load(Path(study_path)), [Path(f) for f in folders])
    return Outcome(f"The ledger holds the charges of {len(found)} published folders.", {"folders": found}, ("Run flockwise verify on each folder, too.",))


def log_begin(study_path: Path) -> Outcome:
    """Begins the trail of a study that has none yet (`office.log.begin`)."""
    from flockwise.office import log

    return Outcome(*log.begin(config.load(Path(study_path))))


def log_show(study_path: Path) -> Outcome:
    """Every event of a study's trail, after the check of all of it (`office.log.show`)."""
    from flockwise.office import log

    return Outcome(*log.show(config.load(Path(study_path))))


def log_verify(study_path: Path, *, key: str | None = None, folders: Sequence[Path] = ()) -> Outcome:
    """Checks a study's trail, with published folders as witnesses (`office.log.verify`)."""
    from flockwise.office import log

    return Outcome(*log.verify(config.load(Path(study_path)), key, [Path(f) for f in folders]))


def log_recipient(study_path: Path, folder: Path, *, name: str, purpose: str) -> Outcome:
    """Records who gets a release, and for what (`office.log.recipient`)."""
    from flockwise.office import log

    return Outcome(*log.recipient(config.load(Path(study_path)), Path(folder), name, purpose))


def log_incident(study_path: Path, *, kind: str, what: str) -> Outcome:
    """Records an incident (`office.log.incident`)."""
    from flockwise.office import log

    return Outcome(*log.incident(config.load(Path(study_path)), kind, what))


def log_expire(study_path: Path, *, through: int | None = None) -> Outcome:
    """Drops years of a trail that ended more than five years ago (`office.log.expire`)."""
    from flockwise.office import log

    return Outcome(*log.expire(config.load(Path(study_path)), through))


def caps_key(out: Path) -> Outcome:
    """Makes a key for an officer or an analyst (`office.caps.make_key`)."""
    from flockwise.office import caps

    return Outcome(*caps.make_key(Path(out)))


def caps_sign(path: Path, key: Path) -> Outcome:
    """Checks a caps file and signs it (`office.caps.sign`)."""
    from flockwise.office import caps

    return Outcome(*caps.sign(Path(path), Path(key)))


def caps_show(study_path: Path) -> Outcome:
    """A study's caps and its plan's digest (`office.caps.show`)."""
    from flockwise.office import caps

    return Outcome(*caps.show(config.load(Path(study_path))))


def request(study_path: Path, key: Path, requests: Path) -> Outcome:
    """Asks for a release with a signed file; opens no store, ledger or key of the study (`office.requests.ask`)."""
    from flockwise.office import requests as asking

    return Outcome(*asking.ask(config.load(Path(study_path)), Path(key), Path(requests)))


def serve(study_path: Path, requests: Path, out: Path) -> Outcome:
    """Carries out the requests that wait, once each (`office.requests.serve`)."""
    from flockwise.office import requests as asking

    done = asking.serve(config.load(Path(study_path)), Path(requests), Path(out), lambda folder: release(Path(study_path), folder))
    return Outcome(f"{len(done)} requests were answered.", {"answers": [a.as_dict() for a in done]})


def audit(*, full: bool = False, seed: int = 1, progress: Progress | None = None) -> Outcome:
    """Attacks Flockwise's own mechanism on simulated devices and says what each attack found.

    Args:
        full: minutes instead of about one.
        seed: of the simulated devices, never of the noise.
        progress: called with a stage's name, how much is done and how much there is.

    Returns:
        One row a check, with "passed" or "FAILED"; `passed` is true if all of them did.

    Privacy:
        Takes no study and no pings, and charges no ledger but throw-away ones. Evidence, not a proof (docs/claims/audit.md).
    """
    from flockwise import audit as auditing

    rows = [row.as_dict() for row in auditing.carry_out(auditing.CHECKS, auditing.Settings(seed=seed, full=full), progress)]
    failed = [row["check"] for row in rows if row["result"] == "FAILED"]
    title = f"{len(rows)} attacks on the mechanism: " + (f"{len(failed)} FAILED ({', '.join(failed)})." if failed else "all passed.")
    facts = {"form": "full" if full else "short", "passed": not failed, "checks": rows, "seconds": round(sum(row["seconds"] for row in rows), 1)}
    return Outcome(title, facts, ("Simulated devices only. What an attack finds is a lower bound: evidence, not a proof.",))
