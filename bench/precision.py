"""What coarser places and times in the store would do to the statistics: the exact sums of a release, before noise, against those of full precision.

    python bench/precision.py [--devices N] [--days D] [--seed S] [--json]

The pings of a simulated population that may be counted are read in full precision, past the door, whose last act is to round them. Each row rounds them
(coordinates to a grid of so many metres, times down to so many seconds, the reported accuracy to so many metres; `stored`: as the door does) and keeps the H3
cell of the full position; the person stage then runs as in a release, with the study file that `flockwise init` writes. By block, finest level:

    moved        sum of absolute differences over the sum
    over_noise   root mean square of the differences over the standard deviation of the noise at epsilon 1
    total        the sum over that of full precision

Exact sums of made-up pings are no secret; this file is the only place that prints any.
`bytes`: of a ping in a file of the store, before encryption; known for `stored` alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from _machine import machine, versions
from flockwise import api, config
from flockwise.base.cellgrid import CellGrid
from flockwise.base.schemas import STORED_PINGS
from flockwise.engines.local import LocalEngine
from flockwise.governance.precision import coarse
from flockwise.person import SparseSum, order
from flockwise.release.planning import make_plan
from flockwise.release.sums import all_levels
from flockwise.store.layout import seal_pings
from flockwise.store.sealing import Sealer

METRES_A_DEGREE = 111_320
VARIANTS: tuple[tuple[int | None, int, int], ...] = (
    (None, 0, 0),
    *[(metres, 0, 0) for metres in (1, 5, 10, 25, 50)],
    *[(0, seconds, 0) for seconds in (1, 10, 60)],
    *[(0, 0, 1), (0, 0, 5)],
    *[(1, 1, 1), (5, 1, 1), (10, 10, 1), (25, 60, 5)],
)
START = date(2026, 5, 4)


def full_precision(study: config.Study, folder: Path, rules: Any) -> pa.Table:
    """The pings of a simulated delivery that the door would accept, as STORED_PINGS in PING_ORDER but for their precision."""
    names = ["device_id", "ts", "lat", "lon", "consented_at", "opted_out", "accuracy_m"]
    rows = pq.read_table(folder, columns=names)
    rows = rows.filter(reduce(pc.and_, (pc.is_valid(rows[name]) for name in names[:-1])))
    t_us, consent = (rows[c].cast(pa.int64()).to_numpy() for c in ("ts", "consented_at"))
    lat, lon, accuracy = (np.nan_to_num(rows[c].to_numpy(), nan=-0.1 if c == "accuracy_m" else 1e6) for c in ("lat", "lon", "accuracy_m"))
    good = (consent <= t_us) & ~rows["opted_out"].to_numpy() & (np.abs(lat) <= 90) & (np.abs(lon) <= 180)
    t_us, device, accuracy = t_us[good], rows["device_id"].to_numpy()[good], accuracy[good]
    lat_e6, lon_e6 = (np.rint(c[good] * 1e6).astype(np.int32) for c in (lat, lon))
    grid = CellGrid.build(study.area)
    place = grid.index(lat_e6, lon_e6)
    cell = grid.region.cells[np.maximum(place, 0)]
    columns = [device, device, t_us, lat_e6, lon_e6, np.rint(accuracy * 10).astype(np.int32), cell]
    return order(pa.table([c[place >= 0] for c in columns], schema=STORED_PINGS), rules)[0]


@dataclass(frozen=True)
class Coarse:
    """Pings that are read more coarsely: metres, seconds, metres of accuracy; 0 leaves a column as it is, None is what the store does to all."""

    pings: pa.Table
    metres: int | None
    seconds: int = 0
    accuracy: int = 0

    def buckets(self) -> list[int]:
        """One, of all devices."""
        return [0]

    def read(self, bucket: int) -> pa.Table:
        """The pings, rounded."""
        columns = {name: self.pings[name].to_numpy() for name in STORED_PINGS.names}
        if self.metres is None:
            lat, lon, accuracy = (columns[name].copy() for name in ("lat_e6", "lon_e6", "accuracy_dm"))
            columns |= {"t_us": coarse(columns["t_us"], lat, lon, accuracy), "lat_e6": lat, "lon_e6": lon, "accuracy_dm": accuracy}
        elif self.metres:
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
        return pa.table(list(columns.values()), schema=STORED_PINGS)

    def bytes_a_ping(self, rules: Any) -> float | None:
        """Bytes a ping in a file of the store."""
        if self.metres is not None:
            return None
        pings = order(self.read(0), rules)[0]
        return round(len(seal_pings(Sealer(bytes(32)), pings, "bench")) / max(len(self.pings), 1), 2)


def flat(sums: Any, size: int) -> npt.NDArray[np.float64]:
    """The sums of a block as one dense array of devices or trips."""
    if isinstance(sums, SparseSum):
        dense = np.zeros(size)
        dense[sums.key] = sums.value
        return dense / 256
    return np.asarray(sums, np.float64).ravel() / 256


def study_of(root: Path, devices: int, days: int, seed: int) -> config.Study:
    """A simulated population; its study with a fixed bound of trips, so that every row is summed under the same one."""
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
    return config.load(root / "study.toml")


def rows(study: config.Study, folder: Path) -> Iterator[dict[str, Any]]:
    """One row for each precision and block."""
    plan = make_plan(study)
    pings, engine = full_precision(study, folder, plan.rules()), LocalEngine(study.engine.workers)

    def sums(source: Coarse) -> dict[str, npt.NDArray[np.float64]]:
        exact = all_levels(plan, engine.sum(source, plan.rules()))
        finest: dict[str, npt.NDArray[np.float64]] = {}
        for block in plan.blocks:
            finest.setdefault(block.name, flat(exact[block.name], block.size))
        return finest

    truth, sigma = sums(Coarse(pings, 0)), {block.name: block.sigma_units / 256 for block in plan.blocks}
    for variant in VARIANTS:
        source = Coarse(pings, *variant)
        found, size = sums(source), source.bytes_a_ping(plan.rules())
        for name, exact in truth.items():
            change = found[name] - exact
            yield {
                "metres": "stored" if variant[0] is None else variant[0],
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
        for row in rows(study_of(Path(folder), args.devices, args.days, args.seed), Path(folder) / "world" / "pings"):
            report["results"].append(row)
            if not args.json:
                print(row)
    if args.json:
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
