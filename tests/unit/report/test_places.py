from __future__ import annotations

import re
from datetime import date
from html.parser import HTMLParser

import h3
import numpy as np
import shapely

from flockwise.base.region import Region
from flockwise.governance.places import Current, Listing, Review, Source, read_tags
from flockwise.report import places_page

AREA = Region.from_cells(h3.grid_disk(h3.latlng_to_cell(40.7, -74.0, 7), 3), 7)


def page(name: str = "Test", by: str = "A. Officer", area: Region = AREA, at: tuple[float, float] = (-74.0, 40.7)) -> str:
    made = Listing.of(["worship", "court"], [610, 900], np.array([shapely.Point(*at), shapely.Point(*at).buffer(0.01)], object), [], date(2026, 5, 1))
    made = Listing(made.table, (Source("<b>a.osm", "0" * 64, 2, 2, 0, 1),), made.built, (Review(date(2026, 5, 2), by, "x"),))
    return places_page(name, area, Current(made, None, "x", made.reviews[-1], date(2026, 5, 2)), read_tags())


class Parsed(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attrs]


def test_the_page_asks_nothing_of_any_network_and_runs_nothing() -> None:
    parsed = Parsed(page())
    assert not {"script", "iframe", "object", "embed", "img", "form"} & set(parsed.tags)
    assert not [v for k, v in parsed.attributes if k in ("src", "href") and v != "data:,"]
    assert not [k for k, _ in parsed.attributes if k.startswith("on")]


def test_names_can_not_inject_anything() -> None:
    text = page(name="</title><script>alert(1)</script>", by='"><script>alert(1)</script>')
    assert "script" not in Parsed(text).tags
    assert "b" not in Parsed(text).tags


def test_it_says_where_the_list_comes_from_also_if_that_is_nowhere() -> None:
    assert "&lt;b&gt;a.osm" in page()
    bare = Listing.of(["worship"], [610], np.array([shapely.Point(-74.0, 40.7)], object), [], date(2026, 5, 1))
    text = places_page("Test", AREA, Current(bare, None, "x", None, None), read_tags())
    assert "The list names no source." in text
    assert "<tbody></tbody>" not in text


def test_each_category_has_a_choice_a_layer_and_a_row() -> None:
    text = page()
    for name in ("all", "worship", "court"):
        assert f'id="c-{name}"' in text
        assert re.search(rf'class="layer l-{name}" d="M[0-9]', text)
    assert "Places of worship and religious organisations" in text
    assert "900 m" in text
    assert text.count('class="cell"') == len(AREA)
    assert text.count("<td>none</td>") == len(read_tags().categories) - 2
    assert "1 geometries could not be read" in text


def test_a_region_across_the_antimeridian_is_drawn_in_one_piece() -> None:
    area = Region.from_cells(h3.grid_disk(h3.latlng_to_cell(-16.8, 179.99, 7), 4), 7)
    text = page(area=area, at=(179.99, -16.8))
    at = [float(v) for points in re.findall(r'class="cell" points="([^"]+)"', text) for p in points.split() for v in p.split(",")[:1]]
    assert min(at) > -20
    assert max(at) < 980
    assert max(at) - min(at) > 300
