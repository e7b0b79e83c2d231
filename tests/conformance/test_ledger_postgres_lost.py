"""The shared ledger's server goes away: before, during and after a commit."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conformance._cutter import Cutter, Moment
from tests.conformance._ledgers import MICRO, TENTH, Host
from tests.conformance.postgres import Server, running

from flockwise.errors import LedgerError
from flockwise.ledger import Entry, Ledger, book, postgres

Cut = Callable[..., tuple[Ledger, Cutter]]


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (book, postgres):
        monkeypatch.setattr(module, "PAUSES_S", (0.05, 0.05, 0.05))


@pytest.fixture
def host(server: Server, tmp_path: Path) -> Host:
    """A host that has begun the ledger and is connected directly."""
    made = Host(server, server.database(), tmp_path / "host")
    assert made.ledger().created
    return made


@pytest.fixture
def cut(server: Server, host: Host) -> Iterator[Cut]:
    """A ledger of the same host whose connection is cut at a commit."""
    with tempfile.TemporaryDirectory(prefix="fw-") as folder:
        made: list[Cutter] = []

        def through(moment: Moment, times: int = 1, *, back: bool = True) -> tuple[Ledger, Cutter]:
            made.append(Cutter(Path(folder), server.folder / ".s.PGSQL.5432", moment, times, back=back))
            database = host.conninfo.split()[1].removeprefix("dbname=")
            return Host(server, database, host.folder, socket=Path(folder)).ledger(), made[-1]

        yield through
        for cutter in made:
            cutter.close()


def charge(ledger: Ledger, plan: str = "plan") -> Entry:
    return ledger.charge(plan, "inputs", TENTH, MICRO, TENTH, "t")


def test_a_server_that_is_down_spends_nothing(tmp_path: Path) -> None:
    with running() as own:
        host = Host(own, "made", tmp_path / "host")
        ledger = host.ledger()
        own.stop()
        for call in (lambda: charge(ledger), ledger.spent, lambda: host.ledger(), lambda: host.storage().begun()):
            with pytest.raises(LedgerError) as got:
                call()
            assert got.value.code == "LEDGER_UNREACHABLE"
            assert got.value.state == "Nothing was spent."
        own.start()
        assert ledger.spent() == 0
        assert charge(ledger).number == 1


def test_a_connection_that_is_ended_before_the_commit_spends_nothing(server: Server, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    real = postgres._Held.append

    def ended(held: postgres._Held, row: object) -> None:
        real(held, row)  # type: ignore[arg-type]  # passed through
        server.sql("postgres", f"SELECT pg_terminate_backend({held._connection.info.backend_pid}, 5000)")

    with monkeypatch.context() as patch:
        patch.setattr(postgres._Held, "append", ended)
        with pytest.raises(LedgerError) as got:
            charge(host.ledger())
    # The commit was sent to a session that was gone: the ledger asked again, and found nothing.
    assert got.value.code == "LEDGER_UNREACHABLE"
    assert got.value.state == "Nothing was spent."
    assert host.ledger().spent() == 0


def test_an_answer_that_is_lost_after_the_commit_is_found_out(host: Host, cut: Cut) -> None:
    ledger, cutter = cut("after")
    entry = charge(ledger)
    assert cutter.cuts_left == 0
    assert host.ledger().entries() == [entry]
    # The witness was told as well.
    assert next(host.folder.iterdir()).read_text().splitlines()[-1] == f"1 {entry.digest}"


def test_a_commit_that_never_reached_the_server_spends_nothing(host: Host, cut: Cut) -> None:
    ledger, cutter = cut("before")
    with pytest.raises(LedgerError) as got:
        charge(ledger)
    assert cutter.cuts_left == 0
    assert got.value.code == "LEDGER_UNREACHABLE"
    assert got.value.state == "Nothing was spent."
    assert host.ledger().entries() == []
    assert charge(ledger).number == 1


@pytest.mark.parametrize(("moment", "spent"), [("before", 0), ("after", TENTH)])
def test_a_server_that_does_not_come_back_leaves_a_doubt_that_is_told(host: Host, cut: Cut, moment: Moment, spent: object) -> None:
    ledger, _ = cut(moment, back=False)
    with pytest.raises(LedgerError) as got:
        charge(ledger)
    assert got.value.code == "LEDGER_COMMIT_UNKNOWN"
    assert "not known" in got.value.state
    assert "again" in got.value.fix
    # What the next run finds when the server is back.
    assert host.ledger().spent() == spent
    assert (host.ledger().find("plan", "inputs") is not None) == bool(spent)


def test_another_charge_of_the_same_second_is_not_taken_for_the_lost_one(server: Server, host: Host, cut: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, _ = cut("before")
    monkeypatch.setattr(book, "_now", lambda: "2026-05-04T00:00:00+00:00")
    pauses: list[float] = []

    def meanwhile(seconds: float) -> None:
        if not pauses:
            charge(host.ledger())
        pauses.append(seconds)

    monkeypatch.setattr(book.time, "sleep", meanwhile)
    with pytest.raises(LedgerError, match="LEDGER_UNREACHABLE"):
        charge(ledger)
    assert len(host.ledger().entries()) == 1


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_note_is_made_once_whatever_is_lost(host: Host, cut: Cut, moment: Moment) -> None:
    entry = charge(host.ledger())
    ledger, _ = cut(moment)
    if moment == "after":
        assert ledger.mark(entry, "drawn").status == "drawn"
    else:
        with pytest.raises(LedgerError, match="LEDGER_UNREACHABLE"):
            ledger.mark(entry, "drawn")
    assert host.ledger().spent() == TENTH


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_output_is_stored_in_the_end(host: Host, cut: Cut, moment: Moment) -> None:
    entry = charge(host.ledger())
    content = bytes(range(256)) * 50_000
    ledger, cutter = cut(moment, times=2)
    ledger.keep(entry, content)
    assert cutter.cuts_left == (0 if moment == "before" else 1)
    assert host.ledger().kept(entry) == content


def test_an_output_that_can_not_be_stored_says_so(host: Host, cut: Cut) -> None:
    entry = charge(host.ledger())
    ledger, _ = cut("before", back=False)
    with pytest.raises(LedgerError) as got:
        ledger.keep(entry, b"noisy")
    assert got.value.code == "LEDGER_UNREACHABLE"
    assert host.ledger().kept(entry) is None
