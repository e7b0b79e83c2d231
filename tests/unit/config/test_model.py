from __future__ import annotations

import tomllib
from datetime import date
from fractions import Fraction
from pathlib import Path

import jsonschema
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flockwise import config
from flockwise.errors import ConfigError

BASE = config.template(name="A study", region="r.geojson", start=date(2026, 3, 2), days=7, timezone="America/New_York", columns=None)


def changed(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new, 1)


def test_the_template_is_a_study() -> None:
    study = config.parse(BASE, Path("/data"))
    assert study.region.geojson == Path("/data/r.geojson")
    assert study.store.path.parent == Path("/data")
    assert study.privacy.delta == Fraction(1, 10**6)
    assert study.store_resolution == 7
    assert study.presence is not None
    assert study.flows is not None
    assert study.flows.labels[1] == "06:00-10:00"
    assert study.cleaning.greatest_accuracy_m == 200


@pytest.mark.parametrize(
    ("text", "code", "names"),
    [
        (changed("days = 7", "dayz = 7"), "STUDY_UNKNOWN_KEY", "window.dayz"),
        (changed('epsilon = "1"', "epsilon = 1.0"), "STUDY_INVALID", "privacy.epsilon"),
        (changed('epsilon = "1"', 'epsilon = "2.01"'), "STUDY_INVALID", "privacy"),
        (changed('delta = "1e-6"', 'delta = "1e-5"'), "STUDY_INVALID", "privacy"),
        (changed("panel_bound = 100000 ", "panel_bound = 1000000 "), "STUDY_INVALID", "privacy"),
        (changed('unit = "device"', 'unit = "trip"'), "STUDY_INVALID", "privacy.unit"),
        (changed('window = "whole"', 'window = "day"'), "STUDY_INVALID", "privacy.window"),
        (changed('unit = "device"', "").replace("  # one device, all of its pings", ""), "STUDY_INVALID", "privacy.unit"),
        (changed("resolution = 7", "resolution = 8"), "STUDY_INVALID", "resolution"),
        (changed("coarser = [6, 5]", "coarser = [5, 6]"), "STUDY_INVALID", "coarser"),
        (changed("days = 7", "days = 29"), "STUDY_INVALID", "window.days"),
        (changed('timezone = "America/New_York"', 'timezone = "Mars/Base"'), "STUDY_INVALID", "window.timezone"),
        (changed('slots = ["00:00"', 'slots = ["01:00"'), "STUDY_INVALID", "slots"),
        (changed("slot_minutes = 60", "slot_minutes = 55"), "STUDY_INVALID", "the study"),
        (changed('consent = "consented_at"', ""), "STUDY_INVALID", "input"),
        (changed('lat = "lat"', 'lat = "lon"'), "STUDY_INVALID", "input"),
        (changed('kind = "flows"', 'kind = "trajectories"'), "STUDY_INVALID", "tables"),
        (changed('name = "A study"', 'name = "../x"'), "STUDY_INVALID", "name"),
        (changed('geojson = "r.geojson"', 'geojson = "r.geojson"\ncells = ["872a1072bffffff"]'), "STUDY_INVALID", "region"),
        ("name = \nx = 1", "STUDY_NOT_TOML", "line 1"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(text: str, code: str, names: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, Path("/data"))
    assert caught.value.code == code
    assert names in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="STUDY_NOT_FOUND"):
        config.load(tmp_path / "none.toml")


def test_the_json_schema_takes_the_template_and_refuses_unknown_keys() -> None:
    schema = config.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    raw = tomllib.loads(BASE)
    raw["window"]["start"] = raw["window"]["start"].isoformat()
    jsonschema.validate(raw, schema)
    raw["window"]["dayz"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(raw, schema)


@given(st.fractions(min_value=Fraction(1, 1000), max_value=2))
def test_budgets_stay_exact(value: Fraction) -> None:
    study = config.parse(changed('epsilon = "1"', f'epsilon = "{value}"'), Path("/data"))
    assert study.privacy.epsilon == value


TEXT, INT, FLOAT = pa.string(), pa.int64(), pa.float64()
COMMON = [
    ({"uid": TEXT, "timestamp": INT, "latitude": FLOAT, "longitude": FLOAT, "ha": FLOAT}, "text", "s", "ha"),
    ({"device_id": INT, "ts": pa.timestamp("us", "UTC"), "lat": FLOAT, "lon": FLOAT}, "integer", "timestamp", None),
    ({"Ad ID": TEXT, "DateTime": TEXT, "LAT": TEXT, "LNG": TEXT}, "text", "iso8601", None),
    ({"id": pa.binary(16), "time": pa.timestamp("ns"), "y": pa.float32(), "x": pa.float32()}, "uuid", "timestamp", None),
]


@pytest.mark.parametrize(("columns", "kind", "time_format", "accuracy"), COMMON)
def test_columns_are_guessed_from_names_and_types(columns: dict[str, pa.DataType], kind: str, time_format: str, accuracy: str | None) -> None:
    guess = config.guess_columns(pa.schema(list(columns.items())))
    assert (guess.device_type, guess.time_format, guess.accuracy) == (kind, time_format, accuracy)
    text = config.template(name="x", region="r.geojson", start=date(2026, 3, 2), days=7, timezone="Europe/Paris", columns=guess)
    study = config.parse(text, Path("/data"))
    assert study.input.lat == guess.lat
    assert (study.input.time_zone is not None) == guess.naive
