"""The officer's caps: signed, and checked before every release and assessment of a study that names an officer."""

from __future__ import annotations

import tomllib
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from flockwise import noise, release, trail
from flockwise.base import clock
from flockwise.base.files import write_durably
from flockwise.config import Study
from flockwise.config.model import Exact
from flockwise.config.purposes import Purpose
from flockwise.errors import ConfigError, RuleError
from flockwise.ledger import Entry, place
from flockwise.ledger.exposure import exposure_of
from flockwise.office.log import Told
from flockwise.store import Store

__all__ = ["Caps", "make_key", "read", "require", "show", "sign"]

LONGEST_DAYS = 366
_LARGEST = 1 << 16

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Caps(BaseModel):
    """What an officer allows for one data set."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["flockwise-caps/1"]
    dataset: str = Field(min_length=1, max_length=100, description="The data set of the ledger.")
    until: date = Field(description="Last day on which these caps hold: old ones can't be brought back later.")
    greatest_epsilon: Exact = Field(description="Of one release or assessment.")
    greatest_epsilon_year: Exact = Field(description="Of all charges whose windows begin within 365 days, at the study's delta.")
    finest_level: int = Field(ge=0, le=7, description="Finest H3 resolution of any table.")
    purposes: tuple[Purpose, ...] = Field(min_length=1, description="What a study may be for.")
    plans: tuple[Digest, ...] | None = Field(None, description="If given, only plans with these digests (flockwise caps show prints a study's).")

    @field_validator("greatest_epsilon", "greatest_epsilon_year")
    @classmethod
    def _positive(cls, value: Fraction) -> Fraction:
        if value <= 0:
            raise ValueError("must be above 0")
        return value


def make_key(path: Path) -> Told:
    """Makes a key for an officer or an analyst (Ed25519, mode 0600) and prints the public one.

    Raises:
        ConfigError: the file exists or can't be written.
    """
    public = trail.create_key(path)
    return "The key was made.", {"key": str(path), "public_key": public}, ("Only its owner may read the file. The public key goes into [roles] of the study.",)


def sign(path: Path, key: Path) -> Told:
    """Checks a caps file and signs it: the signature is written beside it.

    Raises:
        ConfigError: it is not one, or holds for more than a year.
    """
    content = _content(path)
    caps = _parsed(content, path)
    if (caps.until - clock.today()).days > LONGEST_DAYS:
        raise ConfigError("CAPS_TOO_LONG", what="Caps hold for a year at most.", got=f"until {caps.until}", fix="Give an earlier day, and sign anew each year.")
    signed = trail.load_key(key)
    write_durably(_beside(path), (signed.sign(_message(content)).hex() + "\n").encode("ascii"))
    return "The caps were signed.", {"caps": str(path), "signature": str(_beside(path)), "until": str(caps.until)}, ()


def show(study: Study) -> Told:
    """The caps of a study, and its plan's digest."""
    plan = release.make_plan(study)
    caps = None if study.roles is None else read(study).model_dump(mode="json")
    note = "The study names no officer: no caps hold." if caps is None else "The signature is the officer's."
    return f"Caps of {study.name}.", {"plan": plan.digest, "caps": caps}, (note,)


def read(study: Study) -> Caps:
    """The officer's caps, once their signature was checked.

    Raises:
        RuleError: the study names no officer, or the caps were not signed by them, or hold no longer, or are another data set's.
        ConfigError: the file is missing or is not one.
    """
    if study.roles is None:
        raise RuleError("ROLES_MISSING", what="The study names no officer.", expected="a section [roles]", fix="See docs/how-to/roles.md.")
    path = study.roles.caps
    content = _content(path)
    try:
        signature = _beside(path).read_text("ascii").strip()
    except (OSError, ValueError):
        signature = ""
    if not trail.is_signed(study.roles.officer, signature, _message(content)):
        raise RuleError("CAPS_NOT_SIGNED", what="The caps are not signed by the officer whom the study names.", got=str(path), fix="Let the officer sign them.")
    caps = _parsed(content, path)
    if caps.until < clock.today():
        raise RuleError("CAPS_LAPSED", what="The officer's caps hold no longer.", got=f"until {caps.until}", fix="Let the officer sign new ones.")
    if caps.dataset != study.ledger.dataset:
        raise RuleError("CAPS_OTHER_DATASET", what="The officer's caps are for another data set.", fix="Name those of this study's data set.")
    return caps


def require(study: Study, *, epsilon: Fraction | None = None) -> None:
    """Refuses what is beyond the officer's caps. A study that names no officer has none.

    Args:
        study: the study.
        epsilon: of an assessment of disclosure risk; None for a release.

    Raises:
        RuleError: CAPS_EPSILON, CAPS_YEAR, CAPS_LEVEL, CAPS_PURPOSE, CAPS_PLAN, and as `read`. Nothing was spent.

    Privacy:
        Depends on the study and the ledger's charges, which are public, and on whether the store changed since an earlier charge.
    """
    if study.roles is None:
        return
    caps, plan = read(study), release.make_plan(study)
    asked = study.privacy.epsilon if epsilon is None else epsilon
    finest = max(table.resolution for table in study.tables)
    for code, wrong, what in (
        ("CAPS_EPSILON", asked > caps.greatest_epsilon, f"epsilon {asked}, and at most {caps.greatest_epsilon}"),
        ("CAPS_LEVEL", finest > caps.finest_level, f"level {finest}, and at most {caps.finest_level}"),
        ("CAPS_PURPOSE", study.purpose not in caps.purposes, f"purpose {study.purpose or 'not stated'}, and one of {', '.join(caps.purposes)}"),
        ("CAPS_PLAN", epsilon is None and caps.plans is not None and plan.digest not in caps.plans, f"plan {plan.digest[:12]}, which is not on the list"),
    ):
        if wrong:
            raise _beyond(code, what)
    rho = plan.rho if epsilon is None else noise.rho_for(epsilon, study.privacy.delta, study.privacy.noise)
    _within_year(study, caps, rho, plan.digest if epsilon is None else None)


def _within_year(study: Study, caps: Caps, rho: Fraction, plan: str | None) -> None:
    entries: list[Entry] = []
    if place(study.ledger).begun():
        book = release.open_ledger(study)
        entries = book.entries()
        if plan is not None and book.find(plan, Store.open(study).keyed_digest()) is not None:
            return  # charged before: the same bytes again, and nothing new
    window = (study.window.start, study.window.days)
    ours = Entry(len(entries), "", "", plan or "", "", rho, study.privacy.delta, study.privacy.epsilon, "charged", "", window, study.privacy.noise)
    seen = exposure_of([*entries, ours])
    kind: noise.Kind = "rounded" if seen.accounting == "rounded" else "discrete"
    # Old charges without a window could lie in any year.
    if seen.greatest_year_rho + seen.unknown_rho > noise.rho_for(caps.greatest_epsilon_year, study.privacy.delta, kind):
        raise _beyond("CAPS_YEAR", f"more than epsilon {caps.greatest_epsilon_year} within 365 days")


def _beyond(code: str, got: str) -> RuleError:
    return RuleError(code, what="This is beyond what the officer allows.", got=got, state="Nothing was spent.", fix="Change the study, or ask the officer.")


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sig")


def _message(content: bytes) -> bytes:
    return b"flockwise-caps/1\n" + content


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise ConfigError("CAPS_NOT_FOUND", what="The caps file can't be read.", got=f"{path}: {type(error).__name__}") from error
    if len(content) > _LARGEST:
        raise ConfigError("CAPS_INVALID", what="The caps file is too large to be one.", got=str(path))
    return content


def _parsed(content: bytes, path: Path) -> Caps:
    try:
        return Caps.model_validate(tomllib.loads(content.decode("utf-8")))
    except (ValueError, ValidationError, RecursionError) as error:
        where = "; ".join(sorted({".".join(map(str, e["loc"])) for e in error.errors()})) if isinstance(error, ValidationError) else "not TOML"
        raise ConfigError("CAPS_INVALID", what="The caps file does not fit.", got=f"{path}: {where}", fix="See docs/how-to/roles.md for an example.") from error
