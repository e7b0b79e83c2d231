from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from tests.unit.store._made import study

from flockwise import config
from flockwise.errors import ConfigError, RuleError


def with_purpose(folder: Path, purpose: str) -> config.Study:
    study(folder)
    text = f"""
purpose = "{purpose}"
name = "test"
store = {{ path = "store", key = "key", retention_days = 30 }}
ledger = {{ path = "ledger", dataset = "panel", lifetime_epsilon = "4" }}
region = {{ geojson = "region.geojson" }}
window = {{ start = 2026-03-02, days = 2, timezone = "UTC" }}
input = {{ device = "d", device_type = "integer", time = "t", time_format = "s", lat = "y", lon = "x", consent_basis = "made up for a test" }}
privacy = {{ unit = "device", window = "whole", epsilon = "1", delta = "1e-9", panel_bound = 1000 }}
tables = [{{ kind = "presence", resolution = 7 }}]
"""
    return config.parse(text, folder)


def test_every_purpose_has_a_definition() -> None:
    assert set(config.PURPOSES) == set(get_args(config.Purpose))


@pytest.mark.parametrize("purpose", config.PURPOSES)
def test_the_purposes_of_the_list_can_be_declared(purpose: str, tmp_path: Path) -> None:
    assert with_purpose(tmp_path, purpose).purpose == purpose


@pytest.mark.rule(2)
@pytest.mark.parametrize(
    ("purpose", "reason"),
    [
        ("locating persons", "locating"),
        ("device-tracking", "locating"),
        ("Profiling", "locating"),
        ("law_enforcement", "court"),
        ("police work", "court"),
        ("immigration-enforcement", "harmed"),
        ("border-control", "harmed"),
        ("national-security", "agreed"),
        ("military", "agreed"),
        ("bounty", "one person"),
        ("bail-enforcement", "one person"),
        ("advertising", "no consent"),
        ("targeted ads", "locating"),
        ("credit decisions", "decide"),
        ("insurance", "decide"),
        ("employment-screening", "decide"),
    ],
)
def test_what_no_study_can_declare_is_refused_with_the_reason(purpose: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="purpose") as caught:
        with_purpose(tmp_path, purpose)
    assert caught.value.code == "PURPOSE_FORBIDDEN"
    assert caught.value.exit_code == 3
    assert reason in caught.value.what + caught.value.fix


@pytest.mark.parametrize("purpose", ["", "statistics", "official statistics", "fun"])
def test_what_is_not_on_the_list_does_not_fit_the_model(purpose: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        with_purpose(tmp_path, purpose)
    assert caught.value.code == "STUDY_INVALID"
