"""The typical day of a release: which windows have one, that it is the mean of the hours, and that an edited one is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pytest
from tests.unit.artifact.test_verify import at, code_of, put, repair, rewrite, with_column

from flockwise import artifact, config, estimate, record, release
from flockwise.base.h3bits import parent
from flockwise.release.certifying import certificate

CELLS = sorted(h3.grid_disk("872a1072bffffff", 2))
TEXT = """
name = "Days"
store = {{ path = "s", key = "k", retention_days = 90 }}
ledger = {{ path = "l", dataset = "people", lifetime_epsilon = "4" }}
region = {{ cells = [{cells}] }}
window = {{ start = {start}, days = {days}, timezone = "{zone}" }}
input = {{ device = "id", device_type = "text", time = "t", time_format = "s", lat = "lat", lon = "lon", consent_basis = "a statement" }}
privacy = {{ unit = "device", window = "whole", epsilon = "1", delta = "1e-6", panel_bound = 20000 }}
[[tables]]
kind = "presence"
resolution = 7
coarser = [6, 5]
slot_minutes = {minutes}
"""
Write = Callable[..., Path]


def a_plan(where: Path, start: str, days: int, minutes: int = 60, zone: str = "America/New_York") -> release.Plan:
    text = TEXT.format(cells=", ".join(f'"{c}"' for c in CELLS), start=start, days=days, minutes=minutes, zone=zone)
    (where / "study.toml").write_text(text, encoding="utf-8")
    return release.make_plan(config.load(where / "study.toml"))


def noisy_of(plan: release.Plan, mean: float = 900.0) -> dict[str, np.ndarray]:
    """Made-up noisy sums: cells of every size, busier at noon, and independent noise at every level."""
    rng = np.random.default_rng(3)
    blocks = plan.of("presence")
    finest = mean * rng.gamma(0.4, 1 / 0.4, blocks[0].shape[0])[:, None] * (1 + 0.5 * np.sin(np.arange(blocks[0].shape[1]) / 4)[None, :])
    out = {}
    for block in blocks:
        sums = np.zeros(block.shape)
        np.add.at(sums, block.region.index_of(parent(blocks[0].region.cells, block.level)), finest)
        out[block.name] = np.rint(release.GRID * (sums + rng.normal(0, block.sigma, block.shape))).astype(np.int64)
    return out


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the folder of a release, from made-up noisy values; `artifact.write` verifies it."""

    def made(start: str, days: int, minutes: int = 60, zone: str = "America/New_York") -> Path:
        plan = a_plan(tmp_path, start, days, minutes, zone)
        noisy = noisy_of(plan)
        tables, shown = release.build(plan, noisy)
        stated = certificate(plan, "c" * 64, "b" * 64, noisy, shown, None)
        artifact.write(tmp_path / "release", tables, stated, record.texts(release.facts_of(plan, shown)))
        return tmp_path / "release"

    return made


@pytest.mark.parametrize(
    ("start", "days", "minutes", "zone", "counts"),
    [
        ("2026-05-04", 2, 60, "America/New_York", [2] * 24),
        ("2026-05-04", 3, 360, "America/New_York", [3] * 4),
        ("2026-05-04", 7, 1440, "America/New_York", [7]),
        ("2026-03-07", 2, 60, "America/New_York", [2, 2, 1, *[2] * 21]),  # 2 a.m. of the Sunday does not exist
        ("2026-11-01", 2, 60, "America/New_York", [2, 3, *[2] * 22]),  # 1 a.m. of the Sunday is there twice
        ("2026-03-07", 2, 15, "America/New_York", [2] * 8 + [1] * 4 + [2] * 84),
        ("2026-04-04", 2, 30, "Australia/Lord_Howe", [2, 2, 2, 3, *[2] * 44]),  # half an hour, back from 2 to 1:30
    ],
)
def test_a_window_of_days_has_one(write: Write, start: str, days: int, minutes: int, zone: str, counts: list[int]) -> None:
    found = artifact.read(write(start, days, minutes, zone))
    table = found.typical_day
    assert table is not None
    rows = table.to_pylist()
    assert found.certificate.kinds() == ("presence", "typical_day")
    assert found.certificate.levels("typical_day") == (7, 6, 5)
    zones = {level: sum(z["level"] == level for z in found.zones.to_pylist()) for level in (7, 6, 5)}
    assert len(rows) == sum(zones.values()) * len(counts)
    assert [r["days"] for r in rows[: len(counts)]] == counts
    assert rows[0]["slot_label"].startswith("00:00-")
    assert rows[len(counts) - 1]["slot_label"].endswith("-24:00")
    of = {t.level: t.sigma for t in found.certificate.tables if t.kind == "presence"}
    for t in found.certificate.tables:
        if t.kind == "typical_day":
            assert t.sigma == pytest.approx(of[t.level] / min(counts) ** 0.5)
            assert t.published > 0


@pytest.mark.parametrize(
    ("days", "minutes"),
    [
        (1, 60),  # a single day is its own
        (5, 50),  # slots that do not divide a day
    ],
)
def test_a_window_without_one_has_no_table(tmp_path: Path, days: int, minutes: int) -> None:
    plan = a_plan(tmp_path, "2026-05-04", days, minutes)
    tables, shown = release.build(plan, noisy_of(plan))
    assert set(tables) == {"zones", "presence"}
    assert not [name for name in shown if name.startswith("typical_day")]


def test_it_leaves_the_hours_as_they_are(tmp_path: Path) -> None:
    """Byte by byte: the hours are estimated together with the day, and come out as they do alone."""
    plan = a_plan(tmp_path, "2026-03-07", 2)
    noisy = noisy_of(plan)
    tables, _ = release.build(plan, noisy)
    alone = release.presence_estimates(plan, noisy)[::-1]
    for name in ("devices", "lower", "upper"):
        told = np.concatenate([np.where(e.published, getattr(e, name), np.nan).ravel() for e in alone])
        assert np.array_equal(tables["presence"].column(name).to_numpy(), told, equal_nan=True)
    places = release.typical_slots(plan)
    assert places is not None
    assert np.array_equal(places[0], release.calendar(plan).slot)
    days = estimate.typical_day(
        [estimate.NoisyLevel(noisy[plan.of("presence")[-1].name] / release.GRID, plan.of("presence")[-1].sigma)], release.calendar(plan)
    )
    assert days[0].devices.shape[1] == 24


def test_check_tells_of_it_before_anything_is_read(tmp_path: Path) -> None:
    rows = release.table_facts(a_plan(tmp_path, "2026-03-07", 2))
    assert [(r["table"], r["level"]) for r in rows] == [(table, level) for table in ("presence", "typical_day") for level in (7, 6, 5)]
    hours, day = rows[0], rows[3]
    assert (hours["figures"], day["figures"]) == (hours["cells"] * 47, hours["cells"] * 24)
    assert day["noise_sd"] == hours["noise_sd"]  # 2 a.m. is there once: the slot with the fewest days
    (tmp_path / "one").mkdir()
    assert {r["table"] for r in release.table_facts(a_plan(tmp_path / "one", "2026-05-04", 1))} == {"presence"}


def shown(change: Callable[[Any], Any]) -> Callable[[list[Any]], None]:
    """Changes the last figure that is printed: one of the finest level."""

    def apply(values: list[Any]) -> None:
        last = max(i for i, v in enumerate(values) if v is not None)
        values[last] = change(values[last])

    return apply


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda t: t.slice(0, len(t) - 1), "ARTIFACT_DOMAIN"),
        (lambda t: t.take(pa.array([1, 0, *range(2, len(t))])), "ARTIFACT_DOMAIN"),
        (with_column("slot", put(0, 1)), "ARTIFACT_DOMAIN"),
        (with_column("slot_label", put(0, "00:00-02:00")), "ARTIFACT_DOMAIN"),
        (with_column("days", put(2, 2)), "ARTIFACT_DOMAIN"),
        (with_column("cell", put(0, "852a1077fffffff")), "ARTIFACT_DOMAIN"),
        (with_column("level", put(0, 6)), "ARTIFACT_DOMAIN"),
        (with_column("status", put(0, lambda v: "withheld" if v == "published" else "published")), "ARTIFACT_STATUS"),
        (with_column("devices", shown(lambda v: None)), "ARTIFACT_STATUS"),
        (with_column("upper", shown(lambda v: 0.0)), "ARTIFACT_VALUES"),
        (with_column("unbiased", put(5, lambda v: v + 0.01)), "ARTIFACT_SUMS"),
        (with_column("unbiased", put(5, float("nan"))), "ARTIFACT_SUMS"),
        (with_column("devices", shown(lambda v: v + 0.05)), "ARTIFACT_SUMS"),
        (with_column("geometry", lambda v: v.__setitem__(slice(0, 2), [v[24], v[24]])), "ARTIFACT_GEOMETRY"),
        (lambda t: t.append_column("day_kind", pa.array(np.zeros(len(t)))), "ARTIFACT_SCHEMA"),
    ],
)  # fmt: skip
def test_an_edited_one_is_found(write: Write, change: Callable[[pa.Table], pa.Table], code: str) -> None:
    folder = write("2026-03-07", 2)
    rewrite(folder, "typical_day", change)
    assert code_of(folder) == code


def test_it_has_to_agree_with_hours_alone_where_sums_over_levels_hold(write: Write) -> None:
    """A finest figure moved together with its parents still adds up over levels, and is no longer the mean of its hours."""
    folder = write("2026-03-07", 2)
    table = artifact.read(folder).table("typical_day").to_pylist()
    last = max(i for i, row in enumerate(table) if row["devices"] is not None and row["level"] == 7)
    mine = {h3.cell_to_parent(table[last]["cell"], level) for level in (5, 6)} | {table[last]["cell"]}
    chosen = [i for i, row in enumerate(table) if row["cell"] in mine and row["slot"] == table[last]["slot"]]

    def raised(values: list[Any]) -> None:
        for i in chosen:
            values[i] = None if values[i] is None else values[i] + 4.0

    def both(t: pa.Table) -> pa.Table:
        return with_column("upper", raised)(with_column("devices", raised)(t))

    rewrite(folder, "typical_day", both)
    assert code_of(folder) == "ARTIFACT_SUMS"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("tables", 3, "sigma"), lambda v: v / 2, "ARTIFACT_SIGMA"),
        (("tables", 3, "sigma"), lambda v: v * 2**0.5, "ARTIFACT_SIGMA"),
        (("tables", 3, "published"), lambda v: v - 1, "ARTIFACT_COUNTS"),
        (("tables", 3, "slots", "labels", 0), "00:00-02:00", "ARTIFACT_WINDOW"),
        (("tables", 3, "slots", "count"), 23, "ARTIFACT_WINDOW"),
        (("tables", 3, "threshold"), 1e9, "ARTIFACT_VALUES"),
        (("tables", 3, "level"), 8, "ARTIFACT_CERTIFICATE"),
        (("tables", 5, "adds_up"), True, "ARTIFACT_SUMS"),
    ],
)
def test_an_edited_certificate_is_found(write: Write, path: tuple[Any, ...], value: Any, code: str) -> None:
    folder = write("2026-05-04", 2)
    repair(folder, lambda raw: at(*path)(raw, value))
    assert code_of(folder) == code
