"""The ledger: how much of a population's privacy budget is spent, and on what."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from flockwise.base import clock
from flockwise.errors import BudgetError, InternalError, LedgerError, RuleError
from flockwise.ledger.chain import ACCOUNTINGS, EVENTS, FORMAT, Entry, Row, entries, extend, read, spent
from flockwise.ledger.exposure import Exposure, exposure_of
from flockwise.ledger.storage import PAUSES_S, SqliteStorage, Storage, Transaction

__all__ = ["Ledger"]


class Ledger:
    """The durable, append-only account of one population's budget. Charges add up; nothing is ever given back, edited or reset.

    Every call reads the whole chain and checks it. Safe under several processes at once.

    Args:
        storage: where the rows are.
        dataset: whose budget this is.
        caps: what all charges together may reach, by accounting.
    """

    def __init__(self, storage: Storage, dataset: str, caps: Mapping[str, Fraction]) -> None:
        self._storage = storage
        self._caps = caps
        self.dataset = dataset
        self.created = False
        self.accounting, self.cap_rho = next(iter(caps.items()))

    @classmethod
    def open(cls, place: Storage | Path, dataset: str, caps: Mapping[str, Fraction], cap_text: str) -> Ledger:
        """The ledger of a place, begun if there is none (then `created` is true: tell the user, since a wrong place or name is a new budget).

        Args:
            place: a storage, or the path of an SQLite file on a local disk; its witness lies beside it.
            dataset: population and supplier. Fixed for ever by the first opening.
            caps: lifetime cap, exact, by the accounting under which its rho was derived. A new ledger is begun with the first, and fixes it for ever; an
                old one keeps its own. Under a "discrete" cap every charge is sound; under a "rounded" cap only rounded ones are.
            cap_text: the cap as the study states it, for people.

        Raises:
            LedgerError: the ledger is damaged, was tampered with, or can't be read.
            RuleError: it belongs to another data set or has another cap.

        Privacy:
            Reads nothing of the data and spends nothing.
        """
        if not dataset or not caps or not set(caps) <= set(ACCOUNTINGS) or min(caps.values()) <= 0:
            raise InternalError("LEDGER_BAD_CAP", what="A ledger needs a data set and a cap above 0.")
        ledger = cls(SqliteStorage(place) if isinstance(place, Path) else place, dataset, caps)
        # The first look takes no write lock, so that a ledger can be shown while a release charges it.
        if not ledger._storage.begun():
            with ledger._storage.turn(writes=True) as turn:
                if not turn.rows():
                    ledger.created = True
                    cap = {"cap_rho": str(ledger.cap_rho), "cap": cap_text, "accounting": ledger.accounting}
                    turn.append(extend([], {"kind": "genesis", "format": FORMAT, "dataset": dataset, **cap, "time": _now()}))
        ledger.verify()
        return ledger

    def charge(
        self,
        plan: str,
        inputs: str,
        rho: Fraction,
        delta: Fraction,
        epsilon: Fraction,
        title: str,
        *,
        window: tuple[date, int] | None = None,
        accounting: str = "discrete",
        again: bool = False,
    ) -> Entry:
        """Spends `rho`, durably, before it returns. Only then may noise be drawn.

        Args:
            plan: digest of everything that decides what is computed.
            inputs: keyed digest of the data (the store's).
            rho: the charge, exact, above 0.
            delta: of the promise.
            epsilon: what rho gives at delta (a label).
            title: for people; no figures of the data.
            window: first local day and number of days that the release is about.
            accounting: "discrete" (rho of zCDP) or "rounded" (mu of Gaussian differential privacy, rho being mu^2 / 2).
            again: charge although this plan was charged on these inputs before (its noisy output is lost, say). Ask `find` first.

        Raises:
            BudgetError: the cap would be passed. Nothing was spent.
            RuleError: the same plan on the same inputs is charged already and `again` is false, or the cap was derived for rounded noise and this is
                discrete. Nothing was spent.
            LedgerError: the ledger is damaged, was tampered with, busy or out of reach. Nothing was spent, unless the code is LEDGER_COMMIT_UNKNOWN
                (a server or disk was lost in the very commit and did not come back to be asked) or LEDGER_WITNESS_UNUSABLE (the state says which).

        Privacy:
            Sequential composition: rho adds up, under zero-concentrated and under Gaussian differential privacy, and so under a mix of both
            (mu-GDP is mu^2/2-zCDP).
        """
        sound = plan and inputs and rho > 0 and 0 < delta < 1 and epsilon > 0 and len(title) <= 500 and (window is None or window[1] > 0)
        if not sound or accounting not in ACCOUNTINGS:
            raise InternalError("LEDGER_BAD_CHARGE", what="A charge needs a plan, inputs, and rho, epsilon and delta above 0.", state="Nothing was spent.")
        body: dict[str, Any] = {
            "kind": "charge", "time": _now(), "title": title, "plan": plan, "inputs": inputs,
            "rho": str(rho), "delta": str(delta), "epsilon": str(epsilon), "accounting": accounting,
        }  # fmt: skip
        if window is not None:
            body["window"] = {"start": window[0].isoformat(), "days": window[1]}

        def allow(rows: list[Row], bodies: list[dict[str, Any]]) -> None:
            if (self.accounting, accounting) == ("rounded", "discrete"):
                raise RuleError(
                    "LEDGER_OTHER_ACCOUNTING",
                    what="The lifetime budget of this ledger was derived for rounded noise, and holds for that alone.",
                    state="Nothing was spent.",
                    fix='Write noise = "rounded" in the study file.',
                )
            if not again and any(e.plan == plan and e.inputs == inputs for e in entries(bodies, rows)):
                raise RuleError(
                    "LEDGER_ALREADY_CHARGED",
                    what="This plan was charged on this data before.",
                    state="Nothing was spent.",
                    fix="Use what was drawn then. If that is lost, a new draw is a new charge and must be asked for.",
                )
            self._refuse_overspending(spent(bodies), rho)

        return self._add(body, allow)[-1]

    def find(self, plan: str, inputs: str) -> Entry | None:
        """The latest charge for this plan on these inputs, if there is one."""
        return next((e for e in reversed(self.entries()) if e.plan == plan and e.inputs == inputs), None)

    def mark(self, entry: Entry, event: str) -> Entry:
        """Notes how far a charge came: "drawn" (its noisy output is durable) or "published". Changes nothing about what is spent.

        Raises:
            LedgerError: the charge is not in this ledger, or the ledger is not whole.
        """
        if event not in EVENTS:
            raise InternalError("LEDGER_BAD_EVENT", what="A charge is drawn or published.")
        body = {"kind": "event", "time": _now(), "of": entry.number, "event": event}

        def allow(rows: list[Row], bodies: list[dict[str, Any]]) -> None:
            if not any(e.number == entry.number and e.digest == entry.digest for e in entries(bodies, rows)):
                raise LedgerError("LEDGER_NO_SUCH_CHARGE", what="That charge is not in this ledger.", state="Nothing was noted.")

        return next(e for e in self._add(body, allow) if e.number == entry.number)

    def keep(self, entry: Entry, content: bytes) -> None:
        """Stores the noisy output of a charge where every host of this ledger finds it, durably, whole or not at all."""
        self._storage.keep(entry.digest, content)

    def kept(self, entry: Entry) -> bytes | None:
        """The noisy output of a charge, or None if none was stored."""
        return self._storage.kept(entry.digest)

    def entries(self) -> list[Entry]:
        """All charges, oldest first."""
        with self._storage.turn(writes=False) as turn:
            rows, bodies = self._read(turn)
        return entries(bodies, rows)

    def spent(self) -> Fraction:
        """The sum of all charges in rho, exact. Whether a charge led to a publication makes no difference."""
        with self._storage.turn(writes=False) as turn:
            return spent(self._read(turn)[1])

    def left(self) -> Fraction:
        """What may still be charged, in rho, exact."""
        return self.cap_rho - self.spent()

    def exposure(self) -> Exposure:
        """What a device that was in every window has been exposed to so far, and would be in a year like this. Spends nothing."""
        return exposure_of(self.entries())

    def require(self, rho: Fraction) -> None:
        """Refuses what could not be charged now, before any work is done for it. Spends nothing; `charge` asks again.

        Raises:
            BudgetError: the cap would be passed.
        """
        self._refuse_overspending(self.spent(), rho)

    def verify(self) -> None:
        """Checks the whole ledger: its table and triggers, the chain, the witness, the cap and that no charge passes it.

        Raises:
            LedgerError: the ledger is damaged or was tampered with.
            RuleError: it belongs to another data set or has another cap.
        """
        with self._storage.turn(writes=False) as turn:
            self._read(turn)

    def _refuse_overspending(self, used: Fraction, rho: Fraction) -> None:
        if used + rho > self.cap_rho:
            raise BudgetError(
                "LEDGER_OVERSPEND",
                what="The release would pass the lifetime budget of this data set.",
                got=f"rho {float(rho):.6g}, with {float(used):.6g} of {float(self.cap_rho):.6g} spent",
                expected=f"rho of at most {float(self.cap_rho - used):.6g}",
                state="Nothing was spent.",
                fix="Ask for a smaller epsilon. The budget belongs to the people in the data: it can't be raised or reset.",
            )

    def _add(self, body: dict[str, Any], allow: Callable[[list[Row], list[dict[str, Any]]], None]) -> list[Entry]:
        """Appends a row if `allow` does not raise; all charges after it."""
        # Two hosts that say the same in the same second still make two rows that can be told apart.
        body = {**body, "nonce": secrets.token_hex(8)}
        row: Row | None = None
        try:
            with self._storage.turn(writes=True) as turn:
                rows, bodies = self._read(turn)
                allow(rows, bodies)
                row = extend(rows, body)
                turn.append(row)
        except LedgerError as error:
            if error.code != "LEDGER_COMMIT_UNKNOWN" or row is None:
                raise
            rows, bodies = self._settle(row, error)
        return entries([*bodies, body], [*rows, row])

    def _settle(self, row: Row, doubt: LedgerError) -> tuple[list[Row], list[dict[str, Any]]]:
        """The rows before `row` if it was committed after all.

        A turn that writes waits until the lost transaction has ended, one way or the other: what it reads then stays so.
        """
        for pause in PAUSES_S:
            time.sleep(pause)
            try:
                with self._storage.turn(writes=True) as turn:
                    rows, bodies = self._read(turn)
            except LedgerError as error:
                if error.code not in ("LEDGER_UNREACHABLE", "LEDGER_BUSY"):
                    raise
                continue
            if row in rows:
                return rows[: row.number], bodies[: row.number]
            raise LedgerError(
                "LEDGER_UNREACHABLE",
                what="The ledger was lost before it wrote: its server's connection, or its disk.",
                state="Nothing was spent.",
                fix="Run the same command again.",
            ) from doubt
        raise doubt

    def _read(self, turn: Transaction) -> tuple[list[Row], list[dict[str, Any]]]:
        rows = turn.rows()
        bodies = read(rows)
        first = bodies[0]
        if first["dataset"] != self.dataset:
            raise RuleError(
                "LEDGER_OTHER_DATASET",
                what="The ledger belongs to another data set.",
                got=f"the study names {self.dataset!r}",
                expected=f"{first['dataset']!r}",
                state="Nothing was spent.",
                fix="Correct [ledger] dataset or path in the study file.",
            )
        self.accounting, cap = first.get("accounting", "discrete"), Fraction(first["cap_rho"])
        if self._caps.get(self.accounting) != cap:
            raise RuleError(
                "LEDGER_OTHER_CAP",
                what="The ledger was begun with another lifetime budget, and that is fixed for ever.",
                got=", ".join(f"rho {float(rho):.6g} for {name} noise" for name, rho in self._caps.items()),
                expected=f"rho {float(cap):.6g} for {self.accounting} noise ({first['cap']})",
                state="Nothing was spent.",
                fix="Put back [ledger] lifetime_epsilon (and delta) as they were.",
            )
        self.cap_rho = cap
        return rows, bodies


def _now() -> str:
    return clock.now().isoformat(timespec="seconds")
