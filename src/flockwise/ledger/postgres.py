"""The rows on a PostgreSQL server that several hosts share. The only module that imports psycopg; it is imported when it is used."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import errors, sql

from flockwise.errors import FlockwiseError, LedgerError
from flockwise.ledger.chain import Row
from flockwise.ledger.server_setup import check_tables
from flockwise.ledger.storage import BUSY_SECONDS, PAUSES_S, Transaction
from flockwise.ledger.witness import Witness, compare

__all__ = ["PostgresStorage"]

CONNECT_SECONDS = 10
CHUNK_BYTES = 4 * 2**20

# READ COMMITTED: each statement sees what was committed before it, so the rows read after the lock are the latest. Under REPEATABLE READ the
# snapshot would be older than the lock.
_BEGIN: dict[bool, LiteralString] = {True: "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", False: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}
_SETTINGS: dict[str, str] = {
    "search_path": "pg_catalog",
    "synchronous_commit": "on",
    "row_security": "off",
    "statement_timeout": "0",
    "lock_timeout": f"{int(BUSY_SECONDS * 1000)}",
    # A host that vanishes in its turn must not hold the lock for hours.
    "idle_in_transaction_session_timeout": f"{int(BUSY_SECONDS * 1000)}",
}


class PostgresStorage:
    """One data set's rows among those of others in a server's tables, and a witness file of this host (mode 0600).

    The tables are made by `flockwise.ledger.server_setup`; the role that connects can read and append, nothing else. The witness remembers every row
    that this host has seen: a server that was rolled back or rewritten is found out by every host that has seen more. A host that is new, or whose
    folder was lost, takes what it finds.

    Args:
        conninfo: libpq connection string. Passwords come from libpq's password file, service file or environment.
        dataset: whose rows.
        folder: folder on a local disk, for the witness.
    """

    def __init__(self, conninfo: str, dataset: str, folder: Path) -> None:
        self._conninfo = conninfo
        self._dataset = dataset
        key = hashlib.sha256(f"flockwise-ledger\n{dataset}".encode())
        self._key = int.from_bytes(key.digest()[:8], "big", signed=True)
        self.witness = Witness(folder / f"ledger-{key.hexdigest()[:16]}.witness")

    def begun(self) -> bool:
        """Whether the data set has a first row on the server. Makes nothing and notes nothing."""
        with self._transaction(writes=False) as connection:
            return connection.execute("SELECT FROM flockwise.ledger WHERE dataset = %s LIMIT 1", [self._dataset]).fetchone() is not None

    @contextmanager
    def turn(self, *, writes: bool) -> Iterator[Transaction]:
        """A transaction; writers of one data set wait for each other. On leaving, rows are on the server's disk, then in the witness file.

        Raises:
            LedgerError: LEDGER_UNREACHABLE, LEDGER_BUSY, LEDGER_NOT_SET_UP, LEDGER_SCHEMA_CHANGED, LEDGER_ROLE_TOO_STRONG, LEDGER_NOT_DURABLE,
                LEDGER_SERVER_REFUSED: nothing was appended. LEDGER_COMMIT_UNKNOWN: it is not known. LEDGER_TRUNCATED, LEDGER_REWRITTEN,
                LEDGER_WITNESS_DAMAGED: the server and the witness disagree.
        """
        self._make_folder()
        # Before the snapshot: what another process of this host commits in between is then no contradiction.
        lines = self.witness.lines()
        self.witness.check()
        with self._transaction(writes=writes) as connection:
            if writes:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", [self._key])
            held = _Held(connection, self._dataset)
            before = held.rows()
            compare(before, lines)
            yield held
            if held.appended:
                _commit(connection)
        self.witness.note([row for row in [*before, *held.appended] if row.number not in lines])

    def keep(self, name: str, content: bytes) -> None:
        """Stores bytes under a new name, in one transaction. Tries again for a while if the connection is lost: the bytes are the same.

        Raises:
            LedgerError: the server can't be reached (LEDGER_UNREACHABLE, LEDGER_COMMIT_UNKNOWN), or has other bytes of this name (LEDGER_OUTPUT_TAKEN).
        """
        for pause in (*PAUSES_S, None):
            try:
                kept = self.kept(name)
                if kept is None:
                    self._insert(name, content)
                elif kept != content:
                    raise LedgerError("LEDGER_OUTPUT_TAKEN", what="The ledger holds another noisy output of the same charge.", state="Nothing was published.")
                return
            except LedgerError as error:
                if pause is None or error.code not in ("LEDGER_UNREACHABLE", "LEDGER_COMMIT_UNKNOWN", "LEDGER_BUSY"):
                    raise
                time.sleep(pause)

    def kept(self, name: str) -> bytes | None:
        """The bytes of a name, from whichever host they came."""
        with self._transaction(writes=False) as connection:
            parts = connection.execute(
                "SELECT content FROM flockwise.outputs WHERE dataset = %s AND name = %s ORDER BY part", [self._dataset, name], binary=True
            ).fetchall()
        return b"".join(content for (content,) in parts) if parts else None

    def _insert(self, name: str, content: bytes) -> None:
        with self._transaction(writes=True) as connection:
            for part, start in enumerate(range(0, len(content), CHUNK_BYTES)):
                connection.execute(
                    "INSERT INTO flockwise.outputs VALUES (%s, %s, %s, %b)", [self._dataset, name, part, memoryview(content)[start : start + CHUNK_BYTES]]
                )
            _commit(connection)

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator[psycopg.Connection]:
        """A transaction that is rolled back unless `_commit` was called."""
        try:
            connection = psycopg.connect(
                self._conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS, client_encoding="UTF8", application_name="flockwise", prepare_threshold=None
            )
        except psycopg.Error as error:
            raise _unreachable("The ledger's server can't be reached.", error) from error
        try:
            connection.execute(_BEGIN[writes])
            # In one statement: the limits of time that the role may have are then gone.
            asked = sql.SQL(", ").join([sql.SQL("pg_catalog.set_config(%s, %s, true)")] * len(_SETTINGS))
            connection.execute(sql.SQL("SELECT ") + asked, [word for pair in _SETTINGS.items() for word in pair])
            _check_server(connection)
            check_tables(connection)
            yield connection
        except psycopg.Error as error:
            raise _explain(error, lost=connection.closed) from error
        finally:
            connection.close()

    def _make_folder(self) -> None:
        try:
            self.witness.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(
                "LEDGER_NOT_WRITABLE", what="The ledger's local folder can't be made.", got=type(error).__name__, fix="Correct [ledger] folder."
            ) from error


class _Held:
    def __init__(self, connection: psycopg.Connection, dataset: str) -> None:
        self._connection = connection
        self._dataset = dataset
        self.appended: list[Row] = []

    def rows(self) -> list[Row]:
        found = self._connection.execute("SELECT number, body, previous, digest FROM flockwise.ledger WHERE dataset = %s ORDER BY number", [self._dataset])
        return [Row(*values) for values in found]

    def append(self, row: Row) -> None:
        # Whoever went round the lock loses here: number and previous are unique in a data set.
        self._connection.execute("INSERT INTO flockwise.ledger VALUES (%s, %s, %s, %s, %s)", [self._dataset, row.number, row.body, row.previous, row.digest])
        self.appended.append(row)


def _commit(connection: psycopg.Connection) -> None:
    try:
        done = connection.execute("COMMIT").statusmessage
    except psycopg.Error as error:
        # Only an answer that is an ordinary refusal says that nothing was written; a server that goes down may answer after it wrote (class 57).
        if not connection.closed and error.sqlstate is not None and error.sqlstate[:2] not in ("08", "57", "58", "XX"):
            raise
        raise LedgerError(
            "LEDGER_COMMIT_UNKNOWN",
            what="The connection to the ledger's server was lost while it wrote.",
            state="Whether the last entry was written is not known. If it was a charge, it may be spent. Nothing was drawn under it and nothing was published.",
            fix="Run the same command again when the server is back: the same plan on unchanged data finds its charge, and a draw is charged once more.",
        ) from error
    if done != "COMMIT":
        # What the server answers to COMMIT when the transaction had failed before.
        raise LedgerError("LEDGER_SERVER_REFUSED", what="The ledger's server did not commit.", got=str(done), state="Nothing was spent.", fix="Try again.")


def _check_server(connection: psycopg.Connection) -> None:
    row = connection.execute(
        "SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'), pg_is_in_recovery()"
    ).fetchone()
    if row is None or row[:3] != ("on", "on", "on"):
        raise LedgerError(
            "LEDGER_NOT_DURABLE",
            what="The ledger's server does not write safely: a charge could be lost in a crash.",
            expected="fsync, full_page_writes and synchronous_commit on",
            state="Nothing was spent.",
            fix="Switch them on in the server's settings.",
        )
    if row[3]:
        raise LedgerError(
            "LEDGER_STANDBY",
            what="The ledger's server is a standby copy: it may lag behind, and can't be charged.",
            state="Nothing was spent.",
            fix="Connect to the primary, with target_session_attrs=read-write say.",
        )


def _unreachable(what: str, error: psycopg.Error) -> LedgerError:
    got = str(error).strip().split("\n")[0]
    return LedgerError("LEDGER_UNREACHABLE", what=what, got=got, state="Nothing was spent.", fix="See that the server runs and run the same command again.")


def _explain(error: psycopg.Error, *, lost: bool) -> FlockwiseError:
    if lost:
        return _unreachable("The connection to the ledger's server was lost.", error)
    if isinstance(error, errors.LockNotAvailable | errors.UniqueViolation):
        return LedgerError("LEDGER_BUSY", what="Another process holds the ledger.", state="Nothing was spent.", fix="Try again when it is done.")
    return LedgerError(
        "LEDGER_SERVER_REFUSED",
        what="The ledger's server refused a statement.",
        got=f"{type(error).__name__} ({error.sqlstate})",
        state="Nothing was spent.",
        fix="Mend the role's rights (docs/how-to/share-a-ledger.md) or the server's disk.",
    )
