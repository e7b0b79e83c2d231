"""Requests: an analyst asks for a release with a signed file, and the steward's account carries it out. The analyst needs no right on the pings.

A request says which plan is wanted, by digest, and nothing else: no file name, no path and no setting of the analyst's reaches the steward's account.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flockwise import release, trail
from flockwise.base import clock
from flockwise.base.files import write_durably
from flockwise.config import Study
from flockwise.errors import ConfigError, FlockwiseError, RuleError
from flockwise.office.log import Told

__all__ = ["Answer", "ask", "serve"]

FORMAT = "flockwise-request/1"
LARGEST = 4096
_FIELDS = frozenset({"format", "plan", "made", "nonce", "key", "signature"})
_HEX = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Answer:
    """What became of a request.

    Attributes:
        request: SHA-256 of the request's file.
        result: "served" or "refused".
        code: why it was refused; "" otherwise.
        folder: name of the published folder within `out`; "" if refused.
    """

    request: str
    result: str
    code: str
    folder: str

    def as_dict(self) -> dict[str, str]:
        """The same, JSON-ready."""
        return dict(vars(self))


def ask(study: Study, key: Path, requests: Path) -> Told:
    """Writes a signed request for a release of a study.

    Args:
        study: the analyst's copy of the study: the same settings give the same digest. No store, ledger or key of it is opened.
        key: the analyst's key.
        requests: the folder that the steward's account reads.

    Raises:
        ConfigError: the study can't be used, or the folder can't be written.
        RuleError: the key's file is open to others.
    """
    plan, signer = release.make_plan(study), trail.load_key(key)
    body = {"format": FORMAT, "plan": plan.digest, "made": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"), "nonce": secrets.token_hex(32)}
    body["key"] = trail.public_of(signer)
    content = _bytes({**body, "signature": signer.sign(_message(body)).hex()})
    digest = hashlib.sha256(content).hexdigest()
    path = requests / f"{digest[:16]}.request.json"
    try:
        _write_open(path, content)
    except OSError as error:
        raise ConfigError(
            "REQUEST_FOLDER", what="The request can't be written.", got=f"{requests}: {type(error).__name__}", fix="Ask for the right to write there."
        ) from error
    return "The request was written.", {"request": digest, "plan": plan.digest, "promise": release.promise(plan), "file": str(path)}, ()


def serve(study: Study, requests: Path, out: Path, carry_out: Callable[[Path], object]) -> list[Answer]:
    """Carries out the requests that are waiting, once each.

    Args:
        study: the steward's own study file, read. Only its plan is ever released.
        requests: folder of requests. Its files are data: read, never run, never written.
        out: folder for published folders and answers.
        carry_out: publishes the study into a folder, with every check of a release.

    Returns:
        The answers of this pass, in the order of the requests' digests.

    Raises:
        RuleError: the study names no roles.
        TrailError: the trail can't be read or written. Nothing was released after that.
    """
    if study.roles is None:
        raise RuleError("ROLES_MISSING", what="The study names no officer and no analysts.", expected="a section [roles]", fix="See docs/how-to/roles.md.")
    trail.require(study)
    answered = {str(e.facts["request"]) for e in trail.events(study) if e.kind in ("request_served", "request_refused")}
    found = {hashlib.sha256(content).hexdigest(): content for content in _waiting(requests)}
    out.mkdir(mode=0o755, parents=True, exist_ok=True)
    answers = []
    for digest, content in sorted(found.items()):
        if digest in answered:
            continue
        try:
            plan = _checked(study, content)
            folder = out / f"release-{plan[:16]}"
            carry_out(folder)
            _open_to_readers(folder)
            answer = Answer(digest, "served", "", folder.name)
            trail.record(study, "request_served", {"request": digest})
        except FlockwiseError as error:
            if error.code.startswith("TRAIL_"):
                raise
            answer = Answer(digest, "refused", error.code, "")
            trail.record(study, "request_refused", {"request": digest, "code": error.code})
        _write_open(out / f"{digest[:16]}.answer.json", _bytes(answer.as_dict()))
        answers.append(answer)
    return answers


def _waiting(requests: Path) -> list[bytes]:
    """Contents of the regular files that could be requests. Links, devices, pipes and large files are passed over."""
    found = []
    try:
        names = sorted(name for name in os.listdir(requests) if name.endswith(".request.json"))  # noqa: PTH208  names alone
    except OSError as error:
        raise ConfigError("REQUEST_FOLDER", what="The folder of requests can't be read.", got=f"{requests}: {type(error).__name__}") from error
    for name in names:
        try:
            handle = os.open(requests / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode) and len(content := os.read(handle, LARGEST + 1)) <= LARGEST:
                found.append(content)
        finally:
            os.close(handle)
    return found


def _checked(study: Study, content: bytes) -> str:
    """The plan that a request asks for, once it is known to be this study's, asked for by one of its analysts."""
    try:
        found: Any = json.loads(content.decode("ascii"))
        sound = isinstance(found, dict) and set(found) == _FIELDS and all(isinstance(v, str) for v in found.values()) and found["format"] == FORMAT
    except (ValueError, RecursionError):
        sound = False
    if not sound or not all(_HEX.fullmatch(found[name]) for name in ("plan", "nonce", "key")):
        raise RuleError("REQUEST_INVALID", what="This is not a request.", state="Nothing was released.")
    if study.roles is None or found["key"] not in study.roles.analysts:
        raise RuleError("REQUEST_UNKNOWN_KEY", what="The request is signed with a key that the study does not name.", state="Nothing was released.")
    body = {name: value for name, value in found.items() if name != "signature"}
    if not trail.is_signed(found["key"], found["signature"], _message(body)):
        raise RuleError("REQUEST_NOT_SIGNED", what="The request was changed after it was signed.", state="Nothing was released.")
    plan = release.make_plan(study).digest
    if found["plan"] != plan:
        raise RuleError("REQUEST_OTHER_PLAN", what="The request is for another plan than the steward's study.", state="Nothing was released.")
    return plan


def _write_open(path: Path, content: bytes) -> None:
    """A file for another account, whatever the umask: who may reach it is decided by its folder."""
    write_durably(path, content)
    path.chmod(0o644)


def _open_to_readers(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.iterdir():
        path.chmod(0o644)


def _message(body: dict[str, str]) -> bytes:
    return f"{FORMAT}\n".encode() + _bytes(body)


def _bytes(body: dict[str, str]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"
