"""Writing whole or not at all, never over what is not ours, the same bytes from the same content."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flockwise import artifact as fa
from flockwise.artifact import folder as room
from flockwise.artifact import geo, tables
from flockwise.base import h3bits
from flockwise.errors import ArtifactError, InternalError

_spec = importlib.util.spec_from_file_location("_made", Path(__file__).parent / "_made.py")
made: Any = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]  # the file is there
_spec.loader.exec_module(made)  # type: ignore[union-attr]  # the same


def release(path: Path, seed: int = 1, rows: int = 3) -> fa.Certificate:
    content = {**made.tables(rows), "presence": made.presence(seed)}
    return fa.write(path, content, (c := made.certificate(content["presence"], content["flows"])), made.texts(c))


def content_of(path: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in path.iterdir()}


def test_what_is_written_is_read_back(tmp_path: Path):
    written = release(tmp_path / "a" / "b")
    got = fa.read(tmp_path / "a" / "b")
    assert got.certificate == written
    assert got.zones.num_rows == 10
    assert got.presence is not None
    assert got.presence.num_rows == 240
    assert "geometry" not in got.presence.column_names
    assert got.table("flows").schema.remove_metadata() == fa.FLOWS
    assert got.flows is not None
    assert got.flows.column("slot_label").to_pylist()[-3:] == ["00:00-10:00", "00:00-10:00", "10:00-24:00"]
    assert got.table("margins").schema.remove_metadata() == fa.MARGINS
    assert got.certificate.slot_starts()[1].isoformat() == "2026-03-02T06:00:00+00:00"
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "a" / "b", check=True, capture_output=True, text=True)
    assert done.stdout.count(": OK") == 9
    assert "epsilon 1 at delta 0.000001" in (tmp_path / "a" / "b" / "README.txt").read_text()


def test_same_content_same_bytes_however_it_is_chunked(tmp_path: Path):
    release(tmp_path / "one")
    content = made.tables()
    chunked = {k: pa.concat_tables([t.slice(0, 2), t.slice(2)]) if len(t) > 2 else t for k, t in content.items()}
    odd = chunked["presence"].column("status").cast(pa.string())
    chunked["presence"] = chunked["presence"].set_column(6, "status", odd)
    fa.write(tmp_path / "two", chunked, (c := made.certificate(content["presence"], content["flows"])), made.texts(c))
    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")


def test_the_same_again_changes_nothing_and_keeps_the_report(tmp_path: Path):
    release(tmp_path / "r")
    (tmp_path / "r" / "report.html").write_text("report")
    before = {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in (tmp_path / "r").iterdir()}
    release(tmp_path / "r")
    assert {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in (tmp_path / "r").iterdir()} == before


@pytest.mark.parametrize("exchange", [True, False])
def test_an_older_release_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchange: bool):
    if not exchange:
        monkeypatch.setattr(room.ctypes, "CDLL", lambda *_, **__: object())
    release(tmp_path / "r", seed=1)
    (tmp_path / "r" / "report.html").write_text("of the older release")
    release(tmp_path / "r", seed=2)
    release(tmp_path / "other", seed=2)
    assert content_of(tmp_path / "r") == content_of(tmp_path / "other")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other", "r"]


@pytest.mark.parametrize("what", ["file", "folder", "link", "own and foreign files", "a certificate of something else"])
def test_what_is_not_ours_is_left_alone(tmp_path: Path, what: str):
    place = tmp_path / "r"
    if what == "file":
        place.write_text("mine")
    elif what == "folder":
        place.mkdir()
        (place / "notes.txt").write_text("mine")
    elif what == "link":
        (tmp_path / "target").mkdir()
        place.symlink_to(tmp_path / "target")
    elif what == "own and foreign files":
        release(place)
        (place / "notes.txt").write_text("mine")
    else:
        place.mkdir()
        (place / "certificate.json").write_text('{"format": "x"}')
    before = sorted((str(p), p.lstat().st_mtime_ns) for p in tmp_path.rglob("*"))
    with pytest.raises(ArtifactError) as got:
        release(place, seed=2)
    assert got.value.code == "ARTIFACT_IN_THE_WAY"
    assert sorted((str(p), p.lstat().st_mtime_ns) for p in tmp_path.rglob("*")) == before


def test_an_empty_folder_is_taken(tmp_path: Path):
    (tmp_path / "r").mkdir()
    release(tmp_path / "r")
    fa.verify(tmp_path / "r")


@pytest.mark.parametrize("step", ["_fill", "_put", "sync"])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str):
    release(tmp_path / "old")
    before = content_of(tmp_path / "old")

    def fails(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(room, step, fails)
    for place in ("old", "new"):
        with pytest.raises(ArtifactError, match="ARTIFACT_WRITE"):
            release(tmp_path / place, seed=2)
    assert content_of(tmp_path / "old") == before
    assert [p.name for p in tmp_path.iterdir()] == ["old"]


_KILLED = """
import importlib.util, os, signal, sys
from pathlib import Path
from flockwise import artifact as fa
from flockwise.artifact import folder as room

spec = importlib.util.spec_from_file_location("_made", sys.argv[1])
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
step, when = sys.argv[3].split()
kept = getattr(room, step)

def die(*args):
    if when == "after":
        kept(*args)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(room, step, die)
content = {**made.tables(), "presence": made.presence(2)}
fa.write(Path(sys.argv[2]), content, (c := made.certificate(content["presence"], content["flows"])), made.texts(c))
"""


@pytest.mark.parametrize(("step", "arrives"), [("_fill after", False), ("_put before", False), ("_put after", True)])
@pytest.mark.parametrize("older", [True, False])
def test_killed_the_folder_is_as_before_or_as_after(tmp_path: Path, step: str, arrives: bool, older: bool):
    place = tmp_path / "r"
    if older:
        release(place, seed=1)
    before = content_of(place) if older else None
    env = {**os.environ, "PYTHONPATH": str(Path(fa.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", _KILLED, str(Path(__file__).parent / "_made.py"), str(place), step], env=env, check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    if arrives:
        fa.verify(place)
        assert content_of(place) != before
    else:
        assert (content_of(place) if place.exists() else None) == before
    release(place, seed=2)
    fa.verify(place)


def test_what_does_not_pass_its_own_check_is_not_published(tmp_path: Path):
    content = made.tables()
    certificate = made.certificate(content["presence"], content["flows"])
    louder = certificate.model_copy(update={"tables": (certificate.tables[0].model_copy(update={"sigma": 1.0}), *certificate.tables[1:])})
    with pytest.raises(InternalError) as got:
        fa.write(tmp_path / "r", content, louder, made.texts(louder))
    assert got.value.code == "ARTIFACT_NOT_SOUND"
    assert got.value.state == "Nothing was published."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.append_column("device", pa.array(["x"] * len(t))),
        lambda t: t.drop_columns(["upper"]),
        lambda t: t.set_column(1, "cell", pa.nulls(len(t), pa.string())),
        lambda t: t.set_column(0, "level", pa.array(["seven"] * len(t))),
    ],
)
def test_tables_of_another_shape_are_our_bug(tmp_path: Path, spoil: Any):
    content = made.tables()
    certificate = made.certificate(content["presence"], content["flows"])
    with pytest.raises(InternalError) as got:
        fa.write(tmp_path / "r", {**content, "presence": spoil(content["presence"])}, certificate, made.texts(certificate))
    assert got.value.code == "ARTIFACT_BAD_TABLE"
    with pytest.raises(InternalError):
        fa.write(tmp_path / "r", {k: content[k] for k in ("zones", "presence")}, certificate, made.texts(certificate))
    assert list(tmp_path.iterdir()) == []


def test_no_flows_pass_the_threshold(tmp_path: Path):
    release(tmp_path / "r", rows=0)
    assert "flows: lower <= trips <= upper, none negative or missing" in fa.verify(tmp_path / "r")


def test_one_table_alone(tmp_path: Path):
    content = made.tables()
    whole = made.certificate(content["presence"], content["flows"])
    blocks = tuple(b.model_copy(update={"sigma": made.sigma(made.BOUND, b.weight, made.RHO)}) for b in whole.bounds.levels[:3])
    group = whole.bounds.groups[0].model_copy(update={"rho": made.RHO})
    bounds = whole.bounds.model_copy(update={"groups": (group,), "levels": blocks, "clip": None, "norm": None, "trips_cap": None})
    tables = tuple(t.model_copy(update={"sigma": b.sigma}) for t, b in zip(whole.tables, blocks, strict=False))
    alone = whole.model_copy(update={"tables": tables, "bounds": bounds})
    fa.write(tmp_path / "r", {k: content[k] for k in ("zones", "presence")}, alone, made.texts(alone))
    assert len(fa.verify(tmp_path / "r")) >= 15
    assert fa.read(tmp_path / "r").flows is None
    with pytest.raises(ArtifactError):
        fa.read(tmp_path / "r").table("flows")


def test_reading_what_is_not_there(tmp_path: Path):
    with pytest.raises(ArtifactError) as got:
        fa.read(tmp_path)
    assert got.value.code == "ARTIFACT_NOT_FOUND"
    (tmp_path / "certificate.json").write_text("{")
    with pytest.raises(ArtifactError) as got:
        fa.read(tmp_path)
    assert got.value.code == "ARTIFACT_CERTIFICATE"


def test_the_certificate_fits_its_json_schema(tmp_path: Path):
    release(tmp_path / "r")
    raw = json.loads((tmp_path / "r" / "certificate.json").read_text())
    schema = fa.certificate_schema()
    jsonschema.validate(raw, schema)
    assert list(raw) == [
        "format", "study", "dataset", "unit", "neighbours", "window", "privacy", "meaning", "year", "bounds", "domain", "tables", "limits",
        "retention", "purpose", "supplier", "places", "input", "trail", "versions", "files",
    ]  # fmt: skip
    for name, part in schema["$defs"].items():
        for key, field in part["properties"].items():
            assert field.get("description") or "$ref" in field or "$ref" in field.get("items", {}), f"{name}.{key} is not documented"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**raw, "more": 1}, schema)


def test_outlines_are_closed_counterclockwise_and_the_cells_own():
    import h3

    cells = made.cells(7)
    for cell, wkb in zip(cells, geo.polygons(cells).to_pylist(), strict=True):
        assert wkb[:9].hex() == "010300000001000000"
        ring = np.frombuffer(wkb[13:], "<f8").reshape(-1, 2)
        assert (ring[0] == ring[-1]).all()
        x, y = ring[:, 0], ring[:, 1]
        assert np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0
        assert np.allclose(ring[:-1, ::-1], h3.cell_to_boundary(h3.int_to_str(int(cell))))
    lat, lon = geo.centres(cells)
    assert np.allclose(np.stack([lat, lon], 1), [h3.cell_to_latlng(c) for c in h3bits.to_hex(cells)])


def test_lines_are_wkb():
    got = geo.lines(np.array([1.0]), np.array([2.0]), np.array([3.0]), np.array([4.0])).to_pylist()
    assert got == [bytes.fromhex("010200000002000000") + np.array([1.0, 2.0, 3.0, 4.0], "<f8").tobytes()]


def test_repeated_outlines_take_little_room(tmp_path: Path):
    cells = np.unique(h3bits.from_hex([f"872a1{i:03x}{j}ffffff" for i in range(0, 64, 8) for j in "0123456"]))
    zones = fa.zones({7: cells})
    slots = made.WINDOW.slots(60) // 1_000_000
    rows = len(cells) * len(slots)
    rng = np.random.default_rng(1)
    unbiased = rng.integers(0, 10**5, rows) / 256
    table = pa.table(
        {
            "level": pa.array(np.full(rows, 7, np.int8)),
            "cell": np.repeat(h3bits.to_hex(cells), len(slots)),
            "slot_start": pa.array(np.tile(slots, len(cells)), pa.timestamp("s", tz="UTC")),
            "devices": unbiased,
            "lower": unbiased,
            "upper": unbiased,
            "status": pa.array(["published"] * rows).dictionary_encode(),
            "unbiased": unbiased,
        }
    )
    tables.write_parquet(tmp_path / "p.parquet", "presence", table, tables.Shapes(zones))
    column = pq.ParquetFile(tmp_path / "p.parquet").metadata.row_group(0).column(8)
    assert column.path_in_schema == "geometry"
    assert column.total_uncompressed_size < 200 * len(cells) + 4 * rows
    assert column.total_compressed_size < rows * 125 / 10


def test_published_files_have_ordinary_rights(tmp_path: Path):
    old = os.umask(0o022)
    try:
        release(tmp_path / "r")
    finally:
        os.umask(old)
    assert (tmp_path / "r").stat().st_mode & 0o777 == 0o755
    assert all(p.stat().st_mode & 0o777 == 0o644 for p in (tmp_path / "r").iterdir())
