"""Rows of the rules that no other test shows as a whole: zones, words, usual areas, what was dropped, recall."""

from __future__ import annotations

import csv
import json
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.conftest import World
from tests.privacy.test_no_exit import readable

from flockwise import api, artifact, config
from flockwise.base import h3bits
from flockwise.errors import ConfigError


@pytest.mark.rule(12)
@pytest.mark.parametrize(("table", "resolution"), [("presence", 8), ("presence", 9), ("flows", 8)])
def test_a_zone_under_the_least_area_is_refused(edited: Callable[[str, str], World], table: str, resolution: int) -> None:
    world = edited(f'kind = "{table}"', f'kind = "{table}"  # changed')
    text = world.study.read_text(encoding="utf-8")
    head, tail = text.split(f'kind = "{table}"  # changed', 1)
    world.study.write_text(head + f'kind = "{table}"' + re.sub(r"resolution = \d+", f"resolution = {resolution}", tail, count=1), encoding="utf-8")
    with pytest.raises(ConfigError, match="resolution"):
        config.load(world.study)


@pytest.mark.rule(14)
@pytest.mark.rule(18)
def test_unit_window_and_worst_case_stand_in_every_release(small_world: World) -> None:
    found = artifact.read(small_world.published).certificate
    assert (found.unit, found.window.days) == ("device", 2)
    words = " ".join(found.meaning)
    assert words.count("times in 100") >= 2
    assert re.search(r"year", words)
    assert "right at most" in (small_world.published / "report.html").read_text(encoding="utf-8")


@pytest.mark.rule(2)
@pytest.mark.rule(4)
@pytest.mark.rule(8)
def test_purpose_supplier_assessment_and_retention_stand_in_every_release_and_its_record(small_world: World) -> None:
    supplier = config.read_supplier(small_world.root / "world" / "supplier.toml").supplier
    assert supplier is not None
    stated = artifact.read(small_world.published).certificate
    assert stated.purpose == "transport-planning"
    assert stated.supplier == artifact.SupplierRef(name=supplier.name, assessed=supplier.assessment.on, retention_days=supplier.retention_days)
    facts = json.loads((small_world.published / "registry.json").read_text(encoding="utf-8"))["facts"]
    assert facts["purpose"] == stated.purpose
    assert facts["suppliers"] == [{"name": supplier.name, "assessed": supplier.assessment.on.isoformat(), "retention_days": supplier.retention_days}]
    assert stated.places is not None
    listed = {"categories": len(stated.places.by_category), "fence_m": 610, "reviewed": stated.places.reviewed.isoformat()}
    assert facts["sensitive_places"] == listed
    draft = (small_world.published / "impact-assessment.md").read_text(encoding="utf-8")
    assert f"(list reviewed on {listed['reviewed']})" in draft
    text = " ".join((small_world.published / "README.txt").read_text(encoding="utf-8").split())
    assert f"last assessed on {supplier.assessment.on}, kept for at most {supplier.retention_days} days" in text


@pytest.mark.rule(24)
def test_how_much_was_withheld_and_the_expected_error_stand_in_certificate_and_tables(small_world: World) -> None:
    found = artifact.read(small_world.published)
    for summary in found.certificate.tables:
        assert summary.published + summary.withheld == summary.rows_public
        assert (summary.typical_relative_error is None) == (summary.published == 0)
    table = pq.ParquetFile(small_world.published / "presence.parquet").read(columns=["status", "devices"])
    withheld = np.array([status == "withheld" for status in table["status"].to_pylist()])
    assert withheld.sum() == sum(t.withheld for t in found.certificate.tables if t.kind == "presence")
    assert np.isnan(table["devices"].to_numpy(zero_copy_only=False)[withheld].astype(float)).all()


@pytest.mark.rule(31)
def test_release_report_and_certificate_say_that_nothing_is_recalled(small_world: World, own_world: World, tmp_path: Path) -> None:
    assert any("cannot be recalled" in note for note in api.release(own_world.study, tmp_path / "again").notes)
    assert "cannot be recalled" in " ".join(artifact.read(small_world.published).certificate.limits)
    assert "cannot be recalled" in (small_world.published / "report.html").read_text(encoding="utf-8")
    assert "cannot be recalled" in (small_world.published / "README.txt").read_text(encoding="utf-8")


_OPENED: list[str] = []
_LISTEN = False


def _hook(event: str, given: tuple[object, ...]) -> None:
    if _LISTEN and event == "open" and isinstance(given[0], str) and isinstance(given[2], int) and given[2] & 3:
        _OPENED.append(given[0])


@pytest.mark.rule(13)
def test_usual_areas_are_written_nowhere(
    own_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Weights make the release look for every device's usual area. It is in no file, log line or message, and the store stays as it was."""
    caplog.set_level(0)
    study = config.load(own_world.study)
    areas = np.unique(h3bits.parent(study.area.cells, 5))
    with (own_world.root / "weights.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("cell", "weight"), *((cell, 1 + i % 2) for i, cell in enumerate(h3bits.to_hex(areas)))])
    text = own_world.study.read_text(encoding="utf-8")
    text += '\n[weights]\nfile = "weights.csv"\ngreatest = 2\nsource = "made up for a test of usual areas"\n'
    own_world.study.write_text(text, encoding="utf-8")
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in own_world.root.rglob("*") if p.is_file()}
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    monkeypatch.setattr(tempfile, "tempdir", None)
    global _LISTEN
    sys.addaudithook(_hook)
    _LISTEN = True
    try:
        told = str(api.release(own_world.study, tmp_path / "out"))
    finally:
        _LISTEN = False
    ours = ("small-world.ledger", "small-world.trail")
    after = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in own_world.root.rglob("*") if p.is_file()}
    changed = {p.relative_to(own_world.root).parts[0] for p in after if after[p] != before.get(p)}
    assert {next((o for o in ours if name.startswith(o)), name) for name in changed} == set(ours)
    assert list(elsewhere.rglob("*")) == []
    written = {Path(p).name for p in _OPENED if not re.search(r"\.(nbc|nbi|pyc)(\.|$)|/dev/null|__pycache__", p)}
    assert {"weights.csv"} & written == set()
    said = told + caplog.text + "".join(capfd.readouterr())
    names = set(h3bits.to_hex(areas)) | {str(a) for a in areas.tolist()}
    assert not [n for n in names if n in said]
    certificate = json.loads((tmp_path / "out" / "certificate.json").read_text(encoding="utf-8"))
    assert not [n for n in names if n in json.dumps(certificate)]


@pytest.mark.rule(13)
def test_no_byte_on_the_disk_names_a_usual_area(own_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an ingest and a release with weights: store, suppression list, trail, ledger, noisy output, release and temporary folder, in every usual notation.

    The weights are of large cells that no table is about, so that a published zone can't be taken for one.
    """
    study = config.load(own_world.study)
    areas = np.unique(h3bits.parent(study.area.cells, 4))
    with (own_world.root / "weights.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("cell", "weight"), *((cell, 1 + i % 2) for i, cell in enumerate(h3bits.to_hex(areas)))])
    text = own_world.study.read_text(encoding="utf-8")
    own_world.study.write_text(text + '\n[weights]\nfile = "weights.csv"\ngreatest = 2\nsource = "made up for a test of usual areas"\n', encoding="utf-8")
    elsewhere = own_world.root / "tmp"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    monkeypatch.setattr(tempfile, "tempdir", None)
    table = pq.read_table(own_world.pings / "part-000.parquet")
    pq.write_table(table.slice(0, len(table) // 2), tmp_path / "more.parquet")
    api.ingest(own_world.study, [str(tmp_path / "more.parquet")])
    api.release(own_world.study, own_world.root / "weighted")
    needles = (
        [n.encode() for n in h3bits.to_hex(areas)]
        + [str(a).encode() for a in areas.tolist()]
        + [a.to_bytes(8, o) for a in areas.tolist() for o in ("little", "big")]
    )

    def holding() -> list[Path]:
        ours = [p for p in own_world.root.rglob("*") if p.is_file() and "world" not in p.relative_to(own_world.root).parts and p.name != "weights.csv"]
        assert {"manifest.json", "certificate.json", "list.json", "head.json"} <= {p.name for p in ours}
        sealed = {p for p in ours if p.read_bytes()[:4] == b"PARE"}  # Parquet with an encrypted footer: without keys there is nothing but its bytes
        assert sealed
        return [p for p in ours if any(n in (p.read_bytes() if p in sealed else readable(p)) for n in needles)]

    assert holding() == []
    pq.write_table(pa.table({"area": pa.array(areas)}), elsewhere / "planted.parquet")
    assert holding() == [elsewhere / "planted.parquet"]
