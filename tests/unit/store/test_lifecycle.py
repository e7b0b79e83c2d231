"""Expiry with a clock that tests set, and keys that change."""

from __future__ import annotations

import stat
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tests.unit.store._made import SIMULATED, order, pings, rows, store, study, write

from flockwise.base import clock
from flockwise.errors import ConfigError, FlockwiseError
from flockwise.store import Store, due, keys, purge, require_nothing_due, rewriting, rotate
from flockwise.store.suppression import folder_of


def at(monkeypatch: pytest.MonkeyPatch, day: str) -> None:
    monkeypatch.setattr(clock, "now", lambda: datetime.fromisoformat(day).replace(tzinfo=UTC))


def code(call) -> str:
    with pytest.raises(FlockwiseError) as caught:
        call()
    return caught.value.code


@pytest.mark.rule(8)
def test_after_the_schedule_nothing_is_used_and_a_purge_leaves_no_ping_and_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, "2026-03-05")
    made = store(tmp_path, retention_days=30)
    source = write(pings(300), tmp_path / "delivery" / "a.parquet")
    made.ingest([source], order, SIMULATED)
    assert [(d.what, d.by) for d in due(made._study)] == [("purge", date(2026, 4, 2))]
    at(monkeypatch, "2026-04-01")
    require_nothing_due(made._study)
    assert code(lambda: purge(made._study)) == "PURGE_EARLY"
    assert len(rows(Store.open(made._study))) == 300
    at(monkeypatch, "2026-04-02")
    assert due(made._study)[0].overdue
    assert code(lambda: require_nothing_due(made._study)) == "STORE_EXPIRED"
    assert code(lambda: made.ingest([source], order, SIMULATED)) == "STORE_EXPIRED"
    wrapped = made._manifest.keys
    assert purge(made._study) == date(2026, 4, 2)
    left = {p.name: p.read_bytes() for p in (tmp_path / "store").rglob("*") if p.is_file()}
    assert set(left) == {"lock", "manifest.json"}
    assert not [n for n, content in left.items() if wrapped[:32].encode() in content]
    assert code(lambda: Store.open(made._study)) == "STORE_PURGED"
    assert due(made._study) == []
    assert purge(made._study) == date(2026, 4, 2)
    assert (folder_of(made._study) / "list.json").exists()


def test_a_purge_needs_no_key_and_may_be_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = store(tmp_path)
    made.ingest([write(pings(30), tmp_path / "a.parquet")], order, SIMULATED)
    (tmp_path / "key").unlink()
    purge(made._study, early=True)
    assert not list((tmp_path / "store" / "segments").iterdir())


@pytest.mark.parametrize("data", [False, True])
def test_rotating_keeps_the_data_and_shuts_the_old_key_out(data: bool, tmp_path: Path) -> None:
    made = store(tmp_path)
    made.ingest([write(pings(300), tmp_path / "a.parquet")], order, SIMULATED)
    old, digest, wrapped = rows(made), made.keyed_digest("plan"), made._manifest.keys
    (tmp_path / "key").rename(tmp_path / "old")
    keys.create(tmp_path / "key")
    assert code(lambda: Store.open(made._study)) in ("STORE_OTHER_STUDY", "SUPPRESSION_OTHER_KEY")
    rotate(made._study, tmp_path / "old", data=data)
    again = Store.open(made._study)
    assert again._manifest.keys != wrapped
    assert again.keyed_digest("plan") == digest
    found = rows(again)
    assert sorted(r[2:] for r in found) == sorted(r[2:] for r in old)
    if data:
        assert not {r[:2] for r in found} & {r[:2] for r in old}
        assert len({r[:2] for r in found}) == len({r[:2] for r in old})
        for bucket in again.buckets():
            table = again.read(bucket)
            assert order(table)[0].equals(table)
    else:
        assert found == old
    assert again.ingest([str(tmp_path / "a.parquet")], order, SIMULATED).files_skipped == 1
    rotate(made._study, tmp_path / "old")
    (tmp_path / "key").unlink()
    (tmp_path / "old").rename(tmp_path / "key")
    assert code(lambda: Store.open(made._study)) in ("STORE_OTHER_STUDY", "SUPPRESSION_OTHER_KEY")


def test_keys_from_the_environment_and_from_a_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_KEY", "ab" * 32)
    assert keys.load("env:VAULT_KEY") == bytes.fromhex("ab" * 32)
    script = tmp_path / "kms.py"
    script.write_text("import sys; print('cd' * 32); sys.exit(int(sys.argv[1]))")
    assert keys.load(f"command:{sys.executable} {script} 0") == bytes.fromhex("cd" * 32)
    failing = f"command:{sys.executable} {script} 1"
    with pytest.raises(ConfigError) as caught:
        keys.load(failing)
    assert caught.value.code == "STORE_KEY_COMMAND"
    shown = "".join(str(e) for e in (caught.value, caught.value.__cause__, caught.value.__context__ if not caught.value.__suppress_context__ else ""))
    assert "cdcd" not in shown
    assert code(lambda: keys.load("env:NO_SUCH_KEY")) == "STORE_KEY_MISSING"
    assert code(lambda: keys.load("command:")) == "STORE_KEY_COMMAND"
    assert code(lambda: keys.load("command:echo one ; id")) == "STORE_KEY_BAD"
    monkeypatch.setattr(keys, "COMMAND_SECONDS", 0.05)
    assert code(lambda: keys.load(f"command:{sys.executable} -c 'import time; time.sleep(5)'")) == "STORE_KEY_COMMAND"


def test_a_study_whose_key_is_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_KEY", "ab" * 32)
    made = Store.create(study(tmp_path, key="env:VAULT_KEY"))
    assert made._study.store.key == "env:VAULT_KEY"
    made.ingest([write(pings(20), tmp_path / "a.parquet")], order, SIMULATED)
    assert len(rows(Store.open(made._study))) == 20
    url = "command:fetch https://keys.internal//a"
    assert study(tmp_path / "b", key=url).store.key == url


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    made = store(tmp_path)
    made.ingest([write(pings(300), tmp_path / "delivery" / "a.parquet")], order, SIMULATED)
    for root in (tmp_path / "store", folder_of(made._study)):
        for path in [root, *root.rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_full_disk_while_files_are_rewritten_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = store(tmp_path)
    made.ingest([write(pings(300), tmp_path / "a.parquet")], order, SIMULATED)
    before, real, calls = rows(made), rewriting.write_file, []

    def failing(path: Path, data: memoryview) -> None:
        calls.append(path)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(rewriting, "write_file", failing)
    for change in (lambda: made.forget(None, date(2026, 1, 1)), made.renew):
        calls.clear()
        assert code(change) == "STORE_WRITE"
        assert rows(made) == rows(Store.open(made._study)) == before
        assert not list((tmp_path / "store" / "staging").iterdir())
        assert len(list((tmp_path / "store" / "segments").iterdir())) == 1
    calls[:] = [tmp_path] * 3
    made.renew()
    assert [r[2:] for r in sorted(rows(made), key=lambda r: r[2:])] == sorted(r[2:] for r in before)
