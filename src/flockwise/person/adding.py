"""Exact sums of contributions over batches: dense where the public domain allows it, else the keys that occur."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import types

from flockwise.person.contributions import Block, blocks_of
from flockwise.person.jit import I64, I64_IN, kernel
from flockwise.person.rules import ARRIVALS, DEPARTURES, FLOWS, NORMS, PRESENCE, Rules

__all__ = ["SparseSum", "Sums", "accumulate", "add_blocks", "empty_sums"]

Ints = npt.NDArray[np.int64]

_PENDING = 1 << 23


class SparseSum:
    """The sum over a domain that is too large to be written out: sorted keys and values above 0.

    Which keys occur is as secret as the values: only the sparse draw may read them.
    """

    def __init__(self) -> None:
        self._key: list[Ints] = [np.empty(0, dtype=np.int64)]
        self._value: list[Ints] = [np.empty(0, dtype=np.int64)]
        self._pending = 0

    def add(self, key: Ints, value: Ints) -> None:
        """Adds contributions; keys need not be sorted or distinct."""
        self._key.append(key)
        self._value.append(value)
        self._pending += len(key)
        if self._pending > _PENDING:
            self._merge()

    @property
    def key(self) -> Ints:
        """The keys that occur, rising."""
        self._merge()
        return self._key[0]

    @property
    def value(self) -> Ints:
        """Their sums in grid units."""
        self._merge()
        return self._value[0]

    def _merge(self) -> None:
        if len(self._key) == 1:
            return
        key, value = np.concatenate(self._key), np.concatenate(self._value)
        by_key = np.argsort(key, kind="stable")
        key = key[by_key]
        begins = np.flatnonzero(np.r_[True, key[1:] != key[:-1]][: len(key)])
        self._key, self._value = [key[begins]], [np.add.reduceat(value[by_key], begins) if len(begins) else value]
        self._pending = 0


Sums: TypeAlias = dict[int, Ints | SparseSum]
"""By block: a dense array over its public domain, or a sparse sum."""


def empty_sums(rules: Rules) -> Sums:
    """Nothing yet, in the shape of each block's finest level.

    Presence (cells, slots), flows (bands, cells, cells, slots) or sparse, departures and arrivals (bands, cells, slots), norms (bins,).
    """
    sums: Sums = {}
    table = rules.flows
    if table is not None and table.norm_edges:
        return {NORMS: np.zeros(len(table.norm_edges) + 1, dtype=np.int64)}
    if rules.presence is not None:
        sums[PRESENCE] = np.zeros(rules.presence.shape, dtype=np.int64)
    if table is not None:
        sums[FLOWS] = SparseSum() if table.sparse else np.zeros(table.shape, dtype=np.int64)
        if table.totals is not None:
            for block in (DEPARTURES, ARRIVALS):
                sums[block] = np.zeros(table.margin_shape, dtype=np.int64)
    return sums


def accumulate(pings: pa.Table | pa.RecordBatch, rules: Rules, sums: Mapping[int, Ints | SparseSum], lock: AbstractContextManager[object]) -> None:
    """Adds to sums what `contributions` would return.

    Args:
        pings: as for `contributions`.
        rules: public rules.
        sums: as `empty_sums` makes them, changed in place.
        lock: held while the sums are changed (a short time), so that threads can share them.
    """
    add_blocks(blocks_of(pings, rules), sums, lock)


def add_blocks(blocks: Mapping[int, Block], sums: Mapping[int, Ints | SparseSum], lock: AbstractContextManager[object]) -> None:
    """Adds blocks of contributions to the sums of the same numbers."""
    with lock:
        for number, block in blocks.items():
            total = sums[number]
            if isinstance(total, SparseSum):
                total.add(block.key, block.value)
            else:
                _scatter(total.reshape(-1), block.key, block.value)


@kernel(types.void, I64, I64_IN, I64_IN)
def _scatter(sums: Ints, key: Ints, value: Ints) -> None:
    for i in range(len(key)):
        sums[key[i]] += value[i]
