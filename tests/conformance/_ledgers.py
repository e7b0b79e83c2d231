"""Ledgers on the tests' server, as several hosts see them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from tests.conformance.postgres import Server

from flockwise.ledger import Entry, Ledger
from flockwise.ledger.postgres import PostgresStorage

TENTH = Fraction(1, 10)
MICRO = Fraction(1, 10**6)


class Host:
    """A host with a folder of its own, which connects to one database."""

    def __init__(self, server: Server, database: str, folder: Path, user: str = "steward", socket: Path | None = None) -> None:
        self.conninfo = server.at(database, user, socket)
        self.folder = folder

    def storage(self, dataset: str = "panel") -> PostgresStorage:
        return PostgresStorage(self.conninfo, dataset, self.folder)

    def ledger(self, dataset: str = "panel") -> Ledger:
        return Ledger.open(self.storage(dataset), dataset, {"discrete": Fraction(1)}, "4")

    def charge(self, plan: str, dataset: str = "panel") -> Entry:
        return self.ledger(dataset).charge(plan, "inputs", TENTH, MICRO, Fraction(1), "t")
