"""Which storage a study file names."""

from __future__ import annotations

from flockwise import config
from flockwise.errors import ConfigError, InternalError
from flockwise.ledger.storage import SqliteStorage, Storage

__all__ = ["place"]


def place(where: config.Ledger) -> Storage:
    """The storage of a study's ledger. Reaches no server yet.

    Args:
        where: the study's [ledger].

    Raises:
        ConfigError: the ledger is on a server and the driver is not installed.
    """
    if where.path is not None:
        return SqliteStorage(where.path)
    if where.postgres is None or where.folder is None:
        raise InternalError("LEDGER_NO_PLACE", what="A ledger has a path, or a server and a folder.")
    try:
        from flockwise.ledger.postgres import PostgresStorage
    except ImportError as error:
        raise ConfigError(
            "LEDGER_NO_DRIVER",
            what="The study's ledger is on a PostgreSQL server and psycopg is not installed.",
            state="Nothing was spent.",
            fix="Install flockwise[postgres].",
        ) from error
    return PostgresStorage(where.postgres, where.dataset, where.folder)
