from __future__ import annotations

import h3
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.governance.places._geodesy import apart, go

from flockwise.base.region import Region
from flockwise.governance.places.extent import Extent
from flockwise.governance.places.index import PlaceIndex
from flockwise.governance.places.shapes import earth_fixed, mend, pieces_of

WHERE = [(0.0, 10.0), (40.7, -74.0), (-33.9, 151.2), (64.1, -21.9), (78.2, 15.6), (-77.8, 166.7), (-16.8, 179.9999), (66.0, -179.9999), (86.0, 30.0)]


def around(lat: float, lon: float, rings: int = 3) -> Extent:
    return Extent.of(Region.from_cells(h3.grid_disk(h3.latlng_to_cell(lat, lon, 7), rings), 7))


def index(shape: shapely.Geometry, lat: float, lon: float, buffer: float = 610) -> PlaceIndex:
    shapes, _ = mend(np.array([shape], object))
    return PlaceIndex.build(shapes, [buffer], around(lat, lon))


def hit(made: PlaceIndex, lat: float, lon: float) -> bool:
    return bool(made.covers(np.array([round(lat * 1e6)], np.int32), np.array([round(lon * 1e6)], np.int32))[0])


def east(lon: float, degrees: float) -> float:
    return (lon + degrees + 180) % 360 - 180


def test_the_reference_agrees_with_itself() -> None:
    for lat, lon in WHERE:
        for azimuth in (0, 37, 90, 215):
            assert apart(lat, lon, *go(lat, lon, azimuth, 610.0)) == pytest.approx(610.0, abs=1e-4)
    # Flinders Peak to Buninyon: the example of the Geoscience Australia GDA manual is on GRS 80, 0.1 mm from WGS 84 over 55 km.
    assert apart(-37.95103341666667, 144.42486788888888, -37.65282113888889, 143.92649552777777) == pytest.approx(54972.271, abs=0.002)


@pytest.mark.parametrize(("lat", "lon"), WHERE)
def test_609_m_from_a_point_is_covered_and_611_m_is_not(lat: float, lon: float) -> None:
    made = index(shapely.Point(lon, lat), lat, lon)
    for azimuth in range(0, 360, 15):
        assert hit(made, *go(lat, lon, azimuth, 609.0))
        assert hit(made, *go(lat, lon, azimuth, 609.8))
        assert not hit(made, *go(lat, lon, azimuth, 610.2))
        assert not hit(made, *go(lat, lon, azimuth, 611.0))


@pytest.mark.parametrize(("lat", "lon"), WHERE)
def test_609_and_611_m_from_a_line_and_from_a_perimeter(lat: float, lon: float) -> None:
    # A meridian is a geodesic: who leaves it at a right angle has its foot as the nearest point.
    wide = 0.01 / max(np.cos(np.radians(lat)), 0.05)
    shapes = {
        "line": shapely.LineString([(lon, lat - 0.02), (lon, lat + 0.02)]),
        "polygon": shapely.Polygon([(lon, lat - 0.02), (lon, lat + 0.02), (east(lon, -wide), lat + 0.02), (east(lon, -wide), lat - 0.02)]),
    }
    for shape in shapes.values():
        made = index(shape, lat, lon)
        for at in np.linspace(lat - 0.019, lat + 0.019, 7):
            assert hit(made, *go(at, lon, 90, 609.0))
            assert hit(made, *go(at, lon, 90, 609.8))
            assert not hit(made, *go(at, lon, 90, 610.2))
            assert not hit(made, *go(at, lon, 90, 611.0))


@pytest.mark.parametrize(("lat", "lon"), WHERE)
def test_the_inside_of_a_large_polygon_is_covered_and_its_hole_is_not(lat: float, lon: float) -> None:
    wide = 1 / np.cos(np.radians(lat))
    outer = [(east(lon, x * wide), lat + y) for x, y in ((-0.03, -0.03), (0.03, -0.03), (0.03, 0.03), (-0.03, 0.03))]
    hole = [(east(lon, x * wide), lat + y) for x, y in ((-0.015, -0.015), (0.015, -0.015), (0.015, 0.015), (-0.015, 0.015))]
    made = index(shapely.Polygon(outer), lat, lon)
    holed = index(shapely.Polygon(outer, [hole]), lat, lon)
    for x in (-0.02, -0.01, 0.0, 0.01, 0.02):
        for y in (-0.02, 0.0, 0.02):
            assert hit(made, lat + y, east(lon, x * wide))
    assert not hit(holed, lat, lon)  # 1.7 km from the inner perimeter
    assert hit(holed, lat, east(lon, 0.0225 * wide))


@st.composite
def _worlds(draw: st.DrawFn) -> tuple[float, float, list[shapely.Geometry], list[int]]:
    """Shapes around one of the places, in a plane whose longitudes run on across the antimeridian."""
    lat, lon = draw(st.sampled_from([*WHERE, (89.2, 12.0), (-89.2, -179.9)]))
    lon %= 360
    wide = 1 / np.cos(np.radians(lat))
    point = st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)).map(lambda p: (lon + p[0] * wide, lat + p[1]))
    shape = st.one_of(
        point.map(shapely.Point),
        st.lists(point, min_size=2, max_size=6, unique=True).map(shapely.LineString),
        st.lists(point, min_size=3, max_size=9, unique=True).map(shapely.Polygon),
        st.tuples(point, st.integers(3, 40), st.floats(1e-5, 3e-3)).map(lambda c: shapely.Point(c[0]).buffer(c[2], quad_segs=c[1])),
        st.lists(point, min_size=2, max_size=12, unique=True).map(shapely.MultiPoint),
    )
    shapes = draw(st.lists(shape, min_size=1, max_size=6))
    return lat, lon, shapes, draw(st.lists(st.integers(610, 3000), min_size=len(shapes), max_size=len(shapes)))


@settings(deadline=None, max_examples=60)
@given(_worlds(), st.integers(0, 2**32 - 1))
def test_every_answer_is_that_of_plain_geometry(world: tuple[float, float, list[shapely.Geometry], list[int]], seed: int) -> None:
    lat, lon, raw, buffers = world
    shapes, _ = mend(np.array(raw, object))
    kept = ~shapely.is_missing(shapes)
    shapes, reach = shapes[kept], np.array(buffers)[kept]
    made = PlaceIndex.build(shapes, reach, around(lat, east(lon, 0)))
    rng, pieces = np.random.default_rng(seed), pieces_of(shapes)
    wide = 1 / np.cos(np.radians(lat))
    y, x = lat + rng.uniform(-0.06, 0.06, 300), lon + rng.uniform(-0.06, 0.06, 300) * wide
    # As many again within 100 m of a buffer's edge, where pixels have to be measured.
    which = rng.integers(len(pieces.owner), size=300)
    away, turn = (reach[pieces.owner[which]] + rng.uniform(-100, 100, 300)) / 111_300, rng.uniform(0, 2 * np.pi, 300)
    edge = pieces.lat[which, 0] + away * np.sin(turn), pieces.lon[which, 0] + away * np.cos(turn) / np.cos(np.radians(pieces.lat[which, 0]))
    near = (np.abs(edge[0] - lat) < 0.06) & (np.abs(edge[1] - lon) < 0.06 * wide)
    ys, xs = (np.rint(np.r_[v, e[near]] * 1e6).astype(np.int64) for v, e in zip((y, x), edge, strict=True))
    at = earth_fixed(xs / 1e6, ys / 1e6)
    gap = np.full((len(at), len(shapes)), np.inf)
    for k in range(len(pieces.owner)):
        a, b = (earth_fixed(pieces.lon[k : k + 1, e], pieces.lat[k : k + 1, e])[0] for e in (0, 1))
        along = b - a
        t = np.clip((at - a) @ along / max(along @ along, 1e-12), 0, 1)
        o = pieces.owner[k]
        gap[:, o] = np.minimum(gap[:, o], np.linalg.norm(at - a - t[:, None] * along, axis=1))
    within = np.stack([shapely.contains_xy(s, xs / 1e6, ys / 1e6) for s in shapes], axis=1)
    expected = ((gap <= reach) | within).any(axis=1)
    close = (np.abs(gap - reach) < 0.01).any(axis=1)
    lat_e6, lon_e6 = ys.astype(np.int32), ((xs + 180_000_000) % 360_000_000 - 180_000_000).astype(np.int32)
    assert (made.covers(lat_e6, lon_e6) == expected)[~close].all()
    # With times, each shape is listed for its pixels by itself.
    timed = PlaceIndex.build(shapes, reach, around(lat, east(lon, 0)), np.tile(np.array([5, 9]), (len(shapes), 1)))
    for now, counted in ((4, False), (5, True), (9, False)):
        out = np.zeros(len(ys), np.uint8)
        timed.mark(lat_e6, lon_e6, np.full(len(ys), now), out, 2)
        assert (out == np.where(expected & counted, 2, 0))[~close].all()


def test_answers_do_not_depend_on_how_many_are_asked_for_at_once() -> None:
    lat, lon = 40.7, -74.0
    shapes = shapely.points(lon + 0.01 * (np.arange(30) % 6), lat + 0.01 * (np.arange(30) // 6))
    made = PlaceIndex.build(shapes, np.full(30, 610), around(lat, lon))
    rng = np.random.default_rng(1)
    ys = (40_700_000 + rng.integers(-60_000, 60_000, 10_000)).astype(np.int32)
    xs = (-74_000_000 + rng.integers(-60_000, 60_000, 10_000)).astype(np.int32)
    together = made.covers(ys, xs)
    assert 0.05 < together.mean() < 0.95
    for size in (7, 2047, 2048, 2049):
        assert (np.concatenate([made.covers(ys[i : i + size], xs[i : i + size]) for i in range(0, len(ys), size)]) == together).all()


def test_a_shape_counts_only_in_its_time() -> None:
    lat, lon = 40.7, -74.0
    square = shapely.box(lon - 0.02, lat - 0.02, lon + 0.02, lat + 0.02)
    made = PlaceIndex.build(np.array([square], object), [610], around(lat, lon), np.array([[100, 200]]))
    t = np.array([99, 100, 199, 200])
    for at in (lon, lon + 0.027, lon + 0.0205):  # the middle, the buffer's edge, near the perimeter
        out = np.zeros(4, np.uint8)
        made.mark(np.full(4, 40_700_000, np.int32), np.full(4, round(at * 1e6), np.int32), t, out, 2)
        assert out.tolist() == [0, 2, 2, 0]
    out = np.full(4, 1, np.uint8)
    made.mark(np.full(4, 40_700_000, np.int32), np.full(4, -74_000_000, np.int32), t, out, 2)
    assert out.tolist() == [1, 1, 1, 1]


def test_a_buffer_under_610_m_is_refused_and_nothing_covers_nothing() -> None:
    with pytest.raises(ValueError, match="610"):
        index(shapely.Point(-74, 40.7), 40.7, -74.0, 609)
    empty = PlaceIndex.build(np.array([], object), [], around(40.7, -74.0))
    assert not hit(empty, 40.7, -74.0)
    assert not hit(index(shapely.Point(-74, 40.7), 40.7, -74.0), -40.7, 100.0)


@pytest.mark.parametrize("shape", [shapely.Point(np.nan, 1), shapely.Point(200, 95), shapely.Polygon(), None])
def test_what_can_not_be_mended_is_none(shape: object) -> None:
    shapes, mended = mend(np.array([shape], object))
    assert (shapes[0], mended) == (None, 0)


def test_a_bow_tie_is_mended() -> None:
    shapes, mended = mend(np.array([shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])], object))
    assert (shapely.is_valid(shapes[0]), mended, round(shapes[0].area, 3)) == (True, 1, 0.5)
