"""The hash chain: what a row says, what it is hashed over, and the check that nothing was changed. Pure functions; no storage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from fractions import Fraction
from typing import Any

from flockwise.errors import LedgerError

__all__ = ["ACCOUNTINGS", "EVENTS", "FORMAT", "Entry", "Row", "damaged", "entries", "extend", "read", "spent"]

FORMAT = "flockwise-ledger/1"
EVENTS = ("drawn", "published")
ACCOUNTINGS = ("discrete", "rounded")
NO_HASH = "0" * 64


@dataclass(frozen=True)
class Row:
    """One row as stored: its number, the canonical JSON of what happened, the hash before it and its own."""

    number: int
    body: str
    previous: str
    digest: str


@dataclass(frozen=True)
class Entry:
    """One charge. There is no such thing as a smaller or an undone one.

    Args:
        number: position in the ledger.
        time: UTC, ISO 8601.
        title: what was released, for people.
        plan: digest of what was asked for.
        inputs: keyed digest of the data it was asked of.
        rho: the charge, exact.
        delta: of the promise.
        epsilon: what the charge gives at delta: a label, derived from rho.
        status: "charged", "drawn" or "published": how far this charge is known to have come. It is spent in every case.
        digest: hash of the row.
        window: first local day and number of days that the release is about; None for charges from before windows were noted.
        accounting: what is proved of the noise: "discrete" (rho of zero-concentrated differential privacy) or "rounded" (mu of Gaussian differential
            privacy, with rho = mu^2 / 2). Charges from before this was noted are discrete.
    """

    number: int
    time: str
    title: str
    plan: str
    inputs: str
    rho: Fraction
    delta: Fraction
    epsilon: Fraction
    status: str
    digest: str
    window: tuple[date, int] | None
    accounting: str

    def as_dict(self) -> dict[str, str | int | None]:
        """The same, with fractions as text and the window as an ISO 8601 interval ("2026-05-04/P7D"), for `--json`."""
        plain = {name: value if isinstance(value, int) else str(value) for name, value in asdict(self).items()}
        return {**plain, "window": None if self.window is None else f"{self.window[0]}/P{self.window[1]}D"}


def extend(rows: Sequence[Row], body: Mapping[str, Any]) -> Row:
    """The row that would follow `rows` and says `body`."""
    previous = rows[-1].digest if rows else NO_HASH
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return Row(len(rows), text, previous, _digest(len(rows), text, previous))


def read(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """What the rows say, after the check that they are one unbroken chain from a genesis row.

    Raises:
        LedgerError: a row was edited, removed, added out of turn or reordered.
    """
    previous, out = NO_HASH, []
    for position, row in enumerate(rows):
        if row.number != position or row.previous != previous or row.digest != _digest(position, row.body, previous):
            raise damaged("LEDGER_CHAIN_BROKEN", f"row {position} does not follow from the one before it")
        previous = row.digest
        out.append(_parse(row.body, position))
    if not out or out[0].get("kind") != "genesis" or out[0].get("format") != FORMAT:
        raise damaged("LEDGER_NO_GENESIS", "the first row does not say whose budget this is")
    _check_meaning(out)
    return out


def entries(bodies: Sequence[Mapping[str, Any]], rows: Sequence[Row]) -> list[Entry]:
    """The charges, in order, each with how far it came."""
    status: dict[int, str] = {}
    for body in bodies:
        if body["kind"] == "event":
            status[body["of"]] = body["event"]
    return [
        Entry(
            number=number, time=body["time"], title=body["title"], plan=body["plan"], inputs=body["inputs"], rho=Fraction(body["rho"]),
            delta=Fraction(body["delta"]), epsilon=Fraction(body["epsilon"]), status=status.get(number, "charged"), digest=rows[number].digest,
            window=_window(body), accounting=body.get("accounting", "discrete"),
        )
        for number, body in enumerate(bodies)
        if body["kind"] == "charge"
    ]  # fmt: skip


def spent(bodies: Sequence[Mapping[str, Any]]) -> Fraction:
    """The sum of all charges, exact."""
    return sum((Fraction(b["rho"]) for b in bodies if b["kind"] == "charge"), Fraction(0))


def damaged(code: str, got: str) -> LedgerError:
    """The error of a ledger that can't be relied on."""
    return LedgerError(
        code,
        what="The privacy ledger is damaged or was changed by hand.",
        got=got,
        state="Nothing was spent. Nothing will be released from this data set until the ledger is whole.",
        fix="Put back the ledger and its .witness file from the latest backup, and find out what happened: a lost charge is a broken promise.",
    )


def _digest(number: int, body: str, previous: str) -> str:
    return hashlib.sha256(f"{FORMAT}\n{number}\n{previous}\n{body}".encode()).hexdigest()


def _parse(text: str, position: int) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged("LEDGER_BAD_ROW", f"row {position} can't be read") from error
    if not isinstance(body, dict):
        raise damaged("LEDGER_BAD_ROW", f"row {position} can't be read")
    return body


def _window(body: Mapping[str, Any]) -> tuple[date, int] | None:
    if (window := body.get("window")) is None:
        return None
    days = window["days"]
    if isinstance(days, bool) or not isinstance(days, int) or days < 1:
        raise ValueError("days")
    return date.fromisoformat(window["start"]), days


def _check_meaning(bodies: Sequence[Mapping[str, Any]]) -> None:
    # A chain can be whole and still say nonsense if it was rebuilt by hand: a negative charge, or one beyond the cap.
    charges: set[int] = set()
    try:
        left, kind = Fraction(bodies[0]["cap_rho"]), bodies[0].get("accounting", "discrete")
        # A cap that was derived for rounded noise says nothing of discrete noise; the other way round it does (mu-GDP is mu^2/2-zCDP).
        allowed = {"discrete": ACCOUNTINGS, "rounded": ("rounded",)}[kind]
        for position, body in enumerate(bodies[1:], start=1):
            if body["kind"] == "charge":
                rho = Fraction(body["rho"])
                left -= rho
                if rho <= 0 or left < 0 or body.get("accounting", "discrete") not in allowed:
                    raise damaged("LEDGER_BAD_ROW", f"row {position} is a charge that could not have been accepted")
                if not all(isinstance(body[name], str) for name in ("time", "title", "plan", "inputs", "rho", "delta", "epsilon")):
                    raise TypeError("text")
                # What `entries` reads later must not fail there.
                Fraction(body["delta"]), Fraction(body["epsilon"]), _window(body)
                charges.add(position)
            elif body["kind"] != "event" or body["event"] not in EVENTS or body["of"] not in charges:
                raise damaged("LEDGER_BAD_ROW", f"row {position} is of an unknown kind")
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise damaged("LEDGER_BAD_ROW", "a row lacks a field or holds a wrong one") from error
