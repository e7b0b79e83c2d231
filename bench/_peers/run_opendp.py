"""Runs in OpenDP's own environment: counts of trips by pair of cells under zCDP, one JSON object on stdout and the printed rows in a file.

python run_opendp.py TRIPS.npz ROWS.npz --bounds 8,4 10,6 --runs 5 [--public --threshold 4.03]

A bound L0,LINF lets a person add to at most L0 pairs and LINF trips to each. Trips beyond it are dropped here, at random, and the bound is declared to the
library: of its own two ways to choose L0 pairs at random one asks its data frame for two columns of one name and fails, and the others keep one pair less
and the same ones for everybody. Without --public the library prints pairs above a threshold that a part of delta pays for; with it every pair of the
domain is a public key, and what lies under the threshold that the caller names (in standard deviations) is not printed.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
import warnings
from importlib.metadata import version
from pathlib import Path

STARTED = time.perf_counter()
KEYS_DELTA = 0.1  # of delta, for the threshold; the rest converts rho to epsilon


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trips")
    parser.add_argument("rows")
    parser.add_argument("--bounds", nargs="+", required=True)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--delta", type=float, default=1e-6)
    parser.add_argument("--public", action="store_true")
    parser.add_argument("--threshold", type=float, default=0.0, help="in standard deviations of the noise, with --public")
    a = parser.parse_args()
    warnings.simplefilter("ignore")

    import numpy as np
    import opendp.prelude as dp
    import polars as pl

    dp.enable_features("contrib")

    def rho_for(delta: float) -> float:
        """The largest rho that converts to epsilon at delta, by bisection on the scale of a unit Gaussian."""

        def epsilon(scale: float) -> float:
            unit = dp.m.make_gaussian(dp.atom_domain(T="i64"), dp.absolute_distance(T="f64"), scale=scale)
            return dp.c.make_zCDP_to_approxDP(unit).map(1.0).epsilon(delta)

        low, high = 0.1, 1000.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if epsilon(middle) <= a.epsilon else (middle, high)
        return 0.5 / high**2

    with np.load(a.trips) as given:
        trips, cells = pl.DataFrame({"person": given["person"], "pair": given["pair"]}), int(given["cells"])
    runs, rows = [], {}
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys.parquet"
        pl.DataFrame({"pair": np.arange(cells**2)}).write_parquet(keys)
        loaded = time.perf_counter()
        for bounds in a.bounds:
            l0, linf = map(int, bounds.split(","))
            for run in range(a.runs):
                began = time.perf_counter()
                pairs = trips.group_by("person", "pair").agg(pl.len()).sample(fraction=1.0, shuffle=True)
                pairs = pairs.filter(pl.int_range(pl.len()).over("person") < l0).with_columns(pl.col("len").clip(upper_bound=linf))
                kept = pairs.select(pl.col("pair").repeat_by("len").explode()).lazy()
                rho = rho_for(a.delta if a.public else (1 - KEYS_DELTA) * a.delta)
                context = dp.Context.compositor(
                    data=kept,
                    privacy_unit=dp.unit_of(contributions=[dp.polars.Bound(by=["pair"], per_group=linf, num_groups=l0)]),
                    privacy_loss=dp.loss_of(rho=rho) if a.public else dp.loss_of(rho=rho, delta=KEYS_DELTA * a.delta),
                    split_evenly_over=1,
                )
                query = context.query().group_by("pair").agg(dp.len(signed=True))
                if a.public:
                    query = query.with_keys(pl.scan_parquet(keys))
                found = query.release().collect()
                sigma = linf * math.sqrt(l0 / (2 * rho))
                if a.public:
                    found = found.filter(pl.col("len") >= a.threshold * sigma)
                seconds = time.perf_counter() - began
                number = len(runs)
                rows[f"pair_{number}"] = found["pair"].to_numpy().astype(np.int64)
                rows[f"value_{number}"] = found["len"].to_numpy().astype(np.float64)
                runs.append({"bounds": bounds, "run": run, "seconds": seconds, "sigma": sigma})
    np.savez(a.rows, **rows)
    print(json.dumps({"runs": runs, "load_s": loaded - STARTED, "versions": {name: version(name) for name in ("opendp", "polars", "numpy")}}))


if __name__ == "__main__":
    main()
