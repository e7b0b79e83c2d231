from __future__ import annotations

from pathlib import Path

import pytest

from flockwise.errors import ConfigError
from flockwise.governance.places.tags import read_tags

OBJECTS = {
    "medical": {"amenity": "hospital"},
    "reproductive_health": {"healthcare": "midwife"},
    "mental_health": {"healthcare:speciality": "psychiatry"},
    "addiction": {"social_facility:for": "drug_addicted"},
    "worship": {"amenity": "place_of_worship"},
    "detention": {"amenity": "prison"},
    "trade_union": {"office": "union"},
    "school": {"amenity": "school"},
    "childcare": {"leisure": "playground"},
    "community": {"community_centre": "cultural_centre"},
    "migration": {"amenity": "refugee_site"},
    "court": {"amenity": "courthouse"},
    "consulate": {"office": "diplomatic"},
    "homeless": {"social_facility": "shelter"},
    "survivors": {"amenity": "womens_shelter"},
    "debt_need": {"social_facility": "food_bank"},
    "lgbtq": {"lgbtq": "primary"},
    "political": {"office": "political_party"},
    "military": {"landuse": "military"},
    "law_enforcement": {"amenity": "police"},
    "adult": {"amenity": "stripclub"},
}
"""One object of each category; the tests of the readers take theirs from here."""


def test_every_category_has_an_object_and_610_m() -> None:
    table = read_tags()
    assert [c.name for c in table.categories] == list(OBJECTS)
    for name, tags in OBJECTS.items():
        assert name in table.match(tags)
        assert table[name].buffer_m == 610
        assert table[name].sources
        assert table[name].note


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"amenity": "university"}, []),
        ({"healthcare": "no"}, []),
        ({"healthcare": "yes"}, ["medical"]),
        ({"amenity": "Hospital"}, ["medical"]),
        ({"amenity": "bar;stripclub"}, ["adult"]),
        ({"lgbtq": "primary", "amenity": "bar"}, ["lgbtq"]),
        ({"office": "government", "government": "tribal"}, ["community"]),
        ({"office": "government"}, []),
        ({"landuse": "education", "amenity": "university"}, []),
        ({"landuse": "education"}, ["school"]),
    ],
)
def test_conditions(tags: dict[str, str], expected: list[str]) -> None:
    assert read_tags().match(tags) == expected


def test_a_file_adds_tags_and_categories_and_only_widens(tmp_path: Path) -> None:
    extra = tmp_path / "extra.toml"
    extra.write_text(
        '[[category]]\nname = "medical"\nlabel = "x"\nbuffer_m = 800\ntags = ["amenity=spa"]\n'
        '[[category]]\nname = "own"\nlabel = "Own"\ntags = ["a=b & c!=d"]\n'
    )
    table = read_tags(extra)
    assert table.match({"amenity": "spa"}) == ["medical"]
    assert table.match({"amenity": "hospital"}) == ["medical"]
    assert (table["medical"].buffer_m, table["medical"].label, table["own"].buffer_m) == (800, "Medical facilities", 610)
    assert (table.match({"a": "b"}), table.match({"a": "b", "c": "d"})) == (["own"], [])


@pytest.mark.parametrize(
    "text",
    [
        '[[category]]\nname = "own"\nlabel = "Own"\nbuffer_m = 609\ntags = ["a=b"]',
        '[[category]]\nname = "own"\nlabel = "Own"\nbuffer_m = true\ntags = ["a=b"]',
        '[[category]]\nname = "../own"\nlabel = "Own"\ntags = ["a=b"]',
        '[[category]]\nname = "own"\nlabel = "Own"\ntags = ["a!=b"]',
        '[[category]]\nname = "own"\nlabel = "Own"\ntags = ["nonsense"]',
        '[[category]]\nname = "own"\nlabel = "Own"\ntags = ["a=b"]\nextra = 1',
        "category = 3",
        "[[",
        "",
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str) -> None:
    extra = tmp_path / "extra.toml"
    extra.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_tags(extra)
    assert caught.value.code == "PLACES_TAGS"
