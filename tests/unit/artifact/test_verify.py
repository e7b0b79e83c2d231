"""Whatever is changed in a published folder is found: a byte, a row, a field, with or without repaired checksums."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flockwise import artifact as fa
from flockwise.artifact import geo
from flockwise.artifact.readme import readme
from flockwise.errors import ArtifactError

_spec = importlib.util.spec_from_file_location("_made", Path(__file__).parent / "_made.py")
made: Any = importlib.util.module_from_spec(_spec)  # type: ignore[arg-type]  # the file is there
_spec.loader.exec_module(made)  # type: ignore[union-attr]  # the same


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tables = made.tables()
    fa.write(tmp_path / "release", tables, (c := made.certificate(tables["presence"], tables["flows"])), made.texts(c))
    return tmp_path / "release"


def code_of(folder: Path) -> str:
    with pytest.raises(ArtifactError) as got:
        fa.verify(folder)
    assert got.value.exit_code == 4
    return got.value.code


def repair(folder: Path, change: Callable[[dict[str, Any]], None] = lambda _: None, *, text: bool = True) -> None:
    """A careful forger: changes the certificate and makes README, checksums and canonical form fit again."""
    raw = json.loads((folder / "certificate.json").read_text())
    change(raw)
    try:
        model = fa.Certificate.model_validate(raw)
    except ValueError:
        (folder / "certificate.json").write_text(json.dumps(raw, indent=2) + "\n")
        model = None
    if model is not None:
        if text:
            (folder / "README.txt").write_text(readme(model))
        digest = lambda p: hashlib.sha256(p.read_bytes()).hexdigest()  # noqa: E731 - used twice
        files = {p.name: digest(p) for p in sorted(folder.iterdir()) if p.name not in ("certificate.json", "SHA256SUMS", "report.html")}
        (folder / "certificate.json").write_text(model.model_copy(update={"files": files}).to_json())
    names = sorted(p.name for p in folder.iterdir() if p.name not in ("SHA256SUMS", "report.html"))
    (folder / "SHA256SUMS").write_text("".join(f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names))


def rewrite(folder: Path, kind: str, change: Callable[[pa.Table], pa.Table]) -> None:
    path = folder / f"{kind}.parquet"
    pq.write_table(change(pq.read_table(path)), path)
    repair(folder)


def with_column(name: str, change: Callable[[list[Any]], None]) -> Callable[[pa.Table], pa.Table]:
    def apply(table: pa.Table) -> pa.Table:
        values = table.column(name).to_pylist()
        change(values)
        at = table.column_names.index(name)
        field = table.schema.field(name)
        array = pa.array(values, pa.string()).dictionary_encode() if pa.types.is_dictionary(field.type) else pa.array(values, field.type)
        return table.set_column(at, field, array.cast(field.type) if not pa.types.is_dictionary(field.type) else array)

    return apply


def put(position: int, value: Any) -> Callable[[list[Any]], None]:
    def change(values: list[Any]) -> None:
        values[position] = value(values[position]) if callable(value) else value

    return change


def test_a_fresh_folder_passes_and_says_what_was_checked(folder: Path):
    said = fa.verify(folder)
    assert len(said) >= 15
    assert len(set(said)) == len(said)
    (folder / "report.html").write_text("<p>later</p>")
    assert fa.verify(folder) == said


def test_every_byte_of_every_file_counts(folder: Path):
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        for position in {0, 1, len(content) // 3, len(content) // 2, len(content) - 1}:
            path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
            assert code_of(folder) in {"ARTIFACT_CHECKSUM", "ARTIFACT_CERTIFICATE"}, (path.name, position)
        path.write_bytes(content + b"\n")
        assert code_of(folder) in {"ARTIFACT_CHECKSUM", "ARTIFACT_CERTIFICATE"}
        path.write_bytes(content)
    fa.verify(folder)


@pytest.mark.parametrize("name", ["certificate.json", "presence.parquet", "flows.parquet", "margins.parquet", "zones.parquet", "README.txt", "SHA256SUMS"])
def test_a_missing_file(folder: Path, name: str):
    (folder / name).unlink()
    assert code_of(folder) == ("ARTIFACT_NOT_FOUND" if name == "certificate.json" else "ARTIFACT_FILES")


def test_a_file_or_folder_too_many_and_a_link(folder: Path, tmp_path: Path):
    (folder / "pings.csv").write_text("x")
    assert code_of(folder) == "ARTIFACT_FILES"
    (folder / "pings.csv").unlink()
    (folder / "sub").mkdir()
    assert code_of(folder) == "ARTIFACT_FILES"
    (folder / "sub").rmdir()
    (tmp_path / "elsewhere").write_bytes((folder / "README.txt").read_bytes())
    (folder / "README.txt").unlink()
    (folder / "README.txt").symlink_to(tmp_path / "elsewhere")
    assert code_of(folder) == "ARTIFACT_FILES"


@pytest.mark.parametrize(
    ("kind", "change", "code"),
    [
        ("presence", lambda t: t.slice(0, len(t) - 1), "ARTIFACT_DOMAIN"),
        ("presence", lambda t: pa.concat_tables([t, t.slice(0, 1)]), "ARTIFACT_DOMAIN"),
        ("presence", lambda t: t.take(pa.array([1, 0, *range(2, len(t))])), "ARTIFACT_DOMAIN"),
        ("presence", with_column("cell", put(0, "852a1077fffffff")), "ARTIFACT_DOMAIN"),
        ("presence", with_column("level", put(0, 6)), "ARTIFACT_DOMAIN"),
        ("presence", with_column("slot_start", put(3, lambda v: v.replace(minute=1))), "ARTIFACT_DOMAIN"),
        ("presence", with_column("status", put(0, lambda v: "withheld" if v == "published" else "published")), "ARTIFACT_STATUS"),
        ("presence", with_column("status", put(0, "perhaps")), "ARTIFACT_STATUS"),
        ("presence", with_column("devices", put(0, lambda v: None if v is not None else 30.0)), "ARTIFACT_STATUS"),
        ("presence", with_column("upper", put(0, lambda v: None if v is not None else 30.0)), "ARTIFACT_STATUS"),
        ("presence", with_column("unbiased", put(5, lambda v: v + 0.001)), "ARTIFACT_VALUES"),
        ("presence", with_column("unbiased", put(5, float("nan"))), "ARTIFACT_VALUES"),
        ("presence", with_column("devices", lambda v: v.__setitem__(next(i for i, x in enumerate(v) if x), 1e6)), "ARTIFACT_VALUES"),
        ("presence", with_column("lower", lambda v: v.__setitem__(next(i for i, x in enumerate(v) if x), -1.0)), "ARTIFACT_VALUES"),
        ("presence", with_column("geometry", lambda v: v.__setitem__(slice(0, 2), [v[24], v[24]])), "ARTIFACT_GEOMETRY"),
        ("presence", lambda t: t.append_column("device_count", pa.array(np.zeros(len(t)))), "ARTIFACT_SCHEMA"),
        ("presence", lambda t: t.drop_columns(["unbiased"]), "ARTIFACT_SCHEMA"),
        ("presence", lambda t: t.cast(pa.schema([f.with_nullable(True) for f in t.schema], t.schema.metadata)), "ARTIFACT_SCHEMA"),
        ("presence", lambda t: t.replace_schema_metadata({**t.schema.metadata, b"note": b"x"}), "ARTIFACT_SCHEMA"),
        ("presence", lambda t: t.replace_schema_metadata({b"geo": t.schema.metadata[b"geo"].replace(b"WKB", b"WKT")}), "ARTIFACT_GEO"),
        ("presence", lambda t: t.replace_schema_metadata({b"geo": b"{"}), "ARTIFACT_GEO"),
        ("flows", lambda t: t.take(pa.array([1, 0, *range(2, len(t))])), "ARTIFACT_DOMAIN"),
        ("flows", lambda t: pa.concat_tables([t.slice(0, 1), t]), "ARTIFACT_DOMAIN"),
        ("flows", lambda t: t.slice(1), "ARTIFACT_COUNTS"),
        ("flows", with_column("destination", put(0, "862a10777ffffff")), "ARTIFACT_DOMAIN"),
        ("flows", with_column("origin", put(0, "872a1072bffffff")), "ARTIFACT_DOMAIN"),
        ("flows", with_column("slot", put(2, 2)), "ARTIFACT_DOMAIN"),
        ("flows", with_column("slot_label", put(0, "00:00-11:00")), "ARTIFACT_DOMAIN"),
        ("flows", with_column("status", put(0, "withheld")), "ARTIFACT_STATUS"),
        ("flows", with_column("trips", put(0, float("nan"))), "ARTIFACT_STATUS"),
        ("flows", with_column("trips", put(0, 4000.0)), "ARTIFACT_VALUES"),
        ("flows", with_column("unlisted", put(0, lambda v: v + 1.0)), "ARTIFACT_SUMS"),
        ("flows", with_column("unlisted", put(-1, 0.0)), "ARTIFACT_SUMS"),
        ("flows", with_column("trips", put(-1, lambda v: v + 0.001)), "ARTIFACT_VALUES"),
        ("flows", with_column("trips", put(-1, lambda v: v + 1.0)), "ARTIFACT_SUMS"),
        ("margins", with_column("departures", put(0, lambda v: v + 1.0)), "ARTIFACT_SUMS"),
        ("margins", with_column("arrivals_unlisted", put(0, lambda v: v - 1.0)), "ARTIFACT_SUMS"),
        ("margins", with_column("arrivals", put(0, lambda v: v + 0.001)), "ARTIFACT_VALUES"),
        ("margins", with_column("departures_lower", put(0, 1e9)), "ARTIFACT_VALUES"),
        ("margins", with_column("departures", put(0, float("nan"))), "ARTIFACT_STATUS"),
        ("margins", lambda t: t.slice(1), "ARTIFACT_DOMAIN"),
        ("margins", with_column("slot", put(0, 1)), "ARTIFACT_DOMAIN"),
        ("margins", with_column("slot_label", put(0, "00:00-11:00")), "ARTIFACT_DOMAIN"),
        ("margins", with_column("cell", put(0, "862a10777ffffff")), "ARTIFACT_DOMAIN"),
        ("flows", with_column("geometry", put(0, lambda v: v[:-1] + bytes([v[-1] ^ 1]))), "ARTIFACT_GEOMETRY"),
        ("zones", with_column("lat", put(0, lambda v: v + 1e-9)), "ARTIFACT_ZONES"),
        ("zones", with_column("parent", put(-1, None)), "ARTIFACT_ZONES"),
        ("zones", with_column("cell", put(-1, "zebra")), "ARTIFACT_ZONES"),
        ("zones", with_column("geometry", put(0, b"")), "ARTIFACT_ZONES"),
        ("zones", lambda t: t.slice(0, len(t) - 1), "ARTIFACT_ZONES"),
        ("zones", lambda t: t.take(pa.array([1, 0, *range(2, len(t))])), "ARTIFACT_ZONES"),
        ("zones", with_column("level", put(0, 4)), "ARTIFACT_ZONES"),
    ],
)  # fmt: skip
def test_edited_tables_with_repaired_checksums(folder: Path, kind: str, change: Callable[[pa.Table], pa.Table], code: str):
    rewrite(folder, kind, change)
    assert code_of(folder) == code


def test_a_table_that_is_not_parquet(folder: Path):
    (folder / "flows.parquet").write_bytes(b"PAR1 not really PAR1")
    repair(folder)
    assert code_of(folder) == "ARTIFACT_UNREADABLE"


def at(*path: Any) -> Callable[[dict[str, Any], Any], None]:
    def change(raw: dict[str, Any], value: Any) -> None:
        node: Any = raw
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value(node[path[-1]]) if callable(value) else value

    return change


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("privacy", "epsilon"), "1/2", "ARTIFACT_EPSILON"),
        (("privacy", "epsilon"), "2", "ARTIFACT_EPSILON"),
        (("privacy", "delta"), "1/100000000", "ARTIFACT_EPSILON"),
        (("privacy", "delta"), "1/100", "ARTIFACT_EPSILON"),
        (("privacy", "rho"), "24355970358/1000000000000", "ARTIFACT_BOUNDS"),
        (("privacy", "rho"), "1/1000", "ARTIFACT_BOUNDS"),
        (("privacy", "rho"), "1/10", "ARTIFACT_BOUNDS"),
        (("tables", 0, "sigma"), lambda v: v / 2, "ARTIFACT_SIGMA"),
        (("tables", 3, "sigma"), lambda v: v * 1.0001, "ARTIFACT_SIGMA"),
        (("tables", 0, "sigma"), lambda v: float(np.nextafter(v, 0)), "ARTIFACT_SIGMA"),
        (("bounds", "groups", 0, "bound"), lambda v: str(int(v) * 2), "ARTIFACT_BOUNDS"),
        (("bounds", "groups", 0, "rho"), "1/1000", "ARTIFACT_BOUNDS"),
        (("bounds", "groups", 1, "name"), "shapes", "ARTIFACT_BOUNDS"),
        (("bounds", "levels", 5, "group"), "totals", "ARTIFACT_BOUNDS"),
        (("bounds", "levels", 5, "sigma"), lambda v: v / 2, "ARTIFACT_SIGMA"),
        (("bounds", "levels", -1, "sigma"), lambda v: v * 2, "ARTIFACT_SIGMA"),
        (("bounds", "levels", 5, "table"), "arrivals", "ARTIFACT_CERTIFICATE"),
        (("bounds", "clip"), None, "ARTIFACT_BOUNDS"),
        (("bounds", "clip", "rho"), "1/1000", "ARTIFACT_BOUNDS"),
        (("bounds", "clip", "sigma"), lambda v: v / 2, "ARTIFACT_SIGMA"),
        (("bounds", "clip", "edges", 3), 901, "ARTIFACT_CLIP"),
        (("bounds", "clip", "edges", 0), 2, "ARTIFACT_CLIP"),
        (("bounds", "clip", "devices", 0), 0.1, "ARTIFACT_CLIP"),
        (("bounds", "clip", "devices"), lambda v: v[1:], "ARTIFACT_CLIP"),
        (("bounds", "trips_cap"), 61, "ARTIFACT_BOUNDS"),
        (("bounds", "levels", 0, "weight"), lambda v: str(int(v) + 1), "ARTIFACT_BOUNDS"),
        (("bounds", "levels", 0, "share"), "4/5", "ARTIFACT_BOUNDS"),
        (("bounds", "levels", 3, "norm"), "1", "ARTIFACT_BOUNDS"),
        (("bounds", "norm"), 899, "ARTIFACT_BOUNDS"),
        (("bounds", "norm"), None, "ARTIFACT_BOUNDS"),
        (("bounds", "units"), 128, "ARTIFACT_BOUNDS"),
        (("bounds", "panel_bound"), 10**9, "ARTIFACT_EPSILON"),
        (("year", "windows"), 12, "ARTIFACT_EPSILON"),
        (("year", "rho"), "1/10", "ARTIFACT_EPSILON"),
        (("year", "epsilon"), "3", "ARTIFACT_EPSILON"),
        (("year", "epsilon"), "5", "ARTIFACT_EPSILON"),
        (("window", "start"), "2026-03-02T00:00:00Z", "ARTIFACT_WINDOW"),
        (("window", "timezone"), "Nowhere/Land", "ARTIFACT_WINDOW"),
        (("window", "first_day"), "2026-03-03", "ARTIFACT_WINDOW"),
        (("window", "days"), 2, "ARTIFACT_WINDOW"),
        (("meaning",), ["It is right at most 50.1 times in 100."], "ARTIFACT_MEANING"),
        (("meaning",), lambda v: [*v, "This is anonymous."], "ARTIFACT_MEANING"),
        (("meaning",), lambda v: [*v, "Above 73.1 % only with probability 1 in 1,000,000."], "ARTIFACT_MEANING"),
        (("tables", 0, "published"), lambda v: v - 1, "ARTIFACT_COUNTS"),
        (("tables", 0, "rows_public"), lambda v: v + 1, "ARTIFACT_COUNTS"),
        (("tables", 3, "withheld"), 0, "ARTIFACT_COUNTS"),
        (("tables", 3, "rows_public"), 9, "ARTIFACT_COUNTS"),
        (("tables", 0, "threshold"), 1e9, "ARTIFACT_VALUES"),
        (("tables", 0, "adds_up"), True, "ARTIFACT_SUMS"),
        (("tables", 2, "adds_up"), True, "ARTIFACT_SUMS"),
        (("tables", 0, "slots", "minutes"), 30, "ARTIFACT_WINDOW"),
        (("tables", 3, "slots", "labels"), ["a"], "ARTIFACT_WINDOW"),
        (("tables", 0, "level"), 4, "ARTIFACT_CERTIFICATE"),
        (("domain", "levels", 0, "cells"), 1, "ARTIFACT_ZONES"),
        (("unit",), "trip", "ARTIFACT_CERTIFICATE"),
        (("format",), "flockwise-artifact/2", "ARTIFACT_CERTIFICATE"),
        (("input", "digest"), "short", "ARTIFACT_CERTIFICATE"),
        (("input", "kind"), "sha256", "ARTIFACT_CERTIFICATE"),
        (("tables", 0, "interval"), "99 %", "ARTIFACT_CERTIFICATE"),
        (("limits",), [], "ARTIFACT_CERTIFICATE"),
        (("privacy", "rho"), 0.024, "ARTIFACT_CERTIFICATE"),
        (("privacy", "extra"), None, "ARTIFACT_CERTIFICATE"),
        (("privacy", "noise"), "rounded", "ARTIFACT_EPSILON"),
        (("privacy", "definition"), "Gaussian differential privacy", "ARTIFACT_EPSILON"),
        (("bounds", "scale"), 3, "ARTIFACT_SIGMA"),
    ],
)  # fmt: skip
def test_edited_certificates_with_repaired_checksums(folder: Path, path: tuple[Any, ...], value: Any, code: str):
    if path[-1] == "extra":
        repair(folder, lambda raw: raw["privacy"].update(extra="1"))
    else:
        repair(folder, lambda raw: at(*path)(raw, value))
    assert code_of(folder) == code


def test_an_edited_readme_and_a_reformatted_certificate(folder: Path):
    path = folder / "README.txt"
    path.write_text(path.read_text().replace("epsilon 1", "epsilon 0.1"))
    repair(folder, text=False)
    assert code_of(folder) == "ARTIFACT_README"
    path = folder / "certificate.json"
    repair(folder)
    path.write_text(json.dumps(json.loads(path.read_text())))
    names = sorted(p.name for p in folder.iterdir() if p.name != "SHA256SUMS")
    (folder / "SHA256SUMS").write_text("".join(f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names))
    assert code_of(folder) == "ARTIFACT_CERTIFICATE"


def test_checksums_without_the_certificates_digests(folder: Path):
    names = sorted(p.name for p in folder.iterdir() if p.name != "SHA256SUMS")
    (folder / "README.txt").write_text("x")
    (folder / "SHA256SUMS").write_text("".join(f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names))
    assert code_of(folder) == "ARTIFACT_CERTIFICATE"


@pytest.mark.rule(28)
def test_promised_sums_are_checked(tmp_path: Path):
    tables = made.tables()
    presence = tables["presence"]
    level = presence.column("level").to_numpy()
    cells = presence.column("cell").to_pylist()
    value = np.where(level == 7, 40.0, 0.0)
    parents = dict(zip(tables["zones"].column("cell").to_pylist(), tables["zones"].column("parent").to_pylist(), strict=True))
    slot = np.arange(len(level)) % 24
    for fine in (7, 6):
        for i in np.flatnonzero(level == fine):
            j = next(j for j in np.flatnonzero((level == fine - 1) & (slot == slot[i])) if cells[j] == parents[cells[i]])
            value[j] += value[i]
    columns = {"devices": value, "lower": value - 5, "upper": value + 5}
    for name, values in columns.items():
        presence = presence.set_column(presence.column_names.index(name), name, pa.array(values))
    presence = presence.set_column(presence.column_names.index("status"), "status", pa.array(["published"] * len(level)).dictionary_encode())
    raw = made.certificate(presence, tables["flows"])
    promised = raw.model_copy(update={"tables": tuple(t.model_copy(update={"adds_up": t.kind == "presence" and t.level > 5}) for t in raw.tables)})
    fa.write(tmp_path / "sums", {**tables, "presence": presence}, promised, made.texts(promised))
    assert "presence adds up to coarser levels wherever that is promised" in fa.verify(tmp_path / "sums")
    rewrite(tmp_path / "sums", "presence", with_column("devices", put(0, lambda v: v + 0.01)))
    assert code_of(tmp_path / "sums") == "ARTIFACT_SUMS"


def test_geoparquet_rules_one_by_one():
    good = json.loads(geo.metadata("Polygon", [-75.0, 40.0, -73.0, 41.0]))
    assert geo.check_metadata(json.dumps(good).encode(), "Polygon") is None
    column = good["columns"]["geometry"]
    edits = [
        {**good, "version": "1.0.0"},
        {**good, "primary_column": "shape"},
        {**good, "columns": {**good["columns"], "other": column}},
        {**good, "more": 1},
        *({**good, "columns": {"geometry": {**column, **edit}}} for edit in (
            {"encoding": "point"}, {"geometry_types": ["Point"]}, {"crs": None}, {"edges": "spherical"}, {"epoch": 2020.0},
            {"bbox": [1.0, 2.0]}, {"bbox": [10.0, 2.0, 5.0, 3.0]}, {"bbox": [0.0, -95.0, 5.0, 3.0]}, {"covering": {}},
        )),
    ]  # fmt: skip
    for edit in edits:
        assert geo.check_metadata(json.dumps(edit).encode(), "Polygon"), edit
    assert geo.check_metadata(None, "Polygon")
    assert geo.check_metadata(json.dumps(good).encode(), "LineString")
