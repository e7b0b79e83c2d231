"""A small study over real cells, panels of made-up devices, and the figures once more as plain loops."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pytest
from tests.conformance.worlds import CELLS, HOUR, START, Row, table

from flockwise import config
from flockwise.base.h3bits import parent
from flockwise.person.riskpoints import RiskRules
from flockwise.risk import plan as plans

TEXT = """
name = "Risk test"
[store]
path = "s"
key = "k"
retention_days = 90
[ledger]
path = "l"
dataset = "risk-panel"
lifetime_epsilon = "4"
[region]
cells = [{cells}]
[window]
start = 2026-03-02
days = 2
timezone = "America/New_York"
[input]
device = "d"
device_type = "integer"
time = "t"
time_format = "us"
lat = "lat"
lon = "lon"
consent_basis = "test"
[cleaning]
greatest_speed_kmh = 100000
[privacy]
unit = "device"
window = "whole"
epsilon = "1"
delta = "1e-9"
panel_bound = {panel}
[[tables]]
kind = "presence"
resolution = 7
"""

CENTRES = [h3.cell_to_latlng(f"{c:x}") for c in CELLS.tolist()]


def study(folder: Path, panel: int = 100_000) -> config.Study:
    return config.parse(TEXT.format(cells=", ".join(f'"{c:x}"' for c in CELLS.tolist()), panel=panel), folder)


def small_plan(monkeypatch: pytest.MonkeyPatch, bits: tuple[int, ...] = (1, 2)) -> plans.RiskPlan:
    """A plan with two groups, and four: so that devices meet."""
    monkeypatch.setattr(plans, "_group_bits", lambda *_: bits)
    return plans.make_plan(study(Path("nowhere")), "1")


def halves(number: int) -> tuple[int, int]:
    """A pseudonym whose leading bits are as good as random."""
    rng = np.random.default_rng(number)
    high, low = rng.integers(-(1 << 63), (1 << 63) - 1, 2)
    return int(high), int(low)


def ping(number: int, hour: int, place: int, minute: int = 0) -> Row:
    lat, lon = CENTRES[place]
    hi, lo = halves(number)
    return (hi, lo, START + hour * HOUR + minute * 60_000_000, round(lat * 1e6), round(lon * 1e6), 50, int(CELLS[place]))


def wanderer(number: int, pings: int) -> list[Row]:
    """Random hours and places."""
    rng = np.random.default_rng(1000 + number)
    when = sorted(rng.choice(48 * 60, size=pings, replace=False).tolist())
    return [ping(number, m // 60, int(p), m % 60) for m, p in zip(when, rng.integers(0, len(CELLS), pings), strict=True)]


def everywhere(number: int) -> list[Row]:
    """The heaviest device there is: in every cell in every hour."""
    return [ping(number, hour, place, place) for hour in range(48) for place in range(len(CELLS))]


class Buckets:
    """Rows dealt to buckets by the leading bits of the pseudonym, as a store does it."""

    def __init__(self, rows: list[Row], bits: int) -> None:
        self.parts: list[list[Row]] = [[] for _ in range(1 << bits)]
        for row in rows:
            self.parts[(row[0] % (1 << 64)) >> (64 - bits)].append(row)

    def buckets(self) -> list[int]:
        return list(range(len(self.parts)))

    def read(self, bucket: int) -> Any:
        return table(self.parts[bucket])


# The same figures by loops that share no code with the kernels, but for the order of draws and cleaning (nothing is dropped in these panels).


def points_of(rows: list[Row], level: int, starts_us: np.ndarray) -> dict[tuple[int, int], set[tuple[int, int]]]:
    out: dict[tuple[int, int], set[tuple[int, int]]] = {}
    for hi, lo, t, _, _, _, cell in rows:
        slot = int((starts_us <= t).sum()) - 1
        out.setdefault((hi, lo), set()).add((int(parent([cell], level)[0]), slot))
    return out


def mixed(value: int) -> int:
    mask = (1 << 64) - 1
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return value ^ (value >> 31)


def order_of(who: tuple[int, int], point: int, view: int) -> int:
    mask = (1 << 64) - 1
    seed = mixed((who[0] & mask) ^ mixed(((who[1] & mask) + (view + 1) * 0x9E3779B97F4A7C15) & mask))
    return mixed(seed ^ mixed(point))


def units_by_loops(rows: list[Row], rules: RiskRules) -> np.ndarray:
    out = np.zeros((len(rules.bits), len(rules.views), 8), dtype=np.int64)
    for v, view in enumerate(rules.views):
        cells = {int(c): i for i, c in enumerate(view.cells)}
        traces, slots = points_of(rows, view.resolution, view.starts_us), len(view.starts_us)
        for s, bits in enumerate(rules.bits):
            groups: dict[int, list[tuple[int, int]]] = {}
            for who in traces:
                groups.setdefault((who[0] % (1 << 64)) >> (64 - bits), []).append(who)
            for members in groups.values():
                fewest = Counter[int]()
                for who in members:
                    drawn = sorted(traces[who], key=lambda p, w=who, c=cells, n=v, t=slots: order_of(w, c[p[0]] * t + p[1], n))[:8]
                    alone = (k for k in range(1, len(drawn) + 1) if not any(set(drawn[:k]) <= traces[o] for o in members if o != who))
                    fewest[next(alone, 9)] += 1
                before = found = 0
                for k in range(1, 9):
                    found += fewest[k]
                    units = (2 * 256 * found + len(members)) // (2 * len(members))
                    out[s, v, k - 1] += units - before
                    before = units
    return out


def sets_by_loops(rows: list[Row], rules: RiskRules) -> list[list[list[int]]]:
    """For each resolution and number of places, the sizes of all sets, sorted."""
    out = []
    for view in rules.places:
        keys: list[Counter[frozenset[int]]] = [Counter(), Counter(), Counter()]
        for points in points_of(rows, view.resolution, view.starts_us).values():
            visits = Counter(cell for cell, _ in points)
            ranked = sorted(visits, key=lambda c, n=visits: (-n[c], c))
            for n in range(3):
                keys[n][frozenset(ranked[: n + 1])] += 1
        out.append([sorted(k.values()) for k in keys])
    return out
