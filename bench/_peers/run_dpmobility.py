"""Runs in dp-mobility-report's own environment: its sample of trips a user and its noisy flows; one JSON object on stdout, the printed rows in a file.

python run_dpmobility.py TRIPS.npz ROWS.npz --bounds 1 2 --runs 5

A bound is its max_trips_per_user. Only the two functions of its own code that make a user's trips bounded and the flows noisy are called, with the whole
budget: a full report would share epsilon between many tables, and needs coordinates and times that these trips do not have.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from importlib.metadata import version
from types import SimpleNamespace

STARTED = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trips")
    parser.add_argument("rows")
    parser.add_argument("--bounds", nargs="+", required=True)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--epsilon", type=float, default=1.0)
    a = parser.parse_args()
    warnings.simplefilter("ignore")

    import numpy as np
    import pandas as pd
    from dp_mobility_report import constants as const
    from dp_mobility_report.model import od_analysis, preprocessing

    with np.load(a.trips) as given:
        person, pair, n = given["person"], given["pair"], int(given["cells"])
    trips = pd.DataFrame({const.UID: person, const.TID: np.arange(len(person)), const.TILE_ID: pair // n, const.TILE_ID_END: pair % n})
    loaded = time.perf_counter()
    runs, rows = [], {}
    for bounds in a.bounds:
        report = SimpleNamespace(tessellation=pd.DataFrame({const.TILE_ID: np.arange(n)}), count_sensitivity_base=int(bounds))
        for run in range(a.runs):
            began = time.perf_counter()
            kept = preprocessing.sample_trips(trips, int(bounds), True, None)
            flows = od_analysis.get_od_flows(kept, report, a.epsilon).data
            seconds = time.perf_counter() - began
            number = len(runs)
            rows[f"pair_{number}"] = (flows["origin"] * n + flows["destination"]).to_numpy(dtype=np.int64)
            rows[f"value_{number}"] = flows["flow"].to_numpy(dtype=np.float64)
            runs.append({"bounds": bounds, "run": run, "seconds": seconds})
    np.savez(a.rows, **rows)
    names = ("dp-mobility-report", "diffprivlib", "pandas", "numpy")
    print(json.dumps({"runs": runs, "load_s": loaded - STARTED, "versions": {name: version(name) for name in names}}))


if __name__ == "__main__":
    main()
