"""The person stage as one function: stored pings in, bounded contributions out."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from flockwise.base.schemas import CONTRIBUTIONS
from flockwise.person.bounding import Counted, bound_flows, bound_totals, counted, norm_bins
from flockwise.person.cleaning import clean
from flockwise.person.columns import columns_of
from flockwise.person.ordering import is_ordered, ordered
from flockwise.person.presence import find_presence
from flockwise.person.rules import ARRIVALS, DEPARTURES, FLOWS, GRID, NORMS, PRESENCE, Rules
from flockwise.person.stays import find_stays
from flockwise.person.trips import find_trips
from flockwise.person.weighting import device_units

__all__ = ["Block", "Sighting", "blocks_of", "bounded", "contributions", "sight"]

Ints = npt.NDArray[np.int64]


class Sighting(NamedTuple):
    """What the devices of a batch were seen doing, before anything is bounded: in memory only, between two passes of one release.

    Attributes:
        present: how many slots of presence each device has.
        trips: how often each made each trip; None without flows.
    """

    present: Ints
    trips: Counted | None

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        return self.present.nbytes + (0 if self.trips is None else sum(array.nbytes for array in self.trips))


class Block(NamedTuple):
    """Contributions to one block: keys, not distinct, and grid units. No row belongs to a device."""

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
    blocks = blocks_of(pings, rules)
    parts = [(number, *_summed(block)) for number, block in sorted(blocks.items())]
    number = [np.full(len(key), n, dtype=np.int16) for n, key, _ in parts]
    arrays = (
        np.concatenate(number or [np.empty(0, dtype=np.int16)]),
        np.concatenate([key for _, key, _ in parts] or [np.empty(0, dtype=np.int64)]),
        np.concatenate([value for _, _, value in parts] or [np.empty(0, dtype=np.int64)]),
    )
    return pa.Table.from_arrays([pa.array(a) for a in arrays], schema=CONTRIBUTIONS)


def _summed(block: Block) -> tuple[Ints, Ints]:
    if not len(block.key):
        return block.key, block.value
    by_key = np.argsort(block.key, kind="stable")
    key = block.key[by_key]
    begins = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    return key[begins], np.add.reduceat(block.value[by_key], begins)


def blocks_of(pings: pa.Table | pa.RecordBatch, rules: Rules) -> dict[int, Block]:
    """The bounded contributions of the devices of a batch, block by block, not yet added up.

    With edges of norms in the rules that histogram is the only block.
    """
    if rules.flows is not None and rules.flows.norm_edges:
        rules = replace(rules, presence=None)  # it would not be used
    sighting, blocks = sight(pings, rules)
    if sighting.trips is None:
        return blocks
    return blocks | bounded(sighting, rules)


def sight(pings: pa.Table | pa.RecordBatch, rules: Rules) -> tuple[Sighting, dict[int, Block]]:
    """Reads a batch once: what its devices were seen doing, and their presence, which is never shrunk.

    Neither depends on weights, bounds or edges of the rules, so that a second pass with a bound that was chosen since needs the sighting alone
    (`Rules.sees_like` says whether two rules agree so far).
    """
    columns = columns_of(pings)
    if not is_ordered(columns):
        columns = ordered(columns)
    kept = clean(columns, rules)
    units = device_units(kept, rules, rules.weights)
    blocks: dict[int, Block] = {}
    present = np.zeros(len(kept.first) - 1, dtype=np.int64)
    if rules.presence is not None:
        presence = find_presence(kept, rules, rules.presence)
        present = presence.occupied
        blocks[PRESENCE] = Block(presence.key, np.repeat(units, present))
    trips = None if rules.flows is None else counted(find_trips(find_stays(kept, rules), rules.flows), units)
    return Sighting(present, trips), blocks


def bounded(sighting: Sighting, rules: Rules) -> dict[int, Block]:
    """Everything but presence that the devices of a sighting contribute under the rules: flows and totals, or the histogram of norms."""
    table, trips = rules.flows, sighting.trips
    if table is None or trips is None:
        return {}
    if table.norm_edges:
        bins = norm_bins(trips, table)
        return {NORMS: Block(bins, np.full(len(bins), GRID, dtype=np.int64))}
    flows = bound_flows(trips, sighting.present, rules, table)
    blocks = {FLOWS: Block(flows.key, flows.value)}
    if table.totals is not None:
        for number, ends in zip((DEPARTURES, ARRIVALS), bound_totals(trips, table), strict=True):
            blocks[number] = Block(ends.key, ends.value)
    return blocks
