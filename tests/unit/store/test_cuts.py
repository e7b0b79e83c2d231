"""No row enters a store by Python that was not cut by a reviewed list, unless its pings are said to be made up; and that is kept."""

from __future__ import annotations

import inspect
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.governance._records import record
from tests.unit.store._listed import CLINIC, delivery, listed
from tests.unit.store._made import order

from flockwise.base import clock
from flockwise.config import Study, SupplierSpec
from flockwise.errors import RuleError
from flockwise.governance import places
from flockwise.store import Store


def unlisted(of: Study) -> Study:
    return of.model_copy(update={"places": None})


def refused(vault: Store, source: str, cut: Any) -> str:
    before = vault.content_digest()
    with pytest.raises(RuleError) as caught:
        vault.ingest([source], order, cut)
    assert Store.open(vault._study).content_digest() == before
    return caught.value.code


@pytest.mark.rule(9)
def test_an_ingest_cannot_be_called_without_saying_by_what_it_is_cut(tmp_path: Path) -> None:
    assert inspect.signature(Store.ingest).parameters["cut"].default is inspect.Parameter.empty
    made = listed(tmp_path, [CLINIC])
    vault, source = Store.create(made), delivery(tmp_path / "a.parquet")
    for cut in (None, "", "no list: simulated", places.current(made), False):
        assert refused(vault, source, cut) == "PLACES_SIMULATED"
    report = vault.ingest([source], order, places.reviewed(made))
    assert (report.stored, report.refused.get("sensitive_place")) == (2, 1)
    assert vault.places_digest == places.required(made).digest


@pytest.mark.rule(9)
@pytest.mark.rule(10)
def test_a_reviewed_list_is_made_of_a_reviewed_list_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = listed(tmp_path, [CLINIC])
    found, today = places.required(made), clock.today()
    good = places.Reviewed(found)
    with pytest.raises(RuleError, match="PLACES_UNREVIEWED"):
        places.Reviewed(replace(found, last=None))
    with pytest.raises(RuleError, match="PLACES_MISSING"):
        places.reviewed(unlisted(made))
    late = datetime.combine(today + timedelta(days=places.REVIEW_DAYS + 1), datetime.min.time(), UTC)
    monkeypatch.setattr("flockwise.base.clock.now", lambda: late)
    with pytest.raises(RuleError, match="PLACES_STALE"):
        places.Reviewed(found)
    assert refused(Store.create(made), delivery(tmp_path / "a.parquet"), good) == "PLACES_STALE"  # it was current when it was made


@pytest.mark.rule(9)
def test_pings_are_not_taken_for_made_up_where_something_speaks_against_it(tmp_path: Path) -> None:
    made = listed(tmp_path, [CLINIC])
    source = delivery(tmp_path / "a.parquet")
    assert refused(Store.create(made), source, places.SIMULATED) == "PLACES_SIMULATED"  # there is a list
    plain = unlisted(made)
    for file in (record(tmp_path / "real", ('collected = "simulation"', 'collected = "app-sdk"')), tmp_path / "no-such-file.toml"):
        real = plain.model_copy(update={"supplier": SupplierSpec(file=file, grace_days=30)})
        assert refused(Store.open(real), source, places.SIMULATED) == "PLACES_SIMULATED"
    made_up = plain.model_copy(update={"supplier": SupplierSpec(file=record(tmp_path / "simulated"), grace_days=30)})
    assert Store.open(made_up).ingest([source], order, places.SIMULATED).rows_read == 3
    cut = listed(tmp_path / "cut", [CLINIC])
    Store.create(cut).ingest([source], order, places.reviewed(cut))
    later = delivery(tmp_path / "b.parquet")
    assert refused(Store.open(unlisted(cut)), later, places.SIMULATED) == "PLACES_SIMULATED"  # what is there was cut by a list


@pytest.mark.rule(9)
@pytest.mark.rule(10)
def test_that_pings_were_said_to_be_made_up_is_kept_and_stops_a_release_by_a_list(tmp_path: Path) -> None:
    made = listed(tmp_path, [CLINIC])
    vault = Store.create(unlisted(made))
    assert vault.ingest([delivery(tmp_path / "a.parquet")], order, places.SIMULATED).stored == 3
    assert vault.places_digest == "no list: simulated"
    again = Store.open(made)
    again.ingest([delivery(tmp_path / "b.parquet")], order, places.reviewed(made))  # within the days that a new list gives
    assert again.places_digest == "no list: simulated"
    with pytest.raises(RuleError, match="PLACES_NOT_APPLIED"):
        places.require_applied(places.require(made), again.places_digest)
    assert again.cut()
    places.require_applied(places.require(made), again.places_digest)
