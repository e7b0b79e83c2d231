"""The shared ledger on a real server: rights, set-up, durability, several hosts and data sets, tampering by a superuser."""

from __future__ import annotations

import re
import signal
import stat
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psycopg
import pytest
from psycopg import errors
from tests.conformance._ledgers import TENTH, Host
from tests.conformance.postgres import Server, running

from flockwise import config
from flockwise.errors import LedgerError, StoreError
from flockwise.ledger import place, postgres
from flockwise.release import outputs

CHANGES = (
    "UPDATE flockwise.ledger SET body = '{}'",
    "DELETE FROM flockwise.ledger WHERE number = 1",
    "TRUNCATE flockwise.ledger",
    "UPDATE flockwise.outputs SET content = ''",
    "DELETE FROM flockwise.outputs",
    "TRUNCATE flockwise.outputs",
    "INSERT INTO flockwise.ledger SELECT * FROM flockwise.ledger ON CONFLICT (dataset, number) DO UPDATE SET body = '{}'",
)


@pytest.fixture
def database(server: Server) -> str:
    return server.database()


@pytest.fixture
def host(server: Server, database: str, tmp_path: Path) -> Host:
    return Host(server, database, tmp_path / "host")


def code_of(host: Host) -> str:
    with pytest.raises(LedgerError) as got:
        host.charge("refused")
    assert "Nothing was spent" in got.value.state
    return got.value.code


def forge(server: Server, database: str, *statements: str) -> None:
    """A superuser who switches the triggers off and on again."""
    off = [f"ALTER TABLE flockwise.{table} DISABLE TRIGGER ALL" for table in ("ledger", "outputs")]
    on = [f"ALTER TABLE flockwise.{table} ENABLE ALWAYS TRIGGER {name}" for table in ("ledger", "outputs") for name in ("no_change", "no_truncate")]
    server.sql(database, *off, *statements, *on)


@pytest.mark.parametrize("statement", CHANGES)
def test_nothing_is_changed_by_the_application_its_owner_or_a_replica(server: Server, database: str, host: Host, statement: str) -> None:
    host.ledger().keep(host.charge("a"), b"noisy")
    with pytest.raises(errors.InsufficientPrivilege):
        server.sql(database, statement, user="steward")
    for user, before in (("keeper", ()), ("postgres", ("SET session_replication_role = replica",))):
        with pytest.raises(errors.RaiseException, match="append-only"):
            server.sql(database, *before, statement, user=user)
    assert host.ledger().spent() == TENTH


@pytest.mark.parametrize(
    "statement", ["ALTER TABLE flockwise.ledger DISABLE TRIGGER no_change", "DROP TABLE flockwise.ledger", "CREATE TABLE flockwise.other (x int)"]
)
def test_the_application_can_not_take_the_tables_apart(server: Server, database: str, host: Host, statement: str) -> None:
    host.charge("a")
    with pytest.raises(errors.InsufficientPrivilege):
        server.sql(database, statement, user="steward")


@pytest.mark.parametrize("user", ["keeper", "postgres", "strong"])
def test_a_role_that_could_change_charges_is_refused(server: Server, database: str, tmp_path: Path, user: str) -> None:
    server.sql(database, "DROP ROLE IF EXISTS strong", "CREATE ROLE strong LOGIN IN ROLE flockwise_charger")
    server.sql(database, "GRANT DELETE ON flockwise.ledger TO strong")
    assert code_of(Host(server, database, tmp_path, user)) == "LEDGER_ROLE_TOO_STRONG"
    server.sql(database, "DROP OWNED BY strong", "DROP ROLE strong")


@pytest.mark.parametrize(
    "right",
    [
        "GRANT UPDATE (body) ON flockwise.ledger TO strong",
        "GRANT CREATE ON SCHEMA flockwise TO strong",
        "ALTER SCHEMA flockwise OWNER TO strong",
        "ALTER FUNCTION flockwise.refuse() OWNER TO strong",
        "ALTER DATABASE {database} OWNER TO strong",
    ],
)
def test_rights_that_lead_round_the_tables_are_refused_too(server: Server, database: str, tmp_path: Path, right: str) -> None:
    server.sql(database, "DROP ROLE IF EXISTS strong", "CREATE ROLE strong LOGIN IN ROLE flockwise_charger")
    assert Host(server, database, tmp_path, "strong").charge("a").number == 1
    server.sql(database, right.format(database=database))
    assert code_of(Host(server, database, tmp_path, "strong")) == "LEDGER_ROLE_TOO_STRONG"
    server.sql(database, "REASSIGN OWNED BY strong TO keeper", "DROP OWNED BY strong", "DROP ROLE strong")


def test_a_role_without_rights_and_a_database_without_tables(server: Server, database: str, tmp_path: Path) -> None:
    server.sql("postgres", "DROP ROLE IF EXISTS stranger", "CREATE ROLE stranger LOGIN")
    assert code_of(Host(server, database, tmp_path, "stranger")) == "LEDGER_SERVER_REFUSED"
    assert code_of(Host(server, "postgres", tmp_path)) == "LEDGER_NOT_SET_UP"


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE flockwise.ledger DISABLE TRIGGER no_change",
        "ALTER TABLE flockwise.ledger ENABLE TRIGGER no_truncate",
        "DROP TRIGGER no_truncate ON flockwise.outputs",
        "CREATE OR REPLACE FUNCTION flockwise.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$",
        "CREATE RULE quiet AS ON INSERT TO flockwise.ledger DO INSTEAD NOTHING",
        "ALTER TABLE flockwise.ledger ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE flockwise.ledger SET UNLOGGED",
        "ALTER TABLE flockwise.ledger DROP CONSTRAINT ledger_pkey",
        "ALTER TABLE flockwise.ledger ADD COLUMN note text",
        "ALTER TABLE flockwise.ledger ALTER COLUMN body SET DEFAULT '{}'",
        "CREATE TABLE flockwise.child () INHERITS (flockwise.ledger)",
        "CREATE TABLE public.child () INHERITS (flockwise.ledger)",
        "CREATE VIEW flockwise.seen AS SELECT * FROM flockwise.ledger",
    ],
)
def test_an_altered_set_up_is_found(server: Server, database: str, host: Host, statement: str) -> None:
    host.charge("a")
    server.sql(database, statement)
    assert code_of(host) == "LEDGER_SCHEMA_CHANGED"


@contextmanager
def set_for_all(server: Server, name: str, value: str) -> Iterator[None]:
    def wait(statement: str, expected: str) -> None:
        server.sql("postgres", statement, "SELECT pg_reload_conf()")
        end = time.monotonic() + 20
        while server.sql("postgres", f"SHOW {name}") != [(expected,)]:
            assert time.monotonic() < end
            time.sleep(0.05)

    wait(f"ALTER SYSTEM SET {name} = {value}", value)
    try:
        yield
    finally:
        wait(f"ALTER SYSTEM RESET {name}", "on")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_server_that_may_lose_a_commit_is_refused(server: Server, host: Host, name: str) -> None:
    host.charge("a")
    with set_for_all(server, name, "off"):
        assert code_of(host) == "LEDGER_NOT_DURABLE"
    assert host.ledger().spent() == TENTH


def test_a_session_can_not_be_made_careless_by_its_role(server: Server, host: Host) -> None:
    settings = {"synchronous_commit": "off", "search_path": "public", "default_transaction_isolation": "serializable", "statement_timeout": "5000"}
    for name, value in settings.items():
        server.sql("postgres", f"ALTER ROLE steward SET {name} = '{value}'")
    try:
        host.charge("a")
        with host.storage().turn(writes=True) as turn:
            connection = turn._connection  # type: ignore[attr-defined]  # to look at the session itself
            shown = [connection.execute(f"SHOW {name}".encode()).fetchone()[0] for name in (*settings, "transaction_isolation")]
        assert shown[:2] == ["on", "pg_catalog"]
        assert shown[3:] == ["0", "read committed"]
    finally:
        server.sql("postgres", "ALTER ROLE steward RESET ALL")


def test_a_charge_outlives_a_crash_of_the_server_and_a_standby_is_refused(tmp_path: Path) -> None:
    with running() as own:
        host = Host(own, "made", tmp_path / "host")
        entry = host.charge("a")
        host.ledger().keep(entry, b"noisy")
        own.stop(signal.SIGQUIT)
        own.start()
        assert host.ledger().find("a", "inputs") == entry
        assert host.ledger().kept(entry) == b"noisy"
        own.run("pg_basebackup", "-h", own.folder, "-U", "postgres", "-D", "copy", "--checkpoint=fast", "--no-sync")
        own.stop(signal.SIGQUIT)
        (own.folder / "copy" / "standby.signal").touch()
        (own.folder / "data").rename(own.folder / "old")
        (own.folder / "copy").rename(own.folder / "data")
        own.start()
        assert code_of(host) == "LEDGER_STANDBY"


def test_on_an_older_server_too(tmp_path: Path) -> None:
    with running(16) as own:
        host = Host(own, "made", tmp_path / "host")
        entry = host.charge("a")
        host.ledger().keep(entry, b"noisy")
        assert host.ledger().kept(entry) == b"noisy"
        assert host.ledger().mark(entry, "drawn").status == "drawn"
        with pytest.raises(errors.RaiseException, match="append-only"):
            own.sql("made", CHANGES[1], user="keeper")


def test_data_sets_in_one_database_have_budgets_and_chains_of_their_own(host: Host) -> None:
    first, second = host.charge("a", "panel"), host.charge("a", "Bevölkerung ' \" \\ 2")
    assert first.number == second.number == 1
    for _ in range(9):
        host.ledger().charge("more", "inputs", TENTH, TENTH, TENTH, "t", again=True)
    assert host.ledger().left() == 0
    assert host.ledger("Bevölkerung ' \" \\ 2").left() == 9 * TENTH
    assert host.ledger("third").created
    assert len(list(host.folder.glob("*.witness"))) == 3
    assert {stat.S_IMODE(p.stat().st_mode) for p in host.folder.iterdir()} == {0o600}


def test_whoever_goes_round_the_lock_or_holds_it(server: Server, database: str, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.charge("a")
    monkeypatch.setitem(postgres._SETTINGS, "lock_timeout", "100")
    key = host.storage()._key
    with psycopg.connect(server.at(database), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [key])
        assert code_of(host) == "LEDGER_BUSY"
        assert host.ledger().spent() == TENTH  # reading goes on
        other.execute("SELECT pg_advisory_unlock(%s)", [key])
    real = postgres._Held.append

    def overtaken(held: postgres._Held, row: object) -> None:
        server.sql(database, "INSERT INTO flockwise.ledger VALUES ('panel', 2, '{}', 'p', 'd')", user="steward")
        real(held, row)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr(postgres._Held, "append", overtaken)
    with pytest.raises(LedgerError) as got:
        host.ledger().charge("b", "inputs", TENTH, TENTH, TENTH, "t")
    assert got.value.code == "LEDGER_BUSY"
    # The intruder's row is no part of the chain.
    assert code_of(host) == "LEDGER_CHAIN_BROKEN"


def test_a_rollback_is_found_by_the_hosts_that_have_seen_more_and_by_no_other(server: Server, database: str, tmp_path: Path) -> None:
    ahead, behind = Host(server, database, tmp_path / "ahead"), Host(server, database, tmp_path / "behind")
    ahead.charge("a")
    assert behind.ledger().spent() == TENTH
    ahead.charge("b")
    forge(server, database, "DELETE FROM flockwise.ledger WHERE number = 2")
    assert code_of(ahead) == "LEDGER_TRUNCATED"
    # Said in docs/claims/ledger.md: to a host that never saw the second charge this is a whole ledger, and so it is to a new one.
    assert behind.ledger().spent() == TENTH
    assert Host(server, database, tmp_path / "new").ledger().spent() == TENTH
    # Now the histories part: what the other host charges next is not what this one saw, and the files show it to whoever compares them.
    behind.charge("c")
    assert code_of(ahead) == "LEDGER_REWRITTEN"
    lines = [set(next(h.folder.iterdir()).read_text().splitlines()) for h in (ahead, behind)]
    assert lines[0] - lines[1]
    assert lines[1] - lines[0]


def test_reading_is_seeing(server: Server, database: str, tmp_path: Path) -> None:
    writer, reader = Host(server, database, tmp_path / "writer"), Host(server, database, tmp_path / "reader")
    writer.charge("a")
    assert reader.ledger().spent() == TENTH
    forge(server, database, "DELETE FROM flockwise.ledger WHERE number = 1")
    with pytest.raises(LedgerError, match="LEDGER_TRUNCATED"):
        reader.ledger()


def test_what_was_never_whole_is_not_witnessed(server: Server, database: str, tmp_path: Path) -> None:
    writer, reader = Host(server, database, tmp_path / "writer"), Host(server, database, tmp_path / "reader")
    writer.charge("a")
    (digest,) = server.sql(database, "SELECT digest FROM flockwise.ledger WHERE number = 1")[0]
    forge(server, database, "UPDATE flockwise.ledger SET digest = 'x' WHERE number = 1")
    assert code_of(reader) == "LEDGER_CHAIN_BROKEN"
    forge(server, database, f"UPDATE flockwise.ledger SET digest = '{digest}' WHERE number = 1")
    assert reader.ledger().spent() == TENTH


def test_another_server_under_the_same_name_is_not_a_new_budget(server: Server, database: str, host: Host) -> None:
    host.charge("a")
    elsewhere = Host(server, server.database(), host.folder)
    assert code_of(elsewhere) == "LEDGER_TRUNCATED"
    Host(server, elsewhere.conninfo.split()[1].removeprefix("dbname="), host.folder.with_name("other")).charge("a")
    assert code_of(elsewhere) == "LEDGER_REWRITTEN"


def test_an_output_is_completed_by_another_host_and_edits_of_it_are_found(server: Server, database: str, tmp_path: Path) -> None:
    first, second = Host(server, database, tmp_path / "first"), Host(server, database, tmp_path / "second")
    noisy = {"presence-7": np.arange(-700_000, 700_000, dtype=np.int64).reshape(2, -1)}
    plan = SimpleNamespace(blocks=[SimpleNamespace(name="presence-7", shape=(2, 700_000), sparse=False)])
    entry = first.charge("plan")
    outputs.save(first.ledger(), entry, noisy)
    assert server.sql(database, "SELECT count(*) FROM flockwise.outputs") == [(3,)]
    book = second.ledger()
    found = book.find("plan", "inputs")
    assert found is not None
    again = outputs.load(book, found, plan)  # type: ignore[arg-type]  # as much of a plan as is looked at
    assert again is not None
    assert np.array_equal(again["presence-7"], noisy["presence-7"])
    with pytest.raises(LedgerError, match="LEDGER_OUTPUT_TAKEN"):
        book.keep(found, b"another draw")
    for statement in ("UPDATE flockwise.outputs SET content = set_byte(content, 77, 1) WHERE part = 1", "DELETE FROM flockwise.outputs WHERE part = 2"):
        forge(server, database, statement)
        with pytest.raises(StoreError, match="RELEASE_OUTPUT_DAMAGED"):
            outputs.load(book, found, plan)  # type: ignore[arg-type]  # as above
    forge(server, database, "TRUNCATE flockwise.outputs")
    # As when the file beside an SQLite ledger is lost: a new draw must be charged.
    assert outputs.load(book, found, plan) is None  # type: ignore[arg-type]  # as above
    assert book.spent() == TENTH


def test_the_how_to_makes_roles_that_can_charge(server: Server, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "share-a-ledger.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```sql\n(.*?)```", page, flags=re.DOTALL)
    server.sql("postgres", *filter(str.strip, first.split(";")))
    made = subprocess.run([sys.executable, "-m", "flockwise.ledger.server_setup"], capture_output=True, text=True, check=True, timeout=100).stdout
    server.sql("ledger", made, user="ledger_owner")
    server.sql("ledger", second)
    host = Host(server, "ledger", tmp_path / "host", "steward_one")
    assert host.charge("a").number == 1
    assert code_of(Host(server, "ledger", tmp_path / "host", "ledger_owner")) == "LEDGER_ROLE_TOO_STRONG"
    spec = tomllib.loads(re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)[0])["ledger"]
    assert isinstance(place(config.Ledger.model_validate(spec)), postgres.PostgresStorage)
