"""Runs in PipelineDP's own environment: counts of trips by pair of cells, Gaussian noise, one JSON object on stdout and the printed rows in a file.

python run_pipelinedp.py TRIPS.npz ROWS.npz --bounds 8,1 16,2 --runs 5 --accounting pld [--public]

A bound L0,LINF lets a person add to at most L0 pairs and LINF trips to each. Without --public the library chooses the pairs that it prints; with it every
pair of the domain is given to it as public, and what lies under the threshold that the caller names (in standard deviations) is not printed.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from importlib.metadata import version

STARTED = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trips")
    parser.add_argument("rows")
    parser.add_argument("--bounds", nargs="+", required=True)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--delta", type=float, default=1e-6)
    parser.add_argument("--accounting", choices=("naive", "pld"), default="naive")
    parser.add_argument("--public", action="store_true")
    parser.add_argument("--threshold", type=float, default=0.0, help="in standard deviations of the noise, with --public")
    a = parser.parse_args()

    import numpy as np
    import pipeline_dp as pdp
    from pipeline_dp import partition_selection

    with np.load(a.trips) as given:
        trips = list(zip(given["person"].tolist(), given["pair"].tolist(), strict=True))
        domain = range(int(given["cells"]) ** 2)
    # With its PLD account the library seeks the same threshold anew for every pair, for minutes: asked once, it answers the same.
    partition_selection.create_gaussian_thresholding = functools.cache(partition_selection.create_gaussian_thresholding)
    accountant = {"naive": pdp.NaiveBudgetAccountant, "pld": pdp.PLDBudgetAccountant}[a.accounting]
    loaded = time.perf_counter()
    runs, rows = [], {}
    for bounds in a.bounds:
        l0, linf = map(int, bounds.split(","))
        for run in range(a.runs):
            began = time.perf_counter()
            budget = accountant(total_epsilon=a.epsilon, total_delta=a.delta)
            params = pdp.AggregateParams(
                metrics=[pdp.Metrics.COUNT],
                noise_kind=pdp.NoiseKind.GAUSSIAN,
                max_partitions_contributed=l0,
                max_contributions_per_partition=linf,
                partition_selection_strategy=pdp.PartitionSelectionStrategy.GAUSSIAN_THRESHOLDING,
                output_noise_stddev=True,
            )
            extract = pdp.DataExtractors(privacy_id_extractor=lambda t: t[0], partition_extractor=lambda t: t[1], value_extractor=lambda t: 0)
            result = pdp.DPEngine(budget, pdp.LocalBackend()).aggregate(trips, params, extract, public_partitions=domain if a.public else None)
            budget.compute_budgets()
            found = [(pair, metrics.count, metrics.count_noise_stddev) for pair, metrics in result]
            sigma = found[0][2] if found else float("nan")
            least = a.threshold * sigma if a.public else float("-inf")
            kept = [(pair, count) for pair, count, _ in found if count >= least]
            seconds = time.perf_counter() - began
            number = len(runs)
            rows[f"pair_{number}"] = np.array([pair for pair, _ in kept], dtype=np.int64)
            rows[f"value_{number}"] = np.array([count for _, count in kept], dtype=np.float64)
            runs.append({"bounds": bounds, "run": run, "seconds": seconds, "sigma": sigma})
    np.savez(a.rows, **rows)
    names = ("pipeline-dp", "python-dp", "numpy")
    print(json.dumps({"runs": runs, "load_s": loaded - STARTED, "versions": {name: version(name) for name in names}}))


if __name__ == "__main__":
    main()
