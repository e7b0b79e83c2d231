"""The tables of a shared ledger on a PostgreSQL server: the SQL that makes them, and the check that they are as they were made.

The application never runs this SQL: an administrator does, once for each database, as the owner of the tables
(docs/how-to/share-a-ledger.md): `python -m flockwise.ledger.server_setup | psql ...`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flockwise.errors import LedgerError
from flockwise.ledger.chain import damaged

if TYPE_CHECKING:
    import psycopg

__all__ = ["SQL", "check_tables"]

SQL = """\
BEGIN;
CREATE SCHEMA flockwise;
CREATE TABLE flockwise.ledger (
  dataset text COLLATE "C" NOT NULL,
  number bigint NOT NULL CHECK (number >= 0),
  body text NOT NULL,
  previous text COLLATE "C" NOT NULL,
  digest text COLLATE "C" NOT NULL,
  PRIMARY KEY (dataset, number),
  UNIQUE (dataset, previous),
  UNIQUE (dataset, digest)
);
CREATE TABLE flockwise.outputs (
  dataset text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  part bigint NOT NULL CHECK (part >= 0),
  content bytea NOT NULL,
  PRIMARY KEY (dataset, name, part)
);
ALTER TABLE flockwise.outputs ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE FUNCTION flockwise.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'the ledger is append-only'; END$$;
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON flockwise.ledger FOR EACH ROW EXECUTE FUNCTION flockwise.refuse();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON flockwise.ledger FOR EACH STATEMENT EXECUTE FUNCTION flockwise.refuse();
CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON flockwise.outputs FOR EACH ROW EXECUTE FUNCTION flockwise.refuse();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON flockwise.outputs FOR EACH STATEMENT EXECUTE FUNCTION flockwise.refuse();
-- ALWAYS: they fire while a session plays the replica, too.
ALTER TABLE flockwise.ledger ENABLE ALWAYS TRIGGER no_change;
ALTER TABLE flockwise.ledger ENABLE ALWAYS TRIGGER no_truncate;
ALTER TABLE flockwise.outputs ENABLE ALWAYS TRIGGER no_change;
ALTER TABLE flockwise.outputs ENABLE ALWAYS TRIGGER no_truncate;
-- A role without login: grant it to whoever may charge. It can read and append, nothing else.
DO $$BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'flockwise_charger') THEN CREATE ROLE flockwise_charger NOLOGIN; END IF; END$$;
REVOKE ALL ON SCHEMA flockwise FROM PUBLIC;
GRANT USAGE ON SCHEMA flockwise TO flockwise_charger;
GRANT SELECT, INSERT ON flockwise.ledger, flockwise.outputs TO flockwise_charger;
COMMIT;
"""

# Everything in the schema that decides what a statement on the tables does, as lines of text.
_FACTS = """
SELECT concat_ws(' ', 'relation', relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relhasrules, relispartition,
                 EXISTS (SELECT FROM pg_inherits WHERE c.oid IN (inhrelid, inhparent)))
FROM pg_class c WHERE relnamespace = to_regnamespace('flockwise')
UNION ALL
SELECT concat_ws(' ', 'column', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, atthasdef, collname)
FROM pg_attribute JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_collation l ON l.oid = attcollation
WHERE relnamespace = to_regnamespace('flockwise') AND relkind = 'r' AND attnum > 0
UNION ALL
SELECT concat_ws(' ', 'constraint', conrelid::regclass, convalidated, condeferrable, pg_get_constraintdef(oid))
FROM pg_constraint WHERE connamespace = to_regnamespace('flockwise') AND contype <> 'n'
UNION ALL
SELECT concat_ws(' ', 'trigger', tgenabled, pg_get_triggerdef(t.oid))
FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE relnamespace = to_regnamespace('flockwise')
UNION ALL
SELECT concat_ws(' ', 'function', proname, lanname, prosecdef, proconfig, prosrc)
FROM pg_proc JOIN pg_language l ON l.oid = prolang WHERE pronamespace = to_regnamespace('flockwise')
"""

_MADE = frozenset(
    """\
column flockwise.ledger 1 dataset text t f C
column flockwise.ledger 2 number bigint t f
column flockwise.ledger 3 body text t f default
column flockwise.ledger 4 previous text t f C
column flockwise.ledger 5 digest text t f C
column flockwise.outputs 1 dataset text t f C
column flockwise.outputs 2 name text t f C
column flockwise.outputs 3 part bigint t f
column flockwise.outputs 4 content bytea t f
constraint flockwise.ledger t f CHECK ((number >= 0))
constraint flockwise.ledger t f PRIMARY KEY (dataset, number)
constraint flockwise.ledger t f UNIQUE (dataset, digest)
constraint flockwise.ledger t f UNIQUE (dataset, previous)
constraint flockwise.outputs t f CHECK ((part >= 0))
constraint flockwise.outputs t f PRIMARY KEY (dataset, name, part)
function refuse plpgsql f BEGIN RAISE EXCEPTION 'the ledger is append-only'; END
relation ledger r p f f f f f
relation ledger_dataset_digest_key i p f f f f f
relation ledger_dataset_previous_key i p f f f f f
relation ledger_pkey i p f f f f f
relation outputs r p f f f f f
relation outputs_pkey i p f f f f f
trigger A CREATE TRIGGER no_change BEFORE DELETE OR UPDATE ON flockwise.ledger FOR EACH ROW EXECUTE FUNCTION flockwise.refuse()
trigger A CREATE TRIGGER no_change BEFORE DELETE OR UPDATE ON flockwise.outputs FOR EACH ROW EXECUTE FUNCTION flockwise.refuse()
trigger A CREATE TRIGGER no_truncate BEFORE TRUNCATE ON flockwise.ledger FOR EACH STATEMENT EXECUTE FUNCTION flockwise.refuse()
trigger A CREATE TRIGGER no_truncate BEFORE TRUNCATE ON flockwise.outputs FOR EACH STATEMENT EXECUTE FUNCTION flockwise.refuse()
""".splitlines()
)

_STRONG = """
SELECT bool_or(has_any_column_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE') OR has_table_privilege(c.oid, 'TRUNCATE')
               OR has_table_privilege(c.oid, 'TRIGGER') OR pg_has_role(relowner, 'MEMBER') OR pg_has_role(nspowner, 'MEMBER')
               OR has_schema_privilege(n.oid, 'CREATE'))
       OR (SELECT bool_or(pg_has_role(proowner, 'MEMBER')) FROM pg_proc WHERE pronamespace = to_regnamespace('flockwise'))
       OR (SELECT pg_has_role(datdba, 'MEMBER') FROM pg_database WHERE datname = current_database())
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE n.oid = to_regnamespace('flockwise') AND relkind = 'r'
"""


def check_tables(connection: psycopg.Connection) -> None:
    """Refuses tables that are missing or were altered, and a role that could alter them.

    Raises:
        LedgerError: the set-up is missing or changed, or the role may do more than read and append.
    """
    found = {str(line) for (line,) in connection.execute(_FACTS)}
    if not found:
        raise LedgerError(
            "LEDGER_NOT_SET_UP",
            what="The database has no tables for a ledger.",
            state="Nothing was spent.",
            fix="Correct [ledger] postgres, or have the database's owner run the SQL of python -m flockwise.ledger.server_setup.",
        )
    if found != _MADE:
        raise damaged("LEDGER_SCHEMA_CHANGED", "the tables or the triggers that keep them append-only are not as they were made")
    if connection.execute(_STRONG).fetchone() != (False,):
        raise LedgerError(
            "LEDGER_ROLE_TOO_STRONG",
            what="The role that connects to the ledger's server could change or delete charges.",
            expected="a role that has flockwise_charger and owns neither tables, function, schema nor database, and no superuser",
            state="Nothing was spent.",
            fix="Connect as a role made as docs/how-to/share-a-ledger.md says.",
        )


if __name__ == "__main__":
    print(SQL, end="")  # noqa: T201  this module's command prints the SQL
