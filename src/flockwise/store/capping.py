"""The most pings that the store keeps of one device and ingest: the first in total order, so that it is a function of that device's rows alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit

__all__ = ["GREATEST_PINGS", "Full", "capped", "full_of", "within"]

Ints = npt.NDArray[np.int64]

GREATEST_PINGS = 1 << 20
"""The store keeps the first this many pings of one device and ingest, in total order."""


class Full(NamedTuple):
    """Devices of which so many rows have been seen that a later one can't be kept: both halves of each one's pseudonym, and the time of its last kept row."""

    high: Ints
    low: Ints
    t_us: Ints


def capped(table: pa.Table) -> pa.Table:
    """Rows in PING_ORDER without those beyond the cap of their device."""
    if table.num_rows <= GREATEST_PINGS:
        return table
    keep = np.ones(table.num_rows, np.bool_)
    _cap_rows(table["device_hi"].to_numpy(), table["device_lo"].to_numpy(), GREATEST_PINGS, keep)
    return table if keep.all() else table.filter(pa.array(keep))


def full_of(kept: pa.Table | None) -> Full:
    """The devices that fill their cap, of rows in PING_ORDER that are within it."""
    if kept is None or kept.num_rows < GREATEST_PINGS:
        return Full(*(np.empty(0, np.int64) for _ in range(3)))
    high, low, t_us = (kept[name].to_numpy() for name in ("device_hi", "device_lo", "t_us"))
    n = GREATEST_PINGS - 1
    last = n + np.flatnonzero((high[n:] == high[: len(high) - n]) & (low[n:] == low[: len(low) - n]))
    return Full(high[last], low[last], t_us[last])


def within(table: pa.Table, full: Full) -> pa.Table:
    """Rows in any order without those that come after all kept rows of their device. What is left of a flood is what could still be kept."""
    for high, low, t_us in zip(*(part.tolist() for part in full), strict=True):
        own = pc.and_(pc.equal(table["device_hi"], high), pc.equal(table["device_lo"], low))
        table = table.filter(pc.invert(pc.and_(own, pc.greater(table["t_us"], t_us))))
    return table


@njit(nogil=True, cache=True)
def _cap_rows(high: Ints, low: Ints, most: int, keep: npt.NDArray[np.bool_]) -> None:
    run = 0
    for i in range(len(high)):
        run = run + 1 if i and high[i] == high[i - 1] and low[i] == low[i - 1] else 1
        keep[i] = run <= most
