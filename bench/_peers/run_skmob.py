"""Runs in scikit-mobility's own environment: stay detection over one sample of pings, timed, one JSON object on stdout.

python run_skmob.py SAMPLE.npz --radius-m 200 --least-min 20 [--gap-min 15]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from importlib.metadata import version

STARTED = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sample")
    parser.add_argument("--radius-m", type=float, default=200)
    parser.add_argument("--least-min", type=float, default=20)
    parser.add_argument("--gap-min", type=float, default=1e12, help="the library's default is endless")
    a = parser.parse_args()
    warnings.simplefilter("ignore")

    import numpy as np
    import pandas as pd
    from skmob import TrajDataFrame
    from skmob.preprocessing import detection

    imported = time.perf_counter()
    with np.load(a.sample) as sample:
        # Its clock is naive: the times are UTC and stay so.
        times = pd.to_datetime(sample["t_us"], unit="us")
        frame = pd.DataFrame({"uid": sample["device"], "datetime": times, "lat": sample["lat"], "lng": sample["lon"]})
    frame = frame.sort_values(["uid", "datetime"], kind="stable").reset_index(drop=True)
    trajectories = TrajDataFrame(frame)
    loaded = time.perf_counter()
    stays = detection.stay_locations(
        trajectories, minutes_for_a_stop=a.least_min, spatial_radius_km=a.radius_m / 1000, leaving_time=True, no_data_for_minutes=a.gap_min
    )
    done = time.perf_counter()
    print(
        json.dumps(
            {
                "pings": len(frame),
                "stays": len(stays),
                "import_s": imported - STARTED,
                "load_s": loaded - imported,
                "stays_s": done - loaded,
                "versions": {name: version(name) for name in ("scikit-mobility", "geopandas", "pandas", "shapely", "numpy")},
            }
        )
    )


if __name__ == "__main__":
    main()
