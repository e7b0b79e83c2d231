from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.conftest import World

from flockwise import artifact, config, risk

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("study.schema.json", config.schema()),
        ("supplier.schema.json", config.supplier_schema()),
        ("certificate.schema.json", artifact.certificate_schema()),
        ("risk.schema.json", risk.terms_schema()),
    ],
)
def test_the_published_json_schemas_are_those_of_the_models(name: str, made: dict[str, Any]) -> None:
    assert json.loads((REFERENCE / name).read_text(encoding="utf-8")) == made, f"write docs/reference/{name} anew"


@pytest.mark.rule(14)
def test_a_real_certificate_fits_the_published_schema_and_an_edited_one_does_not(small_world: World) -> None:
    schema = json.loads((REFERENCE / "certificate.schema.json").read_text(encoding="utf-8"))
    found = json.loads((small_world.published / "certificate.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, schema)
    found["unit"] = "trip"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, schema)
