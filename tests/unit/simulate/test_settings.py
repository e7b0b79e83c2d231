"""Settings that can't be used are refused, with the name of the setting."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from flockwise import simulate
from flockwise.errors import ConfigError


@pytest.mark.parametrize(
    "wrong",
    [
        {"devices": 0},
        {"days": 0},
        {"seed": -1},
        {"files": 0},
        {"chunk_devices": 0},
        {"threads": 0},
        {"pings_per_device_week": 0.0},
        {"bad_row_share": 1.5},
        {"compression": "rar"},
        {"timezone": "America/Nowhere"},
        {"counties": ()},
        {"counties": ("36061", "36061")},
        {"commuter_share": 0.05},
        {"homebody_share": 0.5},
        {"late_consent_share": 0.99},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as refused:
        simulate.Settings(**wrong)
    assert refused.value.code == "SIMULATE_SETTING"
    assert next(iter(wrong)) in refused.value.what


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        simulate.Settings().devices = 1  # type: ignore[misc]  # that it can't is what is tested


def test_unknown_county() -> None:
    with pytest.raises(ConfigError) as refused:
        simulate.Population(simulate.Settings(counties=("36061", "06001")))
    assert refused.value.code == "SIMULATE_COUNTY"
    assert refused.value.got == "06001"


def test_region_is_the_counties() -> None:
    region = simulate.Population(simulate.Settings()).region()
    assert [f["properties"]["GEOID"] for f in region["features"]] == list(simulate.DEMO_COUNTIES)
    assert [f["properties"]["name"] for f in region["features"]] == ["Bronx", "Kings", "Nassau", "New York", "Queens", "Richmond", "Rockland", "Westchester"]
