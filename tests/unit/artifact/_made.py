"""A small release made by hand: 2 cells x 24 hours of presence on three levels, and a few flows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction

import numpy as np
import pyarrow as pa

from flockwise import artifact as fa
from flockwise import noise, record
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


EDGES = (1, 2, 4, 900)
CLIP_RHO, TOTALS_RHO = RHO / 400, RHO / 20
GROUPS = {"shapes": RHO - CLIP_RHO - TOTALS_RHO, "totals": TOTALS_RHO}


def blocks() -> tuple[fa.LevelBound, ...]:
    shares = {("presence", 7): Fraction(51, 80), ("presence", 6): Fraction(3, 40), ("presence", 5): Fraction(3, 80)}
    shares |= {("flows", 6): Fraction(7, 40), ("flows", 5): Fraction(1, 40)}
    shares |= {(ends, level): Fraction(1, 80) for ends in ("departures", "arrivals") for level in (6, 5)}
    shares |= {(f"total_{ends}", level): Fraction(1, 4) for ends in ("departures", "arrivals") for level in (6, 5)}
    out = []
    for (table, level), share in shares.items():
        norm = {"presence": 24 * UNITS**2}.get(table, (60 if table.startswith("total_") else 30) ** 2 * UNITS**2)
        group, weight = "totals" if table.startswith("total_") else "shapes", int(share * BOUND / norm)
        out.append(fa.LevelBound(table=table, level=level, group=group, share=share, norm=norm, weight=weight, sigma=sigma(BOUND, weight, GROUPS[group])))
    return tuple(out)


def sigma(bound: int, weight: int, rho: Fraction) -> float:
    target = Fraction(bound) / (2 * rho * weight)
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
    """Listed pairs: level 5 holds those of level 6 and an unlisted rest."""
    five, six = (h3bits.to_hex(cells(r)) for r in (5, 6))
    up = dict(zip(six, h3bits.to_hex(h3bits.parent(cells(6), 5)), strict=True))
    fine = [(0, six[0], six[0], 400.0), (0, six[0], six[1], 301.5), (1, six[1], six[0], 77.25)][:rows]
    found: dict[tuple[int, str, str], float] = {}
    for slot, a, b, trips in fine:
        found[slot, up[a], up[b]] = found.get((slot, up[a], up[b]), 0.0) + trips
    index = {c: i for i, c in enumerate([*five, *six])}
    above = sorted(((slot, a, b, trips) for (slot, a, b), trips in found.items()), key=lambda p: (p[0], index[p[1]], index[p[2]]))
    listed = [(5, *p[:3], p[3] + 10.5, 10.5) for p in above] + [(6, *p, None) for p in fine]
    count = len(listed)
    return pa.table(
        {
            "level": pa.array([p[0] for p in listed], pa.int8()),
            "origin": pa.array([p[2] for p in listed], pa.string()),
            "destination": pa.array([p[3] for p in listed], pa.string()),
            "slot": pa.array([p[1] for p in listed], pa.int16()),
            "slot_label": pa.array([LABELS[p[1]] for p in listed], pa.string()),
            "trips": pa.array([p[4] for p in listed], pa.float64()),
            "lower": pa.array([p[4] - 20 for p in listed], pa.float64()),
            "upper": pa.array([p[4] + 20 for p in listed], pa.float64()),
            "unlisted": pa.array([p[5] for p in listed], pa.float64()),
            "status": pa.array(["published"] * count, pa.string()).dictionary_encode(),
        }
    )


def margins(listed: pa.Table) -> pa.Table:
    """Margins that hold the listed pairs and an unlisted rest, the same in the sum at both levels."""
    columns: dict[str, list] = {name: [] for name in fa.MARGINS.names if name != "geometry"}
    rows = listed.to_pylist()
    six = cells(6)
    rest = {"departures": 2000.0, "arrivals": 3000.0}

    def value(level: int, cell: int, slot: int, ends: str) -> float:
        mine = [c for c in six if level == 6 or h3bits.parent(np.array([c]), 5)[0] == cell] if level == 5 else [cell]
        side = "origin" if ends == "departures" else "destination"
        names = set(h3bits.to_hex(np.array(mine)))
        return rest[ends] * len(mine) + sum(r["trips"] for r in rows if r["level"] == 6 and r["slot"] == slot and r[side] in names)

    for level in (5, 6):
        for slot, label in enumerate(LABELS):
            for cell, name in zip(cells(level), h3bits.to_hex(cells(level)), strict=True):
                for key, found in (("level", level), ("cell", name), ("slot", slot), ("slot_label", label)):
                    columns[key].append(found)
                for ends, side in (("departures", "origin"), ("arrivals", "destination")):
                    trips = value(level, cell, slot, ends)
                    shown = sum(r["trips"] for r in rows if (r["level"], r["slot"], r[side]) == (level, slot, name))
                    for suffix, found in (("", trips), ("_lower", trips - 50), ("_upper", trips + 50), ("_unlisted", trips - shown)):
                        columns[ends + suffix].append(found)
    types = {f.name: f.type for f in fa.MARGINS}
    return pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})


def certificate(rows_presence: pa.Table, rows_flows: pa.Table) -> fa.Certificate:
    tables = []
    sigmas = {(b.table, b.level): b.sigma for b in blocks()}
    for kind, levels in (("presence", (7, 6, 5)), ("flows", (6, 5)), ("margins", (6, 5))):
        for level in levels:
            rows = {"presence": rows_presence, "flows": rows_flows}.get(kind)
            public = len(cells(level)) * 24 if kind == "presence" else len(cells(level)) ** (2 if kind == "flows" else 1) * 2
            shown = public if rows is None else sum(r["level"] == level and r["status"] == "published" for r in rows.select(["level", "status"]).to_pylist())
            slots = fa.Slots(count=24, minutes=60) if kind == "presence" else fa.Slots(count=2, labels=LABELS)
            tables.append(
                fa.TableSummary(
                    name=f"{kind} at H3 resolution {level}",
                    kind=kind,
                    level=level,
                    rows_public=public,
                    published=shown,
                    withheld=public - shown,
                    sigma=sigmas["departures" if kind == "margins" else kind, level],
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
        privacy=fa.PrivacyClaim(
            epsilon=Fraction(1),
            delta=Fraction(1, 10**6),
            rho=RHO,
            noise="discrete",
            definition="zero-concentrated differential privacy",
            mechanism="discrete Gaussian",
            charge="c" * 64,
        ),
        meaning=("Right at most 55.6 times in 100.", "One is right at most 55.6 times in 100; over a year right at most 69.9 times in 100."),
        year=fa.YearClaim(windows=13, rho=13 * RHO, epsilon=Fraction("4.0398")),
        bounds=fa.Bounds(
            units=UNITS,
            groups=tuple(fa.GroupBound(name=name, rho=rho, bound=BOUND) for name, rho in GROUPS.items()),
            levels=blocks(),
            clip=fa.PrivateClip(rho=CLIP_RHO, sigma=sigma(UNITS**2, 1, CLIP_RHO), edges=EDGES, devices=(10.5, -3.0, 4.0, 8.0, 2.0)),
            norm=900,
            trips_cap=60,
            greatest_trip_h=12,
            greatest_hold_min=60,
            panel_bound=100_000,
            statement="one person",
        ),
        domain=fa.Domain(levels=tuple(fa.DomainLevel(level=r, cells=len(cells(r))) for r in (5, 6, 7)), statement="public"),
        tables=tuple(tables),
        limits=("No promise about other people's records.",),
        retention="Pings are deleted 60 days after the window's end.",
        input=fa.InputRef(digest="b" * 64),
        versions={"flockwise": "0"},
    )


def tables(rows: int = 3) -> dict[str, pa.Table]:
    listed = flows(rows)
    return {"zones": fa.zones({r: cells(r) for r in (5, 6, 7)}), "presence": presence(), "flows": listed, "margins": margins(listed)}


def texts(c: fa.Certificate) -> dict[str, str]:
    """The record that belongs to a certificate."""
    p, kind, bounds = c.privacy, c.privacy.noise, c.bounds
    shown = {(t.kind, t.level): t for t in c.tables if t.kind != "margins"}

    def measured(b: fa.LevelBound) -> record.Measured:
        t = shown.get((b.table, b.level))
        unit = "devices" if b.table == "presence" else "trips"
        if t is None:
            return record.Measured(kind=b.table, level=b.level, figures=1, unit=unit, sigma=b.sigma)
        return record.Measured(
            kind=b.table,
            level=b.level,
            figures=t.rows_public,
            rows=t.rows_public,
            unit=unit,
            sigma=b.sigma,
            shown_sigma=t.sigma,
            published=t.published,
            threshold=t.threshold,
            typical_relative_error=t.typical_relative_error,
        )

    groups = [
        record.Group(name=g.name, rho=g.rho, clip="bounded", blocks=tuple(measured(b) for b in bounds.levels if b.group == g.name)) for g in bounds.groups
    ]
    if bounds.clip is not None:
        norms = record.Measured(kind="norms", figures=len(bounds.clip.devices), unit="devices", sigma=bounds.clip.sigma)
        groups.append(record.Group(name="norms", rho=bounds.clip.rho, clip="one bin", blocks=(norms,)))
    cases = [(k, w, k * k * w * p.rho) for k in (1, 2, 3) for w in sorted({1, c.year.windows})]
    given = {(1, 1): p.epsilon, (1, c.year.windows): c.year.epsilon}
    return record.texts(
        record.Facts(
            study=c.study.name,
            digest=c.study.digest,
            dataset=c.dataset,
            panel_bound=bounds.panel_bound,
            window=record.Window(first_day=c.window.first_day, days=c.window.days, timezone=c.window.timezone),
            charge=record.Charge(
                accounting="GDP" if kind == "rounded" else "zCDP",
                rho=p.rho,
                epsilon=p.epsilon,
                delta=p.delta,
                lifetime_epsilon=Fraction(4),
                replace_rho=2 * p.rho,
                replace_epsilon=noise.epsilon_of(2 * p.rho, p.delta, kind),
            ),
            exposures=tuple(
                record.Exposure(
                    devices=k,
                    windows=w,
                    rho=rho,
                    epsilon=given.get((k, w)) or noise.epsilon_of(rho, p.delta, kind),
                    guess_percent=str(noise.guess_percent(rho, kind)),
                )
                for k, w, rho in cases
            ),
            groups=tuple(groups),
            tables=tuple(
                record.Table(kind=name, levels=tuple(t.level for t in c.tables if t.kind == name), slots=2)
                for name in ("presence", "flows")
                if name in c.kinds()
            ),
            region=tuple(record.Region(level=d.level, cells=d.cells) for d in c.domain.levels),
            input=record.Input(consent="column", opt_out=True, greatest_accuracy_m=200, greatest_speed_kmh=400, retention_days=60),
            statements=record.Statements(
                neighbours=c.neighbours,
                definition=p.definition,
                mechanism=p.mechanism,
                domain=c.domain.statement,
                estimates="from noisy values",
                meaning=c.meaning,
                limits=c.limits,
            ),
            versions=c.versions,
        )
    )
