"""The line: nothing published, and no public function, is about a device (RULES.md, row 1)."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path

import click
import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.conftest import World

import flockwise
from flockwise import api, config, store
from flockwise.cli import main

ABOUT_ONE = re.compile(
    r"^(device|person|user|subscriber|owner|traveller|individual|pseudonym|imei|imsi|msisdn|maid|idfa|gaid|ad_?id|uid)(_?(id|ids|hi|lo|hash|key|number))?$"
)
TRACK = re.compile(r"traject|track|trace|itinerar|home_of|find_(device|person|home)|locate|follow|lookup|reidentif|re_identif", re.IGNORECASE)
PUBLISHED_SIDE = ("api", "release", "engines", "estimate", "noise", "ledger", "artifact", "record", "report", "risk", "forecast", "audit", "viewer", "cli")


def public_functions() -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for info in pkgutil.walk_packages(flockwise.__path__, "flockwise."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if inspect.isfunction(thing):
                found.append((f"{info.name}.{name}", thing))
            elif inspect.isclass(thing):
                found += [
                    (f"{info.name}.{name}.{n}", f)
                    for n, f in inspect.getmembers(thing, inspect.isfunction)
                    if not n.startswith("_") and f.__module__.startswith("flockwise")
                ]
    return found


@pytest.mark.rule(1)
def test_no_public_function_takes_a_device_or_gives_its_track() -> None:
    functions = public_functions()
    assert len(functions) > 60
    for name, function in functions:
        assert not TRACK.search(name.rsplit(".", 1)[1]), name
        for parameter in inspect.signature(function).parameters:  # type: ignore[arg-type]
            assert not ABOUT_ONE.match(parameter), f"{name} takes {parameter}"


@pytest.mark.rule(1)
def test_the_published_side_speaks_of_no_device_column() -> None:
    root = Path(flockwise.__path__[0])
    for part in PUBLISHED_SIDE:
        files = [root / f"{part}.py"] if (root / f"{part}.py").exists() else sorted((root / part).rglob("*.py"))
        for file in files:
            text = file.read_text(encoding="utf-8")
            assert "device_hi" not in text, file.name
            assert "device_lo" not in text, file.name


def commands(group: click.Command, path: str = "") -> list[tuple[str, click.Command]]:
    if isinstance(group, click.Group):
        return [x for n, c in group.commands.items() for x in commands(c, f"{path} {n}")]
    return [(path, group)]


@pytest.mark.rule(1)
def test_no_command_or_option_is_about_one_device() -> None:
    found = commands(main)
    assert len(found) >= 9
    for path, command in found:
        assert not TRACK.search(path)
        for parameter in command.params:
            assert not ABOUT_ONE.match(parameter.name or ""), f"{path} {parameter.name}"


def identifiers(world: World, limit: int = 400) -> list[bytes]:
    ids = np.unique(np.concatenate([pq.read_table(p, columns=["device_id"])["device_id"].drop_null().to_numpy() for p in sorted(world.pings.glob("*"))]))[
        :limit
    ]
    out: list[bytes] = []
    for number in ids.tolist():
        out += [str(number).encode(), f"{number:x}".encode(), number.to_bytes(8, "little"), number.to_bytes(8, "big")]
    vault = store.Store.open(config.load(world.study))
    for bucket in vault.buckets()[:4]:
        pings = vault.read(bucket)
        for column in ("device_hi", "device_lo"):
            for half in np.unique(pings[column].to_numpy())[:limit].tolist():
                out += [
                    half.to_bytes(8, "little", signed=True),
                    half.to_bytes(8, "big", signed=True),
                    f"{half & (2**64 - 1):016x}".encode(),
                    str(half).encode(),
                ]
    return [x for x in out if len(x) >= 8]


def readable(path: Path) -> bytes:
    """A file's bytes, and for a table also every value it holds, decompressed."""
    raw = path.read_bytes()
    if path.suffix != ".parquet":
        return raw
    table = pq.read_table(path)
    parts = [raw, json.dumps(table.schema.metadata and {k.decode(): v.decode() for k, v in table.schema.metadata.items()}).encode()]
    for column in table.columns:
        for chunk in column.chunks:
            values = chunk.dictionary if hasattr(chunk, "dictionary") else chunk
            parts += [b"" if b is None else b.to_pybytes() for b in values.buffers()]
    return b"\n".join(parts)


@pytest.mark.rule(1)
def test_the_scan_finds_a_planted_identifier(small_world: World, tmp_path: Path) -> None:
    planted = identifiers(small_world, limit=1)[0]
    (tmp_path / "x.json").write_bytes(b'{"note": "' + planted + b'"}')
    assert planted in readable(tmp_path / "x.json")


@pytest.mark.rule(1)
def test_no_published_byte_holds_an_identifier(small_world: World) -> None:
    needles = identifiers(small_world)
    assert len(needles) > 1000
    for path in sorted(p for p in small_world.published.rglob("*") if p.is_file()):
        content = readable(path)
        # Eight bytes met by chance in some megabytes: below 1e-6 for all needles together.
        assert not [n for n in needles if n in content], f"{path.name} holds an identifier"


@pytest.mark.rule(1)
def test_no_published_byte_holds_a_position_of_a_ping(small_world: World) -> None:
    table = pq.read_table(next(iter(sorted(small_world.pings.glob("*")))), columns=["lat", "lon"])
    lat, lon = (table[c].drop_null().to_numpy() for c in ("lat", "lon"))
    chosen = [f"{x:.6f}".encode() for x in lat[:300]] + [f"{x:.6f}".encode() for x in lon[:300]]
    chosen = [c for c in chosen if len(c) >= 9]
    text = b"".join(p.read_bytes() for p in small_world.published.iterdir() if p.suffix in (".json", ".txt"))
    assert chosen
    assert not [c for c in chosen if c in text]


@pytest.mark.rule(1)
def test_published_tables_have_only_the_columns_of_the_contract(small_world: World) -> None:
    allowed = {
        "presence.parquet": {"level", "cell", "slot_start", "devices", "lower", "upper", "status", "unbiased", "geometry"},
        "typical_day.parquet": {"level", "cell", "slot", "slot_label", "days", "devices", "lower", "upper", "status", "unbiased", "geometry"},
        "flows.parquet": {"level", "origin", "destination", "slot", "slot_label", "trips", "lower", "upper", "unlisted", "status", "geometry"},
        "margins.parquet": {"level", "cell", "slot", "slot_label", "geometry"}
        | {f"{ends}{part}" for ends in ("departures", "arrivals") for part in ("", "_lower", "_upper", "_unlisted")},
        "zones.parquet": {"level", "cell", "parent", "lat", "lon", "area_cut", "geometry"},
    }
    for name, columns in allowed.items():
        assert set(pq.read_schema(small_world.published / name).names) == columns


@pytest.mark.rule(1)
def test_no_message_or_log_of_a_whole_run_holds_an_identifier(own_world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    said = [str(api.check(own_world.study)), str(api.ledger(own_world.study))]
    own_world.study.write_text(own_world.study.read_text().replace("radius_m = ", "radius_m = 107 # "))
    said += [str(api.ingest(own_world.study, [str(own_world.pings)])), str(api.release(own_world.study, tmp_path / "out"))]
    text = "\n".join([*said, caplog.text]).encode()
    assert not [n for n in identifiers(own_world) if n in text]


@pytest.mark.rule(1)
def test_the_certificate_holds_no_plain_digest_of_the_data(small_world: World) -> None:
    vault = store.Store.open(config.load(small_world.study))
    for path in small_world.published.iterdir():
        assert vault.content_digest().encode() not in path.read_bytes()
