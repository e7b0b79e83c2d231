"""The supplier's record from the command line: drafted, checked, and what it stops."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.conftest import START, World

from flockwise import api, config, trail
from flockwise.cli import main
from flockwise.errors import RuleError


def run(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    return done.exit_code, json.loads(done.stdout or done.stderr)


@pytest.mark.rule(4)
def test_a_new_study_lets_nothing_in_until_every_question_is_answered(small_world: World, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    region = small_world.root / "world" / "region.geojson"
    lists = {name: small_world.root / "world" / file for name, file in (("places", "places.parquet"), ("gatherings", "gatherings.csv"))}
    told = api.init(study, region=region, start=START, days=2, timezone="America/New_York", pings=small_world.pings / "part-000.parquet", **lists)
    assert "quarantine" in " ".join(told.notes)

    code, found = run("supplier", "check", tmp_path / "supplier.toml")
    assert (code, found["in_order"]) == (3, False)
    assert any("ad_auctions" in line for line in found["keeps_pings_out"])
    code, found = run("check", study)
    assert code == 0
    assert found["supplier"]["in_order"] is False
    assert "PURPOSE_MISSING" in " ".join(found["supplier"]["keeps_pings_out"])

    code, refused = run("ingest", study, small_world.pings)
    assert (code, refused["error"]["code"]) == (3, "SUPPLIER_AMBIGUOUS")
    assert not list(tmp_path.glob("*.store"))
    assert run("quarantine", study)[1]["entries"][0]["reasons"] == "SUPPLIER_AMBIGUOUS, PURPOSE_MISSING"

    (tmp_path / "supplier.toml").write_text((small_world.root / "world" / "supplier.toml").read_text())
    assert run("ingest", study, small_world.pings)[1]["error"]["code"] == "PURPOSE_MISSING"
    text = study.read_text()
    study.write_text(text.replace('# purpose = ""', 'purpose = "transport-planning"', 1))
    code, taken = run("ingest", study, small_world.pings)
    assert code == 0, taken
    assert {e["state"].split(" on ")[0] for e in run("quarantine", study)[1]["entries"]} == {"taken in"}
    events = [(e.kind, dict(e.facts)) for e in trail.events(config.load(study))]
    kept_out = [i for i, (kind, _) in enumerate(events) if kind == "quarantine"]
    assert [events[i][1]["code"] for i in kept_out] == ["SUPPLIER_AMBIGUOUS", "PURPOSE_MISSING"]
    assert [facts["answer"] for kind, facts in events if kind == "supplier_assessed"] == ["refused", "current"]
    assert [facts["of"] for kind, facts in events if kind == "quarantine_lifted"] == kept_out


@pytest.mark.rule(4)
def test_check_says_when_the_supplier_is_due_again(small_world: World) -> None:
    code, found = run("supplier", "check", small_world.root / "world" / "supplier.toml")
    assert (code, found["in_order"]) == (0, True)
    shown = run("check", small_world.study)[1]
    assert shown["purpose"] == "transport-planning"
    assert shown["supplier"]["assess_again_by"] == found["assess_again_by"]
    assert shown["supplier"]["grace_days"] == 30


@pytest.mark.rule(4)
def test_a_lapsed_supplier_stops_ingests_at_once_and_releases_after_the_grace(own_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = datetime.fromisoformat(run("supplier", "check", own_world.root / "world" / "supplier.toml")[1]["assess_again_by"]).replace(tzinfo=UTC)
    before = api.ledger(own_world.study).facts

    def on(days: int) -> None:
        monkeypatch.setattr("flockwise.base.clock.now", lambda: datetime.fromtimestamp(last.timestamp() + 86_400 * days + 60, UTC))

    # By then the retention of these pings has ended as well, which is another rule with tests of its own.
    monkeypatch.setattr("flockwise.store.expiry.expires", lambda study: date(2099, 1, 1))
    on(1)
    with pytest.raises(RuleError) as caught:
        api.ingest(own_world.study, [str(own_world.pings)])
    assert caught.value.code == "SUPPLIER_LAPSED"
    api.places_review(own_world.study, "a test")
    assert api.release(own_world.study, tmp_path / "within").facts["charged"] is False
    on(31)
    for step in (lambda: api.release(own_world.study, tmp_path / "late"), lambda: api.risk(own_world.study, tmp_path / "risk", epsilon="1")):
        with pytest.raises(RuleError) as caught:
            step()
        assert caught.value.code == "SUPPLIER_LAPSED"
    assert not (tmp_path / "late").exists()
    assert api.ledger(own_world.study).facts == before
