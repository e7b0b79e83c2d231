"""The record of a real plan: the demo's study, with and without [publisher]."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import jsonschema
import pytest
from tests.unit.record._made import PUBLISHER

from flockwise import config, noise, record, release
from flockwise.base.words import overclaims
from flockwise.config import Study, Table
from flockwise.release.recording import facts_of
from flockwise.release.tables import Shown

SCHEMA = Path(__file__).parents[3] / "docs" / "reference" / "registry-record.schema.json"
SQUARE = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {},
            "geometry": {"type": "Polygon", "coordinates": [[[-74.1, 40.6], [-73.8, 40.6], [-73.8, 40.9], [-74.1, 40.9], [-74.1, 40.6]]]},
        }
    ],
}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """What `flockwise demo` writes, over a smaller region and without data, with a publisher that states everything."""
    (tmp_path / "region.geojson").write_text(json.dumps(SQUARE))
    text = config.template(
        name="Greater New York, a simulated week", region="region.geojson", start=date(2026, 5, 4), days=7, timezone="America/New_York", columns=None
    )
    said = "".join(f"{k} = {json.dumps(v)}\n" if k != "publication_date" else f"{k} = {v}\n" for k, v in PUBLISHER.model_dump(mode="json").items())
    return config.parse(f"{text}\n[publisher]\n{said}", tmp_path)


def shown(plan: release.Plan) -> dict[str, Shown]:
    return {b.name: Shown(b.size // 3, 4 * b.sigma, 0.125, False) for b in plan.blocks if b.kind in ("presence", "flows")}


def test_the_demos_record_reaches_the_third_tier_and_fits_the_schema(study: Study) -> None:
    plan = release.make_plan(study)
    for made in (facts_of(plan), facts_of(plan, shown(plan))):
        texts = record.texts(made)
        found = json.loads(texts[record.REGISTRY])
        jsonschema.validate(found, json.loads(SCHEMA.read_text(encoding="utf-8")))
        assert (found["tier"], found["missing"]) == (3, [])
        assert record.check(texts) == made


def test_facts_are_those_of_the_plan(study: Study) -> None:
    plan = release.make_plan(study)
    made = facts_of(plan, shown(plan))
    assert made.publisher == PUBLISHER
    assert (made.digest, made.charge.rho, made.panel_bound) == (plan.digest, plan.rho, study.privacy.panel_bound)
    assert [g.rho for g in made.groups] == [rho for _, rho, *_ in plan.scales]
    assert {(b.kind, b.level): b.sigma for b in made.measured if b.level} == {(b.kind, b.level): b.sigma for b in plan.blocks}
    year = noise.year(plan.rho, study.privacy.delta, noise.windows_a_year(7), plan.noise_kind)
    assert (made.exposure(1, year.windows).rho, made.exposure(1, year.windows).epsilon) == (year.rho, year.epsilon)
    sentences = " ".join(made.statements.meaning)
    for e in (made.exposure(1, 1), made.exposure(1, year.windows)):
        assert f"right at most {e.guess_percent} times in 100" in sentences
    assert {b.published for b in made.measured if b.kind == "presence"} == {b.size // 3 for b in plan.of("presence")}
    assert {b.published for b in made.measured if b.kind not in ("presence", "flows")} == {None}


def test_the_draft_needs_no_data_and_no_publisher(study: Study) -> None:
    plain = study.model_copy(update={"publisher": None})
    draft = record.assessment(facts_of(release.make_plan(plain)))
    assert overclaims(draft) == []
    assert "not stated by the publisher" in draft
    assert not study.store.path.exists()


def test_every_kind_of_table_alone_has_a_record(study: Study) -> None:
    for tables in ((t,) for t in study.tables):
        kept: tuple[Table, ...] = tables
        plan = release.make_plan(study.model_copy(update={"tables": kept}))
        assert record.check(record.texts(facts_of(plan))).tables[0].kind == kept[0].kind
