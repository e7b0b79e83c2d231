"""The page: one file, the same bytes, nothing lost, nothing that would run or ask."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.browser import fixture

from flockwise import report
from flockwise.errors import ArtifactError
from flockwise.report._payload import wall_minutes
from flockwise.report._read import read


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fixture.write(tmp_path_factory.mktemp("published"), counties=("36061", "36047"), days=7)


@pytest.fixture(scope="module")
def text(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return report.build(folder, tmp_path_factory.mktemp("out") / "report.html").read_text(encoding="utf-8")


def unpacked(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    found = re.search(r'id="flockwise-data">"([^"]*)"</script>', text)
    assert found
    raw = gzip.decompress(base64.b64decode(found[1]))
    size = int.from_bytes(raw[:4], "little")
    meta = json.loads(raw[4 : 4 + size])
    blocks = {}
    for name, (at, count) in meta["blocks"].items():
        planes = np.frombuffer(raw, dtype=np.uint8, count=4 * count, offset=4 + size + at).reshape(4, count)
        blocks[name] = np.ascontiguousarray(planes.T).view("<i4").ravel()
    return meta, blocks


def changed(folder: Path, to: Path, **certificate: Any) -> Path:
    """A copy of a published folder with other values in its certificate."""
    to.mkdir()
    for path in folder.glob("*.parquet"):
        (to / path.name).write_bytes(path.read_bytes())
    content = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    (to / "certificate.json").write_text(json.dumps(content | certificate), encoding="utf-8")
    return to


def test_default_place_is_the_folder(folder: Path, tmp_path: Path) -> None:
    copy = changed(folder, tmp_path / "copy")
    assert report.build(copy) == copy / "report.html"
    assert [p.name for p in copy.iterdir() if p.name.startswith(".")] == []


def test_same_folder_same_bytes(folder: Path, text: str, tmp_path: Path) -> None:
    again = report.build(folder, tmp_path / "again.html")
    assert again.read_text(encoding="utf-8") == text


def test_one_file_that_loads_nothing(text: str) -> None:
    page = re.sub(r"<(script|style)\b[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    assert "http:" not in page
    assert "https:" not in page
    assert re.findall(r"\s(?:src|href)=\"(?!#|data:)[^\"]*\"", page) == []
    assert "url(http" not in text
    assert "@import" not in text
    assert len(text.encode()) < 8_000_000


def test_published_figures_come_back_to_a_tenth(folder: Path, text: str) -> None:
    meta, blocks = unpacked(text)
    artifact = read(folder)
    assert meta["presence"] == [7, 6, 5]
    for table in artifact.presence:
        key = f"presence.{table.level}"
        shape = table.devices.shape
        steps = blocks[f"{key}.devices"].astype(np.int64)
        devices = np.cumsum(((steps >> 1) ^ -(steps & 1)).reshape(shape), axis=1) / 10
        shown = np.unpackbits(blocks[f"{key}.shown"].view(np.uint8), bitorder="little")[: devices.size].reshape(shape).astype(bool)
        assert np.array_equal(shown, ~np.isnan(table.devices))
        assert np.allclose(devices[shown], table.devices[shown], atol=0.0501)
        assert (devices[~shown] == 0).all()
    for flows in artifact.flows:
        assert np.allclose(blocks[f"flows.{flows.level}.trips"] / 10, flows.trips, atol=0.0501)


def test_noisy_values_of_withheld_cells_are_not_in_the_page(folder: Path, text: str) -> None:
    _, blocks = unpacked(text)
    assert not [name for name in blocks if "unbiased" in name]


def test_certificate_is_escaped_and_cannot_end_an_element(folder: Path, tmp_path: Path) -> None:
    evil = '</script><script>window.hit=1</script><b "x">'
    copy = changed(folder, tmp_path / "evil", study={"name": evil, "digest": evil}, meaning=[evil], limits=[evil], retention=evil, unit=evil)
    page = report.build(copy).read_text(encoding="utf-8")
    assert evil not in page
    assert "<b " not in page
    assert page.count("</script>") == 2


def test_extra_keys_and_columns_are_passed_over(folder: Path, tmp_path: Path) -> None:
    copy = changed(folder, tmp_path / "more", future={"a": [1]})
    table = pq.read_table(copy / "flows.parquet")
    pq.write_table(table.append_column("later", pa.array(range(table.num_rows))), copy / "flows.parquet")
    assert report.build(copy).exists()


@pytest.mark.parametrize("only", ["presence", "flows"])
def test_a_release_of_one_table_has_a_report(folder: Path, tmp_path: Path, only: str) -> None:
    copy = changed(folder, tmp_path / "one")
    (copy / f"{'flows' if only == 'presence' else 'presence'}.parquet").unlink()
    meta, _ = unpacked(report.build(copy).read_text(encoding="utf-8"))
    assert bool(meta["presence"]) == (only == "presence")
    assert bool(meta["flows"]) == (only == "flows")


def test_the_typical_day_is_in_the_page_if_the_release_has_one(folder: Path, tmp_path: Path, text: str) -> None:
    meta, blocks = unpacked(text)
    assert meta["typicalDay"] == meta["presence"] == [7, 6, 5]
    assert blocks["slots.day"].tolist() == [60 * hour for hour in range(24)]
    assert "on the typical day</summary>" in text
    copy = changed(folder, tmp_path / "older")
    (copy / "typical_day.parquet").unlink()
    page = report.build(copy).read_text(encoding="utf-8")
    assert unpacked(page)[0]["typicalDay"] == []
    assert "on the typical day</summary>" not in page


def test_everything_withheld_has_a_report(folder: Path, tmp_path: Path) -> None:
    copy = changed(folder, tmp_path / "none")
    table = pq.read_table(copy / "presence.parquet")
    nothing = pa.nulls(table.num_rows, pa.float64())
    for name in ("devices", "lower", "upper"):
        table = table.set_column(table.schema.get_field_index(name), name, nothing)
    withheld = pa.array(["withheld"] * table.num_rows).dictionary_encode()
    pq.write_table(table.set_column(table.schema.get_field_index("status"), "status", withheld), copy / "presence.parquet")
    pq.write_table(pq.read_table(copy / "flows.parquet").slice(0, 0), copy / "flows.parquet")
    assert "Every coarse area is withheld" in report.build(copy).read_text(encoding="utf-8")


def spoil(copy: Path, how: str) -> None:
    presence = copy / "presence.parquet"
    if how == "no certificate":
        (copy / "certificate.json").unlink()
    elif how == "certificate of another kind":
        (copy / "certificate.json").write_text("[]")
    elif how == "no zones":
        (copy / "zones.parquet").unlink()
    elif how == "cut file":
        presence.write_bytes(presence.read_bytes()[:500])
    elif how == "missing column":
        pq.write_table(pq.read_table(presence).drop_columns(["lower"]), presence)
    elif how == "missing rows":
        pq.write_table(pq.read_table(presence).slice(1), presence)
    elif how == "unknown cell":
        table = pq.read_table(copy / "flows.parquet")
        other = pa.array(["862a10000000000"] * table.num_rows)
        pq.write_table(table.set_column(table.schema.get_field_index("origin"), "origin", other), copy / "flows.parquet")
    elif how == "missing hour of the day":
        pq.write_table(pq.read_table(copy / "typical_day.parquet").slice(1), copy / "typical_day.parquet")
    elif how == "an hour without a time":
        table = pq.read_table(copy / "typical_day.parquet")
        noon = pa.array(["noon"] * table.num_rows)
        pq.write_table(table.set_column(table.schema.get_field_index("slot_label"), "slot_label", noon), copy / "typical_day.parquet")
    elif how == "no tables":
        presence.unlink()
        (copy / "flows.parquet").unlink()


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("no certificate", "REPORT_BAD_CERTIFICATE"),
        ("missing hour of the day", "REPORT_MISSING_ROWS"),
        ("an hour without a time", "REPORT_NOT_SOUND"),
        ("certificate of another kind", "REPORT_BAD_CERTIFICATE"),
        ("no zones", "REPORT_UNREADABLE"),
        ("cut file", "REPORT_UNREADABLE"),
        ("missing column", "REPORT_MISSING_COLUMN"),
        ("missing rows", "REPORT_MISSING_ROWS"),
        ("unknown cell", "REPORT_UNKNOWN_CELL"),
        ("no tables", "REPORT_NO_TABLE"),
    ],
)
def test_a_broken_folder_is_refused_and_an_earlier_report_kept(folder: Path, tmp_path: Path, how: str, code: str) -> None:
    copy = changed(folder, tmp_path / "broken")
    (copy / "report.html").write_text("earlier")
    spoil(copy, how)
    with pytest.raises(ArtifactError) as caught:
        report.build(copy)
    assert caught.value.code == code
    assert caught.value.exit_code == 4
    assert (copy / "report.html").read_text() == "earlier"
    assert [p.name for p in copy.iterdir() if p.name.startswith(".")] == []


def test_a_place_that_cannot_be_written_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        report.build(folder, tmp_path / "missing" / "report.html")
    assert caught.value.code == "REPORT_NOT_WRITTEN"


def test_local_time_follows_the_clocks() -> None:
    # 9 March 2025 in New York: 06:00 UTC is 01:00, 07:00 UTC is 03:00.
    walls = wall_minutes(np.array([1741500000, 1741503600]), "America/New_York")
    assert [int(m) % 1440 for m in walls] == [60, 180]


def test_report_imports_nothing_of_the_person_side() -> None:
    code = "import sys, flockwise.report; print([m for m in sys.modules if m.split('.')[:2] in [['flockwise', n] for n in sys.argv[1:]]])"
    sides = ["person", "store", "engines", "release", "ledger", "noise"]
    done = subprocess.run([sys.executable, "-c", code, *sides], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
