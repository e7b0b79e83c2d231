"""The entry against the registry's own list of fields, kept here apart from the model: section, field, tier."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.unit.record._made import PUBLISHER, facts, other

from flockwise import record
from flockwise.record._text import NOT_STATED

SCHEMA = Path(__file__).parents[3] / "docs" / "reference" / "registry-record.schema.json"

FIELDS = """
basic: name 1, data_curators 1, description 1, intended_use 1, data_product_type 1, data_product_region 1, data_product_sector 1, publication_date 1
dp_variant: variant_name 2, data_domain 3, unprotected_quantities 3
privacy_loss: privacy_unit 2, privacy_unit_details 3, number_of_privacy_units 3, privacy_parameters 2, privacy_parameters_details 3
deployment_model: model_name 2, model_name_details 3, trust_assumptions 3, actors 3, release_type 2, release_type_details 3, data_source_type 2
deployment_model: data_source_type_details 2, access_type 2, access_type_details 3
implementation: preprocessing_and_hyperparameter_tuning 3, mechanisms 3, composition 3, post_processing 3, justification 3, utility 3, additional_information 1
administrative: evidence_sources 1
"""
CHOICES = {
    ("basic", "data_product_type"): {"Summary statistics", "Machine learning model", "Dataset", "Synthetic data", "Interactive API", "SQL queries"},
    ("basic", "data_product_sector"): {"Technology", "Healthcare", "Education", "Government", "Energy", "Finance"},
    ("dp_variant", "variant_name"): {"Pure DP", "Approximate DP", "Zero-concentrated DP", "Renyi DP", "Custom"},
    ("deployment_model", "model_name"): {"Local", "Central", "Shuffle", "Federated", "Varies"},
    ("deployment_model", "release_type"): {"One release", "Many releases"},
    ("deployment_model", "data_source_type"): {"Static", "Dynamic"},
    ("deployment_model", "access_type"): {"Interactive", "Non-interactive"},
}


def fields() -> dict[tuple[str, str], int]:
    found = {}
    for line in FIELDS.strip().splitlines():
        section, names = line.split(": ")
        for item in names.split(", "):
            name, tier = item.split(" ")
            found[section, name] = int(tier)
    return found


def entry(made: record.Facts) -> dict[str, Any]:
    return json.loads(record.record(made).to_json())["entry"]["deployment"]


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [x for v in value.values() for x in leaves(v)]
    return [x for v in value for x in leaves(v)] if isinstance(value, list) else [value]


@pytest.mark.rule(29)
def test_every_field_of_the_third_tier_is_filled_when_the_publisher_states_everything() -> None:
    made = record.record(facts())
    found = entry(facts())
    assert (made.tier, made.missing) == (3, ())
    assert found["administrative"]["tier"] == 3
    for section, name in fields():
        values = leaves(found[section][name])
        assert values, name
        assert all(v not in ("", None) for v in values), name
    assert NOT_STATED not in json.dumps(found)


def test_the_entry_has_the_registrys_fields_tiers_and_choices() -> None:
    found = entry(facts())
    listed = {(s, n) for s, part in found.items() for n in part} - {("administrative", n) for n in ("status", "registry_authors", "tier")}
    assert listed == set(fields())
    schema = record.record_schema()["$defs"]
    sections = {"basic": "Basic", "dp_variant": "Variant", "privacy_loss": "PrivacyLoss", "deployment_model": "DeploymentModel"}
    sections |= {"implementation": "Implementation", "administrative": "Administrative"}
    for (section, name), tier in fields().items():
        assert schema[sections[section]]["properties"][name]["tier"] == tier, name
    for (section, name), allowed in CHOICES.items():
        assert found[section][name] in allowed
    assert found["administrative"]["status"] == "Draft"
    assert set(found["privacy_loss"]["privacy_parameters"]) == {"epsilon", "delta", "rho"}
    assert isinstance(found["privacy_loss"]["number_of_privacy_units"], int)
    assert found["basic"]["data_curators"] == [{"data_curator_name": "Bureau of Examples", "data_curator_type": "Government"}]


def test_gaussian_differential_privacy_is_not_passed_off_as_another_variant() -> None:
    found = entry(other())
    assert found["dp_variant"]["variant_name"] == "Custom"
    assert "mu^2 = 2 rho" in found["privacy_loss"]["privacy_parameters_details"]


@pytest.mark.parametrize(
    ("key", "tier"),
    [
        *((key, 0) for key in ("organization_kind", "intended_use", "region", "sector", "publication_date", "url")),
        *((key, 2) for key in ("recipients", "security", "rationale")),
        *((key, 3) for key in ("purpose", "legal_basis")),
    ],
)
def test_a_fact_that_is_not_stated_lowers_the_tier_and_is_named(key: str, tier: int) -> None:
    made = record.record(facts(PUBLISHER.model_copy(update={key: None})))
    assert made.tier == tier == made.entry.deployment.administrative.tier
    assert [m.key for m in made.missing] == ([key] if tier < 3 else [])
    if tier < 3 and key != "url":
        assert NOT_STATED in made.to_json()


def test_without_a_publisher_nothing_is_invented() -> None:
    made = record.record(other())
    assert made.tier == 0
    found = entry(other())
    assert found["basic"]["data_curators"] == [{"data_curator_name": NOT_STATED, "data_curator_type": NOT_STATED}]
    assert {found["basic"][n] for n in ("intended_use", "data_product_sector", "publication_date")} == {NOT_STATED}
    assert found["administrative"]["registry_authors"] == [NOT_STATED]
    assert found["administrative"]["evidence_sources"] == {}


def test_the_published_schema_is_that_of_the_model() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == record.record_schema(), "write docs/reference/registry-record.schema.json anew"


@pytest.mark.rule(29)
def test_records_fit_the_schema_and_edited_ones_do_not() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for made in (facts(), other(), facts(None)):
        jsonschema.validate(json.loads(record.record(made).to_json()), schema)
    edits: list[tuple[tuple[str, ...], Any]] = [
        (("facts", "unit"), "trip"),
        (("entry", "deployment", "dp_variant", "variant_name"), "Pure DP"),
        (("entry", "deployment", "privacy_loss", "privacy_parameters", "epsilon"), "one"),
        (("tier",), 4),
        (("surprise",), 1),
    ]
    for path, value in edits:
        found = json.loads(record.record(facts()).to_json())
        part = found
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = value
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(found, schema)


def test_json_numbers_never_promise_more_than_the_exact_ones() -> None:
    for made in (facts(), other()):
        numbers = entry(made)["privacy_loss"]["privacy_parameters"]
        for name in ("epsilon", "delta", "rho"):
            exact = getattr(made.charge, name)
            assert exact <= Fraction(repr(numbers[name])) <= exact * (1 + Fraction(1, 10**15))
    assert entry(facts())["privacy_loss"]["privacy_parameters"] == {"epsilon": 1.0, "delta": 1e-06, "rho": 0.024355970359}
