"""bench/flows_accuracy.py: its short mode, its scores, the made-up trips, and what becomes of a peer that can't run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BENCH = Path(__file__).resolve().parents[3] / "bench"
SHORT = {"people": 2_000, "pairs": 300, "parents": 1, "resolution": 7}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(BENCH / "flows_accuracy.py"), *arguments], capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def scripts() -> Iterator[tuple[ModuleType, ModuleType, ModuleType]]:
    sys.path.insert(0, str(BENCH))
    try:
        import _flows_peers
        import _trips
        import flows_accuracy

        yield _trips, flows_accuracy, _flows_peers
    finally:
        sys.path.remove(str(BENCH))


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    told = run("--short", "--seeds", "2", "--peers", "--json")
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def test_prints_one_object(report: dict[str, Any]) -> None:
    assert set(report) == {"results", "promise", "populations", "machine", "versions"}
    assert report["promise"] == {"unit": "person", "epsilon": 1.0, "delta": 1e-6}
    assert set(report["populations"]) == {"homogeneous", "heterogeneous"}
    assert [row["population"] for row in report["results"]] == ["homogeneous", "heterogeneous"]


def test_rows_of_ours(report: dict[str, Any]) -> None:
    for row in report["results"]:
        assert (row["method"], row["status"], row["runs"]) == ("flockwise", "measured", 2)
        assert 0 < row["l1"] < 1.5
        assert 0 < row["pairs"] < report["populations"][row["population"]]["cells"] ** 2
        assert 0 <= row["ghosts"] <= row["pairs"]
        assert 0 <= row["ghost_share"] <= 1
        assert row["median_rel_err"] <= row["p90_rel_err"]
        assert row["seconds"] > 0
        assert row["l1_sd"] >= 0


def test_files_of_trips_are_read(tmp_path: Path, scripts: tuple[ModuleType, ModuleType, ModuleType]) -> None:
    trips = scripts[0].make("homogeneous", **SHORT)
    columns = {"person": trips.person + 5, "origin": trips.cells[trips.origin], "destination": trips.cells[trips.destination]}
    shuffled = np.random.default_rng(3).permutation(len(trips.person))
    pq.write_table(pa.table({name: values[shuffled] for name, values in columns.items()}), tmp_path / "town.parquet")
    (tmp_path / "cells.txt").write_text("\n".join(h3.int_to_str(int(c)) for c in reversed(trips.cells)))
    found = scripts[0].load(tmp_path / "town.parquet", tmp_path / "cells.txt")
    assert np.array_equal(found.cells, trips.cells)
    assert np.array_equal(np.sort(found.person * 10**6 + found.pair), np.sort(trips.person * 10**6 + trips.pair))
    told = run("--trips", str(tmp_path / "town.parquet"), "--cells", str(tmp_path / "cells.txt"), "--seeds", "1", "--peers", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["populations"]["town"]["trips"] == len(trips.person)
    (tmp_path / "cells.txt").write_text(h3.int_to_str(int(trips.cells[0])))
    refused = run("--trips", str(tmp_path / "town.parquet"), "--cells", str(tmp_path / "cells.txt"), "--peers", "--json")
    assert refused.returncode != 0
    assert "is not in cells.txt" in refused.stderr


def test_made_up_trips_follow_the_law(scripts: tuple[ModuleType, ModuleType, ModuleType]) -> None:
    trips = scripts[0].make("homogeneous", people=20_000, pairs=3_000, parents=3)
    count = np.bincount(trips.person)
    weight = np.arange(1, 201) ** -1.45
    assert (len(trips.cells), count.min()) == (1029, 1)
    assert 150 < count.max() <= 200
    assert np.mean(count == 1) == pytest.approx(weight[0] / weight.sum(), abs=0.02)
    assert count.mean() == pytest.approx((np.arange(1, 201) * weight).sum() / weight.sum(), rel=0.05)
    assert (trips.origin != trips.destination).all()
    # Preferential return: whoever has 150 trips or more goes between few pairs.
    heavy = np.flatnonzero(count >= 150)
    used = [len(np.unique(trips.pair[trips.person == person])) for person in heavy]
    assert 10 < np.mean(used) < 50


def test_heavy_people_differ_in_the_heterogeneous_population_only(scripts: tuple[ModuleType, ModuleType, ModuleType]) -> None:
    def apart(kind: str) -> float:
        trips = scripts[0].make(kind, people=20_000, pairs=3_000, parents=3)
        heavy = np.bincount(trips.person)[trips.person] >= 40
        size = len(trips.cells) ** 2
        light, other = (np.bincount(trips.pair[which], minlength=size) / which.sum() for which in (~heavy, heavy))
        return float(np.abs(light - other).sum())

    assert apart("heterogeneous") > apart("homogeneous") + 0.2


def test_scores_by_hand(scripts: tuple[ModuleType, ModuleType, ModuleType]) -> None:
    truth = np.array([0.0, 10.0, 4.0, 0.0, 6.0])
    score = scripts[1].scored(truth, np.array([1, 2, 3]), np.array([11.0, 6.0, 2.0]))
    # Relative errors: 0.1 and 0.5 of the printed, and 1 of the pair of 6 trips that is not printed.
    errors = {"median_rel_err": 0.3, "p90_rel_err": pytest.approx(0.46), "top_rel_err": 0.5}
    assert score == {"l1": (1 + 2 + 2 + 6) / 20, "pairs": 3, "ghosts": 1, "ghost_share": 1 / 3, **errors}
    assert scripts[1].l1(truth, np.array([], dtype=np.int64), np.array([])) == 1.0


def test_a_peer_that_cannot_run_is_a_row_with_the_reason(
    scripts: tuple[ModuleType, ModuleType, ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trips, accuracy, peers = scripts
    population = trips.make("homogeneous", **SHORT)
    truth = np.bincount(population.pair, minlength=len(population.cells) ** 2).astype(np.float64)
    monkeypatch.setattr(peers, "python_of", lambda name: sys.executable)
    # This interpreter has no PipelineDP: its script ends with an import error.
    row, versions = accuracy.beside("town", peers.PEERS[0], population, truth, 1, {"l1": 0.5, "seconds": 1.0})
    assert (row["status"], versions) == ("not measured", {})
    assert "pipeline_dp" in row["reason"]
    assert "pipeline_dp" in accuracy.text(row)


def test_a_peers_best_bounds_are_taken(scripts: tuple[ModuleType, ModuleType, ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stand-in for a peer prints the truth times its bound: the bound 1 has to win, and the figures have to be those of the runs after the choice."""
    trips, accuracy, peers = scripts
    population = trips.make("homogeneous", **SHORT)
    truth = np.bincount(population.pair, minlength=len(population.cells) ** 2).astype(np.float64)
    (tmp_path / "stand_in.py").write_text(
        "import json, sys\nimport numpy as np\n"
        "given = np.load(sys.argv[1])\ntruth = np.bincount(given['pair'], minlength=int(given['cells']) ** 2)\npair = np.flatnonzero(truth)\n"
        "at = sys.argv.index('--runs')\nbounds, times = sys.argv[4:at], int(sys.argv[at + 1])\n"
        "assert '--public' in sys.argv and float(sys.argv[-1]) > 2\n"
        "runs = [{'bounds': b, 'seconds': 2.0} for b in bounds for _ in range(times)]\n"
        "rows = {f'pair_{i}': pair for i in range(len(runs))} | {f'value_{i}': truth[pair] * float(r['bounds']) for i, r in enumerate(runs)}\n"
        "np.savez(sys.argv[2], **rows)\nprint(json.dumps({'runs': runs, 'versions': {'stand-in': '1'}}))\n"
    )
    monkeypatch.setattr(peers, "python_of", lambda name: sys.executable)
    stand_in = replace(peers.PEERS[0], method="stand-in", script=str(tmp_path / "stand_in.py"), grid=("0.5", "1", "2"), arguments=(), public=True)
    row, versions = accuracy.beside("town", stand_in, population, truth, 3, {"l1": 0.5, "seconds": 1.0})
    assert (row["bounds"], row["l1"], row["runs"], row["seconds"]) == ("1", 0.0, 3, 2.0)
    assert row["tried"] == {"0.5": 0.5, "1": 0.0, "2": 1.0}
    assert (row["l1_ratio_vs_flockwise"], row["seconds_ratio_vs_flockwise"]) == (0.0, 2.0)
    assert versions == {"stand-in": "1"}
