"""Where the rows are kept. A protocol, so that a shared server can stand in for the file, and the file itself (SQLite)."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from flockwise.base.files import write_durably
from flockwise.errors import LedgerError
from flockwise.ledger.chain import Row, damaged
from flockwise.ledger.witness import Witness, compare

__all__ = ["BUSY_SECONDS", "PAUSES_S", "SqliteStorage", "Storage", "Transaction"]

BUSY_SECONDS = 60.0
PAUSES_S: tuple[float, ...] = (0.5, 1, 2, 4, 8, 15)
"""How long to wait before each further try at a server that was lost."""
DRAFT_SECONDS = 86_400.0
"""A draft of a noisy output that is older was left by a crash."""

_TABLE = (
    "CREATE TABLE ledger (number INTEGER PRIMARY KEY CHECK (number >= 0), body TEXT NOT NULL, "
    "previous TEXT NOT NULL UNIQUE, digest TEXT NOT NULL UNIQUE) STRICT"
)
_TRIGGERS = tuple(
    f"CREATE TRIGGER no_{verb} BEFORE {verb.upper()} ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END" for verb in ("update", "delete")
)


class Transaction(Protocol):
    """A turn at the ledger: nobody else can append while it lasts."""

    def rows(self) -> list[Row]:
        """Every row, in order."""
        ...

    def append(self, row: Row) -> None:
        """Adds a row; it lasts if the turn ends without an error."""
        ...


class Storage(Protocol):
    """Rows that can be appended and read, never changed; and beside them the noisy output of each charge, kept whole or not at all."""

    def begun(self) -> bool:
        """Whether the ledger has a first row. Makes nothing and notes nothing."""
        ...

    def turn(self, *, writes: bool) -> AbstractContextManager[Transaction]:
        """A transaction; when it ends without an error what was appended is durable.

        Raises:
            LedgerError: the storage can't be used. With the code LEDGER_COMMIT_UNKNOWN it is not known whether what was appended is there;
                with any other code it is not.
        """
        ...

    def keep(self, name: str, content: bytes) -> None:
        """Stores bytes under a name that is new, durably and in one step."""
        ...

    def kept(self, name: str) -> bytes | None:
        """The bytes of a name, or None if there are none."""
        ...


class SqliteStorage:
    """The rows in one SQLite file (mode 0600), and beside it a witness file: one line for each row, only ever appended to.

    The witness makes a truncated or rebuilt chain visible. Someone who puts back old copies of both files can't be found out from them alone.

    Args:
        path: the ledger's file. It must lie on a local disk: SQLite's locks are not safe on most network file systems.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.witness = Witness(path.with_name(path.name + ".witness"))

    def begun(self) -> bool:
        """Whether the file holds a ledger with a first row. Makes no file."""
        if not self.path.exists():
            if self.witness.lines():
                raise damaged("LEDGER_TRUNCATED", "the ledger's file is gone but its witness is not")
            return False
        with self.turn(writes=False) as turn:
            return bool(turn.rows())

    @contextmanager
    def turn(self, *, writes: bool) -> Iterator[Transaction]:
        """A transaction under the write lock; on leaving, rows are on the disk and in the witness file.

        Raises:
            LedgerError: the file is damaged, busy for a minute, or disagrees with its witness. LEDGER_COMMIT_UNKNOWN: the disk failed in the very commit.
        """
        self._make()
        try:
            connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                # EXTRA also syncs the folder after the journal is unlinked: with FULL a power cut could bring the journal back and undo a charge.
                connection.execute("PRAGMA synchronous = EXTRA")
                connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
                held = _Held(connection)
                lines = self.witness.lines()
                if held.empty:
                    if lines:
                        raise damaged("LEDGER_TRUNCATED", "the ledger is empty but its witness is not")
                    if writes:
                        held.make_tables()
                before = held.rows()
                if writes:
                    self.witness.check()
                if len(before) > 1 and not lines:
                    raise damaged("LEDGER_WITNESS_MISSING", "the ledger has charges but its witness file is missing or empty")
                compare(before, lines)
                yield held
                _end(connection, doubt=bool(held.appended))
                if writes:
                    # Lines that an earlier crash left out are made good.
                    self.witness.note([row for row in [*before, *held.appended] if row.number not in lines])
            finally:
                connection.close()
        except sqlite3.DatabaseError as error:
            raise _explain(error) from error

    def keep(self, name: str, content: bytes) -> None:
        """Writes the bytes to a file of their own in a folder beside the ledger."""
        path = self._output(name)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, content, mode=0o600)
        except OSError as error:
            raise LedgerError(
                "LEDGER_OUTPUT_WRITE",
                what="The noisy output of a charge can't be written beside the ledger.",
                got=os.strerror(error.errno) if error.errno else type(error).__name__,
                state="The charge stands, and its noise is lost unless it was written after all. Nothing was published.",
                fix="Mend the rights or the disk, and run the same command again: without the output it is charged once more.",
            ) from error
        _sweep(path.parent)

    def kept(self, name: str) -> bytes | None:
        """The bytes of such a file."""
        path = self._output(name)
        return path.read_bytes() if path.exists() else None

    def _output(self, name: str) -> Path:
        return self.path.with_name(self.path.name + ".outputs") / f"{name}.npz"

    def _make(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            if not self.path.is_file():
                raise LedgerError("LEDGER_NOT_WRITABLE", what="There is something else at the ledger's place.", fix="Correct [ledger] path.") from None
            # SQLite takes a file of a few bytes for an empty database and would write over it.
            with self.path.open("rb") as handle:
                if (start := handle.read(16)) and start != b"SQLite format 3\0":
                    raise damaged("LEDGER_DAMAGED", "the file is not a whole SQLite ledger") from None
        except OSError as error:
            raise LedgerError("LEDGER_NOT_WRITABLE", what="The ledger's file can't be made.", got=type(error).__name__, fix="Correct [ledger] path.") from error


def _sweep(folder: Path) -> None:
    """Removes drafts that a crash left. No charge needs one: an output is read under its own name alone, and is written in seconds, not in a day."""
    with suppress(OSError):
        for draft in folder.glob(".*.npz.*.part"):
            if time.time() - draft.stat().st_mtime > DRAFT_SECONDS:
                draft.unlink()


def _end(connection: sqlite3.Connection, *, doubt: bool) -> None:
    try:
        connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        # A transaction that is still open is undone. One that is not may have been written before the disk failed.
        if connection.in_transaction or not doubt:
            raise
        raise LedgerError(
            "LEDGER_COMMIT_UNKNOWN",
            what="The disk failed while the ledger wrote.",
            state="Whether the last entry was written is not known. If it was a charge, it may be spent. Nothing was drawn under it and nothing was published.",
            fix="Mend the disk and run the same command again: the same plan on unchanged data finds its charge, and a draw is charged once more.",
        ) from error


def _explain(error: sqlite3.DatabaseError) -> LedgerError:
    text = str(error)
    if "locked" in text or "busy" in text:
        return LedgerError("LEDGER_BUSY", what="Another process holds the ledger.", state="Nothing was spent.", fix="Try again when it is done.")
    if any(word in text for word in ("readonly", "full", "unable to open", "disk I/O")):
        return LedgerError(
            "LEDGER_NOT_WRITABLE",
            what="The ledger's file can't be opened or written.",
            got=text,
            state="Nothing was spent.",
            fix="Mend its rights or the disk.",
        )
    return damaged("LEDGER_DAMAGED", "the file is not a whole SQLite ledger")


class _Held:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.appended: list[Row] = []
        found = sorted(str(sql) for (sql,) in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"))
        self.empty = not found
        if found and found != sorted([_TABLE, *_TRIGGERS]):
            raise damaged("LEDGER_SCHEMA_CHANGED", "the table or the triggers that keep it append-only are not as they were made")

    def make_tables(self) -> None:
        for statement in (_TABLE, *_TRIGGERS):
            self.connection.execute(statement)
        self.empty = False

    def rows(self) -> list[Row]:
        if self.empty:
            return []
        return [Row(*values) for values in self.connection.execute("SELECT number, body, previous, digest FROM ledger ORDER BY number")]

    def append(self, row: Row) -> None:
        self.connection.execute("INSERT INTO ledger VALUES (?, ?, ?, ?)", (row.number, row.body, row.previous, row.digest))
        self.appended.append(row)
