"""The exact figures of a store, group by group. They never leave the process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise.engines import PingSource
from flockwise.person.riskgroups import of_groups
from flockwise.person.riskpoints import GROUP_UNITS, RiskFigures, risk_figures
from flockwise.risk.plan import SMALL_SETS, UNITS, RiskPlan

__all__ = ["exact_figures"]

Ints = npt.NDArray[np.int64]
Progress = Callable[[str, int, int], None]

BUCKETS_PER_PORTION = 16


def exact_figures(source: PingSource, plan: RiskPlan, threads: int, progress: Progress | None = None) -> dict[str, Ints]:
    """The figures of every block, in grid units.

    Memory: for each thread the pings of a portion of the groups, about as many as lie in 16 buckets; and 8 bytes a device for each size and resolution of
    sets of places. Each portion reads every bucket once: buckets say nothing of a device's group.

    Args:
        source: buckets of complete devices, dealt in any way.
        plan: the plan.
        threads: how many buckets are in memory at a time.
        progress: told ("person", done, total).

    Returns:
        int64 arrays by block name, each of its block's size.

    Privacy: exact, for the noise alone. One device moves them by at most each block's norm (docs/claims/disclosure-risk.md).
    """
    rules, buckets = plan.rules(), source.buckets()
    # A group is named by leading bits of its devices' pseudonyms, and has to be whole: a portion is all devices that share fewer of them.
    leading = min(min(plan.bits), (max(1, len(buckets) // BUCKETS_PER_PORTION)).bit_length() - 1)
    portions = 1 << leading

    def part(bucket: int, portion: int) -> pa.Table:
        return of_groups(source.read(bucket), leading, portion)

    def work(portion: int) -> RiskFigures:
        return risk_figures(pa.concat_tables([part(bucket, portion) for bucket in buckets]), rules)

    found = []
    with ThreadPoolExecutor(max(1, threads), thread_name_prefix="flockwise-risk") as pool:
        pending = [pool.submit(work, portion) for portion in range(portions)]
        try:
            for done, future in enumerate(as_completed(pending), start=1):
                found.append(future.result())
                if progress is not None:
                    progress("person", done, portions)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return _joined(plan, found)


def _joined(plan: RiskPlan, found: list[RiskFigures]) -> dict[str, Ints]:
    singled_out = np.sum([f.singled_out for f in found], axis=0)
    out: dict[str, Ints] = {}
    for block in plan.of("singled_out"):
        units = singled_out[plan.bits.index(block.bits), plan.views.index(block.view)]
        # What is left of all groups, the empty ones too, is nobody singled out: the units of all groups together are public.
        out[block.name] = np.append(units, block.groups * GROUP_UNITS - units.sum()).astype(np.int64)
    for block in plan.of("place_sets"):
        sets = np.concatenate([f.place_sets[plan.places.index(block.view)][block.places - 1] for f in found])
        sizes = np.unique(sets, return_counts=True)[1]
        out[block.name] = (UNITS * np.bincount(np.minimum(sizes, SMALL_SETS + 1), minlength=SMALL_SETS + 2)[1:]).astype(np.int64)
    (points,) = plan.of("points")
    out[points.name] = (UNITS * np.sum([f.points for f in found], axis=0)).astype(np.int64)
    return out
