"""Folders and names from somebody else: verify and report say what is wrong; no name becomes a part of a page, of a sheet's formula or of a terminal."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.conftest import World
from tests.fuzz.running import bounded, ends_well, folder
from tests.fuzz.seeds import WORDS

from flockwise import api, artifact, config, forecast, record, release
from flockwise.errors import ConfigError, DataError, FlockwiseError
from flockwise.risk import estimating as risk
from flockwise.risk.page import page
from flockwise.risk.plan import make_plan

BAD = "</title></script><script>alert(1)</script><img src=x onerror=alert(2)>\" onload='x' & {{7*7}}"


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}


def check_page(page: str, plain: str) -> None:
    """The page has the tags and attributes of the page with a plain name, and no other."""
    found, expected = _Tags(page), _Tags(plain)
    assert found.tags == expected.tags
    assert found.names == expected.names
    assert not any(name.startswith("on") for name in found.names)
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_no_name_with_markup_is_a_study(own_world: World) -> None:
    text = own_world.study.read_text(encoding="utf-8")
    own_world.study.write_text(re.sub(r'^name = ".*"$', lambda _: f"name = {json.dumps(BAD)}", text, count=1, flags=re.MULTILINE), encoding="utf-8")
    with pytest.raises(ConfigError, match="STUDY_INVALID"):
        config.load(own_world.study)


def test_no_name_would_become_a_part_of_the_page_of_a_plan(own_world: World) -> None:
    study, facts, pages = config.load(own_world.study), forecast.Facts(1000, 0.3, 0.6), []
    for name in (BAD, "plain"):
        plan = release.make_plan(study.model_copy(update={"name": name}))
        own = forecast.Variant(name, study.privacy.epsilon, plan.rho, forecast.expected(plan, facts))
        pages.append(forecast.page(plan, facts, [own, dataclasses.replace(own, epsilon=own.epsilon / 2)], [own], [(name, name)]))
    check_page(*pages)


def test_no_name_would_become_a_part_of_the_page_of_an_assessment(own_world: World, tmp_path: Path) -> None:
    api.risk(own_world.study, tmp_path / "risk", epsilon="1/2")
    check_sheet(tmp_path / "risk" / "risk.csv")
    plan = make_plan(config.load(own_world.study), "1/2")
    rows = risk.rows_of(plan, {b.name: np.full(b.size, 256 * 50) for b in plan.blocks})
    pages = [page(json.loads((tmp_path / "risk" / "risk.json").read_text().replace("Small world", json.dumps(name)[1:-1])), rows) for name in (BAD, "plain")]
    check_page(*pages)


def check_sheet(path: Path) -> None:
    """No cell of a CSV file that we write is a formula for a spreadsheet: each is a number or begins with a letter or digit."""
    with path.open(encoding="utf-8", newline="") as handle:
        cells = [cell for row in csv.reader(handle) for cell in row]
    assert cells
    for cell in cells:
        assert re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?|[A-Za-z0-9][\w .,:+/-]*|", cell), cell


@pytest.mark.parametrize("lead", ["=", "+", "-", "@", "\t", "|"])
def test_no_word_of_a_census_or_folder_reaches_the_sheet_of_weights(own_world: World, tmp_path: Path, lead: str) -> None:
    study = config.load(own_world.study)
    census = tmp_path / "census.csv"
    cells = study.area.at(5).cells
    census.write_text("cell,people\n" + "".join(f"{int(c):x},1000\n" for c in cells) + f"{lead}1+1,5\n")
    with pytest.raises(DataError):
        api.weights(own_world.published, census, tmp_path / "w.csv", level=5, greatest=100)
    assert not (tmp_path / "w.csv").exists()


def test_a_name_from_somebody_else_is_text_in_the_report(own_world: World) -> None:
    pages = []
    raw = json.loads((own_world.published / "certificate.json").read_text(encoding="utf-8"))
    for name in (BAD, "plain"):
        raw["study"]["name"] = raw["dataset"] = name
        raw["meaning"][0] = name + raw["meaning"][0]
        raw["limits"][0] = name
        raw["retention"] = name
        raw["tables"][0]["name"] = name
        (own_world.published / "certificate.json").write_text(json.dumps(raw), encoding="utf-8")
        api.report(own_world.published)
        pages.append((own_world.published / "report.html").read_text(encoding="utf-8"))
    check_page(*pages)


@pytest.mark.parametrize("name", ["zones", "presence", "typical_day", "flows", "margins"])
def test_tables_of_another_shape(own_world: World, name: str) -> None:
    path = own_world.published / f"{name}.parquet"
    whole = pq.read_table(path)
    n = len(whole)
    tables = [
        whole.slice(0, 0),
        pa.table({}),
        whole.select([]),
        whole.rename_columns([f"{c}x" for c in whole.column_names]),
        pa.concat_tables([whole] * 3),
        *(whole.set_column(i, c, pa.nulls(n, whole.column(c).type)) for i, c in enumerate(whole.column_names)),
        *(whole.set_column(i, c, pa.array([{"a": [1]}] * n)) for i, c in enumerate(whole.column_names)),
        *(whole.set_column(i, c, pa.array([2**63 - 1] * n)) for i, c in enumerate(whole.column_names)),
        *(whole.set_column(i, c, pa.array([float("nan")] * n)) for i, c in enumerate(whole.column_names)),
        *(whole.set_column(i, c, pa.array([BAD] * n)) for i, c in enumerate(whole.column_names)),
    ]
    for table in tables:
        pq.write_table(table, path)
        assert ends_well(lambda: artifact.verify(own_world.published)) is not None
        ends_well(lambda: api.report(own_world.published))
        assert "<img src=x" not in (own_world.published / "report.html").read_text(encoding="utf-8")


def test_a_file_of_a_few_megabytes_with_150_million_rows(own_world: World) -> None:
    path = own_world.published / "presence.parquet"
    table = pq.read_table(path).slice(0, 1)
    with pq.ParquetWriter(path, table.schema) as writer:
        piece = table.take(pa.array([0] * 500_000))
        for _ in range(300):
            writer.write_table(piece, row_group_size=500_000)
    assert path.stat().st_size < 8_000_000
    with bounded(20):
        with pytest.raises(FlockwiseError, match=r"ARTIFACT_COUNTS|ARTIFACT_CHECKSUM|ARTIFACT_FILES"):
            artifact.verify(own_world.published)
        with pytest.raises(FlockwiseError, match="ARTIFACT_COUNTS"):
            artifact.read(own_world.published).table("presence")
        with pytest.raises(FlockwiseError, match="REPORT_TOO_LARGE"):
            api.report(own_world.published)


@pytest.mark.parametrize("name", ["certificate.json", "zones.parquet", "presence.parquet", "README.txt", "SHA256SUMS", *record.FILES])
def test_files_changed_at_random(small_world: World, name: str) -> None:
    with folder() as path:
        published = path / "published"
        shutil.copytree(small_world.published, published)
        sound = (published / name).read_bytes()

        @seed(20261124)
        @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.integers(0, len(sound)), st.integers(0, 30), st.one_of(st.sampled_from(WORDS), st.binary(max_size=30)))
        def run(at: int, many: int, with_what: bytes) -> None:
            changed = sound[:at] + with_what + sound[at + many :]
            (published / name).write_bytes(changed)
            assert (ends_well(lambda: artifact.verify(published)) is None) == (changed == sound)
            ends_well(lambda: api.report(published))

        run()


def test_links_out_of_the_folder_are_not_followed(own_world: World, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for name in ("README.txt", "certificate.json", "more"):
        path = own_world.published / name
        kept = path.read_bytes() if path.exists() else None
        path.unlink(missing_ok=True)
        path.symlink_to(secret)
        with pytest.raises(FlockwiseError) as got:
            artifact.verify(own_world.published)
        assert "secret" not in str(got.value).replace(str(tmp_path), "")
        path.unlink()
        if kept is not None:
            path.write_bytes(kept)


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a\x00b", "\x1b[2J\x1b[31m", "line\nline", "-rf", "~", "%00", "con", "a" * 300, "\u202egnp.exe"])
def test_names_that_are_tricks(own_world: World, tmp_path: Path, name: str) -> None:
    inside = sorted(p.name for p in tmp_path.parent.iterdir())
    for work in (
        lambda: api.ingest(own_world.study, [str(tmp_path / name) + ".csv"]),
        lambda: api.verify(tmp_path / name),
        lambda: api.report(tmp_path / name),
        lambda: api.check(tmp_path / name),
        lambda: api.ledger_check(own_world.study, [tmp_path / name]),
    ):
        with pytest.raises(FlockwiseError) as got:
            work()
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", str(got.value))
    text = own_world.study.read_text(encoding="utf-8")
    if any(c in name for c in "\x00\x1b\n\u202e"):
        path = own_world.root / "named.toml"
        path.write_text(re.sub(r'^name = ".*"$', lambda _: f"name = {json.dumps(name)}", text, count=1, flags=re.MULTILINE), encoding="utf-8")
        with pytest.raises(ConfigError, match=r"STUDY_CONTROL|STUDY_INVALID"):
            config.load(path)
    assert sorted(p.name for p in tmp_path.parent.iterdir()) == inside
