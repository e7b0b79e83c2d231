from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.governance._records import TODAY, record
from tests.unit.store._made import study

from flockwise import config
from flockwise.config import Study, SupplierSpec, read_supplier, supplier_draft
from flockwise.errors import RuleError
from flockwise.governance import suppliers

Change = tuple[str, str]


def codes(path: Path, today: date = TODAY) -> list[str]:
    return [f.code for f in suppliers.examine(read_supplier(path), today)]


def of_study(folder: Path, *changes: Change, purpose: str = "transport-planning", grace: int = 30) -> Study:
    made = study(folder, purpose=purpose)
    return made.model_copy(update={"supplier": SupplierSpec(file=record(folder, *changes), grace_days=grace)})


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> object:
    def set_to(day: date) -> None:
        monkeypatch.setattr("flockwise.base.clock.now", lambda: datetime(day.year, day.month, day.day, 12, tzinfo=UTC))

    set_to(TODAY)
    return set_to


@pytest.mark.rule(4)
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((), []),
        (('ad_auctions = "no"', 'ad_auctions = "yes"'), ["SUPPLIER_AD_AUCTION"]),
        (('ad_auctions = "no"', 'ad_auctions = "unknown"'), ["SUPPLIER_AMBIGUOUS"]),
        (('ad_auctions = "no"', 'ad_auctions = ""'), ["SUPPLIER_AMBIGUOUS"]),
        (('ad_auctions = "no"', 'ad_auctions = "mostly not"'), ["SUPPLIER_AMBIGUOUS"]),
        (('ad_auctions = "no"', "ad_auctions = false"), ["SUPPLIER_AMBIGUOUS"]),
        (('ad_auctions = "no"\n', ""), ["SUPPLIER_AMBIGUOUS"]),
        (('address = "1 Nowhere Street, Simulated City"', 'address = " To Be Completed "'), ["SUPPLIER_AMBIGUOUS"]),
        (('minors = "no"', 'minors = "yes"'), ["SUPPLIER_MINORS"]),
        (('possible = "yes"', 'possible = "no"'), ["SUPPLIER_NO_WITHDRAWAL"]),
        (("evidence = [", "evidence = []\nextra = ["), ["SUPPLIER_AMBIGUOUS"]),
        (('evidence = ["the source code of the simulator: docs/explanation/simulator.md"]', "evidence = []"), ["SUPPLIER_AMBIGUOUS"]),
        (("on = 2026-05-01", "on = 2025-06-01"), []),
        (("on = 2026-05-01", "on = 2025-05-31"), ["SUPPLIER_LAPSED"]),
        (("on = 2026-05-01", "on = 2026-06-02"), ["SUPPLIER_AMBIGUOUS"]),
        (("ends = 2027-05-01", "ends = 2026-06-01"), []),
        (("ends = 2027-05-01", "ends = 2026-05-31"), ["SUPPLIER_CONTRACT_ENDED"]),
        (("ends = 2027-05-01", 'ends = "tbd"'), ["SUPPLIER_AMBIGUOUS"]),
        (("shown_from = ", "shown_until = 2020-01-01\nshown_from = "), ["SUPPLIER_AMBIGUOUS"]),
        (('"official-statistics"', '"advertising"'), ["SUPPLIER_AMBIGUOUS"]),
        (("name = ", "name = = "), ["SUPPLIER_AMBIGUOUS"]),
    ],
)
def test_each_state_of_a_record(change: Change, expected: list[str], tmp_path: Path) -> None:
    assert codes(record(tmp_path, *([change] if change else []))) == expected


@pytest.mark.rule(4)
def test_no_record_is_missing(tmp_path: Path) -> None:
    assert codes(tmp_path / "none.toml") == ["SUPPLIER_MISSING"]
    assert codes(tmp_path) == ["SUPPLIER_MISSING"]


@pytest.mark.rule(4)
def test_the_draft_leaves_every_question_open(tmp_path: Path) -> None:
    path = tmp_path / "supplier.toml"
    path.write_text(supplier_draft(), encoding="utf-8")
    found = read_supplier(path)
    schema = config.supplier_schema()
    asked = {k for k, v in schema["properties"].items() if "$ref" not in v}
    told = {line.split(":")[0].split(".")[0] for line in found.open}
    assert found.supplier is None
    assert asked <= told
    assert {f"assessment.{k}" for k in ("on", "assessor", "evidence.0")} <= {line.split(":")[0] for line in found.open}
    assert codes(path) == ["SUPPLIER_AMBIGUOUS"]


def test_an_assessment_of_a_leap_day_holds_until_the_28th(tmp_path: Path) -> None:
    path = record(tmp_path, assessed=date(2024, 2, 29))
    supplier = read_supplier(path).supplier
    assert supplier is not None
    assert suppliers.due(supplier) == date(2025, 2, 28)


@pytest.mark.rule(2)
def test_the_purpose_and_the_retention_of_the_study_are_held_against_the_record(tmp_path: Path) -> None:
    assert suppliers.findings(of_study(tmp_path), TODAY) == []
    assert [f.code for f in suppliers.findings(of_study(tmp_path, purpose="disaster-relief"), TODAY)] == ["SUPPLIER_PURPOSE"]
    assert [f.code for f in suppliers.findings(of_study(tmp_path, ("retention_days = 1830", "retention_days = 29")), TODAY)] == ["SUPPLIER_RETENTION"]


@pytest.mark.rule(4)
def test_a_lapse_blocks_ingests_at_once_and_releases_after_the_grace(on: object, tmp_path: Path) -> None:
    made = of_study(tmp_path, grace=10)
    supplier = read_supplier(made.supplier.file).supplier  # type: ignore[union-attr]
    assert supplier is not None
    last = suppliers.due(supplier)
    for days, ingest, release in ((0, True, True), (1, False, True), (10, False, True), (11, False, False)):
        on(last + timedelta(days=days))  # type: ignore[operator]
        for allowed, step in ((ingest, suppliers.require_for_ingest), (release, suppliers.require_for_release)):
            if allowed:
                step(made)
            else:
                with pytest.raises(RuleError) as caught:
                    step(made)
                assert caught.value.code == "SUPPLIER_LAPSED"
                assert caught.value.exit_code == 3


@pytest.mark.rule(5)
def test_what_is_no_matter_of_time_has_no_grace(on: object, tmp_path: Path) -> None:
    with pytest.raises(RuleError) as caught:
        suppliers.require_for_release(of_study(tmp_path, ('ad_auctions = "no"', 'ad_auctions = "yes"'), grace=90))
    assert caught.value.code == "SUPPLIER_AD_AUCTION"


def test_the_texts_of_a_record_become_the_doors(tmp_path: Path) -> None:
    second = '[[consent]]\nversion = "2"\ntext = "Another text, long enough to be one."\nshown_from = 2026-01-01\nshown_until = 2026-01-31\n'
    made = of_study(tmp_path, ("[withdrawal]", second + 'purposes = ["public-health"]\n\n[withdrawal]'))
    texts = suppliers.consent_texts(made)
    assert texts is not None
    assert texts.names == ("1", "2")
    assert texts.fits.tolist() == [True, False]
    assert (texts.until_us[1] - texts.from_us[1]) // 86_400_000_000 == 31


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_no_bytes_break_the_reader_of_records(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "supplier.toml"
    path.write_bytes(raw)
    assert read_supplier(path).supplier is None


def test_a_huge_file_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "supplier.toml"
    path.write_bytes(b"#" * (2 << 20))
    assert codes(path) == ["SUPPLIER_AMBIGUOUS"]
