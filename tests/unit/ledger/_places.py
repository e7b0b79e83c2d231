"""The two places where a ledger can be, behind one face: what a program sees, and what somebody with every right on the machine can do to it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import psycopg
from tests.conformance.postgres import Server

from flockwise import config
from flockwise.ledger import Ledger, Storage, place
from flockwise.ledger.chain import FORMAT

Bodies = list[dict[str, object]]


class Place(Protocol):
    """Where a test's ledger is."""

    name: str
    spec: dict[str, str]

    @property
    def witness(self) -> Path:
        """The witness file of this host."""
        ...

    def attack(self, *statements: str, remake: bool = True) -> None:
        """Runs statements with the triggers off; puts the triggers back as they were."""
        ...

    def rows(self) -> list[tuple[int, str, str, str]]:
        """All rows as they are stored."""
        ...


class SqlitePlace:
    """A file."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.path = folder / "a.ledger"
        self.spec = {"path": str(self.path)}

    @property
    def witness(self) -> Path:
        return Path(f"{self.path}.witness")

    def attack(self, *statements: str, remake: bool = True) -> None:
        connection = sqlite3.connect(self.path, isolation_level=None)
        made = [sql for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")]
        for name in ("no_update", "no_delete"):
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for sql in made if remake else ():
            connection.execute(sql)
        connection.close()

    def rows(self) -> list[tuple[int, str, str, str]]:
        return sqlite3.connect(self.path).execute("SELECT number, body, previous, digest FROM ledger ORDER BY number").fetchall()


class PostgresPlace:
    """A database of its own on the tests' server."""

    name = "postgres"

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.database = server.database()
        self.spec = {"postgres": server.at(self.database), "folder": str(folder / "host")}

    @property
    def witness(self) -> Path:
        (found,) = Path(self.spec["folder"]).glob("*.witness")
        return found

    def attack(self, *statements: str, remake: bool = True) -> None:
        with psycopg.connect(self.server.at(self.database, "postgres"), autocommit=True) as connection:
            connection.execute("SET search_path = flockwise")
            connection.execute("ALTER TABLE ledger DISABLE TRIGGER ALL")
            for statement in statements:
                connection.execute(statement.encode())
            for trigger in ("no_change", "no_truncate") if remake else ():
                connection.execute(f"ALTER TABLE ledger ENABLE ALWAYS TRIGGER {trigger}".encode())

    def rows(self) -> list[tuple[int, str, str, str]]:
        with psycopg.connect(self.server.at(self.database, "postgres")) as connection:
            return connection.execute("SELECT number, body, previous, digest FROM flockwise.ledger WHERE dataset = 'panel' ORDER BY number").fetchall()


def storage(where: Place, dataset: str = "panel") -> Storage:
    """What a new process would use."""
    return place(config.Ledger(**where.spec, dataset=dataset, lifetime_epsilon=Fraction(4)))  # type: ignore[arg-type]  # text for paths


def opened(where: Place, cap: Fraction = Fraction(1), dataset: str = "panel", **caps: Fraction) -> Ledger:
    """The ledger, as a new process would open it; with one cap for discrete noise, or caps by accounting."""
    return Ledger.open(storage(where, dataset), dataset, caps or {"discrete": cap}, "4")


def rebuild(where: Place, change: Callable[[Bodies], Bodies]) -> None:
    """A careful forger: changes what rows say and makes the whole chain anew."""
    statements, previous = ["DELETE FROM ledger"], "0" * 64
    columns, values = ("dataset, ", "'panel', ") if where.name == "postgres" else ("", "")
    for number, body in enumerate(change([json.loads(body) for _, body, _, _ in where.rows()])):
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(f"{FORMAT}\n{number}\n{previous}\n{text}".encode()).hexdigest()
        statements.append(f"INSERT INTO ledger ({columns}number, body, previous, digest) VALUES ({values}{number}, '{text}', '{previous}', '{digest}')")
        previous = digest
    where.attack(*statements)
