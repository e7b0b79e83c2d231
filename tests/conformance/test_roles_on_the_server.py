"""The SQL of the how-to on roles, run on a real server: what each role may do to the ledger (docs/how-to/roles.md, share-a-ledger.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from tests.conformance._ledgers import Host
from tests.conformance.postgres import Server, running

ROOT = Path(__file__).parents[2]
ENTRY = "INSERT INTO flockwise.ledger VALUES ('d', 0, '{}', '', 'x')"
CHANGES = (
    "UPDATE flockwise.ledger SET body = '{}'",
    "DELETE FROM flockwise.ledger",
    "TRUNCATE flockwise.ledger",
    "DROP TABLE flockwise.ledger",
    "ALTER TABLE flockwise.ledger DISABLE TRIGGER ALL",
    "UPDATE flockwise.outputs SET content = ''",
    "DELETE FROM flockwise.outputs",
    "CREATE TABLE flockwise.other (a int)",
    "SET session_replication_role = replica",
)


def statements() -> list[str]:
    """Every SQL statement of the page on roles."""
    blocks = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "how-to" / "roles.md").read_text(encoding="utf-8"), re.DOTALL)
    return [s.strip() for block in blocks for s in block.split(";") if s.strip()]


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server of its own: another page's test makes roles of the same names, and roles belong to the whole server."""
    with running() as found:
        yield found


@pytest.mark.rule(17)
def test_the_documented_grants_on_a_real_server(own_server: Server, tmp_path: Path) -> None:
    """Who charges appends and can change nothing; the officer reads and can't charge; who has no role is not let in."""
    server, given = own_server, statements()
    assert [s.split()[0] for s in given] == ["CREATE", "CREATE", "GRANT", "GRANT"]
    database = server.database()
    for statement in given:  # roles belong to the server, rights on tables to their owner
        server.sql(database, statement, user="keeper" if statement.startswith("GRANT") else "postgres")
    Host(server, database, tmp_path / "host").charge("one")

    def refused(user: str, statement: str) -> bool:
        with psycopg.connect(server.at(database, user), autocommit=True) as connection:
            try:
                connection.execute(statement.encode())
            except (errors.InsufficientPrivilege, errors.RaiseException):
                return True
        return False

    try:
        assert len(server.sql(database, "SELECT * FROM flockwise.ledger", user="steward_one")) >= 1
        server.sql(database, ENTRY, user="steward_one")
        entries = server.sql(database, "SELECT * FROM flockwise.ledger", user="officer_one")
        assert len(entries) >= 2
        for user in ("steward_one", "officer_one"):
            assert [s for s in CHANGES if not refused(user, s)] == []
        assert refused("officer_one", ENTRY.replace("'d', 0", "'e', 0"))
        assert refused("officer_one", "SELECT * FROM flockwise.outputs")
        assert server.sql(database, "SELECT * FROM flockwise.ledger", user="officer_one") == entries
        with pytest.raises(psycopg.OperationalError):  # the analyst has no role on the server
            psycopg.connect(server.at(database, "analyst"))
    finally:
        for user in ("steward_one", "officer_one"):
            server.sql(database, f"DROP OWNED BY {user}", f"DROP ROLE {user}")
