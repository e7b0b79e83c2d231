"""Small public worlds for tests of the person stage: rules over real H3 cells, and adversarial pings as hypothesis strategies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from tests.conformance import reference

from flockwise.base.h3bits import parent
from flockwise.base.schemas import STORED_PINGS
from flockwise.person import FlowsRules, PresenceRules, Rules, TotalsRules

Row = tuple[int, int, int, int, int, int, int]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
START = 1_772_427_600_000_000  # 2026-03-02 05:00 UTC
CENTRE = "872a1072bffffff"
CELLS = np.sort(np.array([int(c, 16) for c in h3.grid_disk(CENTRE, 2)], dtype=np.int64))
PLACES = [h3.cell_to_latlng(f"{c:x}") for c in (*CELLS[:5].tolist(), int(max(h3.grid_ring(CENTRE, 4)), 16))]  # the last is outside the domain
GARDEN_CITY = Path(__file__).parents[1] / "data" / "garden_city" / "gc_pings_100dev_15d.parquet"


def index(cells: np.ndarray, level: int) -> np.ndarray:
    """Index of each cell's ancestor among the sorted ancestors."""
    up = parent(cells, level)
    return np.searchsorted(np.unique(up), up).astype(np.int64)


def make_rules(
    cells: np.ndarray = CELLS,
    *,
    start: int = START,
    hours: int = 48,
    bound: int = 1 << 62,
    presence_weights: tuple[int, ...] = (1, 1, 1),
    flows_weights: tuple[int, ...] = (1, 1),
    slot_us: int = HOUR,
    hold_us: int = HOUR,
    margin_weights: tuple[int, ...] = (),
    totals: TotalsRules | None = None,
    norm_edges: tuple[int, ...] = (),
    heavy_edge: int | None = None,
    **changes: Any,
) -> Rules:
    """Rules of a window of whole hours; presence at resolution 7 (6, 5 above it), flows at 6 (5). By default nothing is clipped."""
    r6 = np.unique(parent(cells, 6))
    span = hours * HOUR
    presence = PresenceRules(cells, slot_us, span // slot_us, hold_us, (index(cells, 6), index(cells, 5))[: len(presence_weights) - 1], presence_weights)
    flows = FlowsRules(
        cells=r6,
        slot_starts_min=np.array([0, 360, 600, 900, 1140]),
        offset_starts_us=np.array([start, start + 30 * HOUR + 7 * MINUTE]),
        offset_us=np.array([-5 * HOUR, -4 * HOUR]),
        trip_us=12 * HOUR,
        parents=(index(r6, 5),)[: len(flows_weights) - 1],
        weights=flows_weights,
        margin_weights=margin_weights,
        totals=totals,
        norm_edges=norm_edges,
        heavy_edge=heavy_edge,
    )
    made = Rules(start, start + span, 2000, 111_111, 100, 5 * MINUTE, 15 * MINUTE, presence, flows, bound)
    return replace(made, **changes)


def table(rows: list[Row]) -> pa.Table:
    """Rows (device_hi, device_lo, t, lat, lon, accuracy, cell) as stored pings."""
    columns = list(zip(*rows, strict=True)) if rows else [[] for _ in STORED_PINGS]
    return pa.Table.from_arrays([pa.array(c, field.type) for c, field in zip(columns, STORED_PINGS, strict=True)], schema=STORED_PINGS)


def pseudonym(number: int) -> tuple[int, int]:
    """Two well mixed halves, as a keyed hash gives them; several numbers share their first half."""
    mixed = (number * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % (1 << 64)
    return (number // 2 * 0x2545F4914F6CDD1D) % (1 << 62) - (1 << 61), mixed - (1 << 63)


_BEFORE = st.sampled_from([0, 1, SECOND, 5 * MINUTE, 15 * MINUTE, 15 * MINUTE + 1, 40 * MINUTE, HOUR, 7 * HOUR, 13 * HOUR])
_WITHIN = st.sampled_from([1, 30 * SECOND, 2 * MINUTE, 5 * MINUTE - 1, 5 * MINUTE, 14 * MINUTE, 15 * MINUTE, 15 * MINUTE + 1])
_FAULT = st.sampled_from(["", "", "", "", "twice", "tie", "jump", "poor", "unknown"])
_HALT = st.tuples(
    st.integers(0, len(PLACES) - 1), _BEFORE, _WITHIN, st.lists(st.tuples(st.integers(-900, 900), st.integers(-700, 700), _FAULT), min_size=1, max_size=7)
)


@st.composite
def device_rows(draw: st.DrawFn, number: int, most: int = 14) -> list[Row]:
    """One device in time order, halt after halt: ties in time, copies, poor accuracy, impossible jumps, rows outside window and domain."""
    hi, lo = pseudonym(number)
    t = START - 10 * MINUTE
    rows: list[Row] = []
    for place, before, within, pings in draw(st.lists(_HALT, min_size=draw(st.integers(0, most // 2)), max_size=most)):
        t += before - within
        for d_lat, d_lon, fault in pings:
            t += within if fault != "tie" else 0
            lat, lon = round(PLACES[place][0] * 1e6) + d_lat, round(PLACES[place][1] * 1e6) + d_lon
            lat += 20_000_000 if fault == "jump" else 0
            accuracy = {"poor": 2001, "unknown": -1}.get(fault, 2000)
            rows.extend([(hi, lo, t, lat, lon, accuracy, int(h3.latlng_to_cell(lat / 1e6, lon / 1e6, 7), 16))] * (2 if fault == "twice" else 1))
    return rows


@st.composite
def panels(draw: st.DrawFn, devices: int = 4, most: int = 14) -> list[list[Row]]:
    """Rows of some devices, one list each."""
    return [draw(device_rows(number, most)) for number in range(draw(st.integers(1, devices)))]


def commuter(number: int, hours: int = 48, places: tuple[int, ...] = (0, 1, 2, 3, 4), every: int = 12) -> list[Row]:
    """The heaviest device there is: a stay in another place every `every` minutes, a ping a minute, present in every slot."""
    hi, lo = pseudonym(number)
    rows: list[Row] = []
    for minute in range(hours * 60):
        turn = minute // every
        lat, lon = PLACES[places[(turn * (1 + turn // 7)) % len(places)]]
        if minute % every < every - 3:  # three minutes' silence to travel in
            rows.append((hi, lo, START + minute * MINUTE + number, round(lat * 1e6), round(lon * 1e6), 50, int(h3.latlng_to_cell(lat, lon, 7), 16)))
    return rows


def garden_city() -> pa.Table:
    """The Garden City pings as stored pings: seconds to microseconds, degrees to millionths, cells at resolution 7, unknown accuracy."""
    import h3ronpy.vector
    import pyarrow.parquet as pq

    source = pq.read_table(GARDEN_CITY)
    lat, lon = source["latitude"].to_numpy(), source["longitude"].to_numpy()
    agent = source["uid"].dictionary_encode().combine_chunks().indices.to_numpy().astype(np.int64)
    columns = (
        agent * 0x1F3B1C2D4E5F,
        agent * 0x3C6EF372FE94F82B + 1,
        source["timestamp"].to_numpy() * SECOND,
        np.round(lat * 1e6).astype(np.int32),
        np.round(lon * 1e6).astype(np.int32),
        np.full(len(lat), -1, dtype=np.int32),
        np.asarray(pa.array(h3ronpy.vector.coordinates_to_cells(lat, lon, 7))).astype(np.int64),
    )
    return pa.Table.from_arrays([pa.array(c) for c in columns], schema=STORED_PINGS)


def as_stored(pings: pa.Table) -> pa.Table:
    """Pings in full precision as a store keeps them: rounded by the plain loops of `reference`, in no order, equal ones kept."""
    kept = [reference.coarse(*row) for row in zip(*(pings[c].to_pylist() for c in ("t_us", "lat_e6", "lon_e6", "accuracy_dm")), strict=True)]
    t_us, lat, lon, accuracy = zip(*kept, strict=True)
    columns = (pings["device_hi"], pings["device_lo"], t_us, lat, lon, accuracy, pings["cell"])
    return pa.table(list(columns), schema=STORED_PINGS)


def garden_rules(**changes: Any) -> Rules:
    """Rules for the Garden City: its own cells, 15 days, nothing clipped."""
    cells = np.unique(garden_city()["cell"].to_numpy())
    return make_rules(cells, start=1_704_067_200 * SECOND, hours=15 * 24, **changes)
