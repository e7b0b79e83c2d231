"""Small studies, deliveries and a plain ordering for the store's tests."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flockwise import config
from flockwise.base.schemas import PING_ORDER
from flockwise.config import Study
from flockwise.governance import places
from flockwise.store import Store, keys
from flockwise.store.suppression import folder_of

US = 1_000_000
START_US = 1_772_409_600 * US  # 2026-03-02 00:00 UTC, the start of the window of `study`
BOX = (-74.1, 40.6, -73.8, 40.9)

SIMULATED = places.SIMULATED
OWN = ("key", "retention_days")

INPUT = {
    "device": "device_id",
    "device_type": "integer",
    "time": "ts",
    "time_format": "timestamp",
    "lat": "lat",
    "lon": "lon",
    "consent_basis": "made up for a test",
}


def study(folder: Path, *, panel: int = 1000, dataset: str = "panel", resolution: int = 7, **parts: Any) -> Study:
    """A study of two days in a box around New York; `purpose`, `input`, `window`, `cleaning` and `box` may differ."""
    folder.mkdir(parents=True, exist_ok=True)
    west, south, east, north = parts.get("box", BOX)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    region = folder / "region.geojson"
    text = json.dumps({"type": "Polygon", "coordinates": [ring]})
    if not region.exists() or region.read_text() != text:  # another process may be reading it
        region.write_text(text)
    body = {
        "name": "test",
        "store": {"path": str(folder / "store"), "key": str(folder / "key"), "retention_days": 1830} | {k: parts[k] for k in OWN if k in parts},
        "ledger": {"path": str(folder / "ledger"), "dataset": dataset, "lifetime_epsilon": "4"},
        "region": {"geojson": str(folder / "region.geojson")},
        "window": {"start": "2026-03-02", "days": 2, "timezone": "UTC"} | parts.get("window", {}),
        "input": {k: v for k, v in (INPUT | parts.get("input", {})).items() if v is not None},
        "cleaning": parts.get("cleaning", {}),
        "privacy": {"unit": "device", "window": "whole", "epsilon": "1", "delta": "1e-9", "panel_bound": panel},
        "tables": [{"kind": "presence", "resolution": resolution}],
    }
    lines: list[str] = [f"name = {json.dumps(body.pop('name'))}", f"purpose = {json.dumps(parts.get('purpose', 'public-health'))}"]
    for name, part in body.items():
        for table in part if isinstance(part, list) else [part]:
            lines.append(f"[[{name}]]" if isinstance(part, list) else f"[{name}]")
            lines += [f"{k} = {v if k == 'start' else json.dumps(v)}" for k, v in table.items()]
    return config.parse("\n".join(lines), folder)


def store(folder: Path, **parts: Any) -> Store:
    """A new store of such a study."""
    made = study(folder, **parts)
    if not made.store.key.exists():
        keys.create(made.store.key)
    return Store.create(made)


def order(table: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """What person.order does, said plainly."""
    columns = [table[name].to_numpy() for name in PING_ORDER]
    by = np.lexsort(columns[::-1])
    kept = np.ones(len(by), bool)
    if len(by):
        kept[1:] = np.any([c[by][1:] != c[by][:-1] for c in columns], axis=0)
    return table.take(pa.array(by[kept])), {"duplicate": int((~kept).sum()), "same_time": 0, "impossible_speed": 0}


def pings(n: int, *, devices: int = 20, seed: int = 0, box: tuple[float, float, float, float] = BOX) -> pa.Table:
    """Good pings of integer devices, coordinates with six decimals."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(10**9, 10**18, devices)
    t = START_US + rng.integers(0, 2 * 86_400, n) * US
    return pa.table(
        {
            "device_id": ids[rng.integers(0, devices, n)],
            "ts": pa.array(t, pa.timestamp("us", "UTC")),
            "lat": rng.integers(int(box[1] * 1e6), int(box[3] * 1e6), n) / 1e6,
            "lon": rng.integers(int(box[0] * 1e6), int(box[2] * 1e6), n) / 1e6,
        }
    )


def write(table: pa.Table, path: Path) -> str:
    """The table as Parquet; the path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return str(path)


def rows(vault: Store) -> list[tuple[int, ...]]:
    """Everything in a store, as sorted tuples."""
    tables = [vault.read(b) for b in vault.buckets()]
    return sorted(zip(*(pa.concat_tables(tables)[name].to_pylist() for name in PING_ORDER), strict=True))


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by name; the lock is no content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "lock"}


def twin(made: Store, folder: Path, **parts: Any) -> Store:
    """A copy of a store with its key and its suppression list, under a study in another folder."""
    folder.mkdir()
    for part in (made._root, folder_of(made._study)):
        shutil.copytree(part, folder / part.name)
    shutil.copy(made._study.store.key, folder / "key")
    return Store.open(study(folder, **parts))


def share_list(made: Store, folder: Path) -> None:
    """Copies a store's key and suppression list: a device then has the same base in a new store of that folder."""
    folder.mkdir()
    shutil.copytree(folder_of(made._study), folder / folder_of(made._study).name)
    shutil.copy(made._study.store.key, folder / "key")


def by_base(vault: Store) -> list[tuple[int, ...]]:
    """As `rows`, with bases for pseudonyms: these are the same in all stores that share a list."""
    found = rows(vault)
    high, low = (np.array([r[i] for r in found], np.int64) for i in (0, 1))
    bases = vault._pseudonyms(vault._ring).to_bases(high, low)
    return sorted((int(a), int(b), *r[2:]) for a, b, r in zip(*bases, found, strict=True))


def content_of(vault: Store) -> dict[str, object]:
    """Everything that a store holds, by name: the manifest's text and the rows of every file. Files themselves differ each time they are sealed."""
    root = vault._root
    found: dict[str, object] = {"manifest": (root / "manifest.json").read_text(), "staging": [p.name for p in (root / "staging").iterdir()]}
    for path in sorted((root / "segments").rglob("*.parquet")):
        name = f"{path.parent.name}/{path.name}"
        found[name] = vault._ring.sealer().unseal(path.read_bytes(), name).to_pydict()
    return found


OPT_OUTS = {"consent": "consent", "consent_basis": None, "opt_out": "out", "accuracy": "accuracy", "time_format": "iso8601"}
"""The [input] of `troubled`."""


def troubled(folder: Path) -> list[str]:
    """A delivery of Parquet in row groups and CSV, compressed and not, with every kind of trouble that needs no other file: the path of its folder."""
    rng = np.random.default_rng(4)
    n = 4000
    table = pings(n, devices=60, seed=6)
    ids = table["device_id"].to_numpy()
    first = np.unique(ids)
    out = (ids == first[3]) & (np.arange(n) % 7 == 0)
    out[np.flatnonzero(ids == first[8])[-1]] = True  # in the last file alone
    accuracy = rng.choice([5.0, 40.0, -1.0, 5e5, np.nan], n, p=[0.6, 0.3, 0.03, 0.03, 0.04])
    table = table.append_column("consent", pa.array(rng.random(n) < 0.9)).append_column("out", pa.array(out)).append_column("accuracy", pa.array(accuracy))
    lat = table["lat"].to_numpy().copy()
    lat[rng.integers(0, n, 60)] = rng.choice([91.0, 10.0, np.nan], 60)
    table = table.set_column(2, "lat", pa.array(lat))
    table = table.set_column(1, "ts", table["ts"].cast(pa.timestamp("s", "UTC")).cast(pa.string()))
    folder.mkdir(parents=True)
    pq.write_table(table.slice(0, 2000), folder / "early.parquet", row_group_size=300)
    pq.write_table(pa.concat_tables([table.slice(3000), table.slice(0, 150)]), folder / "late.parquet", row_group_size=500)
    texts = [",".join(table.schema.names)]
    for i, row in enumerate(table.slice(2000, 1000).to_pylist()):
        stamp = "yesterday" if i % 83 == 2 else row["ts"]
        line = [row["device_id"], stamp, row["lat"], row["lon"], row["consent"], row["out"], row["accuracy"]]
        texts.append(",".join("" if v is None else str(v) for v in (line[:4] if i % 71 == 1 else line)))
    (folder / "plain.csv").write_text("\n".join(texts[:600]) + "\n")
    with gzip.open(folder / "packed.csv.gz", "wt") as file:
        file.write("\n".join([texts[0], *texts[600:]]))
    return [str(folder)]
