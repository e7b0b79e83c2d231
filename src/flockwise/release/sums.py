"""Exact sums of every level from those of the finest. They never leave the process."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flockwise.base.h3bits import parent
from flockwise.release.plan import Plan

__all__ = ["all_levels"]

Sums = npt.NDArray[np.int64]


def all_levels(plan: Plan, finest: dict[str, Sums]) -> dict[str, Sums]:
    """The sums of every block by name: coarser levels are integer sums of the finest.

    Args:
        plan: the plan.
        finest: int64 sums of each table's finest level by kind.

    Returns:
        int64 arrays by block name, each in its block's shape.

    Privacy:
        Exact sums: only `release` may hold them, between the person stage and the noise.
    """
    out: dict[str, Sums] = {}
    for kind, base in finest.items():
        blocks = plan.of(kind)
        axes = (0, 1) if kind == "flows" else (0,)
        for block in blocks:
            index = block.region.index_of(parent(blocks[0].region.cells, block.level))
            sums = base
            for axis in axes:
                sums = _gather(sums, index, len(block.region), axis)
            out[block.name] = sums
    return out


def _gather(values: Sums, index: Sums, size: int, axis: int) -> Sums:
    moved = np.moveaxis(values, axis, 0)
    out = np.zeros((size, *moved.shape[1:]), dtype=np.int64)
    np.add.at(out, index, moved)
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))
