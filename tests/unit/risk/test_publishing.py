from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from flockwise import api, config
from flockwise.cli import main
from flockwise.errors import ArtifactError, BudgetError, ConfigError, StoreError
from flockwise.release.facts import open_ledger
from flockwise.risk import publishing
from flockwise.risk.table import COLUMNS
from flockwise.store import Store


def bytes_of(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def spent(study: Path) -> Fraction:
    return open_ledger(config.load(study)).spent()


def test_it_is_charged_once_and_the_same_again_costs_nothing(own_study: Path, tmp_path: Path) -> None:
    first = api.risk(own_study, tmp_path / "a", epsilon="1").as_dict()
    cost = spent(own_study)
    assert first["charged"] is True
    assert cost == Fraction(json.loads((tmp_path / "a" / "risk.json").read_text())["privacy"]["rho"]) > 0
    again = api.risk(own_study, tmp_path / "b", epsilon="1.0").as_dict()
    assert again["charged"] is False
    assert again["singled_out"] == first["singled_out"]
    assert spent(own_study) == cost
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert api.risk(own_study, tmp_path / "a", epsilon="1").as_dict()["charged"] is False
    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    (entry,) = open_ledger(config.load(own_study)).entries()
    assert entry.status == "published"
    assert entry.title == "Disclosure risk of Risk world, 2026-05-04, 3 days"


def test_another_epsilon_or_other_data_is_a_new_charge(own_study: Path, tmp_path: Path) -> None:
    api.risk(own_study, tmp_path / "a", epsilon="1")
    before = spent(own_study)
    api.simulate(tmp_path / "more", devices=200, days=2, seed=3)
    api.ingest(own_study, [str(tmp_path / "more" / "pings")])
    assert api.risk(own_study, tmp_path / "b", epsilon="1").as_dict()["charged"] is True
    assert spent(own_study) == 2 * before
    assert api.risk(own_study, tmp_path / "c", epsilon="0.8").as_dict()["charged"] is True


def test_a_short_budget_is_refused_before_a_ping_is_read_and_nothing_is_spent(own_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_study.write_text(own_study.read_text().replace('lifetime_epsilon = "4"', 'lifetime_epsilon = "0.5"'))
    monkeypatch.setattr(Store, "read", lambda *_: pytest.fail("a ping was read"))
    with pytest.raises(BudgetError) as caught:
        api.risk(own_study, tmp_path / "out", epsilon="1")
    assert caught.value.exit_code == 3
    assert spent(own_study) == 0
    assert not (tmp_path / "out").exists()


def test_nothing_is_drawn_before_the_charge_is_in_the_ledger(own_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = publishing.noise.add

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.append(spent(own_study))
        return real(*args, **kwargs)

    monkeypatch.setattr(publishing.noise, "add", watched)
    api.risk(own_study, tmp_path / "out", epsilon="1")
    assert len(seen) > 10
    assert set(seen) == {spent(own_study)}


KILLED = """
import os, signal, sys
from pathlib import Path
from flockwise import api
from flockwise.risk import publishing

def stop(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

module, name = {"draw": (publishing.noise, "add"), "keep": (publishing.drawn, "save"), "write": (publishing, "_write")}[sys.argv[1]]
setattr(module, name, stop)
api.risk(Path(sys.argv[2]), Path(sys.argv[3]), epsilon="1")
"""


@pytest.mark.parametrize(("step", "again"), [("draw", True), ("keep", True), ("write", False)])
def test_killed_at_any_step_it_never_draws_twice_on_one_charge(step: str, again: bool, own_study: Path, tmp_path: Path) -> None:
    """Killed before its figures are durable, a charge is lost and the next one is new; after that, the next call completes it for nothing."""
    done = subprocess.run([sys.executable, "-c", KILLED, step, str(own_study), str(tmp_path / "out")], capture_output=True, check=False, timeout=300)
    assert done.returncode == -9, done.stderr
    assert not (tmp_path / "out").exists()
    once = spent(own_study)
    assert once > 0
    assert api.risk(own_study, tmp_path / "out", epsilon="1").as_dict()["charged"] is again
    assert spent(own_study) == (2 if again else 1) * once


def test_damaged_figures_are_refused_and_not_drawn_anew(own_study: Path, tmp_path: Path) -> None:
    api.risk(own_study, tmp_path / "a", epsilon="1")
    before = spent(own_study)
    (file,) = own_study.parent.glob("*.outputs/*")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    with pytest.raises(StoreError, match="RISK_OUTPUT_DAMAGED"):
        api.risk(own_study, tmp_path / "b", epsilon="1")
    assert spent(own_study) == before


def test_a_store_that_changes_meanwhile_spends_nothing(own_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = iter(["a" * 64, "b" * 64])
    monkeypatch.setattr(Store, "keyed_digest", lambda _: next(digests))
    with pytest.raises(StoreError, match="RISK_DATA_CHANGED"):
        api.risk(own_study, tmp_path / "out", epsilon="1")
    assert spent(own_study) == 0


def test_files_of_others_are_left_alone_and_nothing_is_spent(own_study: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "risk.csv").write_text("mine")
    with pytest.raises(ArtifactError, match="RISK_PLACE_TAKEN"):
        api.risk(own_study, tmp_path / "out", epsilon="1")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArtifactError, match="RISK_PLACE_TAKEN"):
        api.risk(own_study, tmp_path / "file", epsilon="1")
    assert spent(own_study) == 0
    assert (tmp_path / "out" / "risk.csv").read_text() == "mine"


def test_without_pings_there_is_nothing_to_assess(own_study: Path, tmp_path: Path) -> None:
    own_study.write_text(own_study.read_text().replace("risk-world.store", "empty.store"))
    with pytest.raises(StoreError):
        api.risk(own_study, tmp_path / "out", epsilon="1")


def test_an_error_between_figures_and_noise_shows_none_of_them(own_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = []

    def broken(values: np.ndarray, *_: Any, **__: Any) -> None:
        said.append(" ".join(str(v) for v in values.tolist()))
        raise ValueError(said[-1])

    monkeypatch.setattr(publishing.noise, "add", broken)
    done = CliRunner().invoke(main, ["risk", str(own_study), "--epsilon", "1", "--out", str(tmp_path / "out")])
    assert done.exit_code == 5
    assert "INTERNAL" in done.stderr
    assert "Traceback" not in done.output
    assert said
    assert not set(re.findall(r"\d{3,}", said[0])) & set(re.findall(r"\d{3,}", done.output))
    assert not (tmp_path / "out").exists()


def test_the_command_wants_an_exact_epsilon(own_study: Path, tmp_path: Path) -> None:
    missing = CliRunner().invoke(main, ["risk", str(own_study), "--out", str(tmp_path / "out")])
    assert missing.exit_code == 2
    assert "--epsilon" in missing.stderr
    wrong = CliRunner().invoke(main, ["risk", str(own_study), "--epsilon", "lots", "--out", str(tmp_path / "out"), "--json"])
    assert wrong.exit_code == 2
    assert json.loads(wrong.stderr)["error"]["code"] == "RISK_BAD_EPSILON"
    with pytest.raises(ConfigError):
        api.risk(own_study, tmp_path / "out", epsilon="3")
    assert spent(own_study) == 0


def test_what_is_written(own_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = CliRunner().invoke(main, ["risk", str(own_study), "--epsilon", "1", "--out", str(out), "--json"])
    assert shown.exit_code == 0, shown.stderr
    assert json.loads(shown.stdout)["singled_out"]
    assert {p.name for p in out.iterdir()} == {"risk.csv", "risk.html", "risk.json"}
    terms = json.loads((out / "risk.json").read_text())
    assert terms["files"] == {n: d for n, d in bytes_of(out).items() if n != "risk.json"}
    assert Fraction(terms["privacy"]["epsilon"]) == 1
    assert terms["unit"] == "device"
    lines = (out / "risk.csv").read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert {line.split(",")[0] for line in lines[1:]} == {"devices", "singled_out", "in_small_sets", "place_sets", "points"}
    page = (out / "risk.html").read_text()
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!#|data:)", page)
    assert not re.search(r"url\(|@import|style=\"", page)
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert page.count('<g class="curve') == page.count('tabindex="0" role="img" aria-label="') > 0


def test_no_written_byte_is_about_a_device(own_study: Path, tmp_path: Path) -> None:
    api.risk(own_study, tmp_path / "out", epsilon="1")
    vault = Store.open(config.load(own_study))
    written = b"".join(p.read_bytes() for p in (tmp_path / "out").iterdir()) + b"".join(p.read_bytes() for p in own_study.parent.glob("*.outputs/*"))
    needles = set()
    for bucket in vault.buckets():
        pings = vault.read(bucket)
        for half in ("device_hi", "device_lo"):
            for value in np.unique(pings[half].to_numpy())[:50].tolist():
                needles |= {str(value).encode(), f"{value & (2**64 - 1):016x}".encode()}
        needles |= {f"{c:x}".encode() for c in np.unique(pings["cell"].to_numpy()).tolist()}
    assert len(needles) > 1000
    assert not [n for n in needles if len(n) >= 8 and n in written]
    assert vault.content_digest().encode() not in written


def test_the_published_side_of_it_names_no_pseudonym() -> None:
    folder = Path(publishing.__file__).parent
    for file in folder.glob("*.py"):
        assert "device_hi" not in file.read_text(encoding="utf-8"), file.name


def test_an_ingest_in_between_is_noticed_and_nothing_is_spent(own_study: Path, tmp_path: Path) -> None:
    api.simulate(tmp_path / "more", devices=200, days=2, seed=3)
    came: list[str] = []

    def progress(stage: str, done: int, total: int) -> None:
        if not came:
            came.append(stage)
            api.ingest(own_study, [str(tmp_path / "more" / "pings")])

    with pytest.raises(StoreError) as caught:
        api.risk(own_study, tmp_path / "out", epsilon="1", progress=progress)
    assert caught.value.code == "RISK_DATA_CHANGED"
    assert came
    assert spent(own_study) == 0
    assert not (tmp_path / "out").exists()
