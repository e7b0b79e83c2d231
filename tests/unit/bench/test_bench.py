"""The scripts in bench/: their command lines, and the shape of what end_to_end.py prints."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCH = Path(__file__).resolve().parents[3] / "bench"
SCRIPTS = sorted(p for p in BENCH.glob("*.py") if not p.name.startswith("_"))
DEVICES = 300


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_help_names_json(script: Path) -> None:
    told = run(script, "--help")
    assert told.returncode == 0, told.stderr
    assert "--json" in told.stdout


@pytest.mark.parametrize("script", [*SCRIPTS, *sorted((BENCH / "_peers").glob("run_*.py"))], ids=lambda p: p.name)
def test_names_no_path_of_a_machine_and_no_host(script: Path) -> None:
    text = script.read_text()
    assert "/work" not in text
    assert "/tmp" not in text
    assert "://" not in text


def test_requirements_are_hashed_and_name_no_index() -> None:
    lists = sorted((BENCH.parent / "requirements").glob("bench-*.txt"))
    assert {"bench-opendp.txt", "bench-pipelinedp.txt", "bench-dpmobility.txt"} <= {path.name for path in lists}
    for path in lists:
        text = path.read_text()
        packages = [line for line in text.splitlines() if line and line[0].isalnum()]
        assert packages
        assert all("==" in line and line.endswith("\\") for line in packages)
        assert text.count("--hash=sha256:") >= len(packages)
        assert "://" not in text
        assert "--index" not in text


def standard_set(folder: Path) -> int:
    """A tiny set with the standard set's columns: devices that dwell at two places near the first of its cities."""
    rng = np.random.default_rng(5)
    cities = np.random.default_rng(1)
    lat, lon = cities.uniform(42, 54, 40)[0], cities.uniform(-3, 16, 40)[0]
    hours, each = 7 * 24, 40
    device = np.repeat(rng.integers(1, 2**62, DEVICES), each)
    minute = np.sort(rng.integers(0, hours * 60, (DEVICES, each)), axis=1).ravel()
    away = ((minute // 60) % 24 >= 9) & ((minute // 60) % 24 < 17)
    place = rng.normal(0, 0.05, (DEVICES, 2, 2))[np.repeat(np.arange(DEVICES), each), away.astype(int)]
    order = rng.permutation(len(device))
    table = pa.table(
        {
            "device_id": device[order],
            "ts": pa.array(1_772_409_600_000_000 + minute[order] * 60_000_000).cast(pa.timestamp("us", tz="UTC")),
            "lat": (lat + place[:, 0])[order],
            "lon": (lon + place[:, 1])[order],
            "accuracy": np.full(len(order), 15, dtype=np.float32),
        }
    )
    folder.mkdir()
    pq.write_table(table.slice(0, 5_000), folder / "part-000.parquet")
    pq.write_table(table.slice(5_000), folder / "part-001.parquet")
    return table.num_rows


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("bench")
    rows = standard_set(folder / "pings")
    setting = ["--pings", str(folder / "pings"), "--devices", str(DEVICES), "--resolution", "3", "--work", str(folder), "--json"]
    parts = ["--no-peers", "--growth", "--full", "--full-pings", str(2 * rows), "--also", f"{folder / 'pings'}:{DEVICES}", "--chart", str(folder / "chart.svg")]
    told = run(BENCH / "end_to_end.py", *setting, *parts)
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    assert found["set"]["pings"] == rows
    found["chart"] = (folder / "chart.svg").read_text()
    return found


def test_end_to_end_prints_one_object(report: dict[str, Any]) -> None:
    assert set(report) - {"chart"} == {"results", "set", "machine", "versions"}
    assert set(report["machine"]) == {"cpus", "cpu", "memory_gb", "os", "load_1min"}
    assert {"python", "flockwise", "numpy", "opendp"} <= set(report["versions"])


def test_end_to_end_row(report: dict[str, Any]) -> None:
    row = report["results"][0]
    assert row["method"] == "flockwise"
    assert row["status"] == "measured"
    assert row["pings"] == DEVICES * 40
    assert row["wall_s"] > 0
    assert row["cpu_s"] > 0
    assert row["peak_mb"] > 20
    assert row["pings_per_s"] == pytest.approx(row["pings"] / row["wall_s"], rel=0.02)
    assert row["ratio_vs_flockwise"] == 1
    assert row["draws"] > 0
    assert 0 < row["noise_share"] < 1
    assert sum(row["stages_s"].values()) == pytest.approx(row["wall_s"], abs=0.2)


def test_end_to_end_holds_the_floor_sql_growth_and_pieces(report: dict[str, Any]) -> None:
    rows = {row["method"]: row for row in report["results"]}
    assert all(row["status"] == "measured" for row in rows.values()), rows
    assert list(rows) == [
        "flockwise", "floor, in memory", "DuckDB SQL", "flockwise, 1/20 of the devices", "flockwise, 1/4 of the devices", "flockwise, a larger set",
        "flockwise, 2 deliveries",
    ]  # fmt: skip
    whole, pieces = rows["flockwise"], rows["flockwise, 2 deliveries"]
    assert pieces["pings"] == 2 * whole["pings"]
    assert pieces["wall_s"] == pytest.approx(pieces["ingest"]["wall_s"] + pieces["release"]["wall_s"], abs=0.02)
    assert rows["flockwise, 1/4 of the devices"]["pings"] == DEVICES // 4 * 40


def test_the_chart_names_every_method_and_the_machine(report: dict[str, Any]) -> None:
    root = ET.fromstring(report["chart"])
    text = " ".join(node.text or "" for node in root.iter() if node.tag.endswith("text"))
    for row in report["results"]:
        assert row["method"] in text
        assert f"{row['pings_per_s']:,}" in text
    assert report["machine"]["cpu"] in text


def test_no_point_of_the_grid_differs_from_the_library() -> None:
    told = run(BENCH / "h3_points.py", "--points", "60000", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout)
    assert {row["method"] for row in found["results"]} == {"city", "edge of the map", "pentagon", "seam"}
    assert sum(row["points"] for row in found["results"]) >= 60_000
    assert not any(row["wrong"] or row["wrong_c"] for row in found["results"])
    assert all(row["inside"] and row["asked_c"] for row in found["results"])


def test_a_folder_of_other_columns_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    told = run(BENCH / "end_to_end.py", "--pings", str(tmp_path), "--no-peers", "--json")
    assert told.returncode != 0
    assert "columns" in told.stderr
    assert told.stdout == ""


def test_measure_sees_memory_and_failure() -> None:
    sys.path.insert(0, str(BENCH))
    try:
        from _peers.measure import FailedError
        from _peers.measure import run as measured
    finally:
        sys.path.remove(str(BENCH))
    told = measured([sys.executable, "-c", "import time; x = bytearray(200_000_000); time.sleep(0.3); print('done')"])
    assert told.out == "done\n"
    assert 200 < told.peak_mb < 300
    assert told.wall_s >= 0.3
    with pytest.raises(FailedError, match="no good"):
        measured([sys.executable, "-c", "raise SystemExit('no good')"])
