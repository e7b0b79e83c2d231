"""A small release made by hand: 2 cells x 24 hours of presence on three levels, and a few flows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction

import numpy as np
import pyarrow as pa

from flockwise import artifact as fa
from flockwise.base import h3bits
from flockwise.base.window import Window

UNITS = 256
LABELS = ("00:00-10:00", "10:00-24:00")
RHO = Fraction(24355970359, 10**12)
BOUND = 1 << 56
WINDOW = Window(date(2026, 3, 2), 1, "America/New_York")


def cells(level: int = 7) -> np.ndarray:
    seven = np.sort(h3bits.from_hex(["872a1072bffffff", "872a10728ffffff", "872a100d2ffffff", "872a10089ffffff"]))
    return np.unique(h3bits.parent(seven, level))


def blocks() -> tuple[fa.LevelBound, ...]:
    shares = {("presence", 7): Fraction(51, 80), ("presence", 6): Fraction(3, 40), ("presence", 5): Fraction(3, 80), ("flows", 6): Fraction(1, 4)}
    out = []
    for (table, level), share in shares.items():
        norm = 24 * UNITS**2 if table == "presence" else (30 * UNITS) ** 2
        out.append(fa.LevelBound(table=table, level=level, share=share, norm=norm, weight=int(share * BOUND / norm)))
    return tuple(out)


def sigma(block: fa.LevelBound) -> float:
    target = Fraction(BOUND) / (2 * RHO * block.weight)
    s = float(target) ** 0.5
    while Fraction(s) ** 2 < target:
        s = float(np.nextafter(s, np.inf))
    return s / UNITS


def presence(seed: int = 1) -> pa.Table:
    rng = np.random.default_rng(seed)
    level, cell, start = [], [], []
    slots = WINDOW.slots(60) // 1_000_000
    for r in (5, 6, 7):
        for c in cells(r):
            level += [r] * 24
            cell += h3bits.to_hex([c]) * 24
            start += slots.tolist()
    unbiased = rng.integers(-2000, 40_000, len(level)) / UNITS
    kept = unbiased >= 20
    half = 5.0
    null = lambda v: [float(x) if k else None for x, k in zip(v, kept, strict=True)]  # noqa: E731 - short and used three times
    return pa.table(
        {
            "level": pa.array(level, pa.int8()),
            "cell": cell,
            "slot_start": pa.array(start, pa.timestamp("s", tz="UTC")),
            "devices": pa.array(null(unbiased), pa.float64()),
            "lower": pa.array(null(unbiased - half), pa.float64()),
            "upper": pa.array(null(unbiased + half), pa.float64()),
            "status": pa.array(["published" if k else "withheld" for k in kept]).dictionary_encode(),
            "unbiased": pa.array(unbiased),
        }
    )


def flows(rows: int = 3) -> pa.Table:
    six = h3bits.to_hex(cells(6))
    pairs = [(0, six[0], six[0]), (0, six[0], six[1]), (1, six[1], six[0])][:rows]
    return pa.table(
        {
            "level": pa.array([6] * rows, pa.int8()),
            "origin": pa.array([p[1] for p in pairs], pa.string()),
            "destination": pa.array([p[2] for p in pairs], pa.string()),
            "slot": pa.array([p[0] for p in pairs], pa.int16()),
            "slot_label": pa.array([LABELS[p[0]] for p in pairs], pa.string()),
            "trips": pa.array([400.0, 301.5, 77.25][:rows], pa.float64()),
            "lower": pa.array([350.0, 250.0, 20.0][:rows], pa.float64()),
            "upper": pa.array([450.0, 350.0, 120.0][:rows], pa.float64()),
            "status": pa.array(["published"] * rows, pa.string()).dictionary_encode(),
        }
    )


def certificate(rows_presence: pa.Table, rows_flows: pa.Table) -> fa.Certificate:
    tables = []
    for block in blocks():
        rows = rows_presence if block.table == "presence" else rows_flows
        mine = rows.filter(pa.array(rows.column("level").to_numpy() == block.level))
        shown = sum(s == "published" for s in mine.column("status").to_pylist())
        public = len(mine) if block.table == "presence" else len(cells(6)) ** 2 * 2
        slots = fa.Slots(count=24, minutes=60) if block.table == "presence" else fa.Slots(count=2, labels=LABELS)
        tables.append(
            fa.TableSummary(
                name=f"{block.table} at H3 resolution {block.level}",
                kind=block.table,
                level=block.level,
                rows_public=public,
                published=shown,
                withheld=public - shown,
                sigma=sigma(block),
                threshold=20.0,
                typical_relative_error=0.1,
                slots=slots,
            )
        )
    instant = lambda us: datetime.fromtimestamp(us // 1_000_000, UTC)  # noqa: E731 - used twice below
    return fa.Certificate(
        study=fa.StudyRef(name="Test", digest="a" * 64),
        dataset="test-panel",
        neighbours="add or remove all pings of one device",
        window=fa.WindowRef(start=instant(WINDOW.start_us), end=instant(WINDOW.end_us), timezone=WINDOW.timezone, days=1, first_day=WINDOW.start),
        privacy=fa.PrivacyClaim(epsilon=Fraction(1), delta=Fraction(1, 10**6), rho=RHO, definition="zCDP", mechanism="discrete Gaussian"),
        meaning=("Right at most 55.6 times in 100.", "One is right at most 55.6 times in 100; over a year right at most 69.9 times in 100."),
        year=fa.YearClaim(windows=13, rho=13 * RHO, epsilon=Fraction("4.0398")),
        bounds=fa.Bounds(
            units=UNITS, bound=BOUND, levels=blocks(), trips=30, greatest_trip_h=12, greatest_hold_min=60, panel_bound=100_000, statement="one person"
        ),
        domain=fa.Domain(levels=tuple(fa.DomainLevel(level=r, cells=len(cells(r))) for r in (5, 6, 7)), statement="public"),
        tables=tuple(tables),
        limits=("No promise about other people's records.",),
        retention="60 days",
        input=fa.InputRef(digest="b" * 64),
        versions={"flockwise": "0"},
    )


def tables(rows: int = 3) -> dict[str, pa.Table]:
    return {"zones": fa.zones({r: cells(r) for r in (5, 6, 7)}), "presence": presence(), "flows": flows(rows)}
