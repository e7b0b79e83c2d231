"""Presence by hour and origin-destination counts in DuckDB's SQL, with the H3 cells from the same grid by an Arrow function. One JSON object on stdout.

python run_duckdb.py STUDY.toml SOURCE_FOLDER

What it does not do: pseudonyms, a store, consents beyond a filter, cleaning by speed, stays by radius (a stay is a run of pings of one cell of the flows'
resolution that lasts long enough), any bound on what a device contributes, noise, estimates, files. Its figures are those of the raw pings.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

STARTED = time.perf_counter()

PINGS = """
CREATE TEMP TABLE pings AS
SELECT device, t, cell FROM (
  SELECT {device} AS device, epoch_us({time}) AS t, cell({lat}, {lon}) AS cell FROM read_parquet('{files}')
  WHERE {device} IS NOT NULL AND abs({lat}) <= 90 AND abs({lon}) <= 180 AND ({accuracy} IS NULL OR {accuracy} <= {limit})
    AND epoch_us({time}) >= {start} AND epoch_us({time}) < {end}
) WHERE cell >= 0
"""
PRESENCE = """
CREATE TEMP TABLE presence AS
SELECT cell, hour, count(*) AS devices FROM (
  SELECT device, (t - {start}) // 3600000000 AS hour, mode(cell) AS cell FROM pings GROUP BY ALL
) GROUP BY ALL
"""
FLOWS = """
CREATE TEMP TABLE flows AS
WITH steps AS (
  SELECT device, t, lift(cell) AS cell, lag(t) OVER w AS before, lag(lift(cell)) OVER w AS last FROM pings WINDOW w AS (PARTITION BY device ORDER BY t)
),
runs AS (
  SELECT device, t, cell, sum(CASE WHEN before IS NULL OR last <> cell OR t - before > {gap} THEN 1 ELSE 0 END) OVER (PARTITION BY device ORDER BY t) AS run
  FROM steps
),
stays AS (SELECT device, run, any_value(cell) AS cell, min(t) AS t0, max(t) AS t1 FROM runs GROUP BY device, run HAVING max(t) - min(t) >= {least}),
pairs AS (SELECT cell, lead(cell) OVER w AS other, t1, lead(t0) OVER w AS next FROM stays WINDOW w AS (PARTITION BY device ORDER BY t0))
SELECT cell AS origin, other AS destination, count(*) AS trips FROM pairs WHERE other IS NOT NULL AND other <> cell AND next - t1 <= {longest} GROUP BY ALL
"""


def main() -> None:
    import duckdb
    import numpy as np
    import pyarrow as pa

    from flockwise import config
    from flockwise.base.cellgrid import CellGrid

    imported = time.perf_counter()
    study = config.load(Path(sys.argv[1]))
    grid, window, m = CellGrid.build(study.area), study.time_window, study.input

    def cell(lat, lon):  # DuckDB looks annotations up where it can't see local imports
        place = grid.index(*(np.rint(np.nan_to_num(np.asarray(c)) * 1e6).astype(np.int32) for c in (lat, lon)))
        return pa.array(np.where(place < 0, -1, study.area.cells[place]))

    con = duckdb.connect()
    con.execute("SET threads = 2")
    con.execute("SET preserve_insertion_order = false")
    con.create_function("cell", cell, ["DOUBLE", "DOUBLE"], "BIGINT", type="arrow")
    level = study.flows.resolution if study.flows else study.presence.resolution
    con.execute(f"CREATE MACRO lift(c) AS (c & ~(15::BIGINT << 52)) | ({level}::BIGINT << 52) | ((1::BIGINT << {3 * (15 - level)}) - 1)")
    names = {"device": m.device, "time": m.time, "lat": m.lat, "lon": m.lon, "accuracy": m.accuracy or "NULL"}
    facts = {
        **names, "files": f"{sys.argv[2]}/*.parquet", "limit": study.cleaning.greatest_accuracy_m, "start": window.start_us, "end": window.end_us,
        "gap": study.stays.greatest_gap_min * 60_000_000, "least": study.stays.least_duration_min * 60_000_000,
        "longest": (study.flows.greatest_trip_h if study.flows else 12) * 3_600_000_000,
    }  # fmt: skip
    seconds = {}
    for name, text in (("read and index", PINGS), ("presence", PRESENCE), ("flows", FLOWS)):
        began = time.perf_counter()
        con.execute(text.format(**facts))
        seconds[name] = time.perf_counter() - began
    rows = {name: con.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("pings", "presence", "flows")}
    print(json.dumps({"import_s": imported - STARTED, "stages": seconds, "rows": rows, "versions": {"duckdb": duckdb.__version__}}))


if __name__ == "__main__":
    main()
