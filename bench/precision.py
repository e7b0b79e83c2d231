"""What coarser places and times in the store would do to the statistics: the exact sums of a release, before noise, against those of full precision.

    python bench/precision.py [--devices N] [--days D] [--seed S] [--json]

A simulated population is ingested into a store of its own in a temporary folder. Each row reads the same store, rounds what it reads (coordinates to a grid
of so many metres, times down to so many seconds, the reported accuracy to so many metres) and keeps the H3 cell, which the store holds in a column of its own;
the person stage then runs as in a release, with the study file that `flockwise init` writes. By block, finest level:

    moved        sum of absolute differences over the sum
    over_noise   root mean square of the differences over the standard deviation of the noise at epsilon 1
    total        the sum over that of full precision

Exact sums of made-up pings are no secret; this file is the only place that prints any. `bytes`: of a stored ping, as the store compresses it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from _machine import machine, versions
from flockwise import api, config
from flockwise.engines.local import LocalEngine
from flockwise.person import SparseSum
from flockwise.release.planning import make_plan
from flockwise.release.sums import all_levels
from flockwise.store import Store
from flockwise.store.settling import DICTIONARY

METRES_A_DEGREE = 111_320
VARIANTS = (
    *[(metres, 0, 0) for metres in (1, 5, 10, 25, 50)],
    *[(0, seconds, 0) for seconds in (1, 10, 60)],
    *[(0, 0, 1), (0, 0, 5)],
    *[(1, 1, 1), (5, 1, 1), (10, 10, 1), (25, 60, 5)],
)
START = date(2026, 5, 4)


@dataclass(frozen=True)
class Coarse:
    """A store that is read more coarsely: metres, seconds, metres of accuracy; 0 leaves a column as it is."""

    vault: Store
    metres: int
    seconds: int
    accuracy: int

    def buckets(self) -> list[int]:
        """As the store's."""
        return self.vault.buckets()

    def read(self, bucket: int) -> pa.Table:
        """The bucket's pings, rounded."""
        table = self.vault.read(bucket)
        columns = {name: table[name].to_numpy() for name in table.column_names}
        if self.metres:
            step = 1e6 * self.metres / METRES_A_DEGREE
            lat = np.rint(np.rint(columns["lat_e6"] / step) * step)
            wide = step / np.cos(np.radians(lat / 1e6))
            columns |= {"lat_e6": lat.astype(np.int32), "lon_e6": np.rint(np.rint(columns["lon_e6"] / wide) * wide).astype(np.int32)}
        if self.seconds:
            columns["t_us"] = columns["t_us"] // (self.seconds * 10**6) * (self.seconds * 10**6)
        if self.accuracy:
            known = columns["accuracy_dm"] >= 0
            step = 10 * self.accuracy
            columns["accuracy_dm"] = np.where(known, (columns["accuracy_dm"] + step // 2) // step * step, columns["accuracy_dm"]).astype(np.int32)
        return pa.table([pa.array(columns[name]) for name in table.column_names], schema=table.schema)

    def bytes_a_ping(self) -> float:
        """Bytes a ping in the store's kind of Parquet file, before encryption."""
        table, buffer = pa.concat_tables([self.read(bucket) for bucket in self.buckets()[:64]]), BytesIO()
        pq.write_table(table, buffer, use_dictionary=DICTIONARY)
        return buffer.tell() / max(len(table), 1)


def flat(sums: Any, size: int) -> npt.NDArray[np.float64]:
    """The sums of a block as one dense array of devices or trips."""
    if isinstance(sums, SparseSum):
        dense = np.zeros(size)
        dense[sums.key] = sums.value
        return dense / 256
    return np.asarray(sums, np.float64).ravel() / 256


def study_of(root: Path, devices: int, days: int, seed: int) -> config.Study:
    """A simulated population, ingested; its study with a fixed bound of trips, so that every row is summed under the same one."""
    api.simulate(root / "world", devices=devices, start=START, days=days, seed=seed)
    api.init(
        root / "study.toml",
        pings=root / "world" / "pings" / "part-000.parquet",
        region=root / "world" / "region.geojson",
        start=START,
        days=days,
        timezone="America/New_York",
        purpose="transport-planning",
        supplier=root / "world" / "supplier.toml",
    )
    text = (root / "study.toml").read_text(encoding="utf-8")
    (root / "study.toml").write_text(text.replace("# trips_bound = 4", "trips_bound = 8"), encoding="utf-8")
    api.ingest(root / "study.toml", [str(root / "world" / "pings")])
    return config.load(root / "study.toml")


def rows(study: config.Study) -> Iterator[dict[str, Any]]:
    """One row for each precision and block."""
    plan, vault = make_plan(study), Store.open(study)
    engine = LocalEngine(study.engine.workers)

    def sums(source: Coarse) -> dict[str, npt.NDArray[np.float64]]:
        exact = all_levels(plan, engine.sum(source, plan.rules()))
        finest: dict[str, npt.NDArray[np.float64]] = {}
        for block in plan.blocks:
            finest.setdefault(block.name, flat(exact[block.name], block.size))
        return finest

    full = Coarse(vault, 0, 0, 0)
    truth, sigma = sums(full), {block.name: block.sigma_units / 256 for block in plan.blocks}
    yield {"metres": 0, "seconds": 0, "accuracy_m": 0, "bytes": round(full.bytes_a_ping(), 2)}
    for variant in VARIANTS:
        coarse = Coarse(vault, *variant)
        found, size = sums(coarse), round(coarse.bytes_a_ping(), 2)
        for name, exact in truth.items():
            change = found[name] - exact
            yield {
                "metres": variant[0],
                "seconds": variant[1],
                "accuracy_m": variant[2],
                "bytes": size,
                "block": name,
                "moved": float(np.abs(change).sum() / max(exact.sum(), 1e-9)),
                "over_noise": float(np.sqrt((change**2).mean()) / sigma[name]),
                "total": float(found[name].sum() / max(exact.sum(), 1e-9)),
            }


def main() -> None:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=4000)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    report: dict[str, Any] = {"devices": args.devices, "days": args.days, "seed": args.seed, "machine": machine(), "versions": versions(), "results": []}
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(study_of(Path(folder), args.devices, args.days, args.seed)):
            report["results"].append(row)
            if not args.json:
                print(row)
    if args.json:
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
