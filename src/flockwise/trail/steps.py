"""What a study records: the front of the trail. Everything else in the program calls these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from flockwise.config import Study
from flockwise.config.model import Trail as TrailPlace
from flockwise.errors import FlockwiseError, InternalError, RuleError, TrailError
from flockwise.trail import keys
from flockwise.trail.chain import Event
from flockwise.trail.folder import Trail
from flockwise.trail.kinds import Value

__all__ = ["Witness", "begin", "begin_release", "events", "record", "refusals", "require", "step"]


@dataclass(frozen=True)
class Witness:
    """What a certificate says of the trail: the line with which the release was begun.

    How many lines there were before it is not said. Some are written because of one person (a request for deletion), so two counts would tell of them.

    Attributes:
        key: public key of the trail.
        last: hash of that line.
    """

    key: str
    last: str


def begin(study: Study, *, again: bool = False) -> str:
    """Makes the study's trail, and the key that signs it if there is none yet.

    Args:
        study: a study that names a trail.
        again: whether a trail that is there already is left as it is instead of refused.

    Returns:
        The public key in hexadecimal. Keep it apart: with it anyone can check the trail.

    Raises:
        ConfigError: there is a trail already.
        RuleError: the study names none.
    """
    where = require(study)
    if not where.key.exists():
        keys.create(where.key)
    key = keys.load(where.key)
    if not (again and where.path.exists()):
        Trail.begin(where.path, key)
    return keys.public_of(key)


def require(study: Study) -> TrailPlace:
    """The trail that a study names.

    Raises:
        RuleError: it names none. Without one nothing is ingested and nothing is released.
    """
    if study.trail is None:
        raise RuleError(
            "TRAIL_REQUIRED",
            what="The study has no trail.",
            expected="a section [trail] with path and key",
            state="Nothing was done.",
            fix="Add the section as flockwise init writes it, then run flockwise log begin.",
        )
    return study.trail


def record(study: Study, kind: str, facts: Mapping[str, Value]) -> Event | None:
    """Adds an event to the study's trail, durably.

    Args:
        study: the study.
        kind: one of the closed list (`kinds.KINDS`).
        facts: exactly those of the kind. None may be about a device, a place or a number of rows; their types see to it.

    Returns:
        The event; None if the study has no trail.

    Raises:
        InternalError: the trail has no room for such an event.
        TrailError: the trail is missing, damaged or can't be written. Nothing was added.

    Privacy:
        Nothing that is recorded depends on one device's rows.
    """
    if study.trail is None:
        return None
    return Trail(study.trail.path).append(kind, facts, keys.load(study.trail.key))


def events(study: Study) -> list[Event]:
    """The study's events, oldest first, after every check; none if it has no trail.

    Raises:
        TrailError: the trail is damaged.
    """
    return [] if study.trail is None else Trail(study.trail.path).events()


@contextmanager
def refusals(study: Study, name: str) -> Iterator[None]:
    """Records the code of an error that ends a step: `refusal` for a rule, `stopped` for anything else that was raised on purpose.

    Args:
        study: the study.
        name: one of the steps that the trail knows.
    """
    try:
        yield
    except FlockwiseError as error:
        # What the trail itself refuses can't be recorded in it.
        if not isinstance(error, InternalError) and not error.code.startswith("TRAIL_"):
            try:
                record(study, "refusal" if isinstance(error, RuleError) else "stopped", {"step": name, "code": error.code})
            except TrailError as unwritten:
                # One disk that is full stops both. What stopped the step is what has to be mended; the step stays a beginning without an end.
                error.state = f"{error.state} The trail could not record it ({unwritten.code}).".strip()
        raise


@contextmanager
def step(study: Study, name: str) -> Iterator[None]:
    """Records that a step begins before it does anything, and that it is done; in between, `refusals`.

    A step that began and has neither an end nor a refusal was killed.

    Raises:
        TrailError: the trail can't be written. The step was not begun.
    """
    with refusals(study, name):
        begun = record(study, f"{name}_begun", {})
        yield
        if begun is not None:
            record(study, name, {"of": begun.number})


def begin_release(study: Study, plan: str, inputs: str) -> tuple[Witness, int] | None:
    """Records that a release begins, before anything is charged. The same plan on the same data was begun before: that event stands.

    Args:
        study: the study.
        plan: digest of the plan, as the certificate prints it.
        inputs: keyed digest of the data, for the trail alone.

    Returns:
        What the certificate says of the trail, the same whenever the release is repeated, and the event's number; None if the study has no trail.

    Raises:
        TrailError: the trail is damaged or can't be written. Nothing was charged.
    """
    if study.trail is None:
        return None
    trail, key = Trail(study.trail.path), keys.load(study.trail.key)
    facts = {"study": plan, "input": inputs}
    trail.mend(key)  # a beginning that a crash cut short must not stand in the way of the same release
    found = next((e for e in trail.events() if e.kind == "release_begun" and e.facts == facts), None)
    begun = trail.append("release_begun", facts, key) if found is None else found
    return Witness(trail.head().key, begun.digest), begun.number
