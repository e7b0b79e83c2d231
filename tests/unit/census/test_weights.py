"""`flockwise weights`: from a published folder to a file of weights, with nothing else read, charged or kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from flockwise import api, artifact
from flockwise.census import Night, nights
from flockwise.cli import main
from flockwise.config.weights import read_weights
from flockwise.errors import ArtifactError

LEVEL = 5


def census_of(folder: Path, path: Path, people: int = 1000) -> Path:
    zones = artifact.read(folder).zones
    cells = zones.filter(pc.equal(zones["level"], LEVEL))["cell"].to_pylist()
    path.write_text("cell,people\n" + "".join(f"{cell},{people}\n" for cell in cells), encoding="utf-8")
    return path


@pytest.fixture
def bare(published: Path, tmp_path: Path) -> Path:
    """The published folder alone: no store, no key, no ledger, no study file near it."""
    shutil.copytree(published, tmp_path / "published")
    return tmp_path / "published"


def test_weights_need_the_published_folder_alone(bare: Path, tmp_path: Path) -> None:
    census = census_of(bare, tmp_path / "census.csv")
    before = {p.name: p.read_bytes() for p in bare.iterdir()}
    found = api.weights(bare, census, tmp_path / "weights.csv", level=LEVEL, greatest=50_000)
    assert {p.name: p.read_bytes() for p in bare.iterdir()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["census.csv", "published", "weights.csv", "weights.csv.json"]
    read = read_weights(tmp_path / "weights.csv", 50_000)
    assert len(read.cells) == found.facts["areas_with_a_weight"] > 0
    assert 10 <= len(found.facts["source"]) <= 500
    beside = json.loads((tmp_path / "weights.csv.json").read_text(encoding="utf-8"))
    assert beside["source"] == found.facts["source"]
    assert beside["coverage"]["skewed"] == found.facts["skewed"]
    assert str(tmp_path) not in (tmp_path / "weights.csv.json").read_text(encoding="utf-8")


def test_the_same_folder_and_census_give_the_same_bytes(bare: Path, tmp_path: Path) -> None:
    census = census_of(bare, tmp_path / "census.csv")
    files = []
    for name in ("a.csv", "b.csv"):
        api.weights(bare, census, tmp_path / name, level=LEVEL, greatest=50_000)
        files.append([(tmp_path / name).read_bytes(), (tmp_path / f"{name}.json").read_bytes()])
    assert files[0] == files[1]


def test_a_folder_that_was_changed_is_refused(bare: Path, tmp_path: Path) -> None:
    with (bare / "presence.parquet").open("r+b") as file:
        file.seek(200)
        file.write(b"\0\1\2")
    with pytest.raises(ArtifactError):
        api.weights(bare, census_of(bare, tmp_path / "c.csv"), tmp_path / "w.csv", level=LEVEL, greatest=10)
    assert not (tmp_path / "w.csv").exists()


def test_the_night_is_from_0_to_6_local_time(published: Path) -> None:
    release = artifact.read(published)
    table = release.table("presence", ["level", "cell", "slot_start", "devices"])
    local = pc.hour(pc.cast(table["slot_start"], pa.timestamp("ms", tz="America/New_York"))).to_numpy()
    for level, night in nights(release).items():
        rows = table.filter(pa.array((table["level"].to_numpy() == level) & (local < 6)))
        by_cell = np.array(rows["devices"].to_numpy()).reshape(len(night.cells), -1)
        assert by_cell.shape[1] == 12  # two days
        enough = np.isfinite(by_cell).mean(axis=1) >= 0.75
        assert np.array_equal(np.isfinite(night.devices), enough)
        assert np.allclose(night.devices[enough], np.nanmean(by_cell[enough], axis=1))
        assert isinstance(night, Night)
        assert (night.lower[enough] <= night.devices[enough]).all()


def test_weights_are_not_made_of_weighted_figures(bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = artifact.read(bare)
    bounds = release.certificate.bounds.model_copy(update={"weights": "some census and some release", "scale": 9})
    weighted = artifact.Artifact(bare, release.certificate.model_copy(update={"bounds": bounds}))
    monkeypatch.setattr("flockwise.artifact.verify", lambda _: [])
    monkeypatch.setattr("flockwise.artifact.read", lambda _: weighted)
    with pytest.raises(ArtifactError) as refused:
        api.weights(bare, census_of(bare, tmp_path / "census.csv"), tmp_path / "w.csv", level=LEVEL, greatest=10)
    assert refused.value.code == "CENSUS_RELEASE_UNUSABLE"


def test_a_release_without_presence_or_with_whole_days_is_refused(bare: Path, tmp_path: Path) -> None:
    release = artifact.read(bare)
    flows = tuple(t for t in release.certificate.tables if t.kind != "presence")
    days = tuple(t.model_copy(update={"slots": t.slots.model_copy(update={"minutes": 1440, "count": 2})}) for t in release.certificate.tables)
    for tables in (flows, days):
        with pytest.raises(ArtifactError):
            nights(artifact.Artifact(bare, release.certificate.model_copy(update={"tables": tables})))


def test_the_command_prints_one_object(bare: Path, tmp_path: Path) -> None:
    census = census_of(bare, tmp_path / "census.csv")
    line = ["weights", str(bare), "--census", str(census), "--level", str(LEVEL), "--greatest", "50000", "--out", str(tmp_path / "w.csv")]
    done = CliRunner().invoke(main, [*line, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["notes"][0] == "Made of published figures and the census: nothing was charged."
    assert {"census_covered", "from_a_coarser_figure", "left_out", "skewed", "lowest_coverage", "highest_coverage"} <= set(told)


def test_a_census_is_not_a_parquet_file(bare: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"cell": ["x"], "people": [1]}), tmp_path / "census.csv")
    line = ["weights", str(bare), "--census", str(tmp_path / "census.csv"), "--level", "5", "--greatest", "50000", "--out", str(tmp_path / "w.csv")]
    done = CliRunner().invoke(main, line)
    assert done.exit_code != 0
    assert "CENSUS_UNUSABLE" in done.output
    assert not (tmp_path / "w.csv").exists()
