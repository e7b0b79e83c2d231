"""Runs in trackintel's own environment: stay detection over one sample of pings, timed, one JSON object on stdout.

python run_trackintel.py SAMPLE.npz --radius-m 100 --least-min 5 --gap-min 15 --jobs 2
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
    parser.add_argument("--radius-m", type=float, default=100)
    parser.add_argument("--least-min", type=float, default=5)
    parser.add_argument("--gap-min", type=float, default=15)
    parser.add_argument("--jobs", type=int, default=1)
    a = parser.parse_args()
    warnings.simplefilter("ignore")

    import geopandas as gpd
    import numpy as np
    import pandas as pd
    from trackintel import Positionfixes

    imported = time.perf_counter()
    with np.load(a.sample) as sample:
        # Two steps to the time: pandas reads a whole number of microseconds as UTC without loss.
        times = pd.to_datetime(sample["t_us"], unit="us", utc=True)
        points = gpd.points_from_xy(sample["lon"], sample["lat"])
        frame = gpd.GeoDataFrame({"user_id": sample["device"], "tracked_at": times}, geometry=points, crs="EPSG:4326")
    # The library reads pings in the order of the frame, so ordering is part of the work, as it is for everyone else here.
    frame = frame.sort_values(["user_id", "tracked_at"], kind="stable").reset_index(drop=True)
    frame.index.name = "id"
    positionfixes = Positionfixes(frame)
    settings = {"method": "sliding", "dist_threshold": a.radius_m, "time_threshold": a.least_min, "gap_threshold": a.gap_min}
    settings |= {"include_last": True, "n_jobs": a.jobs}
    # Its worker processes stay for the next call: what it takes to start them and to import there is not counted.
    Positionfixes(frame.head(2_000)).generate_staypoints(**settings)
    loaded = time.perf_counter()
    _, staypoints = positionfixes.generate_staypoints(**settings)
    done = time.perf_counter()
    print(
        json.dumps(
            {
                "pings": len(frame),
                "stays": len(staypoints),
                "import_s": imported - STARTED,
                "load_s": loaded - imported,
                "stays_s": done - loaded,
                "versions": {name: version(name) for name in ("trackintel", "geopandas", "pandas", "shapely", "numpy")},
            }
        )
    )


if __name__ == "__main__":
    main()
