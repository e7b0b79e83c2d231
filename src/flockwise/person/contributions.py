"""The person stage as one function: stored pings in, bounded contributions out."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import types

from flockwise.base.schemas import CONTRIBUTIONS
from flockwise.person.bounding import bound_flows
from flockwise.person.cleaning import clean
from flockwise.person.columns import columns_of
from flockwise.person.jit import I64, I64_IN, kernel
from flockwise.person.ordering import is_ordered, ordered
from flockwise.person.presence import find_presence
from flockwise.person.rules import FLOWS, GRID, PRESENCE, Rules
from flockwise.person.stays import find_stays
from flockwise.person.trips import find_trips

__all__ = ["accumulate", "contributions", "empty_sums"]

Ints = npt.NDArray[np.int64]


class _Block(NamedTuple):
    key: Ints
    value: Ints


def contributions(pings: pa.Table | pa.RecordBatch, rules: Rules) -> pa.Table:
    """What the devices of a batch contribute together, in grid units: CONTRIBUTIONS, sorted by (block, key), each key once.

    Args:
        pings: STORED_PINGS of complete devices, in any order. A device's rows must not be spread over two calls.
        rules: public rules.

    Returns:
        Finest levels only; sums over the batch, no row belongs to a device.

    Raises:
        InternalError: another schema. No row can cause an error.

    Privacy: adding or removing one device changes the sums over all batches, as a vector over every block and level, by at most rules.bound in the
    weighted squared norm. The sums themselves are exact: only `release` may see them, and only to add noise.
    """
    blocks = _bounded(pings, rules)
    parts = [(number, *_summed(block)) for number, block in sorted(blocks.items())]
    number = [np.full(len(key), n, dtype=np.int16) for n, key, _ in parts]
    arrays = (
        np.concatenate(number or [np.empty(0, dtype=np.int16)]),
        np.concatenate([key for _, key, _ in parts] or [np.empty(0, dtype=np.int64)]),
        np.concatenate([value for _, _, value in parts] or [np.empty(0, dtype=np.int64)]),
    )
    return pa.Table.from_arrays([pa.array(a) for a in arrays], schema=CONTRIBUTIONS)


def empty_sums(rules: Rules) -> dict[int, Ints]:
    """Zeros in the shape of each block's public domain: presence (cells, slots), flows (cells, cells, slots)."""
    sums: dict[int, Ints] = {}
    if rules.presence is not None:
        sums[PRESENCE] = np.zeros(rules.presence.shape, dtype=np.int64)
    if rules.flows is not None:
        sums[FLOWS] = np.zeros(rules.flows.shape, dtype=np.int64)
    return sums


def accumulate(pings: pa.Table | pa.RecordBatch, rules: Rules, sums: dict[int, Ints], lock: AbstractContextManager[object]) -> None:
    """Adds to dense sums what `contributions` would return.

    Args:
        pings: as for `contributions`.
        rules: public rules.
        sums: arrays as `empty_sums` makes them, changed in place.
        lock: held while the sums are changed (a short time), so that threads can share them.
    """
    blocks = _bounded(pings, rules)
    with lock:
        for number, block in blocks.items():
            _scatter(sums[number].reshape(-1), block.key, block.value)


@kernel(types.void, I64, I64_IN, I64_IN)
def _scatter(sums: Ints, key: Ints, value: Ints) -> None:
    for i in range(len(key)):
        sums[key[i]] += value[i]


def _summed(block: _Block) -> tuple[Ints, Ints]:
    if not len(block.key):
        return block.key, block.value
    by_key = np.argsort(block.key, kind="stable")
    key = block.key[by_key]
    begins = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    return key[begins], np.add.reduceat(block.value[by_key], begins)


def _bounded(pings: pa.Table | pa.RecordBatch, rules: Rules) -> dict[int, _Block]:
    columns = columns_of(pings)
    if not is_ordered(columns):
        columns = ordered(columns)
    kept = clean(columns, rules)
    blocks: dict[int, _Block] = {}
    present = np.zeros(len(kept.first) - 1, dtype=np.int64)
    if rules.presence is not None:
        presence = find_presence(kept, rules, rules.presence)
        present = presence.occupied
        blocks[PRESENCE] = _Block(presence.key, np.full(len(presence.key), GRID, dtype=np.int64))
    if rules.flows is not None:
        flows = bound_flows(find_trips(find_stays(kept, rules), rules.flows), present, rules, rules.flows)
        blocks[FLOWS] = _Block(flows.key, flows.value)
    return blocks
