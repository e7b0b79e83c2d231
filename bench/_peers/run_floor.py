"""The floor: everything in memory, the same kernels, no identifiers turned into pseudonyms, no store, no noise. One JSON object on stdout.

python run_floor.py STUDY.toml SOURCE_FOLDER

It reads the columns that the study names, indexes, scatters by device, orders, and adds presence and clipped flows up exactly: less than a release needs,
and what no private or durable pipeline with these kernels can go below.
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

STARTED = time.perf_counter()
THREADS, BUCKETS = 2, 64


def main() -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from flockwise import config, engines, person, release
    from flockwise.base.cellgrid import CellGrid
    from flockwise.base.schemas import STORED_PINGS

    imported = time.perf_counter()
    study = config.load(Path(sys.argv[1]))
    plan = release.make_plan(study)
    norm = plan.clip.edges[-1] if plan.clip else 0
    rules = (release.settle(plan, norm, norm) if plan.clip else plan).rules()
    grid, window, mapping = CellGrid.build(study.area), study.time_window, study.input

    def load(path: Path) -> tuple[pa.Table, np.ndarray]:
        table = pq.read_table(path, columns=mapping.columns, use_threads=False).drop_null()
        # Not on Earth, outside the window or of poor accuracy: the same limits as the door's, as far as they need no consent.
        lat, lon = table[mapping.lat], table[mapping.lon]
        t = table[mapping.time].cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64())
        accuracy = table[mapping.accuracy] if mapping.accuracy else pa.chunked_array([np.full(len(table), -0.1)])
        good = pc.and_(pc.and_(pc.less_equal(pc.abs(lat), 90), pc.less_equal(pc.abs(lon), 180)), pc.less_equal(accuracy, study.cleaning.greatest_accuracy_m))
        good = pc.and_(good, pc.and_(pc.greater_equal(t, window.start_us), pc.less(t, window.end_us)))
        some = np.asarray(good)
        lat_e6, lon_e6 = (np.rint(np.asarray(c)[some] * 1e6).astype(np.int32) for c in (lat, lon))
        place = grid.index(lat_e6, lon_e6)
        inside = place >= 0
        device = np.asarray(table[mapping.device])[some][inside].astype(np.int64) * -7046029254386353131  # spread evenly, as pseudonyms are
        columns = (
            device, device, np.asarray(t)[some][inside], lat_e6[inside], lon_e6[inside],
            np.rint(np.asarray(accuracy)[some][inside] * 10).astype(np.int32), study.area.cells[place[inside]],
        )  # fmt: skip
        bucket = (device.view(np.uint64) >> np.uint64(58)).astype(np.int64)
        by = np.argsort(bucket, kind="stable")
        return pa.table([c[by] for c in columns], schema=STORED_PINGS), np.searchsorted(bucket[by], np.arange(BUCKETS + 1))

    with ThreadPoolExecutor(THREADS) as pool:
        parts = list(pool.map(load, sorted(Path(sys.argv[2]).glob("*.parquet"))))
    read = time.perf_counter()

    class Memory:
        """The parts, as buckets."""

        def buckets(self) -> list[int]:
            return list(range(BUCKETS))

        def read(self, bucket: int) -> pa.Table:
            return pa.concat_tables([table.slice(at[bucket], at[bucket + 1] - at[bucket]) for table, at in parts])

    sums = engines.LocalEngine(THREADS).sum(Memory(), rules)
    done = time.perf_counter()
    totals = [int((s.value if isinstance(s, person.SparseSum) else s).sum()) for s in sums.values()]
    print(json.dumps({"import_s": imported - STARTED, "read_s": read - imported, "person_s": done - read, "contributions": totals}))


if __name__ == "__main__":
    main()
