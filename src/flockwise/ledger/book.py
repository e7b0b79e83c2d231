"""The ledger: how much of a population's privacy budget is spent, and on what."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from flockwise.errors import BudgetError, InternalError, LedgerError, RuleError
from flockwise.ledger.chain import EVENTS, FORMAT, Entry, Row, entries, extend, read, spent
from flockwise.ledger.storage import SqliteStorage, Storage, Transaction

__all__ = ["Ledger"]


class Ledger:
    """The durable, append-only account of one population's budget. Charges add up; nothing is ever given back, edited or reset.

    Every call reads the whole chain and checks it. Safe under several processes at once.

    Args:
        storage: where the rows are.
        dataset: whose budget this is.
        cap_rho: what all charges together may reach.
    """

    def __init__(self, storage: Storage, dataset: str, cap_rho: Fraction) -> None:
        self._storage = storage
        self.dataset = dataset
        self.cap_rho = cap_rho
        self.created = False

    @classmethod
    def open(cls, path: Path, dataset: str, cap_rho: Fraction, cap_text: str) -> Ledger:
        """The ledger of a file, made if there is none (then `created` is true: tell the user, since a wrong path is a new budget).

        Args:
            path: SQLite file on a local disk; its witness lies beside it.
            dataset: population and supplier. Fixed for ever by the first opening.
            cap_rho: lifetime cap, exact. Fixed as well.
            cap_text: the cap as the study states it, for people.

        Raises:
            LedgerError: the ledger is damaged, was tampered with, or can't be read.
            RuleError: it belongs to another data set or has another cap.

        Privacy:
            Reads nothing of the data and spends nothing.
        """
        if cap_rho <= 0 or not dataset:
            raise InternalError("LEDGER_BAD_CAP", what="A ledger needs a data set and a cap above 0.")
        ledger = cls(SqliteStorage(path), dataset, cap_rho)
        # The first look takes no write lock, so that a ledger can be shown while a release charges it.
        if not ledger._has_genesis():
            with ledger._storage.turn(writes=True) as turn:
                if not turn.rows():
                    ledger.created = True
                    turn.append(extend([], {"kind": "genesis", "format": FORMAT, "dataset": dataset, "cap_rho": str(cap_rho), "cap": cap_text, "time": _now()}))
        ledger.verify()
        return ledger

    def charge(self, plan: str, inputs: str, rho: Fraction, delta: Fraction, epsilon: Fraction, title: str, *, again: bool = False) -> Entry:
        """Spends `rho`, durably, before it returns. Only then may noise be drawn.

        Args:
            plan: digest of everything that decides what is computed.
            inputs: keyed digest of the data (the store's).
            rho: the charge, exact, above 0.
            delta: of the promise.
            epsilon: what rho gives at delta (a label).
            title: for people; no figures of the data.
            again: charge although this plan was charged on these inputs before (its noisy output is lost, say). Ask `find` first.

        Raises:
            BudgetError: the cap would be passed. Nothing was spent.
            RuleError: the same plan on the same inputs is charged already and `again` is false. Nothing was spent.
            LedgerError: the ledger is damaged, was tampered with, or is busy. Nothing was spent.

        Privacy:
            Sequential composition under zero-concentrated differential privacy: rho adds up.
        """
        if not (plan and inputs and rho > 0 and 0 < delta < 1 and epsilon > 0) or len(title) > 500:
            raise InternalError("LEDGER_BAD_CHARGE", what="A charge needs a plan, inputs, and rho, epsilon and delta above 0.", state="Nothing was spent.")
        body = {
            "kind": "charge", "time": _now(), "title": title, "plan": plan, "inputs": inputs,
            "rho": str(rho), "delta": str(delta), "epsilon": str(epsilon),
        }  # fmt: skip
        with self._storage.turn(writes=True) as turn:
            rows, bodies = self._read(turn)
            if not again and any(e.plan == plan and e.inputs == inputs for e in entries(bodies, rows)):
                raise RuleError(
                    "LEDGER_ALREADY_CHARGED",
                    what="This plan was charged on this data before.",
                    state="Nothing was spent.",
                    fix="Use what was drawn then. If that is lost, a new draw is a new charge and must be asked for.",
                )
            self._refuse_overspending(spent(bodies), rho)
            row = extend(rows, body)
            turn.append(row)
        return entries([*bodies, body], [*rows, row])[-1]

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
        with self._storage.turn(writes=True) as turn:
            rows, bodies = self._read(turn)
            known = {e.number: e for e in entries(bodies, rows)}
            if entry.number not in known or known[entry.number].digest != entry.digest:
                raise LedgerError("LEDGER_NO_SUCH_CHARGE", what="That charge is not in this ledger.", state="Nothing was noted.")
            row = extend(rows, body)
            turn.append(row)
        return next(e for e in entries([*bodies, body], [*rows, row]) if e.number == entry.number)

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

    def _has_genesis(self) -> bool:
        with self._storage.turn(writes=False) as turn:
            return bool(turn.rows())

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
        if Fraction(first["cap_rho"]) != self.cap_rho:
            raise RuleError(
                "LEDGER_OTHER_CAP",
                what="The ledger was opened with another lifetime budget, and that is fixed for ever.",
                got=f"rho {float(self.cap_rho):.6g}",
                expected=f"rho {float(Fraction(first['cap_rho'])):.6g} ({first['cap']})",
                state="Nothing was spent.",
                fix="Put back [ledger] lifetime_epsilon (and delta) as they were.",
            )
        return rows, bodies


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
