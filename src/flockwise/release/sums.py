"""Exact sums of every block from those of the finest levels. They never leave the process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from flockwise import person
from flockwise.base.h3bits import parent
from flockwise.errors import InternalError
from flockwise.release.plan import Block, Plan

__all__ = ["Exact", "all_levels"]

Ints: TypeAlias = npt.NDArray[np.int64]
Exact: TypeAlias = dict[str, Ints | person.SparseSum]
"""By block name: an array in the block's shape, or a sparse sum over its flattened keys."""

_OWN = {"presence": person.PRESENCE, "flows": person.FLOWS, "total_departures": person.DEPARTURES, "total_arrivals": person.ARRIVALS}
_AXIS = {"departures": 2, "arrivals": 1}


def all_levels(plan: Plan, finest: Mapping[int, Ints | person.SparseSum]) -> Exact:
    """The sums of every block by name: coarser levels and the margins of flows are integer sums of the finest.

    Args:
        plan: the plan.
        finest: sums of the finest levels, as the person stage numbers and shapes them.

    Privacy:
        Exact sums: only `release` may hold them, between the person stage and the noise.
    """
    out: Exact = {}
    pairs: dict[int, Ints | person.SparseSum] = {}
    for block in plan.blocks:
        if block.kind in _OWN:
            # Totals may be measured at coarse levels only; their finest sums are those of the finest level of flows.
            base = plan.of("presence" if block.kind == "presence" else "flows")[0]
            found = _lifted(finest[_OWN[block.kind]], base, block)
            if block.kind == "flows":
                pairs[block.level] = found
        else:
            found = _margin(pairs[block.level], _AXIS[block.kind], block)
        out[block.name] = found
    return out


def _lifted(base: Ints | person.SparseSum, finest: Block, block: Block) -> Ints | person.SparseSum:
    if block.level == finest.level:
        return base
    index = block.region.index_of(parent(finest.region.cells, block.level))
    if isinstance(base, person.SparseSum):
        _, cells, _, slots = finest.shape
        pair, slot = base.key // slots, base.key % slots
        rest, destination = pair // cells, pair % cells
        band, origin = rest // cells, rest % cells
        size = len(block.region)
        key = ((band * size + index[origin]) * size + index[destination]) * slots + slot
        return _added(key, base.value, block)
    # Flows and totals have a leading axis of bands.
    for axis in {"presence": (0,), "flows": (1, 2)}.get(block.kind, (1,)):
        base = _gather(base, index, len(block.region), axis)
    return base


def _margin(pairs: Ints | person.SparseSum, axis: int, block: Block) -> Ints:
    if not isinstance(pairs, person.SparseSum):
        return np.ascontiguousarray(pairs.sum(axis=axis))
    _, cells, slots = block.shape
    pair, slot = pairs.key // slots, pairs.key % slots
    rest, destination = pair // cells, pair % cells
    band, origin = rest // cells, rest % cells
    end = origin if axis == _AXIS["departures"] else destination
    found = _added((band * cells + end) * slots + slot, pairs.value, block)
    if isinstance(found, person.SparseSum):
        raise InternalError("RELEASE_BAD_MARGIN", what="Margins are always dense.", state="Nothing was drawn.")
    return found


def _added(key: Ints, value: Ints, block: Block) -> Ints | person.SparseSum:
    if block.sparse:
        total = person.SparseSum()
        total.add(key, value)
        return total
    out = np.zeros(block.size, dtype=np.int64)
    np.add.at(out, key, value)
    return out.reshape(block.shape)


def _gather(values: Ints, index: Ints, size: int, axis: int) -> Ints:
    moved = np.moveaxis(values, axis, 0)
    out = np.zeros((size, *moved.shape[1:]), dtype=np.int64)
    np.add.at(out, index, moved)
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))
